import { request } from "node:http";
import { decodeJwt } from "jose";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createBrowser, type Browser } from "../../examples/demo/browser.ts";
import { fromCompany, html, left, logIn, office, refreshOf, toCompany, tokens } from "./office.ts";
import { approve, beginAt, cookiesOf, post } from "./raw.ts";
import { callback, mcp, verifier, world, type World } from "./world.ts";

// The rows of the attack plan that concern the front channel and the token endpoint of the broker.

afterEach(() => {
  vi.useRealTimers();
});

const claude = "https://claude.ai/api/mcp/auth_callback";

async function codeOf(at: World, clientId: string, change = {}): Promise<string> {
  const browser = createBrowser();
  const login = await browser.open(at.authorizeUrl({ client_id: clientId, ...change }));
  const consent = await browser.click(login, "user", "alice");
  return left(await browser.click(consent, "decision", "allow")).searchParams.get("code") ?? "";
}

function redeem(clientId: string, code: string, change: Record<string, string> = {}) {
  return {
    grant_type: "authorization_code",
    client_id: clientId,
    code,
    redirect_uri: callback,
    code_verifier: verifier,
    ...change,
  };
}

const refused = (error: string) => ({ status: 400, body: { error } });

describe("B01 a redirect URI that is not registered", () => {
  test.each([
    ["unregistered", "http://localhost:8123/other"],
    ["with an extra query", `${callback}?x=1`],
    ["with dot segments", "http://localhost:8123/cb/../evil"],
    ["with userinfo", "http://localhost:8123@evil.example/callback"],
    ["on another host", "https://evil.example/callback"],
  ])("%s ends on a page, at an approved client too", async (_case, redirect_uri) => {
    const at = await office();
    const clientId = await at.client();
    left(await logIn(at, clientId, "carol"));
    const stop = await createBrowser().open(at.authorizeUrl({ client_id: clientId, redirect_uri }));
    expect(stop).toMatchObject({ kind: "page", status: 400 });
    expect(html(stop)).not.toContain("evil.example");
  });
});

test("B02 a loopback port is free, the loopback name is not", async () => {
  const at = await office();
  const clientId = await at.client();
  const other = at.authorizeUrl({
    client_id: clientId,
    redirect_uri: "http://localhost:55555/callback",
  });
  expect(html(await createBrowser().open(other))).toContain("localhost:55555");
  other.searchParams.set("redirect_uri", "http://127.0.0.1:8123/callback");
  expect(await createBrowser().open(other)).toMatchObject({ kind: "page", status: 400 });
});

test.each([
  "javascript:alert(1)",
  "data:text/html,x",
  "http://localhost:8123/callback#x",
  "http://evil.example/cb",
  "https://localhost@evil.example/cb",
  "http://localhost@evil.example/cb",
  "http://*.example/cb",
  "https://evil.example/api/mcp/auth_callback",
])("B03 %s may not register", async (uri) => {
  const { register } = await world();
  expect(
    await register({ redirect_uris: [uri], token_endpoint_auth_method: "none" }),
  ).toMatchObject(refused("invalid_redirect_uri"));
});

test("B05 who has sessions everywhere and allowed one client is asked for the next", async () => {
  const at = await office();
  const browser = createBrowser();
  left(await logIn(at, await at.client(), "carol", browser));
  at.company.requests.length = 0;
  const evil = await at.client({ redirect_uris: ["http://localhost:6666/evil"] });
  const stop = await browser.open(
    at.authorizeUrl({ client_id: evil, redirect_uri: "http://localhost:6666/evil" }),
  );
  expect(html(stop)).toContain("localhost:6666");
  expect(html(stop)).toContain('name="decision"');
  expect(at.company.requests).toEqual([]);
});

describe("B06 consent cannot be skipped", () => {
  test("finish without a proof, with a wrong one, without a cookie", async () => {
    const at = await office();
    const waiting = await beginAt(at, at.authorizeUrl({ client_id: await at.client() }));
    const statusOf = async (path: string, cookie: string): Promise<number> =>
      (await fetch(`${waiting.url}${path}`, { redirect: "manual", headers: { cookie } })).status;
    expect(await statusOf("/finish", waiting.cookie)).toBe(400);
    expect(await statusOf("/finish?t=x", waiting.cookie)).toBe(400);
    expect(await statusOf("/finish?t=x", "")).toBe(400);
  });

  test("a wrong proof is refused when a right one exists", async () => {
    const at = await office();
    const waiting = await beginAt(at, at.authorizeUrl({ client_id: await at.client() }));
    const { to, cookie } = await approve(waiting);
    const browser = createBrowser();
    const back = await fromCompany(browser, await browser.open(to), "carol");
    const hop = await fetch(back, { redirect: "manual", headers: { cookie } });
    expect(hop.status).toBe(303);
    const finish = new URL(hop.headers.get("location") ?? "", at.issuer);
    finish.searchParams.set("t", "x".repeat(43));
    expect((await fetch(finish, { redirect: "manual", headers: { cookie } })).status).toBe(400);
  });

  test("a form without, with a foreign, with another interaction's token", async () => {
    const at = await office();
    const clientId = await at.client();
    const mine = await beginAt(at, at.authorizeUrl({ client_id: clientId }));
    const other = await beginAt(at, at.authorizeUrl({ client_id: clientId }));
    const statusOf = async (fields: Record<string, string>, cookie: string): Promise<number> =>
      (await post(`${mine.url}/consent`, { decision: "allow", ...fields }, { cookie })).status;
    expect(await statusOf({}, mine.cookie)).toBe(403);
    expect(await statusOf({ csrf: other.csrf }, mine.cookie)).toBe(403);
    expect(await statusOf({ csrf: mine.csrf }, other.cookie)).toBe(400);
    expect(await statusOf({ csrf: mine.csrf }, "")).toBe(400);
    expect(at.company.requests).toEqual([]);
  });

  test("a tossed cookie does not make another interaction mine", async () => {
    const at = await office();
    const clientId = await at.client();
    const mine = await beginAt(at, at.authorizeUrl({ client_id: clientId }));
    const evil = await beginAt(at, at.authorizeUrl({ client_id: clientId }));
    const both = `${evil.cookie}; ${mine.cookie}`;
    const fields = { decision: "allow", csrf: mine.csrf };
    expect((await post(`${mine.url}/consent`, fields, { cookie: both })).status).toBe(400);
  });
});

test("B07 the cookie of the login is set by approval and not before", async () => {
  const at = await office();
  const start = await fetch(at.authorizeUrl({ client_id: await at.client() }), {
    redirect: "manual",
  });
  const cookie = cookiesOf(start);
  const url = new URL(start.headers.get("location") ?? "", at.issuer);
  const page = await fetch(url, { headers: { cookie } });
  expect(`${cookie} ${cookiesOf(page)}`).not.toContain("_login_");
  const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? "";
  const denied = await post(`${url.href}/consent`, { decision: "deny", csrf }, { cookie });
  expect(cookiesOf(denied)).not.toContain("_login_");
  const waiting = await beginAt(at, at.authorizeUrl({ client_id: await at.client() }));
  expect((await approve(waiting)).cookie).toContain("_login_");
});

test("B09 an attacker's code and state in the victim's browser are refused", async () => {
  const at = await office();
  const attacker = createBrowser();
  const login = await toCompany(at, await at.client(), attacker);
  const planted = await fromCompany(attacker, login, "carol");
  at.company.requests.length = 0;
  const victim = createBrowser();
  const stop = await victim.open(planted);
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(html(stop)).toContain("login_not_found");
  // The code never reached the company's token endpoint, and the state is used up.
  expect(at.company.requests).toEqual([]);
  expect(await attacker.open(planted)).toMatchObject({ kind: "page", status: 400 });
});

test("B09 a state is good once, and for ten minutes", async () => {
  const at = await office();
  const browser = createBrowser();
  const answer = await fromCompany(
    browser,
    await toCompany(at, await at.client(), browser),
    "carol",
  );
  left(await browser.open(answer));
  expect(await browser.open(answer)).toMatchObject({ kind: "page", status: 400 });
  const late = await toCompany(at, await at.client(), createBrowser());
  vi.useFakeTimers({ now: Date.now() + 601_000, toFake: ["Date"] });
  const back = new URL(`${at.issuer}/idp/callback`);
  back.searchParams.set("state", new URL(late.url).searchParams.get("state") ?? "x");
  expect(await browser.open(back)).toMatchObject({ kind: "page", status: 400 });
});

test("B10 what the company says about an error is not shown", async () => {
  const at = await office();
  const browser = createBrowser();
  const consent = await browser.open(at.authorizeUrl({ client_id: await at.client() }));
  const { searchParams } = left(await browser.click(consent, "decision", "allow"));
  const back = new URL(`${at.issuer}/idp/callback`);
  back.searchParams.set("state", searchParams.get("state") ?? "");
  back.searchParams.set("iss", at.company.issuer);
  back.searchParams.set("error", "server_error");
  back.searchParams.set("error_description", "<script>alert(1)</script>");
  const stop = await browser.open(back);
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(html(stop)).not.toContain("alert");
  expect(html(stop)).toContain("idp_refused");
});

describe("B11 mix-up of providers", () => {
  async function toCallback(
    change: (url: URL) => void,
  ): Promise<{ status: number; asked: string[] }> {
    const at = await office();
    const browser = createBrowser();
    const answer = await fromCompany(
      browser,
      await toCompany(at, await at.client(), browser),
      "carol",
    );
    expect(answer.searchParams.get("iss")).toBe(at.company.issuer);
    at.company.requests.length = 0;
    change(answer);
    const stop = await browser.open(answer);
    if (stop.kind === "left") throw new Error("the login went through");
    return { status: stop.status, asked: at.company.requests };
  }

  test.each<[string, (url: URL) => void]>([
    ["iss of another provider", (url) => url.searchParams.set("iss", "https://evil.example")],
    ["no iss, though the metadata promises one", (url) => url.searchParams.delete("iss")],
    ["two iss", (url) => url.searchParams.append("iss", "https://evil.example")],
    [
      "the callback of a provider that there is not",
      (url) => (url.pathname = "/idp/evil/callback"),
    ],
  ])("%s ends before the token request", async (_case, change) => {
    const { status, asked } = await toCallback(change);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(asked).toEqual([]);
  });
});

describe("B13 PKCE", () => {
  test.each([
    ["absent", { code_challenge: undefined, code_challenge_method: undefined }],
    ["plain", { code_challenge_method: "plain" }],
  ])("%s at /authorize", async (_case, change) => {
    const at = await world();
    const stop = await createBrowser().open(
      at.authorizeUrl({ client_id: await at.client(), ...change }),
    );
    expect(html(stop)).toContain("invalid_request");
  });

  test.each([
    ["a wrong verifier", { code_verifier: "x".repeat(43) }],
    ["no verifier", { code_verifier: "" }],
  ])("%s at /token", async (_case, change) => {
    const at = await world();
    const clientId = await at.client();
    const code = await codeOf(at, clientId);
    expect(await at.token(redeem(clientId, code, change))).toMatchObject({ status: 400 });
    // Nor does a second try with the right one help a thief who has only the code.
    expect((await at.token(redeem(clientId, code, change))).body).not.toHaveProperty(
      "access_token",
    );
  });
});

test("B14 a code works once; its second use ends what the first one gave", async () => {
  const at = await world();
  const clientId = await at.client();
  const code = await codeOf(at, clientId);
  const first = await at.token(redeem(clientId, code));
  expect(first.status).toBe(200);
  expect(await at.token(redeem(clientId, code))).toMatchObject(refused("invalid_grant"));
  expect(
    await at.token({
      grant_type: "refresh_token",
      client_id: clientId,
      refresh_token: first.body.refresh_token,
    }),
  ).toMatchObject(refused("invalid_grant"));
});

test("B14 of twenty who redeem one code at once, at most one gets tokens", async () => {
  const at = await world();
  const clientId = await at.client();
  const code = await codeOf(at, clientId);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => at.token(redeem(clientId, code))),
  );
  expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
});

describe("B15 a code", () => {
  test("of another client, for another redirect URI, after a minute", async () => {
    const at = await world();
    const [clientId, other] = [await at.client(), await at.client()];
    const code = await codeOf(at, clientId);
    expect(await at.token(redeem(other, code))).toMatchObject(refused("invalid_grant"));
    const elsewhere = { redirect_uri: "http://localhost:8123/other" };
    expect(await at.token(redeem(clientId, await codeOf(at, clientId), elsewhere))).toMatchObject(
      refused("invalid_grant"),
    );
    const late = await codeOf(at, clientId);
    vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ["Date"] });
    expect(await at.token(redeem(clientId, late))).toMatchObject(refused("invalid_grant"));
  });
});

test.each([`${mcp}/`, "http://LOCALHOST:3000/mcp", "HTTP://localhost:3000/mcp"])(
  "B17 resource %s is the canonical one",
  async (resource) => {
    const { tokens: get } = await world();
    expect(decodeJwt((await get({ authorize: { resource } })).access_token).aud).toBe(mcp);
  },
);

describe("B18 refresh tokens", () => {
  const scope = "mcp:tools courses:read";

  async function family(at: World) {
    const first = await at.tokens({ authorize: { scope } });
    const base = { grant_type: "refresh_token", client_id: first.clientId };
    return {
      first,
      refresh: (token: string, change: Record<string, string> = {}) =>
        at.token({ ...base, refresh_token: token, ...change }),
    };
  }

  test("reuse after the grace ends the family, within it and in parallel it does not", async () => {
    const at = await world();
    const { first, refresh } = await family(at);
    const parallel = await Promise.all([
      refresh(first.refresh_token),
      refresh(first.refresh_token),
    ]);
    expect(parallel.map(({ status }) => status)).toEqual([200, 200]);
    vi.useFakeTimers({ now: Date.now() + 11_000, toFake: ["Date"] });
    expect(await refresh(first.refresh_token)).toMatchObject(refused("invalid_grant"));
    for (const { body } of parallel)
      expect(await refresh(body.refresh_token)).toMatchObject(refused("invalid_grant"));
  });

  test("another client and more scopes are refused, fewer are not", async () => {
    const at = await world();
    const { first, refresh } = await family(at);
    const other = { client_id: await at.client() };
    expect(await refresh(first.refresh_token, other)).toMatchObject(refused("invalid_grant"));
    const more = { scope: `${scope} courses:write` };
    expect(await refresh(first.refresh_token, more)).toMatchObject(refused("invalid_scope"));
    const fewer = await refresh(first.refresh_token, { scope: "mcp:tools" });
    expect(fewer).toMatchObject({ status: 200, body: { scope: "mcp:tools" } });
  });
});

test("B19 a person who was disabled at the company gets no new token", async () => {
  const at = await office();
  const first = await tokens(at, "carol");
  at.company.people.delete("carol");
  expect(await refreshOf(at, first)).toMatchObject(refused("invalid_grant"));
});

test("B21 no page can be framed", async () => {
  const at = await office();
  const start = await fetch(at.authorizeUrl({ client_id: await at.client() }), {
    redirect: "manual",
  });
  const consent = await fetch(new URL(start.headers.get("location") ?? "", at.issuer), {
    headers: { cookie: cookiesOf(start) },
  });
  expect(consent.status).toBe(200);
  for (const page of [consent, await fetch(`${at.issuer}/idp/callback?state=x`)]) {
    expect(page.headers.get("x-frame-options")).toBe("DENY");
    expect(page.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
  }
});

test.each([
  ["HTML", "<img src=x onerror=alert(1)>", "onerror=alert(1)>"],
  ["right-to-left text", "Claude\u202Egnp.exe", "\u202E"],
  ["ten thousand letters", "x".repeat(10_000), "x".repeat(100)],
  ["a homoglyph", "Сlaude", 'verified</span> <span class="soft">Whoever'],
])("B22 a client name of %s is shown as what it is", async (_case, client_name, absent) => {
  const at = await office();
  const stop = await createBrowser().open(
    at.authorizeUrl({ client_id: await at.client({ client_name }) }),
  );
  expect(html(stop)).not.toContain(absent);
  expect(html(stop)).toContain("unverified");
  expect(html(stop)).toContain("<strong>localhost:8123</strong>");
});

describe("B23 a flood of registrations", () => {
  test("is slowed down for its address", async () => {
    const { register, issuer } = await world();
    const one = { redirect_uris: [callback], token_endpoint_auth_method: "none" };
    const answers = await Promise.all(Array.from({ length: 80 }, () => register(one)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(60);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20);
    // From another address it goes on.
    const other = await registerFrom("127.0.0.2", issuer, one);
    expect(other).toBe(201);
  });

  test("of five thousand URIs in one is refused", async () => {
    const { register } = await world();
    const redirect_uris = Array.from({ length: 5_000 }, (_, i) => `http://localhost:8123/${i}`);
    expect([400, 413]).toContain((await register({ redirect_uris })).status);
  });
});

function registerFrom(localAddress: string, issuer: string, metadata: object): Promise<number> {
  const { port } = new URL(issuer);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        path: "/register",
        method: "POST",
        localAddress,
        headers: { "content-type": "application/json" },
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    sent.on("error", reject);
    sent.end(JSON.stringify(metadata));
  });
}

test("B25 iss comes once, on success, on error, beside one that the client brought", async () => {
  const at = await office();
  const redirect_uri = `${callback}?iss=https://evil.example`;
  const clientId = await at.client({ redirect_uris: [redirect_uri] });
  const browser = createBrowser();
  const consent = await browser.open(at.authorizeUrl({ client_id: clientId, redirect_uri }));
  const login = await browser.open(left(await browser.click(consent, "decision", "allow")));
  const success = left(await browser.open(await fromCompany(browser, login, "carol")));
  const error = left(
    await browser.open(at.authorizeUrl({ client_id: clientId, redirect_uri, scope: "admin" })),
  );
  expect(success.searchParams.has("code")).toBe(true);
  expect(error.searchParams.get("error")).toBe("invalid_scope");
  for (const { searchParams } of [success, error])
    expect(searchParams.getAll("iss")).toEqual([at.issuer]);
});

test.each([
  { request: "e30.e30." },
  { request_uri: "https://evil.example/request" },
  { response_mode: "fragment" },
  { response_mode: "web_message" },
  { response_type: "token" },
  { response_type: "code id_token" },
])("B26 %j is refused", async (change) => {
  const at = await office();
  const stop = await createBrowser().open(
    at.authorizeUrl({ client_id: await at.client(), ...change }),
  );
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(html(stop)).not.toContain('name="decision"');
});

test.each<[string, RequestInit]>([
  ["GET", { method: "GET" }],
  [
    "a JSON body",
    { method: "POST", headers: { "content-type": "application/json" }, body: '{"grant_type":"x"}' },
  ],
  [
    "a parameter given twice",
    {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "grant_type=authorization_code&client_id=a&client_id=b&code=x",
    },
  ],
])("B27 %s at /token is refused", async (_case, init) => {
  const { issuer } = await world();
  const { status } = await fetch(`${issuer}/token`, init);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
});

test("B29 pages say nothing to other origins", async () => {
  const at = await office();
  const waiting = await beginAt(at, at.authorizeUrl({ client_id: await at.client() }));
  const origin = "https://evil.example";
  const asked = [at.authorizeUrl({ client_id: await at.client() }).href, waiting.url];
  for (const url of [...asked, `${at.issuer}/idp/callback`]) {
    for (const method of ["GET", "OPTIONS"]) {
      const { headers } = await fetch(url, {
        method,
        redirect: "manual",
        headers: { origin, cookie: waiting.cookie, "access-control-request-method": "POST" },
      });
      expect(headers.has("access-control-allow-origin")).toBe(false);
      expect(headers.has("access-control-allow-credentials")).toBe(false);
    }
  }
});

describe("B30 parameters that disagree", () => {
  test.each([
    ["resource", "http://localhost:3000/other", "invalid_target"],
    ["scope", "courses:read", "invalid_request"],
    ["client_id", "somebody", "invalid_request"],
  ])("two %s end on a page for a client that nobody approved", async (name, value, error) => {
    const at = await world();
    const url = at.authorizeUrl({ client_id: await at.client() });
    url.searchParams.append(name, value);
    const stop = await createBrowser().open(url);
    expect(stop).toMatchObject({ kind: "page", status: 400 });
    expect(html(stop)).toContain(error);
  });

  test("client_id in the body and another in the header", async () => {
    const at = await world();
    const { body } = await at.register({
      redirect_uris: [claude],
      token_endpoint_auth_method: "client_secret_basic",
    });
    const pair = `${body["client_id"]}:${body["client_secret"]}`;
    const authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
    const answer = await at.token(redeem(await at.client(), "x"), { authorization });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.body).not.toHaveProperty("access_token");
  });
});

test("a login that two tabs of one browser began ends well in both", async () => {
  const at = await office();
  const browser: Browser = createBrowser();
  const clientId = await at.client();
  const [one, two] = [
    await toCompany(at, clientId, browser),
    await toCompany(at, clientId, browser),
  ];
  for (const tab of [one, two]) {
    const back = left(await browser.open(await fromCompany(browser, tab, "carol")));
    expect(back.searchParams.has("code")).toBe(true);
  }
});
