import { createHash } from "node:crypto";
import { calculateJwkThumbprint, CompactSign, exportJWK, generateKeyPair } from "jose";
import { expect, test } from "vitest";
import { world } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

test("H13: over HTTP a proof names the configured URL and the method, and counts once", async () => {
  const at = await world({ spec, credential: "none", extra: { auth: "dpop: optional," } });
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const jwk = await exportJWK(publicKey);
  const token = await at.idp.token({ cnf: { jkt: await calculateJwkThumbprint(jwk) } });
  const claims = {
    htm: "POST",
    htu: at.url,
    iat: Math.floor(Date.now() / 1000),
    jti: "once",
    ath: createHash("sha256").update(token).digest("base64url"),
  };
  const dpop = await new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk })
    .sign(privateKey);
  const params = { name: "list_orders", arguments: {} };
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  const headers = { authorization: `DPoP ${token}`, dpop };
  expect((await at.post(call, headers)).status).toBe(200);
  expect(at.api.requests).toHaveLength(1);
  expect(at.api.requests[0]?.headers["dpop"]).toBeUndefined();
  const replayed = await at.post(call, headers);
  expect(replayed.status).toBe(401);
  expect(replayed.headers.get("www-authenticate")).toContain('DPoP error="invalid_dpop_proof"');
  expect(await replayed.json()).toMatchObject({ error: "invalid_dpop_proof" });
  const get = await fetch(at.url, { headers });
  expect(get.status).toBe(401);
  expect(at.api.requests).toHaveLength(1);
});
