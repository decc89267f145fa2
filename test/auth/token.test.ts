import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CompactEncrypt, exportSPKI, importJWK, type CryptoKey, type JWK } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import {
  bearer,
  createGate,
  createKey,
  goodClaims,
  issuerConfig,
  oauth,
  presenter,
  resource,
  sign,
  type Claims,
  endpoint,
  depsOf,
} from "./issuer.ts";

const encode = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

test("a good token gives a frozen principal", async () => {
  const { issuer, authenticate, world } = await createGate();
  const token = await issuer.sign({ scope: "mcp:tools  courses:read", groups: ["ops"] });
  const principal = await authenticate(bearer(token));
  expect(principal).toMatchObject({
    iss: issuer.url,
    sub: "alice",
    clientId: "cursor",
    expiresAt: world.ms + 300_000,
    claims: { groups: ["ops"] },
  });
  expect([...principal.scopes]).toEqual(["mcp:tools", "courses:read"]);
  expect(principal.token?.reveal()).toBe(token);
  expect(principal.tokenHash).toMatch(/^[\w-]{43}$/);
  expect(JSON.stringify(principal)).not.toContain(token.slice(-20));
  expect(Object.isFrozen(principal)).toBe(true);
  expect(Object.isFrozen(principal.claims)).toBe(true);
  expect(Object.isFrozen(principal.claims["groups"])).toBe(true);
});

test.each(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])(
  "%s tokens are accepted",
  async (alg) => {
    const { issuer, present } = await createGate();
    const key = await createKey("other", alg);
    issuer.jwks = { keys: [issuer.key.jwk, key.jwk] };
    expect(await present(await issuer.sign({}, {}, key))).toBe("ok");
  },
);

test.each(["none", "nOnE", "NONE"])("T01: alg %s is refused", async (alg) => {
  const { issuer, present, world } = await createGate();
  const parts = [encode({ alg, typ: "at+jwt" }), encode(goodClaims(issuer.url, world))];
  expect(await present(`${parts.join(".")}.`)).toBe("401 malformed_token");
  expect(await present(`${parts.join(".")}.${encode("x")}`)).toBe("401 unsupported_algorithm");
});

test("T02: a MAC made with the public key as secret is refused", async () => {
  const { issuer, present, world } = await createGate();
  const pem = await exportSPKI((await importJWK(issuer.key.jwk, "ES256")) as CryptoKey);
  const signed = `${encode({ alg: "HS256", kid: "k1", typ: "at+jwt" })}.${encode(goodClaims(issuer.url, world))}`;
  const mac = createHmac("sha256", pem).update(signed).digest("base64url");
  expect(await present(`${signed}.${mac}`)).toBe("401 unsupported_algorithm");
  expect(issuer.requests).toEqual([]);
});

test("T02: not even an allow-list with HS256 makes it acceptable", async () => {
  const { issuer, present, world } = await createGate({ algorithms: ["HS256", "ES256"] });
  const secret = Buffer.alloc(32, 1);
  issuer.jwks.keys = [issuer.key.jwk, { kty: "oct", k: secret.toString("base64url"), kid: "o" }];
  const signed = `${encode({ alg: "HS256", kid: "o", typ: "at+jwt" })}.${encode(goodClaims(issuer.url, world))}`;
  const mac = createHmac("sha256", secret).update(signed).digest("base64url");
  expect(await present(`${signed}.${mac}`)).toBe("401 unknown_key");
});

test("T03: another key under the same kid is refused", async () => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign({}, {}, await createKey("k1")))).toBe("401 bad_signature");
});

test("T05, T06: key hints in the header are ignored and never fetched", async () => {
  const { issuer, present } = await createGate();
  const attacker = await createKey("k1");
  const visits: string[] = [];
  const server = createServer((request, response) => {
    visits.push(request.url ?? "");
    response.end(JSON.stringify({ keys: [attacker.jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const hints: Claims = {
    jku: url,
    x5u: url,
    jwk: attacker.jwk,
    x5c: ["MIIB"],
    x5t: "abc",
    "x5t#S256": "abc",
  };
  expect(await present(await issuer.sign({}, hints))).toBe("ok");
  expect(await present(await issuer.sign({}, hints, attacker))).toBe("401 bad_signature");
  expect(visits).toEqual([]);
});

test.each([
  ["../../dev/null"],
  ["' OR 1=1 --"],
  ["k".repeat(5_000)],
  ["ключ\u0000\u202e"],
  ["__proto__"],
  [""],
])("T07: the kid %j is only compared", async (kid) => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign({}, { kid }))).toBe("401 unknown_key");
  expect(issuer.jwksRequests()).toBe(1);
});

test.each([[["k1"]], [1], [null], [{}]])(
  "T07: a kid that is no text is refused: %j",
  async (kid) => {
    const { issuer, present, world } = await createGate();
    const token = [
      encode({ alg: "ES256", kid, typ: "at+jwt" }),
      encode(goodClaims(issuer.url, world)),
    ];
    expect(await present(`${token.join(".")}.${encode("x")}`)).toBe("401 malformed_token");
  },
);

test("without kid a token is accepted only if exactly one key fits", async () => {
  const { issuer, present } = await createGate();
  const rsa = await createKey("rsa", "RS256");
  issuer.jwks.keys = [issuer.key.jwk, rsa.jwk];
  expect(await present(await issuer.sign({}, { kid: undefined }))).toBe("ok");
  const second = await createGate();
  second.issuer.jwks.keys = [second.issuer.key.jwk, (await createKey("k2")).jwk];
  expect(await second.present(await second.issuer.sign({}, { kid: undefined }))).toBe(
    "401 unknown_key",
  );
});

test.each([
  { crit: ["exp2"], exp2: 1 },
  { crit: ["b64"], b64: false },
  { crit: ["b64"], b64: true },
  { crit: [] },
  { b64: false },
])("T09: the header %j is refused", async (header) => {
  const { issuer, present, world } = await createGate();
  const full = { alg: "ES256", kid: "k1", typ: "at+jwt", ...header };
  const parts = [encode(full), encode(goodClaims(issuer.url, world)), encode("x".repeat(64))];
  expect(await present(parts.join("."))).toBe("401 malformed_token");
});

test("T10: damaged ES256 signatures are refused", async () => {
  const { issuer, present } = await createGate();
  const token = await issuer.sign();
  const dot = token.lastIndexOf(".");
  const raw = Buffer.from(token.slice(dot + 1), "base64url");
  const int = (bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from([2, bytes.length + 1, 0]), bytes]);
  const body = Buffer.concat([int(raw.subarray(0, 32)), int(raw.subarray(32))]);
  const forged = [
    Buffer.concat([Buffer.from([0x30, body.length]), body]),
    Buffer.alloc(64),
    raw.subarray(0, 63),
    Buffer.concat([raw, Buffer.from([0])]),
  ];
  for (const signature of forged)
    expect(await present(`${token.slice(0, dot)}.${signature.toString("base64url")}`)).toBe(
      "401 bad_signature",
    );
});

test("T11: any other spelling of a good token is refused", async () => {
  const { issuer, present } = await createGate();
  const token = await issuer.sign();
  const [header, payload, signature] = token.split(".") as [string, string, string];
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  // 64 bytes end in a character of which two bits count: its neighbour decodes to the same bytes.
  const last = alphabet.indexOf(signature.at(-1)!);
  const sloppy = `${signature.slice(0, -1)}${alphabet[last + 1]}`;
  expect(Buffer.from(sloppy, "base64url")).toEqual(Buffer.from(signature, "base64url"));
  const spellings = [
    `${token}.`,
    `${token}=`,
    `${token}==`,
    ` ${token}`,
    `${token} `,
    `${token}\n`,
    `.${token}`,
    `${header}.${payload}`,
    `${header}..${signature}`,
    `${header}.${payload}=.${signature}`,
    `${header}.${payload}.${sloppy}`,
    `${header}.${payload}.${signature.replace("_", "/").replace("-", "+")}+`,
    `${token}.${signature}`,
  ];
  for (const spelling of spellings)
    expect(await present(spelling), spelling.slice(-10)).toMatch(/^40[01] malformed/);
  expect(await present(token)).toBe("ok");
});

test("T11: a payload that is no UTF-8, no object or too deep is refused", async () => {
  const { issuer, present, world } = await createGate();
  const good = JSON.stringify(goodClaims(issuer.url, world));
  const deep = good.replace("{", `{"d":${"[".repeat(40)}${"]".repeat(40)},`);
  for (const payload of ["[]", "null", '"a"', "{", "", `\ufeff${good}`, deep])
    expect(await present(await sign(payload, {}, issuer.key))).toBe("401 malformed_token");
  const broken = Buffer.from(good.replace("alice", "al\u00ffce"), "latin1").toString("base64url");
  expect(await present(`${encode({ alg: "ES256", kid: "k1" })}.${broken}.${encode("x")}`)).toBe(
    "401 malformed_token",
  );
});

test("T13: oct and short RSA keys are ignored with a warning", async () => {
  const { issuer, present, world } = await createGate();
  const oct = { kty: "oct", k: "AAAA", kid: "o" };
  const short = {
    kty: "RSA",
    n: Buffer.alloc(128, 255).toString("base64url"),
    e: "AQAB",
    kid: "r",
  };
  issuer.jwks.keys = [oct, short, issuer.key.jwk, { kty: "RSA", use: "enc", kid: "e" }];
  expect(await present(await issuer.sign({}, { kid: "r" }))).toBe("401 unknown_key");
  expect(await present(await issuer.sign())).toBe("ok");
  world.ms += 30_000;
  expect(await present(await issuer.sign({}, { kid: "r" }))).toBe("401 unknown_key");
  expect(issuer.jwksRequests()).toBe(2);
  expect(world.lines.filter(({ event }) => event === "jwks_keys_ignored")).toEqual([
    {
      event: "jwks_keys_ignored",
      fields: { issuer: issuer.url, reasons: "unsupported key type, RSA with 1024 bits" },
    },
  ]);
});

test("keys for encryption, other operations, another algorithm or curve verify nothing", async () => {
  const { issuer, present } = await createGate();
  const { use: _use, ...open } = issuer.key.jwk;
  const { alg: _alg, ...wide } = (await createKey("k1", "ES384")).jwk;
  const variants: [JWK, string][] = [
    [{ ...open, use: "enc" }, "401 unknown_key"],
    [{ ...open, key_ops: ["sign"] }, "401 unknown_key"],
    [{ ...open, alg: "ES384" }, "401 unknown_key"],
    [wide, "401 unknown_key"],
    [{ ...open, key_ops: ["verify"] }, "ok"],
    [open, "ok"],
  ];
  for (const [jwk, expected] of variants) {
    const gate = await createGate();
    const spare = await createKey("spare", "RS256");
    gate.issuer.jwks.keys = [jwk, spare.jwk];
    expect(await gate.present(await gate.issuer.sign({}, {}, issuer.key))).toBe(expected);
  }
  expect(await present(await issuer.sign())).toBe("ok");
});

test("an RS256 token fails where only PS256 is allowed, though the key is the same", async () => {
  const { issuer, present } = await createGate({ algorithms: ["PS256"] });
  const rsa = await createKey("rsa", "RS256");
  const { alg: _alg, ...jwk } = rsa.jwk;
  issuer.jwks.keys = [jwk];
  expect(await present(await issuer.sign({}, {}, rsa))).toBe("401 unsupported_algorithm");
});

test.each([
  [{ typ: "JWT" }, "401 not_an_access_token"],
  [{ typ: undefined }, "401 not_an_access_token"],
  [{ typ: "at+jwt2" }, "401 not_an_access_token"],
  [{ typ: "AT+JWT" }, "ok"],
  [{ typ: "application/at+jwt" }, "ok"],
  [{ typ: "Application/AT+jwt" }, "ok"],
])("T14: where at+jwt is required, %j gives %s", async (header, expected) => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign({}, header))).toBe(expected);
});

test.each<[string, Claims, Claims]>([
  ["T15 ID token", { nonce: "n" }, {}],
  ["T15 ID token", { at_hash: "h" }, {}],
  ["T15 ID token", { c_hash: "h" }, {}],
  ["T15 ID token", { s_hash: "h" }, {}],
  ["T15 Cognito ID token", { token_use: "id" }, {}],
  ["T17 Keycloak ID token", { typ: "ID" }, {}],
  ["T17 Keycloak refresh token", { typ: "Refresh" }, {}],
  ["T17 Keycloak offline token", { typ: "Offline" }, {}],
  ["T17 Keycloak logout token", { typ: "Logout" }, {}],
  ["T18 ID-JAG", {}, { typ: "oauth-id-jag+jwt" }],
  ["T18 DPoP proof", {}, { typ: "dpop+jwt" }],
  ["T18 logout token", {}, { typ: "logout+jwt" }],
  ["T18 security event", {}, { typ: "application/SecEvent+JWT" }],
  ["T15 typed ID token", {}, { typ: "id_token+jwt" }],
])("%s is refused where any typ is allowed: %j with header %j", async (_, claims, header) => {
  const { issuer, present } = await createGate({ typ: "any" });
  expect(await present(await issuer.sign(claims, { typ: "JWT", ...header }))).toBe(
    "401 not_an_access_token",
  );
});

test.each<[Claims, Claims]>([
  [{}, { typ: undefined }],
  [{}, { typ: "JWT" }],
  [{ typ: "Bearer" }, { typ: "JWT" }],
  [{ token_use: "access" }, { typ: "JWT" }],
])("where any typ is allowed, %j with header %j is accepted", async (claims, header) => {
  const { issuer, present } = await createGate({ typ: "any" });
  expect(await present(await issuer.sign(claims, header))).toBe("ok");
});

test("T18: a client assertion is of an unknown issuer", async () => {
  const { issuer, present } = await createGate({ typ: "any" });
  expect(await present(await issuer.sign({ iss: "cursor", sub: "cursor" }))).toBe(
    "401 unknown_issuer",
  );
});

test("T19: an encrypted token is refused unread", async () => {
  const { issuer, present } = await createGate();
  const rsa = await createKey("rsa", "RSA-OAEP-256");
  const jwe = await new CompactEncrypt(new TextEncoder().encode("{}"))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM" })
    .encrypt(await importJWK(rsa.jwk, "RSA-OAEP-256"));
  expect(await present(jwe)).toBe("401 malformed_token");
  expect(issuer.requests).toEqual([]);
});

test.each([
  [[]],
  [""],
  [null],
  [{}],
  [[[resource]]],
  [undefined],
  [[resource, 1]],
  [`${resource}/`],
  [`${resource}/x`],
  ["https://mcp.acme.test"],
  [`${resource}?a`],
  [`${resource}#a`],
  [` ${resource}`],
  [resource.toUpperCase()],
  ["https://MCP.acme.test/mcp"],
  ["https://mcp.acme.test:443/mcp"],
  ["https://mcp.acme.test/%6dcp"],
  ["http://mcp.acme.test/mcp"],
])("T21, T23: the audience %j is wrong", async (aud) => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign({ aud }))).toBe("401 wrong_audience");
});

test("T22: further audiences are allowed", async () => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign({ aud: ["https://other.test", resource] }))).toBe("ok");
});

test("T22: an exclusive audience allows no further one", async () => {
  const { issuer, present } = await createGate({ exclusive: true });
  expect(await present(await issuer.sign({ aud: ["https://other.test", resource] }))).toBe(
    "401 shared_audience",
  );
  expect(await present(await issuer.sign({ aud: [resource] }))).toBe("ok");
});

test("a trailing slash is refused, and the log says so", async () => {
  const { issuer, authenticate, world } = await createGate();
  await expect(authenticate(bearer(await issuer.sign({ aud: `${resource}/` })))).rejects.toThrow(
    expect.objectContaining({
      cause: expect.objectContaining({ message: expect.stringContaining("trailing slash") }),
    }),
  );
  expect(world.lines).toContainEqual({
    event: "audience_hint",
    fields: { hint: expect.stringContaining("trailing slash") },
  });
});

test.each([
  ["https://mcp.acme.test", "ok"],
  ["https://mcp.acme.test/", "ok"],
  ["https://mcp.acme.test//", "401 wrong_audience"],
])("a resource without a path accepts aud %s: %s", async (aud, expected) => {
  const { issuer, present } = await createGate(
    {},
    { resource: "https://mcp.acme.test", audience: [] },
  );
  expect(await present(await issuer.sign({ aud }))).toBe(expected);
});

test("a configured audience replaces the resource", async () => {
  const { issuer, present } = await createGate({ audience: ["api://guid", "urn:x"] });
  expect(await present(await issuer.sign({ aud: "urn:x" }))).toBe("ok");
  expect(await present(await issuer.sign({ aud: resource }))).toBe("401 wrong_audience");
});

test("T25: a token for one endpoint is refused at another", async () => {
  const { issuer, keys, world, present } = await createGate();
  const other = createAuthenticate(
    oauth(issuerConfig(issuer.url)),
    { resource: "https://mcp.acme.test/mcp2", audience: [] },
    depsOf(keys, world),
    world,
  );
  const token = await issuer.sign();
  expect(await present(token)).toBe("ok");
  expect(await presenter(other)(token)).toBe("401 wrong_audience");
  expect(await present(token)).toBe("ok");
});

test("T27: an issuer is known byte for byte, and an unknown one is never asked", async () => {
  const { issuer, present } = await createGate();
  const variants = [
    `${issuer.url}/`,
    issuer.url.replace("http:", "HTTP:"),
    [issuer.url],
    undefined,
    null,
    "https://evil.test",
    "__proto__",
  ];
  for (const iss of variants)
    expect(await present(await issuer.sign({ iss }))).toBe("401 unknown_issuer");
  expect(issuer.requests).toEqual([]);
});

test("a key of one issuer never verifies the tokens of another", async () => {
  const one = await createGate();
  const two = await createGate();
  const config = oauth(issuerConfig(one.issuer.url), issuerConfig(two.issuer.url));
  const keys = createKeySets(
    config.issuers,
    { fetch: globalThis.fetch, store: noKeyStore },
    one.world,
  );
  const present = presenter(
    createAuthenticate(config, endpoint, depsOf(keys, one.world), one.world),
  );
  expect(await present(await one.issuer.sign())).toBe("ok");
  expect(await present(await two.issuer.sign())).toBe("ok");
  expect(await present(await two.issuer.sign({ iss: one.issuer.url }))).toBe("401 bad_signature");
});

const now = 1_800_000_000;

test.each<[Claims, string]>([
  [{ exp: now - 31, iat: now - 60 }, "401 expired"],
  [{ exp: now - 30, iat: now - 60 }, "401 expired"],
  [{ exp: now - 29, iat: now - 60 }, "ok"],
  [{ exp: -1, iat: undefined }, "401 expired"],
  [{ exp: String(now + 60) }, "401 invalid_expiry"],
  [{ exp: undefined }, "401 invalid_expiry"],
  [{ exp: null }, "401 invalid_expiry"],
  [{ exp: 1e20 }, "401 lifetime_too_long"],
  [{ exp: 1e20, iat: undefined }, "401 lifetime_too_long"],
  [{ exp: now + 86_400 }, "ok"],
  [{ exp: now + 86_401 }, "401 lifetime_too_long"],
  [{ iat: undefined }, "ok"],
  [{ iat: now + 30 }, "ok"],
  [{ iat: now + 31 }, "401 issued_in_future"],
  [{ iat: now + 3_600, exp: now + 3_700 }, "401 issued_in_future"],
  [{ iat: "x" }, "401 invalid_time"],
  [{ nbf: now + 30 }, "ok"],
  [{ nbf: now + 31 }, "401 not_yet_valid"],
  [{ nbf: "0" }, "401 invalid_time"],
  [{ nbf: null }, "401 invalid_time"],
])("T30, T31, T33: %j gives %s", async (claims, expected) => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign(claims))).toBe(expected);
});

test.each(["NaN", "1e400", "-1e400"])("T31: exp %s is refused", async (exp) => {
  const { issuer, present, world } = await createGate();
  const claims = JSON.stringify({ ...goodClaims(issuer.url, world), exp: 0 });
  const token = await sign(claims.replace('"exp":0', `"exp":${exp}`), {}, issuer.key);
  expect(await present(token)).toMatch(/^401 (malformed_token|invalid_expiry)$/);
});

test("the skew is the issuer's", async () => {
  const { issuer, present } = await createGate({ clockSkewMs: 0 });
  expect(await present(await issuer.sign({ exp: now, iat: now - 60 }))).toBe("401 expired");
  expect(await present(await issuer.sign({ exp: now + 1 }))).toBe("ok");
});

test.each([undefined, 7, "", null, ["alice"]])("T34: the subject %j is refused", async (sub) => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign({ sub }))).toBe("401 invalid_subject");
});

test("T35: names of the prototype are no claims, and of duplicates the last counts", async () => {
  const { issuer, authenticate, world } = await createGate();
  const claims = JSON.stringify(goodClaims(issuer.url, world)).replace(
    "{",
    '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"sub":"mallory","n":{"__proto__":{"admin":true}},',
  );
  const principal = await authenticate(bearer(await sign(claims, {}, issuer.key)));
  expect(principal.sub).toBe("alice");
  expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  expect(principal.claims["admin"]).toBeUndefined();
  expect(principal.claims["constructor"]).toBeUndefined();
  expect(principal.claims["toString"]).toBeUndefined();
  expect(principal.claims["n"]).toEqual({});
});

test.each<[Claims]>([
  [{ sub: "cursor" }],
  [{ sub: "cursor", client_id: undefined, azp: "cursor" }],
  [{ idtyp: "app" }],
  [{ gty: "client-credentials" }],
])("T37: the machine token %j needs permission", async (claims) => {
  const strict = await createGate();
  expect(await strict.present(await strict.issuer.sign(claims))).toBe("401 machine_token");
  const open = await createGate({ allowMachine: true });
  expect(await open.present(await open.issuer.sign(claims))).toBe("ok");
});

test.each<[Claims, string | undefined]>([
  [{ client_id: "a", azp: "a", cid: "a", appid: "a" }, "a"],
  [{ client_id: undefined, azp: "b" }, "b"],
  [{ client_id: undefined, cid: "c" }, "c"],
  [{ client_id: undefined, appid: "d" }, "d"],
  [{ client_id: undefined }, undefined],
])("the client of %j is %j", async (claims, clientId) => {
  const { issuer, authenticate } = await createGate();
  expect(await authenticate(bearer(await issuer.sign(claims)))).toMatchObject({ clientId });
});

test.each<[Claims, string]>([
  [{ client_id: "a", azp: "b" }, "401 client_mismatch"],
  [{ azp: 1 }, "401 invalid_client"],
  [{ client_id: "" }, "401 invalid_client"],
])("no client can be read from %j: %s", async (claims, expected) => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign(claims))).toBe(expected);
});

test.each<[Claims, string]>([
  [{ scope: "mcp:toolsX" }, "403 baseline_scope_missing"],
  [{ scope: "mcp" }, "403 baseline_scope_missing"],
  [{ scope: "a\tmcp:tools" }, "403 baseline_scope_missing"],
  [{ scope: "a,mcp:tools" }, "403 baseline_scope_missing"],
  [{ scope: "MCP:TOOLS" }, "403 baseline_scope_missing"],
  [{ scope: undefined }, "403 baseline_scope_missing"],
  [{ scope: undefined, scp: "a mcp:tools" }, "ok"],
  [{ scope: undefined, scp: ["a", "mcp:tools"] }, "ok"],
  [{ scope: undefined, scp: ["a mcp:tools"] }, "403 baseline_scope_missing"],
  [{ scope: "a", scp: ["mcp:tools"] }, "ok"],
  [{ scope: ["mcp:tools"] }, "401 invalid_scope"],
  [{ scp: ["mcp:tools", 1] }, "401 invalid_scope"],
  [{ scp: { 0: "mcp:tools" } }, "401 invalid_scope"],
])("T38: %j gives %s", async (claims, expected) => {
  const { issuer, present } = await createGate();
  expect(await present(await issuer.sign(claims))).toBe(expected);
});

test("a missing baseline scope names every baseline scope", async () => {
  const { issuer, keys, world } = await createGate();
  const config = { ...oauth(issuerConfig(issuer.url)), scopes: ["mcp:tools", "mcp:extra"] };
  const authenticate = createAuthenticate(config, endpoint, depsOf(keys, world), world);
  const headers = bearer(await issuer.sign());
  const expected = expect.objectContaining({ status: 403, scopes: ["mcp:tools", "mcp:extra"] });
  await expect(authenticate(headers)).rejects.toThrow(expected);
  expect(() => authenticate.known(headers)).toThrow(expected);
});

test.each([{ jkt: "x" }, { "x5t#S256": "x" }, {}, null])(
  "H14: a token bound by cnf %j is no bearer token",
  async (cnf) => {
    const { issuer, present } = await createGate();
    expect(await present(await issuer.sign({ cnf }))).toBe("401 sender_constrained");
  },
);

test("H14: a bearer token under the scheme DPoP is refused", async () => {
  const { issuer, authenticate } = await createGate();
  const headers = ["Authorization", `DPoP ${await issuer.sign()}`];
  await expect(authenticate(headers)).rejects.toThrow(
    expect.objectContaining({ status: 401, reason: "dpop_not_supported" }),
  );
});
