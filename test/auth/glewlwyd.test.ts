import { createHash, randomUUID } from "node:crypto";
import { decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { world, type World } from "../world/world.ts";
import { glewlwydAbsent, startGlewlwyd, type Glewlwyd } from "./glewlwyd.ts";

const resource = "https://mcp.acme.test/mcp";
const elsewhere = "https://elsewhere.test/mcp";
const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

const absent = glewlwydAbsent();

describe("glewlwyd's tokens as they come", () => {
  let idp: Glewlwyd;
  beforeAll(async () => {
    if (absent === undefined) idp = await startGlewlwyd([resource, elsewhere]);
  }, 60_000);
  beforeEach(({ skip }) => skip(absent !== undefined, absent));
  afterAll(() => idp?.stop());

  const gate = async (more = "", auth = ""): Promise<World> => {
    const { issuer, client } = idp;
    return world({
      spec,
      credential: "none",
      clients: `agent: {issuer: "${issuer}", id: ${client.id}, secret: "\${AGENT_SECRET}"}`,
      env: { AGENT_SECRET: client.secret },
      extra: { auth, issuers: `{issuer: "${issuer}", audience: "${resource}", ${more}}` },
    });
  };
  const present = async (
    at: World,
    token: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const params = { name: "list_orders", arguments: {} };
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
    const response = await at.post(body, { authorization: `Bearer ${token}`, ...headers });
    const { error_description: why } = (await response.json()) as { error_description?: string };
    return why === undefined ? String(response.status) : `${response.status} ${why}`;
  };

  test("an access token for the endpoint is accepted by its signature", async () => {
    const at = await gate();
    const { access_token: token } = await idp.logIn(resource);
    expect(decodeProtectedHeader(token)).toMatchObject({ typ: "at+jwt", alg: "ES256" });
    expect(await present(at, token)).toBe("200");
    expect(at.api.requests).toHaveLength(1);
    const [, payload = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as { sub: string };
    expect(await at.audit()).toMatchObject([
      { event: "tool.call", actor: { sub: claims.sub, iss: idp.issuer, client_id: "agent" } },
    ]);
  });

  test("its other tokens are refused", async () => {
    const at = await gate();
    const tokens = await idp.logIn(resource);
    expect(await present(at, tokens.id_token)).toBe("401 not an access token");
    expect(await present(at, (await idp.logIn(elsewhere)).access_token)).toBe("401 wrong audience");
    expect(await present(at, await idp.machineToken(resource))).toBe("401 machine token");
    expect(await present(at, `${tokens.access_token.slice(0, -4)}AAAA`)).toBe("401 bad signature");
    expect(at.api.requests).toEqual([]);
    expect(await idp.refusedLogin("https://nowhere.test/mcp")).toBe("invalid_target");
  });

  test("it is asked about a token, and refuses it once it is revoked", async () => {
    const at = await gate("tokens: introspect, introspection: {client: agent, cache: 1s}");
    const { access_token: token } = await idp.logIn(resource);
    expect(await present(at, token)).toBe("200");
    expect(await present(at, "opaque")).toBe("401 inactive token");
    await idp.revoke(token);
    await expect.poll(() => present(at, token), { timeout: 5_000 }).toBe("401 inactive token");
  });

  test("with every, a signed token that is revoked is noticed", async () => {
    const at = await gate("introspection: {client: agent, every: 1s}");
    const { access_token: token } = await idp.logIn(resource);
    expect(await present(at, token)).toBe("200");
    await idp.revoke(token);
    await expect.poll(() => present(at, token), { timeout: 5_000 }).toBe("401 inactive token");
  });

  test("a token that it bound to a key needs a proof by that key", async () => {
    const at = await gate("", "dpop: optional,");
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    const jwk = await exportJWK(publicKey);
    const prove = (htm: string, htu: string, more: object = {}): Promise<string> =>
      new SignJWT({ htm, htu, jti: randomUUID(), ...more })
        .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk })
        .setIssuedAt()
        .sign(privateKey);
    const { access_token: token } = await idp.logIn(resource, prove);
    const ath = createHash("sha256").update(token).digest("base64url");
    const dpop = await prove("POST", at.url, { ath });
    expect(await present(at, token)).toBe("401 sender constrained");
    expect(await present(at, token, { authorization: `DPoP ${token}`, dpop })).toBe("200");
    expect(await present(at, token, { authorization: `DPoP ${token}`, dpop })).toBe(
      "401 replayed proof",
    );
  });

  test("a session that ends there ends here, over its back channel", async () => {
    const at = await gate("backChannelLogout: {audience: agent}");
    const { access_token: token, id_token: idToken } = await idp.logIn(resource);
    expect(await present(at, token)).toBe("200");
    await idp.logOut(idToken, `${new URL(at.url).origin}/backchannel-logout`);
    await expect.poll(() => present(at, token), { timeout: 5_000 }).toBe("401 logged out");
  });
});
