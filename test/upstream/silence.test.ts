import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import { connectWorld } from "../connections/world.ts";
import { freePort, leaksToken, world, type World } from "../world/world.ts";

const spec = {
  paths: {
    "/orders": {
      get: { operationId: "list_orders" },
      post: {
        operationId: "add_order",
        requestBody: { content: { "application/json": { schema: { type: "object" } } } },
      },
    },
  },
};

/** Everything that is kept of calls, and what the caller was told. */
async function kept(at: World, told: readonly string[], admin: string): Promise<string> {
  const dir = join(at.dir, "audit");
  const files = await Promise.all(
    (await readdir(dir)).map((name) => readFile(join(dir, name), "utf8")),
  );
  const metrics = await (await fetch(`http://${admin}/metrics`)).text();
  return [...told, ...at.logs, ...files, metrics].join("\n");
}

const issued = "urn:ietf:params:oauth:token-type:access_token";
const inner = "INNER-token-of-the-API";
const good = { access_token: inner, issued_token_type: issued, token_type: "Bearer" };
const text = "TEXT-of-the-login-service";

type Body = object | string;

/** One way to fail each; every failure repeats what it was asked. */
const failures: readonly (readonly [string, number, (form: URLSearchParams) => Body])[] = [
  ...[
    "invalid_grant",
    "invalid_scope",
    "invalid_target",
    "invalid_client",
    "invalid_request",
    "unauthorized_client",
    "unsupported_grant_type",
    "access_denied",
    "interaction_required",
    "consent_required",
    "login_required",
    "insufficient_user_authentication",
    "temporarily_unavailable",
    text,
  ].map(
    (error) =>
      [
        error,
        400,
        (form: URLSearchParams) => ({
          error,
          error_description: `${text} ${form.toString()}`,
          claims: text,
        }),
      ] as const,
  ),
  ...[302, 401, 404, 418, 429, 500, 503].map(
    (status) =>
      [String(status), status, (form: URLSearchParams) => `${text} ${form.toString()}`] as const,
  ),
  ["no JSON", 200, (form) => `${text} ${form.toString()}`],
  ["no object", 200, (form) => [text, form.toString()]],
  ["no token", 200, () => ({ token_type: "Bearer", text })],
  ["the subject token", 200, (form) => ({ ...good, access_token: form.get("subject_token") })],
  ["a line break in the token", 200, () => ({ ...good, access_token: `${inner}\r\nx: y` })],
  ["another type", 200, () => ({ ...good, token_type: "mac" })],
  ["another issued type", 200, () => ({ ...good, issued_token_type: text })],
  ["a wider scope", 200, () => ({ ...good, scope: `orders:read ${text}` })],
  ["64 KiB and more", 200, () => ({ ...good, text: text.repeat(4_000) })],
];

test.each(failures)(
  "O10: a login service that answers %s (%d) leaves no secret anywhere",
  async (_name, status, bodyOf) => {
    const admin = `127.0.0.1:${await freePort()}`;
    const at = await world({
      spec,
      credential: "exchange: {client: gateway, audience: api, scope: ['orders:read']}",
      extra: { top: `admin: {listen: "${admin}"}` },
    });
    at.idp.exchange = (form) => ({
      status,
      body: bodyOf(form),
      headers: { location: `https://elsewhere.test/${text}` },
    });
    const told: string[] = [];
    const tokens = [await at.idp.token(), await at.idp.token()];
    for (const token of tokens) {
      const params = { name: "list_orders", arguments: {} };
      const response = await at.post(
        { jsonrpc: "2.0", id: 1, method: "tools/call", params },
        { authorization: `Bearer ${token}` },
      );
      told.push([...response.headers].join("\n"), await response.text());
    }
    const all = await kept(at, told, admin);
    const basic = Buffer.from("gw:client-secret").toString("base64");
    for (const word of [inner, text, "client-secret", basic]) expect(all).not.toContain(word);
    for (const token of tokens) expect(leaksToken(all, token)).toBe(false);
    expect(at.idp.tokenRequests.length).toBeGreaterThan(0);
    expect(at.api.requests).toEqual([]);
  },
);

test.each([400, 401, 403, 404, 500])(
  "O10: an API that answers %d and repeats its credential shows the caller nothing of it",
  async (status) => {
    const admin = `127.0.0.1:${await freePort()}`;
    const at = await world({ spec, extra: { top: `admin: {listen: "${admin}"}` } });
    at.idp.exchange = () => ({ status: 200, body: { ...good, expires_in: 300 } });
    at.api.answer = ({ headers }, response) => {
      response.writeHead(status, { "www-authenticate": `Bearer realm="${headers.authorization}"` });
      response.end();
    };
    const told = JSON.stringify([await at.call("list_orders"), await at.call("add_order")]);
    expect(await kept(at, [told], admin)).not.toContain(inner);
    expect(at.api.requests.length).toBeGreaterThan(1);
  },
);

test("O10: code, verifier, state and tokens of a connection are nowhere, however it ends", async () => {
  const admin = `127.0.0.1:${await freePort()}`;
  const at = await connectWorld({ extra: { top: `admin: {listen: "${admin}"}` } });
  const pages: string[] = [];
  const open = async (): Promise<void> => {
    pages.push((await at.browser.open(await at.linkFor())).text);
  };
  for (const redirect of [{ error: "server_error" }, { iss: "https://elsewhere.test" }]) {
    at.provider.redirect = redirect;
    await open();
  }
  at.provider.redirect = {};
  for (const [status, body] of [
    [400, { error: "invalid_grant", error_description: text }],
    [500, { text }],
    [200, { access_token: `${inner}\r\nx: y`, token_type: "Bearer" }],
  ] as const) {
    at.provider.fault = () => ({ status, body });
    await open();
  }
  at.provider.fault = undefined;
  at.idp.signedIn = "bob";
  await open();
  at.idp.signedIn = "alice";
  await open();
  expect(pages.at(-1)).toContain("is connected");
  const all = await kept(at, pages, admin);
  const secrets = [...at.idp.tokenRequests, ...at.provider.tokenRequests]
    .flatMap((form) => [form.get("code"), form.get("code_verifier"), form.get("refresh_token")])
    .concat(at.provider.authorizations.map((asked) => asked.get("state")))
    .filter((value) => value !== null);
  expect(secrets.length).toBeGreaterThan(15);
  expect([...secrets, inner, text, "client-secret"].filter((word) => all.includes(word))).toEqual(
    [],
  );
});
