import { expect, onTestFinished, test } from "vitest";
import { startIdp, type TestIdp } from "../world/idp.ts";
import { world, type World } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

interface Case {
  readonly what: string;
  readonly claims?: (at: World, other: TestIdp) => Readonly<Record<string, unknown>>;
  /** Who signs it; the default is the issuer of gateway.yaml. */
  readonly by?: "other";
  /** Of its header; the default is `at+jwt`. */
  readonly typ?: string;
  readonly reason: string;
}

const seconds = (): number => Math.floor(Date.now() / 1000);

test.each<Case>([
  { what: "that has expired", claims: () => ({ exp: seconds() - 60 }), reason: "expired" },
  {
    what: "for another audience",
    claims: () => ({ aud: "https://elsewhere.test/mcp" }),
    reason: "wrong_audience",
  },
  {
    what: "for the API behind the gateway",
    claims: () => ({ aud: "api" }),
    reason: "wrong_audience",
  },
  {
    what: "for this gateway's origin and not its endpoint",
    claims: ({ url }) => ({ aud: new URL(url).origin }),
    reason: "wrong_audience",
  },
  { what: "from another issuer", by: "other", reason: "unknown_issuer" },
  {
    what: "in the issuer's name by another's key",
    by: "other",
    claims: ({ idp }) => ({ iss: idp.url }),
    reason: "bad_signature",
  },
  {
    what: "that is an ID token",
    claims: ({ url }) => ({ aud: url, nonce: "n-0S6", at_hash: "x" }),
    typ: "JWT",
    reason: "not_an_access_token",
  },
])("a token $what is 401 with a challenge and one record, and nothing is sent", async (given) => {
  const at = await world({ spec });
  const other = await startIdp(at.url);
  onTestFinished(() => other.close());
  const issuer = given.by === "other" ? other : at.idp;
  const authorization = `Bearer ${await issuer.token(given.claims?.(at, other), given.typ)}`;
  const params = { name: "list_orders", arguments: {} };
  const response = await at.post(
    { jsonrpc: "2.0", id: 1, method: "tools/call", params },
    { authorization },
  );
  expect(response.status).toBe(401);
  const metadata = `${new URL(at.url).origin}/.well-known/oauth-protected-resource/mcp`;
  const challenge = response.headers.get("www-authenticate");
  expect(challenge).toMatch(/^Bearer .*error="invalid_token"/);
  expect(challenge).toContain(`resource_metadata="${metadata}"`);
  expect(at.api.requests).toEqual([]);
  expect(at.idp.tokenRequests).toEqual([]);
  expect(await at.audit()).toMatchObject([
    { event: "auth.deny", outcome: "denied", reason: given.reason },
  ]);
  const behind = JSON.stringify([at.logs, await at.audit(), await response.text()]);
  for (const part of authorization.split(".").slice(1)) expect(behind).not.toContain(part);
});
