import { generateKeyPairSync } from "node:crypto";

import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  jwtVerify,
  type JWTPayload,
} from "jose";
import { describe, expect, test } from "vitest";

import { Secret } from "../../src/base/secret.ts";
import {
  createSigningKeys,
  compileSigningKeys,
} from "../../src/upstream/credential/signing-keys.ts";
import { world } from "../world/world.ts";
import { createRoom, createTestPorts, obtain, person } from "./credential-world.ts";

const config = { kind: "signedJwt", audience: "api", claims: ["email"], typ: "at+jwt" } as const;
const spec = {
  paths: {
    "/orders": {
      get: {
        operationId: "list_orders",
        parameters: [{ name: "X-User", in: "header", schema: { type: "string" } }],
      },
    },
  },
};
const day = 24 * 3_600_000;

async function tokenOf(made: ReturnType<ReturnType<typeof createRoom>>, who = person("outer")) {
  const { headers } = await obtain(made, who);
  return (headers[1] ?? "").slice("Bearer ".length);
}

const keySetOf = (jwks: string) => createLocalJWKSet(JSON.parse(jwks) as { keys: [] });

test("an API verifies it with the published keys: for it, this person, at most 60 s", async () => {
  const at = await world({
    spec,
    credential: "signedJwt: {audience: api, claims: [email, missing]}",
  });
  const origin = new URL(at.url).origin;
  const claims = { email: "alice@acme.test", groups: ["g"], act: { sub: "agent" } };
  await at.call("list_orders", {}, claims);
  await at.call("list_orders", {}, claims);
  const [token = "", second = ""] = at.api.requests.map(({ headers }) =>
    (headers.authorization ?? "").slice("Bearer ".length),
  );
  const response = await fetch(`${origin}/.well-known/gateway-jwks.json`);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  const keys = keySetOf(await response.text());
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: origin,
    audience: "api",
    typ: "at+jwt",
  });
  expect(protectedHeader.alg).toBe("ES256");
  const { iat = 0, exp = 0, jti, ...rest } = payload;
  expect(exp - iat).toBe(60);
  expect(jti).toMatch(/^.{20,}$/);
  expect(decodeJwt(second).jti).not.toBe(jti);
  expect(rest).toEqual({
    iss: origin,
    aud: "api",
    sub: "alice",
    sub_id: { format: "iss_sub", iss: at.idp.url, sub: "alice" },
    act: { sub: origin, client_id: "test-client", act: { sub: "agent" } },
    email: "alice@acme.test",
  });
  expect(at.idp.tokenRequests).toEqual([]);
  // It opens nothing here, and nothing at another API.
  const back = await at.post({}, { authorization: `Bearer ${token}` });
  expect(back.status).toBe(401);
  await expect(jwtVerify(token, keys, { audience: "payroll" })).rejects.toMatchObject({
    code: "ERR_JWT_CLAIM_VALIDATION_FAILED",
  });
  await expect(
    jwtVerify(token, keys, { currentDate: new Date((exp + 1) * 1000) }),
  ).rejects.toMatchObject({ code: "ERR_JWT_EXPIRED" });
});

test("a gateway that signs nothing publishes no keys", async () => {
  const at = await world({ spec });
  const { status } = await fetch(`${new URL(at.url).origin}/.well-known/gateway-jwks.json`);
  expect(status).toBe(404);
});

test("it ends with the caller's token, and says nothing of claims that are not listed", async () => {
  const ports = createTestPorts();
  const claims = { email: "a@acme.test", secret: "LEAK" };
  const alice = person("outer", { claims, expiresAt: ports.now() + 20_000 });
  const token = await tokenOf(createRoom([], ports)(config), alice);
  const payload: JWTPayload = decodeJwt(token);
  expect(payload.exp).toBe(Math.floor((ports.now() + 20_000) / 1000));
  expect(JSON.stringify(payload)).not.toContain("LEAK");
});

test("nobody is named without a login, and no chain of six services is passed on", async () => {
  const made = createRoom([], createTestPorts())(config);
  await expect(obtain2(made, { token: undefined })).rejects.toMatchObject({
    code: "credential_unavailable",
  });
  const chain = (n: number): object => (n === 0 ? { sub: "s" } : { sub: "s", act: chain(n - 1) });
  await expect(obtain2(made, { claims: { act: chain(5) as never } })).rejects.toMatchObject({
    code: "not_permitted",
  });
});

async function obtain2(
  made: ReturnType<ReturnType<typeof createRoom>>,
  over: Parameters<typeof person>[1],
): Promise<unknown> {
  return obtain(made, person("outer", over));
}

describe("keys", () => {
  test("change once a day; the next is known a day before, the last a day after", async () => {
    const ports = createTestPorts();
    const signingKeys = createSigningKeys(ports.now);
    const made = createRoom([], ports, { signingKeys })(config);
    const kids: (string | undefined)[] = [];
    let published = signingKeys.jwks();
    for (let days = 0; days < 4; days++) {
      const token = await tokenOf(made, person("outer", { expiresAt: Infinity }));
      kids.push(decodeProtectedHeader(token).kid);
      const options = { currentDate: new Date(ports.now()) };
      // With the set as it was fetched a day ago, and as it is a day later.
      await expect(jwtVerify(token, keySetOf(published), options)).resolves.toBeDefined();
      published = signingKeys.jwks();
      ports.forward(day);
      await expect(jwtVerify(token, keySetOf(signingKeys.jwks()), options)).resolves.toBeDefined();
    }
    expect(new Set(kids).size).toBe(4);
    expect((JSON.parse(signingKeys.jwks()) as { keys: object[] }).keys).toHaveLength(3);
    expect(signingKeys.jwks()).not.toContain('"d"');
  });

  test("after a long sleep nothing old signs or is published", () => {
    const ports = createTestPorts();
    const signingKeys = createSigningKeys(ports.now);
    const before = signingKeys.current().kid;
    ports.forward(30 * day);
    expect(signingKeys.current().kid).not.toBe(before);
    expect(signingKeys.jwks()).not.toContain(before);
  });

  const pem = (curve: string): Secret =>
    new Secret(
      generateKeyPairSync("ec", { namedCurve: curve })
        .privateKey.export({ format: "pem", type: "pkcs8" })
        .toString(),
    );
  const position = { file: "gateway.yaml", line: 7, column: 3 };

  test("of gateway.yaml: the first signs, all are published, replicas agree on their names", async () => {
    const pems = [pem("P-256"), pem("P-256")].map((key) => ({ key, position }));
    const [one, other] = [compileSigningKeys(pems), compileSigningKeys(pems.toReversed())];
    if (one === undefined || other === undefined) throw new TypeError("no keys");
    const ports = createTestPorts();
    const token = await tokenOf(createRoom([], ports, { signingKeys: one })(config));
    const verified = await jwtVerify(token, keySetOf(other.jwks()));
    expect(verified.protectedHeader.kid).toBe(one.current().kid);
    expect(one.current().kid).not.toBe(other.current().kid);
    expect(compileSigningKeys([])).toBeUndefined();
  });

  test.each([
    ["P-384", pem("P-384")],
    ["no key", new Secret("sesame")],
  ])("of gateway.yaml: %s is found at load, and not shown", (_name, key) => {
    expect(() => compileSigningKeys([{ key, position }])).toThrow(
      expect.objectContaining({
        issues: [expect.objectContaining({ code: "invalid_client_key", position })],
      }),
    );
  });
});

describe("identity headers", () => {
  const start = (credential: string) =>
    world({
      spec,
      credential,
      extra: {
        api: "identityHeaders: {X-User: principal.sub, X-Groups: principal.claims.groups}",
      },
    });

  test.each(["exchange: {client: gateway, audience: api}", "none"])(
    "tell the API who calls beside the credential %s; no namesake gets through (H09)",
    async (credential) => {
      const at = await start(credential);
      const claims = { sub: "jürgen,%", groups: ["a b", "c,d"] };
      const authorization = `Bearer ${await at.idp.token(claims)}`;
      const params = { name: "list_orders", arguments: { "X-User": "root" } };
      await at.post(
        { jsonrpc: "2.0", id: 1, method: "tools/call", params },
        { authorization, "x-user": "root", "x-groups": "admin" },
      );
      const raw = at.api.requests[0]?.rawHeaders ?? [];
      const sent = raw.flatMap((name, i) =>
        i % 2 === 0 && /^x-(user|groups)$/i.test(name) ? [raw[i + 1]] : [],
      );
      expect(sent).toEqual(["j%C3%BCrgen%2C%25", "a b,c%2Cd"]);
    },
  );

  test("have spaces at the ends, which would make one person of two", async () => {
    const at = await start("none");
    for (const sub of [" alice", "alice  ", "alice"])
      await at.call("list_orders", {}, { sub, groups: [" "] });
    expect(at.api.requests.map(({ headers }) => [headers["x-user"], headers["x-groups"]])).toEqual([
      ["%20alice", "%20"],
      ["alice %20", "%20"],
      ["alice", "%20"],
    ]);
  });

  test("are refused with a line break in a claim, and without the claim (H10)", async () => {
    const at = await start("none");
    for (const groups of ["a\r\nx-admin: 1", [{ a: 1 }], undefined]) {
      const result = await at.call("list_orders", {}, { groups });
      expect(result.isError).toBe(true);
    }
    expect(at.api.requests).toEqual([]);
  });

  test("do not stand in the way of one fresh token after a 401", async () => {
    const at = await start("exchange: {client: gateway, audience: api}");
    at.api.answer = ({ headers }, response) =>
      void response.writeHead(headers.authorization === "Bearer inner-1" ? 401 : 204).end();
    expect((await at.call("list_orders", {}, { groups: ["g"] })).isError).toBeUndefined();
    expect(at.api.requests.map(({ headers }) => headers["x-user"])).toEqual(["alice", "alice"]);
  });
});

describe("a static credential", () => {
  const documented = (where: string, name: string) => ({
    paths: {
      "/orders": {
        get: {
          operationId: "list_orders",
          parameters: [
            { name, in: where, schema: { type: "string" } },
            { name: "q", in: where, schema: { type: "string" } },
          ],
        },
      },
    },
  });

  // The document's own parameter of that name is no argument; one in another case is.
  test.each([
    { where: "query", sent: { path: "/orders?q=1&key=client-secret" } },
    { where: "cookie", sent: { headers: { cookie: "q=1; key=client-secret" } } },
  ])("in a $where is not beside an argument of its name", async ({ where, sent }) => {
    const credential = `static: {${where}: key, value: "\${CLIENT_SECRET}"}`;
    const at = await world({ spec: documented(where, "KEY"), credential });
    await at.call("list_orders", { KEY: "guess", q: "1" });
    expect(at.api.requests).toMatchObject([sent]);
    expect(JSON.stringify(at.api.requests)).not.toContain("guess");
  });
});
