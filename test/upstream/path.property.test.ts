import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { CallError } from "../../src/base/errors.ts";
import type { JsonValue } from "../../src/base/json.ts";
import type { ParameterEncoding, Style } from "../../src/openapi/operation/operation.ts";
import type { WireParameter } from "../../src/tools/tool.ts";
import { compilePath } from "../../src/upstream/request/path.ts";
import { createUpstreams } from "../../src/upstream/send.ts";
import { startApi } from "../world/api.ts";
import { findEscape } from "./path-reading.ts";

const origin = "http://api.test";
const basePaths = ["", "/v1", "/internal/api.v2", "/a%20b"];
const templates = [
  "/orders/{a}",
  "/orders/{a}/items/{b}",
  "/orders/{a}{b}",
  "/orders/.{a}",
  "/orders/{a}.",
  "/files/v{a}.{b}/raw",
  "/{a}/{b}",
];
const styles: readonly Style[] = ["simple", "label", "matrix"];
const encodings: readonly ParameterEncoding[] = [
  ...styles.flatMap((style) =>
    [true, false].flatMap((explode) =>
      [true, false].map(
        (allowReserved) =>
          ({ kind: "style", style, explode, allowReserved, itemStyles: [] }) as const,
      ),
    ),
  ),
  { kind: "content", mediaType: "application/json", fields: new Map() },
];

interface Way {
  /** Base path and the literal start of the template. */
  readonly prefix: string;
  readonly build: (values: readonly (JsonValue | undefined)[]) => string;
}

const ways: readonly Way[] = basePaths.flatMap((basePath) =>
  templates.flatMap((template) =>
    encodings.map((encoding): Way => {
      const slots = ["a", "b"].map((name) => ({
        argument: name,
        parameter: inPath(name, encoding),
      }));
      const start = basePath + template.slice(0, template.indexOf("{"));
      // A dot that starts a segment belongs to the segment that the value ends.
      const prefix = start.replace(/\.$/, "");
      return { prefix, build: compilePath(basePath, template, slots) };
    }),
  ),
);

function inPath(name: string, encoding: ParameterEncoding): WireParameter {
  return { name, in: "path", encoding, type: undefined, default: undefined };
}

/** What path traversal is made of, in every disguise we know of. */
const bricks = [
  ". .. / \\ ; % ? # @ : ~ a 0 2e 2f 5c * ' ( // http://evil.test ..; .%2e %2e. é 😀",
  "%2e %2E %2f %5c %3b %252e %252f %25252e %25 %09 %0a %00 %20 %7f %80 %c0%ae %ff %u002e",
  "\uff0e \u2024 \u2215 \t \n \0 \ud800",
].flatMap((line) => [" ", ...line.split(" ")]);
const text = fc.oneof(
  { weight: 6, arbitrary: fc.array(fc.constantFrom(...bricks), { maxLength: 8 }) },
  { weight: 1, arbitrary: fc.array(fc.string({ unit: "binary" }), { maxLength: 2 }) },
);
const scalar: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 8, arbitrary: text.map((pieces) => pieces.join("")) },
  { weight: 1, arbitrary: fc.oneof(fc.double(), fc.boolean(), fc.constant(null)) },
);
const value: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  {
    weight: 1,
    arbitrary: fc.dictionary(
      text.map((pieces) => pieces.join("")),
      scalar,
      { maxKeys: 3 },
    ),
  },
);
const cases = fc.tuple(fc.constantFrom(...ways), value, value);

/** undefined: refused, which is always right here; anything else thrown is a bug. */
function build({ build: path }: Way, values: readonly JsonValue[]): string | undefined {
  try {
    return path(values);
  } catch (error) {
    if (error instanceof CallError && error.code === "invalid_arguments") return undefined;
    throw error;
  }
}

test.each([
  "/v1/orders/..",
  "/v1/orders/../admin",
  "/v1/orders/%2e%2E/admin",
  "/v1/orders/a%2F..%2F..%2Fadmin",
  "/v1/orders/%252e%252e%252fadmin",
  "/v1/orders/%25252e%25252e",
  "/v1/orders/..%5Cadmin",
  "/v1/orders/..%3Bx/admin",
  "/v1/orders/..;x/admin",
  "/v1/orders/.%2509.",
  "/v1/orders/..%20",
  "/v1/orders/x?a",
  "/v1/orders/x#a",
  "/v2/orders/x",
  "//evil.test/v1/orders/x",
])("the reading sees that %s leaves its place", (path) => {
  expect(findEscape(path, { origin, prefix: "/v1/orders/" })).toBeDefined();
});

test("the reading finds nothing in harmless paths", () => {
  for (const path of ["/v1/orders/7", "/v1/orders/a%2Fb", "/v1/orders/..x", "/v1/orders/%25"]) {
    expect(findEscape(path, { origin, prefix: "/v1/orders/" })).toBeUndefined();
  }
});

// 120,000 cases: what the issue asks, and more.
test("S01, S02, S03: no value makes the path leave the base path", { timeout: 120_000 }, () => {
  let built = 0;
  fc.assert(
    fc.property(cases, ([way, a, b]) => {
      const path = build(way, [a, b]);
      if (path === undefined) return;
      built++;
      const escape = findEscape(path, { origin, prefix: way.prefix });
      if (escape !== undefined) throw new Error(`${path} is read as ${escape}`);
    }),
    { numRuns: 120_000 },
  );
  // Refusing everything would pass as well.
  expect(built).toBeGreaterThan(20_000);
});

test("what is built arrives byte for byte", { timeout: 60_000 }, async () => {
  const api = await startApi();
  const upstreams = createUpstreams();
  onTestFinished(async () => {
    await upstreams.close();
    api.close();
  });
  const send = upstreams.to(api.url, 2_000);
  await fc.assert(
    fc.asyncProperty(cases, async ([way, a, b]) => {
      const path = build(way, [a, b]);
      if (path === undefined) return;
      const request = { method: "GET", path, headers: [], body: undefined };
      const limits = { timeoutMs: 5_000, headersMs: 5_000, idleMs: 5_000, maxBytes: 1_000 };
      const { status } = await send(request, limits, { cancel: undefined });
      expect(status).toBe(200);
      expect(api.requests.at(-1)?.path).toBe(path);
    }),
    { numRuns: 2_000 },
  );
  expect(api.requests.length).toBeGreaterThan(300);
});
