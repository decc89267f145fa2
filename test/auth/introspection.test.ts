import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { answerJson, startApi } from "../world/api.ts";
import { world, type World } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const soon = { timeout: 20_000, interval: 50 };
const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };

async function introspecting(tokens: string, more = ""): Promise<World> {
  const issuer = `tokens: ${tokens}, introspection: {client: gateway}${more}`;
  return world({ spec, credential: "none", extra: { issuer } });
}

/** What an issuer says of a live token. */
function live({ url, idp }: World, change: object = {}): object {
  const now = Math.floor(Date.now() / 1000);
  return {
    active: true,
    iss: idp.url,
    aud: url,
    sub: "alice",
    client_id: "cursor",
    scope: "mcp:tools",
    exp: now + 300,
    iat: now,
    ...change,
  };
}

async function present(at: World, token: string): Promise<string> {
  const response = await at.post(list, { authorization: `Bearer ${token}` });
  const { error_description: why } = (await response.json()) as { error_description?: string };
  return why === undefined ? String(response.status) : `${response.status} ${why}`;
}

test("a token that the issuer knows is accepted, and it is asked once", async () => {
  const at = await introspecting("introspect");
  at.idp.introspect = () => ({ status: 200, body: live(at) });
  expect(await Promise.all([present(at, "opaque-1"), present(at, "opaque-1")])).toEqual([
    "200",
    "200",
  ]);
  expect(await present(at, "opaque-1")).toBe("200");
  expect(at.idp.introspections).toHaveLength(1);
  const [{ form, authorization } = { form: new URLSearchParams(), authorization: "" }] =
    at.idp.introspections;
  expect(Object.fromEntries(form)).toEqual({
    token: "opaque-1",
    token_type_hint: "access_token",
  });
  expect(authorization).toBe(`Basic ${Buffer.from("gw:client-secret").toString("base64")}`);
});

test("T43: a token is one parameter whatever its characters", async () => {
  const at = await introspecting("introspect");
  at.idp.introspect = () => ({ status: 200, body: live(at) });
  expect(await present(at, "a+b/c~d.e_f-g==")).toBe("200");
  expect(at.idp.introspections[0]?.form.getAll("token")).toEqual(["a+b/c~d.e_f-g=="]);
  for (const token of ["a b", "a&x=1", "a%20b"]) expect(await present(at, token)).toMatch(/^401 /);
  expect(at.idp.introspections).toHaveLength(1);
});

test.each<[string, object, string]>([
  ["inactive", { active: false }, "401 inactive token"],
  ["active as a text", { active: "true" }, "401 inactive token"],
  ["no active", { active: undefined }, "401 inactive token"],
  ["another audience", { aud: "https://other.test" }, "401 wrong audience"],
  ["an audience among numbers", { aud: [1] }, "401 wrong audience"],
  ["no audience", { aud: undefined }, "401 wrong audience"],
  ["another issuer", { iss: "https://other.test" }, "401 unknown issuer"],
  ["no expiry", { exp: undefined }, "401 invalid expiry"],
  ["an expiry that has passed", { exp: 1 }, "401 expired"],
  ["no subject", { sub: undefined }, "401 invalid subject"],
  ["a machine", { sub: "cursor" }, "401 machine token"],
  ["a bound key", { cnf: { jkt: "x" } }, "401 sender constrained"],
  ["too few scopes", { scope: "other" }, "403 baseline scope missing"],
  ["a refresh token", { token_type: "refresh_token" }, "401 not an access token"],
  ["a refresh token of Hydra", { token_use: "refresh_token" }, "401 not an access token"],
  ["a refresh token of Keycloak", { typ: "Refresh" }, "401 not an access token"],
  ["a kind that is no text", { token_type: 1 }, "401 not an access token"],
])("T42: %s is refused", async (_what, change, expected) => {
  const at = await introspecting("introspect");
  at.idp.introspect = () => ({ status: 200, body: live(at, change) });
  expect(await present(at, "opaque-1")).toBe(expected);
  expect(at.api.requests).toEqual([]);
});

test.each([
  { token_type: "Bearer" },
  { token_type: "DPoP", typ: "DPoP" },
  { token_type: "access_token", token_use: "access_token" },
  { typ: "Bearer", token_use: "access" },
])("an access token may be called %j", async (change) => {
  const at = await introspecting("introspect");
  at.idp.introspect = () => ({ status: 200, body: live(at, change) });
  expect(await present(at, "opaque-1")).toBe("200");
});

test("an issuer that is away locks nobody out whom another one knows", async () => {
  const other = await startApi();
  onTestFinished(() => other.close());
  const at = await world({
    spec,
    credential: "none",
    clients: `other: {issuer: "${other.url}", id: gw, secret: "\${CLIENT_SECRET}"}`,
    extra: {
      issuer: "tokens: introspect, introspection: {client: gateway}",
      issuers: `{issuer: "${other.url}", tokens: introspect, introspection: {client: other, url: "${other.url}/ask"}}`,
    },
  });
  at.idp.introspect = () => ({ status: 500, body: {} });
  other.answer = ({ body }, response) =>
    answerJson(response, body.includes("known") ? live(at, { iss: other.url }) : { active: false });
  expect(await present(at, "known")).toBe("200");
  // Perhaps the one that is away would know this one.
  expect(await present(at, "other")).toBe("503 introspection unavailable");
  expect(other.requests).toHaveLength(2);
});

test("without aud in the answer a client that is named stands for it", async () => {
  const at = await introspecting("introspect", ", clients: [cursor]");
  at.idp.introspect = () => ({ status: 200, body: live(at, { aud: undefined }) });
  expect(await present(at, "opaque-1")).toBe("200");
  at.idp.introspect = () => ({
    status: 200,
    body: live(at, { aud: undefined, client_id: "other" }),
  });
  expect(await present(at, "opaque-2")).toBe("401 client not allowed");
  at.idp.introspect = () => ({ status: 200, body: live(at, { aud: "https://other.test" }) });
  expect(await present(at, "opaque-3")).toBe("401 wrong audience");
});

test("T42: a refusal is remembered for ten seconds", async () => {
  const at = await introspecting("introspect");
  expect(await present(at, "opaque-1")).toBe("401 inactive token");
  expect(await present(at, "opaque-1")).toBe("401 inactive token");
  expect(at.idp.introspections).toHaveLength(1);
});

test.each([
  { status: 500, body: {} },
  { status: 401, body: { error: "invalid_client" } },
  { status: 200, body: [] },
])(
  "T42: an issuer that answers $status $body lets nobody in, and no login is asked for",
  async (answer) => {
    const at = await introspecting("introspect");
    at.idp.introspect = () => answer;
    const response = await at.post(list, { authorization: "Bearer opaque-1" });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(response.headers.get("www-authenticate")).toBeNull();
    expect(await at.audit()).toMatchObject([{ reason: "introspection_unavailable" }]);
    at.idp.introspect = () => ({ status: 200, body: live(at) });
    expect(await present(at, "opaque-1")).toBe("200");
  },
);

test("so many tokens at once are asked about, as many wait for a second, and all others are refused", async () => {
  const at = await introspecting("introspect");
  let underWay = 0;
  let most = 0;
  let answerAll = (): void => {};
  const held = new Promise<void>((resolve) => (answerAll = resolve));
  at.idp.introspect = async () => {
    most = Math.max(most, ++underWay);
    await held;
    underWay--;
    return { status: 200, body: live(at) };
  };
  const fates: string[] = [];
  const asked = Array.from({ length: 200 }, async (_, i) =>
    fates.push(await present(at, `opaque-${i}`)),
  );
  await vi.waitFor(() => expect(fates).toHaveLength(136), soon);
  expect(new Set(fates)).toEqual(new Set(["503 introspection busy"]));
  expect(at.idp.introspections).toHaveLength(64);
  answerAll();
  await Promise.all(asked);
  expect(fates.filter((fate) => fate === "200")).toHaveLength(64);
  expect(most).toBe(64);
  // Nobody is refused for it later, and their places are free.
  const again = Array.from({ length: 60 }, (_, i) => present(at, `again-${i}`));
  expect(new Set(await Promise.all(again))).toEqual(new Set(["200"]));
  await vi.waitFor(async () => {
    const refused = (await at.audit()).filter(({ reason }) => reason === "introspection_busy");
    expect(refused[0]).toMatchObject({ event: "auth.deny", outcome: "denied" });
    const counts = refused.map((record) => Number(record["count"] ?? 1));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(136);
  }, soon);
  expect(at.api.requests).toEqual([]);
  // The log has no line for each: strangers could fill it.
  expect(at.logs.filter((line) => line.includes("introspection"))).toEqual([]);
});

test("auto: signed tokens by their signature, all others by asking", async () => {
  const at = await introspecting("auto");
  at.idp.introspect = () => ({ status: 200, body: live(at) });
  expect(await present(at, await at.idp.token())).toBe("200");
  expect(await present(at, await at.idp.token({ aud: "https://other.test" }))).toBe(
    "401 wrong audience",
  );
  const good = await at.idp.token();
  expect(await present(at, `${good.slice(0, -8)}AAAAAAAA`)).toBe("401 bad signature");
  expect(at.idp.introspections).toEqual([]);
  expect(await present(at, "opaque-1")).toBe("200");
  expect(at.idp.introspections).toHaveLength(1);
});

test("introspect: a signed token is asked about as well, so that a revoked one is refused", async () => {
  const at = await introspecting("introspect");
  expect(await present(at, await at.idp.token())).toBe("401 inactive token");
  expect(at.idp.introspections).toHaveLength(1);
});

test("T41: what the deny list names is refused at the next reload, known or not", async () => {
  const at = await world({ spec, credential: "none" });
  const token = await at.idp.token({ jti: "leaked" });
  const other = await at.idp.token({ sub: "bob", client_id: "claude" });
  expect([await present(at, token), await present(at, other)]).toEqual(["200", "200"]);
  const file = join(at.dir, "gateway.yaml");
  const text = await readFile(file, "utf8");
  const denying = async (deny: string): Promise<readonly string[]> => {
    await writeFile(file, text.replace("{mode: oauth,", `{mode: oauth, deny: ${deny},`));
    expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
    // Asked twice: the second time the token is a known one.
    return [await present(at, token), await present(at, other), await present(at, token)];
  };
  const [denied, ok] = ["401 denied token", "200"];
  expect(await denying("{jti: [leaked]}")).toEqual([denied, ok, denied]);
  expect(await denying("{sub: [bob]}")).toEqual([ok, denied, ok]);
  expect(await denying("{clients: [claude, test-client]}")).toEqual([denied, denied, denied]);
  expect(await denying("{sub: [carol]}")).toEqual([ok, ok, ok]);
});

test("with every, a signed token is asked about as well, and again after that time", async () => {
  const at = await world({
    spec,
    credential: "none",
    extra: { issuer: "introspection: {client: gateway, every: 1s}" },
  });
  at.idp.introspect = () => ({ status: 200, body: { active: true } });
  const token = await at.idp.token();
  expect([await present(at, token), await present(at, token)]).toEqual(["200", "200"]);
  expect(at.idp.introspections).toHaveLength(1);
  at.idp.introspect = () => ({ status: 200, body: { active: false } });
  await expect.poll(() => present(at, token), { timeout: 5_000 }).toBe("401 inactive token");
  expect(at.idp.introspections).toHaveLength(2);
  // What it says itself is reason enough, and asks nobody.
  const otherwise = { aud: "https://other.test" };
  expect(await present(at, await at.idp.token(otherwise))).toBe("401 wrong audience");
  expect(at.idp.introspections).toHaveLength(2);
  // Nobody knows is not the same as no, and an opaque token is still none.
  at.idp.introspect = () => ({ status: 500, body: {} });
  expect(await present(at, await at.idp.token())).toBe("503 introspection unavailable");
  expect(await present(at, "opaque")).toBe("401 malformed token");
  expect(at.idp.introspections).toHaveLength(3);
});
