import { expect, test } from "vitest";

import { scopeFor } from "../../src/upstream/credential/operation-scope.ts";

type Security = Parameters<typeof scopeFor>[1];

const needs = (...alternatives: Record<string, string[]>[]): Security =>
  alternatives.map((schemes) => new Map(Object.entries(schemes)));

const allowed = ["orders:read", "orders:write"];

test.each([
  {
    name: "what the operation needs",
    security: needs({ o: ["orders:read"] }),
    asks: ["orders:read"],
  },
  {
    name: "all of several",
    security: needs({ o: ["orders:write", "orders:read"] }),
    asks: ["orders:write", "orders:read"],
  },
  {
    name: "the union of schemes that hold together",
    security: needs({ a: ["orders:read"], b: ["orders:write"] }),
    asks: allowed,
  },
  {
    name: "the first alternative that is allowed as a whole",
    security: needs({ o: ["admin"] }, { o: ["orders:read", "admin"] }, { o: ["orders:write"] }),
    asks: ["orders:write"],
  },
  {
    name: "the allowed part, when none is",
    security: needs({ o: ["admin"] }, { o: ["orders:read", "admin"] }),
    asks: ["orders:read"],
  },
  { name: "all, when it names none", security: needs(), asks: allowed },
  { name: "all, when its schemes know no scopes", security: needs({ key: [] }, {}), asks: allowed },
  { name: "all, when it names others only", security: needs({ o: ["admin"] }), asks: allowed },
])("an operation asks for $name", ({ security, asks }) => {
  expect(scopeFor({ scope: allowed, scopeGranularity: "operation" }, security)).toEqual(asks);
});

test("never more than the credential allows, and all of it with granularity api", () => {
  const security = needs({ o: ["orders:read"] });
  expect(scopeFor({ scope: [], scopeGranularity: "operation" }, security)).toEqual([]);
  expect(scopeFor({ scope: allowed, scopeGranularity: "api" }, security)).toEqual(allowed);
});
