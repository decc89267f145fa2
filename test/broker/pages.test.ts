import { request } from "node:http";
import { expect, test } from "vitest";
import { createBrowser, logIn, type Stop } from "../../examples/demo/browser.ts";
import { callback, mcp, world, type World } from "./world.ts";

function html(stop: Stop): string {
  if (stop.kind === "left") throw new Error(`left to ${stop.url.origin}`);
  return stop.html;
}

async function openNew(at: World, change: Record<string, string | undefined>): Promise<Stop> {
  const url = at.authorizeUrl({ client_id: await at.client(), ...change });
  return createBrowser().open(url);
}

/** Parameters that no authorization request may have, and the error each one gets. */
const bad: [string, Record<string, string | undefined>, string][] = [
  ["no PKCE", { code_challenge: undefined, code_challenge_method: undefined }, "invalid_request"],
  ["PKCE plain", { code_challenge_method: "plain" }, "invalid_request"],
  ["PKCE method left out", { code_challenge_method: undefined }, "invalid_request"],
  ["an unknown resource", { resource: "http://localhost:3000/other" }, "invalid_target"],
  ["a resource below ours", { resource: `${mcp}/x` }, "invalid_target"],
  ["a resource with a query", { resource: `${mcp}?a=b` }, "invalid_target"],
  ["a relative resource", { resource: "/mcp" }, "invalid_target"],
  ["only unknown scopes", { scope: "admin" }, "invalid_scope"],
  ["response_type token", { response_type: "token" }, "invalid_request"],
  ["response_mode fragment", { response_mode: "fragment" }, "invalid_request"],
  ["response_mode web_message", { response_mode: "web_message" }, "unsupported_response_mode"],
  ["a request object", { request: "e30.e30." }, "request_not_supported"],
  ["a request URI", { request_uri: "urn:x" }, "request_uri_not_supported"],
  ["prompt none", { prompt: "none" }, "login_required"],
];

test.each(bad)("%s of a client nobody approved ends on a page", async (_case, change, error) => {
  const stop = await openNew(await world(), change);
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(html(stop)).toContain(error);
  expect(html(stop)).not.toContain("localhost:8123");
});

test.each(bad)("%s of an approved client goes back with one iss", async (_case, change, error) => {
  const at = await world();
  const clientId = await at.client();
  await at.tokens({ clientId });
  const stop = await createBrowser().open(at.authorizeUrl({ client_id: clientId, ...change }));
  if (stop.kind === "page") throw new Error(stop.html);
  const params =
    change["response_mode"] === "fragment" || change["response_type"] === "token"
      ? new URLSearchParams([
          ...stop.url.searchParams,
          ...new URLSearchParams(stop.url.hash.slice(1)),
        ])
      : stop.url.searchParams;
  expect(params.get("error")).toBe(error);
  expect(params.getAll("iss")).toEqual([at.issuer]);
  expect(params.get("state")).toBe("st");
  expect(params.has("code")).toBe(false);
});

test.each([
  ["not registered", "http://localhost:8123/other"],
  ["with an extra query", `${callback}?x=1`],
  ["with dot segments", "http://localhost:8123/callback/../evil"],
  ["with user information", "http://localhost@evil.example/callback"],
  ["on another host", "http://evil.example/callback"],
  ["a known client's own", "https://claude.ai/api/mcp/auth_callback"],
])("a redirect URI %s ends on a page, also for an approved client", async (_case, redirect_uri) => {
  const at = await world();
  const clientId = await at.client();
  await at.tokens({ clientId });
  const stop = await createBrowser().open(at.authorizeUrl({ client_id: clientId, redirect_uri }));
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(html(stop)).toContain("invalid_redirect_uri");
});

test("an unknown client ends on a page", async () => {
  const stop = await openNew(await world(), { client_id: "nobody" });
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(html(stop)).toContain("invalid_client");
});

test("two resources, or one scope given twice, are refused", async () => {
  const at = await world();
  for (const [name, value, error] of [
    ["resource", "http://localhost:3000/other", "invalid_target"],
    ["scope", "courses:read", "invalid_request"],
  ] as const) {
    const url = at.authorizeUrl({ client_id: await at.client() });
    url.searchParams.append(name, value);
    expect(html(await createBrowser().open(url))).toContain(error);
  }
});

test("without a resource parameter two resources are one too many", async () => {
  const at = await world();
  at.resources.push({ resource: `${mcp}2`, scopes: ["x"] });
  expect(html(await openNew(at, { resource: undefined }))).toContain("invalid_target");
});

test("state comes back byte for byte, however long", async () => {
  const at = await world();
  for (const state of ["x".repeat(8000), "a\r\nb: c", undefined]) {
    const back = await logIn(at.authorizeUrl({ client_id: await at.client(), state }), "alice");
    expect(back.searchParams.get("state")).toBe(state ?? null);
  }
});

test("iss comes exactly once, also to a redirect URI that brings its own", async () => {
  const at = await world();
  const redirect_uri = `${callback}?iss=https://evil.example&keep=1`;
  const clientId = await at.client({ redirect_uris: [redirect_uri] });
  const allowed = await logIn(at.authorizeUrl({ client_id: clientId, redirect_uri }), "alice");
  const refused = await createBrowser().open(
    at.authorizeUrl({ client_id: clientId, redirect_uri, scope: "admin" }),
  );
  for (const { searchParams } of [allowed, refused.url]) {
    expect(searchParams.getAll("iss")).toEqual([at.issuer]);
    expect(searchParams.get("keep")).toBe("1");
  }
});

test("someone who says no sends access_denied to the client", async () => {
  const at = await world();
  const browser = createBrowser();
  const login = await browser.open(at.authorizeUrl({ client_id: await at.client() }));
  const consent = await browser.click(login, "user", "alice");
  const back = await browser.click(consent, "decision", "deny");
  if (back.kind === "page") throw new Error(back.html);
  expect(back.url.searchParams.get("error")).toBe("access_denied");
  expect(back.url.searchParams.getAll("iss")).toEqual([at.issuer]);
});

test("someone who is logged in and allowed one client is still asked for the next, and again", async () => {
  const at = await world();
  const redirect_uri = "https://claude.ai/api/mcp/auth_callback";
  const browser = createBrowser();
  const local = await at.client();
  const hosted = await at.client({ redirect_uris: [redirect_uri] });
  await at.tokens({ clientId: local, browser });
  await at.tokens({ clientId: hosted, browser, authorize: { redirect_uri } });
  for (const url of [
    at.authorizeUrl({ client_id: local }),
    at.authorizeUrl({ client_id: hosted, redirect_uri }),
    at.authorizeUrl({ client_id: await at.client() }),
  ]) {
    const stop = await browser.open(url);
    expect(html(stop)).toContain('name="decision"');
    expect(html(stop)).not.toContain('name="user"');
  }
});

test("pages cannot be framed, cached or scripted", async () => {
  const at = await world();
  const start = await fetch(at.authorizeUrl({ client_id: await at.client() }), {
    redirect: "manual",
  });
  expect(start.status).toBe(303);
  const page = await fetch(new URL(start.headers.get("location") ?? "", at.issuer), {
    headers: {
      cookie: start.headers
        .getSetCookie()
        .map((c) => c.split(";")[0])
        .join("; "),
    },
  });
  const error = await fetch(`${at.issuer}/authorize`);
  for (const { headers } of [page, error]) {
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("cache-control")).toContain("no-store");
    const policy = headers.get("content-security-policy");
    expect(policy).toMatch(/default-src 'none'; style-src 'sha256-[^']+'/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("form-action");
  }
  expect(page.status).toBe(200);
});

test("cookies carry our names and cannot be read by script", async () => {
  const at = await world();
  const start = await fetch(at.authorizeUrl({ client_id: await at.client() }), {
    redirect: "manual",
  });
  const cookies = start.headers.getSetCookie();
  expect(cookies.length).toBeGreaterThan(0);
  for (const cookie of cookies) {
    expect(cookie).toMatch(/^tollgate_\d+_/);
    expect(cookie).toMatch(/httponly/i);
    expect(cookie).toMatch(/samesite=lax/i);
  }
});

test("the consent page says who asks, that nobody checked it, and where the browser goes", async () => {
  const at = await world();
  const name = `<b>Bank</b>\u202Eevil\n${"x".repeat(10_000)}`;
  const browser = createBrowser();
  const login = await browser.open(
    at.authorizeUrl({
      client_id: await at.client({ client_name: name }),
      scope: "mcp:tools courses:write",
    }),
  );
  const page = html(await browser.click(login, "user", "alice"));
  expect(page).toContain("unverified");
  expect(page).toContain("<strong>localhost:8123</strong>");
  expect(page).toContain(mcp);
  expect(page).toContain("See and call the tools");
  expect(page).toContain("Create and change your courses");
  expect(page).toContain("&#60;b&#62;Bank");
  expect(page).not.toContain("<b>");
  expect(page).not.toContain("\u202E");
  expect(page.length).toBeLessThan(8000);
});

interface Form {
  readonly action: string;
  readonly csrf: string;
  readonly cookie: string;
}

/** The login page of a new authorization request, taken apart. */
async function loginForm(at: World): Promise<Form> {
  const start = await fetch(at.authorizeUrl({ client_id: await at.client() }), {
    redirect: "manual",
  });
  const cookie = start.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
  const url = new URL(start.headers.get("location") ?? "", at.issuer);
  const page = await (await fetch(url, { headers: { cookie } })).text();
  const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
  return { action: `${url.href}/login`, csrf, cookie };
}

function post(form: Form, fields: Record<string, string>, headers = {}): Promise<Response> {
  return fetch(form.action, {
    method: "POST",
    redirect: "manual",
    headers: { cookie: form.cookie, ...headers },
    body: new URLSearchParams(fields),
  });
}

test("a form counts only with its own cookie, its own token, in its own place", async () => {
  const at = await world();
  const [mine, other] = [await loginForm(at), await loginForm(at)];
  const user = { user: "alice" };
  const statusOf = async (answer: Promise<Response>): Promise<number> => (await answer).status;

  expect(await statusOf(post({ ...mine, cookie: "" }, { ...user, csrf: mine.csrf }))).toBe(400);
  expect(
    await statusOf(post({ ...mine, cookie: other.cookie }, { ...user, csrf: other.csrf })),
  ).toBe(400);
  expect(
    await statusOf(post({ ...mine, cookie: other.cookie }, { ...user, csrf: mine.csrf })),
  ).toBe(400);
  expect(await statusOf(post(mine, user))).toBe(403);
  expect(await statusOf(post(mine, { ...user, csrf: "" }))).toBe(403);
  expect(await statusOf(post(mine, { ...user, csrf: other.csrf }))).toBe(403);
  for (const origin of ["https://evil.example", "http://localhost:5000", "null"]) {
    expect(await statusOf(post(mine, { ...user, csrf: mine.csrf }, { origin }))).toBe(403);
  }
  const consent = mine.action.replace("/login", "/consent");
  const early = post({ ...mine, action: consent }, { decision: "allow", csrf: mine.csrf });
  expect(await (await early).text()).toContain("wrong_step");
  const finish = await fetch(mine.action.replace("/login", "/finish?t=1"), {
    headers: { cookie: mine.cookie },
  });
  expect(finish.status).toBe(404);
  const json = { "content-type": "application/json" };
  expect(await statusOf(post(mine, { ...user, csrf: mine.csrf }, json))).toBe(415);

  const right = await post(mine, { ...user, csrf: mine.csrf }, { origin: at.issuer });
  expect(right.status).toBe(303);
});

test("a login page opened in another browser is not found", async () => {
  const at = await world();
  const form = await loginForm(at);
  const cookieless = await fetch(form.action.replace("/login", ""));
  expect(cookieless.status).toBe(400);
  expect(await cookieless.text()).toContain("interaction_not_found");
});

test("an unknown account shows the login page again", async () => {
  const at = await world();
  const form = await loginForm(at);
  const answer = await post(form, { user: "mallory", csrf: form.csrf });
  expect(answer.status).toBe(200);
  expect(await answer.text()).toContain('value="alice"');
});

function statusWithHost(issuer: string, path: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${issuer}${path}`, { headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("a name that is not loopback gets nothing (DNS rebinding)", async () => {
  const { issuer } = await world();
  const path = "/.well-known/oauth-authorization-server";
  expect(await statusWithHost(issuer, path, "evil.example")).toBe(403);
  expect(await statusWithHost(issuer, path, "localhost.evil.example:4000")).toBe(403);
  expect(await statusWithHost(issuer, path, "127.0.0.1:4000")).toBe(200);
});

test("an authorization opened under another loopback name moves to the issuer's", async () => {
  const at = await world();
  const url = at.authorizeUrl({ client_id: await at.client() });
  url.hostname = "127.0.0.1";
  const answer = await fetch(url, { redirect: "manual" });
  expect(answer.status).toBe(307);
  expect(answer.headers.get("location")).toBe(`${at.issuer}/authorize${url.search}`);
});

test.each(["/", "/session/end", "/me", "/token/introspection", "/request", "/authorize/x/y"])(
  "%s does not exist",
  async (path) => {
    const { issuer } = await world();
    expect((await fetch(`${issuer}${path}`)).status).toBe(404);
  },
);
