import { decodeJwt, decodeProtectedHeader } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { world, type World, type WorldOptions } from "../world/world.ts";
import { startSloppyIssuer, type SloppyIssuer } from "./issuer.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

async function issuer(): Promise<SloppyIssuer> {
  const started = await startSloppyIssuer();
  onTestFinished(() => started.close());
  return started;
}

function clientOf({ url, client }: SloppyIssuer): Pick<WorldOptions, "clients" | "env"> {
  const place = `issuer: "${url}", tokenUrl: "${url}/token"`;
  return {
    clients: `sloppy: {${place}, id: ${client.id}, secret: "\${SLOPPY_SECRET}"}`,
    env: { SLOPPY_SECRET: client.secret },
  };
}

async function gate(idp: SloppyIssuer, more: string): Promise<World> {
  const issuers = `{issuer: "${idp.url}", ${more}}`;
  return world({ spec, ...clientOf(idp), credential: "none", extra: { issuers } });
}

async function present(at: World, token: string): Promise<string> {
  const params = { name: "list_orders", arguments: {} };
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  const response = await at.post(body, { authorization: `Bearer ${token}` });
  const { error_description: why } = (await response.json()) as { error_description?: string };
  return why === undefined ? String(response.status) : `${response.status} ${why}`;
}

const asking = (url: string): string =>
  `introspection: {client: sloppy, url: "${url}/introspect", cache: 1s}`;

test("a token without issuer, audience and asymmetric signature is none by itself", async () => {
  const idp = await issuer();
  const at = await gate(idp, `jwksUrl: "${idp.url}/jwks", jwks: {startup: lazy}`);
  const token = await idp.token("person");
  expect(decodeProtectedHeader(token)).toEqual({ alg: "HS256", typ: "JWT" });
  expect(decodeJwt(token)).toMatchObject({ cid: "agent", sub: "alice" });
  expect(await present(at, token)).toBe("401 unknown issuer");
  expect(at.api.requests).toEqual([]);
});

test.each(["introspect", "auto"])(
  "with tokens: %s its word counts, if the client is one that may call",
  async (tokens) => {
    const idp = await issuer();
    const keys = tokens === "auto" ? `jwksUrl: "${idp.url}/jwks", jwks: {startup: lazy}, ` : "";
    const at = await gate(idp, `${keys}tokens: ${tokens}, clients: [agent], ${asking(idp.url)}`);
    const token = await idp.token("person");
    expect(await present(at, token)).toBe("200");
    expect(await at.audit()).toMatchObject([
      { event: "tool.call", actor: { sub: "alice", iss: idp.url, client_id: "agent" } },
    ]);
    // Of the client alone: nobody is the subject.
    expect(await present(at, await idp.token("machine"))).toBe("401 invalid subject");
    await idp.revoke(token);
    await expect.poll(() => present(at, token), { timeout: 5_000 }).toBe("401 inactive token");
  },
);

test("its word alone binds a token to nobody", async () => {
  const idp = await issuer();
  const anyone = await gate(idp, `tokens: introspect, ${asking(idp.url)}`);
  expect(await present(anyone, await idp.token("person"))).toBe("401 wrong audience");
  const others = await gate(idp, `tokens: introspect, clients: [other], ${asking(idp.url)}`);
  expect(await present(others, await idp.token("person"))).toBe("401 client not allowed");
});

test("its exchange, which does not say what it issued, is enough for an API", async () => {
  const idp = await issuer();
  const at = await world({
    spec,
    ...clientOf(idp),
    credential: "exchange: {client: sloppy, audience: orders, scope: [orders:read]}",
  });
  const token = await at.idp.token();
  expect([await present(at, token), await present(at, token)]).toEqual(["200", "200"]);
  const [first, second] = at.api.requests.map(({ headers }) => headers.authorization ?? "");
  expect(decodeJwt(first?.replace("Bearer ", "") ?? "")).toMatchObject({
    cid: "agent",
    scope: "orders:read",
    sub: "alice",
  });
  expect(second).toBe(first);
});

test("its token for the gateway itself, by client credentials, serves everyone", async () => {
  const idp = await issuer();
  const credential = "clientCredentials: {client: sloppy, scope: [orders:read]}";
  const at = await world({ spec, ...clientOf(idp), credential });
  for (const sub of ["alice", "bob"])
    expect(await present(at, await at.idp.token({ sub }))).toBe("200");
  const [first, second] = at.api.requests.map(({ headers }) => headers.authorization ?? "");
  const claims = decodeJwt(first?.replace("Bearer ", "") ?? "");
  expect(claims).toMatchObject({ cid: "agent", scope: "orders:read" });
  expect(claims).not.toHaveProperty("aud");
  expect(second).toBe(first);
});

test.each(["exchange: {client: sloppy, audience: orders}", "clientCredentials: {client: sloppy}"])(
  "what it answers to a wrong secret fails the call of %s, in no words of its own",
  async (credential) => {
    const idp = await issuer();
    const { clients } = clientOf(idp);
    const at = await world({
      spec,
      ...(clients === undefined ? {} : { clients }),
      env: { SLOPPY_SECRET: "another secret" },
      credential,
    });
    const result = await at.call("list_orders");
    expect(result).toMatchObject({ isError: true });
    expect(JSON.stringify(result)).not.toMatch(/client authentication|another secret/i);
    expect((await at.audit()).at(-1)).toMatchObject({ reason: "gateway_misconfigured" });
    expect(at.api.requests).toEqual([]);
  },
);
