import { generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { readRecords } from "../world/audit.ts";
import { describe, expect, test } from "vitest";

import { createBrowser } from "../world/browser.ts";
import { world } from "../world/world.ts";
import { capable, connectWorld, type ConnectWorld } from "./world.ts";

const accepted = { inputResponses: { connect: { action: "accept" } } };

describe("a call that needs an account which is not connected", () => {
  test("2026-07-28: input is required, a page at the gateway; afterwards the same call works", async () => {
    const at = await connectWorld();
    const first = await at.modern();
    const { resultType, inputRequests, requestState } = first.message.result ?? {};
    expect([first.status, resultType]).toEqual([200, "input_required"]);
    expect(inputRequests?.connect).toEqual({
      method: "elicitation/create",
      params: {
        mode: "url",
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/connect\/tracker\?t=[\w-]+$/),
        message: "Connect your Issue tracker account, so that this gateway can use it for you.",
      },
    });
    expect(at.api.requests).toEqual([]);

    const page = await at.browser.open(inputRequests?.connect.params.url ?? "");
    expect([page.status, page.text]).toEqual([200, expect.stringContaining("is connected")]);
    const second = await at.modern({ retry: { ...accepted, requestState } });
    expect(second.message.result).toMatchObject({ resultType: "complete", content: [{}] });
    expect(at.bearers()).toEqual(["Bearer account-1"]);
    expect(await at.audit()).toMatchObject([
      { event: "tool.call", outcome: "failure", reason: "connection_required" },
      {
        event: "connection.action",
        outcome: "success",
        connection: { action: "connect", provider: "tracker", sub: "alice" },
      },
      { event: "tool.call", outcome: "success" },
    ]);
  });

  test("2026-07-28: who retries before the person has been there is asked once more", async () => {
    const at = await connectWorld();
    const first = await at.modern();
    const { requestState } = first.message.result ?? {};
    const second = await at.modern({ retry: { ...accepted, requestState } });
    expect(second.message.result?.resultType).toBe("input_required");
    expect(second.message.result?.requestState).not.toBe(requestState);
  });

  test.each(["decline", "cancel"])("2026-07-28: %s ends it with a tool error", async (action) => {
    const at = await connectWorld();
    const { requestState } = (await at.modern()).message.result ?? {};
    const inputResponses = { connect: { action } };
    const second = await at.modern({ retry: { inputResponses, requestState } });
    expect(second.message.result).toMatchObject({ isError: true });
    expect(at.provider.authorizations).toEqual([]);
  });

  test("2025-11-25: who said at the start that it can open pages gets error -32042", async () => {
    const at = await connectWorld();
    const info = { name: "test", version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: capable, clientInfo: info };
    await at.post({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const response = await callLegacy(at);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      jsonrpc: "2.0",
      id: 1,
      error: {
        code: -32_042,
        message: "Connect your Issue tracker account, so that this gateway can use it for you.",
        data: {
          elicitations: [
            {
              mode: "url",
              elicitationId: expect.stringMatching(/^[0-9a-f]{32}$/),
              url: expect.stringContaining("/connect/tracker?t="),
              message: expect.stringContaining("Issue tracker"),
            },
          ],
        },
      },
    });
  });

  test.each([
    ["2026-07-28", (at: ConnectWorld) => at.modern({ capabilities: { elicitation: {} } })],
    [
      "2025-11-25",
      async (at: ConnectWorld) => ({ message: (await (await callLegacy(at)).json()) as object }),
    ],
  ])("%s: who cannot open pages gets a tool error with the link", async (_era, call) => {
    const at = await connectWorld();
    const { message } = await call(at);
    const text = (message as { result: { content: { text: string }[] } }).result.content[0]?.text;
    expect(message).toMatchObject({ result: { isError: true } });
    const [link = ""] = /http:\S+$/.exec(text ?? "") ?? [];
    expect(await at.browser.open(link)).toMatchObject({ status: 200 });
    expect((await at.modern()).message.result?.resultType).toBe("complete");
  });

  test("each person has an account of their own", async () => {
    const at = await connectWorld();
    for (const sub of ["alice", "bob"]) expect((await at.connectAs(sub)).status).toBe(200);
    for (const sub of ["alice", "bob", "alice"]) await at.modern({ claims: { sub } });
    expect(at.bearers()).toEqual(["Bearer account-1", "Bearer account-2", "Bearer account-1"]);
    const taken = readRecords(await at.auditText()).filter(
      ({ event }) => event === "token.exchange",
    );
    expect(taken).toMatchObject([{ actor: { sub: "alice" } }, { actor: { sub: "bob" } }]);
    const carol = await at.modern({ claims: { sub: "carol" } });
    expect(carol.message.result?.resultType).toBe("input_required");
  });

  test("an account that lacks a scope the API needs counts as none", async () => {
    const at = await connectWorld({ scope: "scope: ['issues:read']" });
    at.provider.scope = "profile";
    await at.connectAs("alice");
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
    expect(at.provider.authorizations[0]?.get("scope")).toBe("issues:read");
    at.provider.scope = "profile issues:read";
    await at.connectAs("alice");
    expect((await at.modern()).message.result?.resultType).toBe("complete");
  });
});

function callLegacy(at: ConnectWorld): Promise<Response> {
  return at.post({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "list_issues", arguments: {} },
  });
}

describe("O14: a link is good for one person, once", () => {
  test("Alice's link in Bob's browser is 403, nothing is connected, and it still is Alice's", async () => {
    const at = await connectWorld();
    const link = await at.linkFor({ sub: "alice" });
    at.idp.signedIn = "bob";
    const bobs = createBrowser();
    const page = await bobs.open(link);
    expect([page.status, page.text]).toEqual([403, expect.stringContaining("other_person")]);
    expect(at.provider.authorizations).toEqual([]);
    for (const sub of ["alice", "bob"])
      expect((await at.modern({ claims: { sub } })).message.result?.resultType).toBe(
        "input_required",
      );
    expect(await at.audit()).toContainEqual(
      expect.objectContaining({
        event: "connection.action",
        outcome: "denied",
        reason: "other_person",
        connection: expect.objectContaining({ sub: "bob" }),
      }),
    );
    at.idp.signedIn = "alice";
    expect((await at.browser.open(link)).status).toBe(200);
  });

  test("the same subject of another issuer is another person", async () => {
    const at = await connectWorld();
    const link = await at.linkFor({ sub: "alice" });
    at.idp.idToken = { iss: "https://elsewhere.test" };
    expect((await at.browser.open(link)).status).toBe(502);
    expect(at.provider.authorizations).toEqual([]);
  });

  test("a used link is 400", async () => {
    const at = await connectWorld();
    const link = await at.linkFor();
    expect((await at.browser.open(link)).status).toBe(200);
    const page = await createBrowser().open(link);
    expect([page.status, page.text]).toEqual([400, expect.stringContaining("link_used")]);
    expect(at.provider.authorizations).toHaveLength(1);
  });

  test.each([
    [
      "another character",
      (link: string) => `${link.slice(0, -1)}${link.endsWith("A") ? "B" : "A"}`,
    ],
    ["nothing", (link: string) => link.replace(/t=.*/, "t=")],
    ["a part", (link: string) => link.slice(0, -20)],
    ["padding", (link: string) => `${link}=`],
    ["another provider", (link: string) => link.replace("/tracker", "/wiki")],
  ])("a link with %s is refused", async (_what, change) => {
    const at = await connectWorld();
    const page = await at.browser.open(change(await at.linkFor()));
    expect(page.status).toBe(_what === "another provider" ? 404 : 400);
    expect(at.browser.cookies.size).toBe(0);
  });

  test("S78, H17: a request state of another person is 403, and no state opens a link or the other way round", async () => {
    const at = await connectWorld();
    const { requestState } = (await at.modern({ claims: { sub: "alice" } })).message.result ?? {};
    const bobs = await at.modern({ claims: { sub: "bob" }, retry: { ...accepted, requestState } });
    expect(bobs.status).toBe(403);
    const origin = new URL(at.url).origin;
    expect((await at.browser.open(`${origin}/connect/tracker?t=${requestState}`)).status).toBe(400);
    const ticket = new URL(await at.linkFor()).searchParams.get("t");
    expect((await at.modern({ retry: { ...accepted, requestState: ticket } })).status).toBe(400);
    expect(at.api.requests).toEqual([]);
  });

  test("S78: a request state that is changed, used, or of another call is 400", async () => {
    const at = await connectWorld();
    await at.connectAs("alice");
    const issue = async (): Promise<string> => {
      const { message } = await at.modern({ tool: "read_wiki", claims: { sub: "carol" } });
      return message.result?.requestState ?? "";
    };
    const ask = (requestState: string, call: object = {}): ReturnType<ConnectWorld["modern"]> =>
      at.modern({
        tool: "read_wiki",
        claims: { sub: "carol" },
        retry: { ...accepted, requestState },
        ...call,
      });
    const state = await issue();
    const changed = `${state.slice(0, 20)}${state[20] === "A" ? "B" : "A"}${state.slice(21)}`;
    for (const answer of [
      await ask(changed),
      await ask("x"),
      await ask(""),
      await ask(state, { args: { more: 1 } }),
      await ask(state, { tool: "list_issues" }),
      await ask(state, { claims: { sub: "carol", client_id: "another" } }),
    ]) {
      expect(answer.status).toBe(400);
      expect(answer.message.error).toMatchObject({ code: -32_602 });
    }
    expect((await ask(state)).status).toBe(200);
    expect((await ask(state)).status).toBe(400);
    expect(at.api.requests).toEqual([]);
  });
});

describe("the way through the browser", () => {
  test("login and third party get code, PKCE, state, and an address of the gateway's own each", async () => {
    const at = await connectWorld();
    const link = await at.linkFor();
    const login = new URL(await at.browser.peek(link));
    const origin = new URL(at.url).origin;
    expect(Object.fromEntries(login.searchParams)).toEqual({
      response_type: "code",
      client_id: "gw",
      redirect_uri: `${origin}/login/callback`,
      scope: "openid",
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: "S256",
    });
    await at.browser.open(login.href);
    expect(Object.fromEntries(at.provider.authorizations[0] ?? [])).toEqual({
      response_type: "code",
      client_id: "at-tracker",
      redirect_uri: `${origin}/connect/tracker/callback`,
      state: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: "S256",
    });
  });

  test.each([
    ["login", "/login/callback"],
    ["third party", "/connect/tracker/callback"],
  ])("an answer of the %s in a browser that did not ask is 400", async (_name, path) => {
    const at = await connectWorld();
    const origin = new URL(at.url).origin;
    const page = await at.browser.open(`${origin}${path}?code=stolen&state=${"s".repeat(43)}`);
    expect([page.status, page.text]).toEqual([400, expect.stringContaining("not_this_browser")]);
    expect([at.idp.tokenRequests, at.provider.tokenRequests]).toEqual([[], []]);
  });

  test("the answer that Alice's browser waits for is worth nothing in another one", async () => {
    const at = await connectWorld();
    const login = await at.browser.peek(await at.linkFor());
    const back = await at.browser.peek(login);
    const page = await createBrowser().open(back);
    expect(page.status).toBe(400);
    expect(at.idp.tokenRequests).toEqual([]);
    expect((await at.browser.open(back)).status).toBe(200);
  });

  test("a callback works once", async () => {
    const at = await connectWorld();
    const login = await at.browser.peek(await at.linkFor());
    const back = await at.browser.peek(login);
    const kept = new Map(at.browser.cookies);
    expect((await at.browser.open(back)).status).toBe(200);
    const again = createBrowser();
    for (const [name, value] of kept) again.cookies.set(name, value);
    expect((await again.open(back)).status).toBe(400);
    expect(at.idp.tokenRequests).toHaveLength(1);
  });

  test.each([
    ["another issuer", { iss: "https://attacker.test" }, "wrong_issuer"],
    ["an error", { error: "server_error", code: "" }, "login_failed"],
    ["a refusal", { error: "access_denied", code: "" }, "not_allowed"],
    [
      "markup in its error",
      { error: "<b>x", error_description: "<script>", code: "" },
      "login_failed",
    ],
  ])("a login that answers with %s connects nothing", async (_name, redirect, code) => {
    const at = await connectWorld();
    at.idp.redirect = redirect;
    const page = await at.browser.open(await at.linkFor());
    expect(page.status).toBeGreaterThanOrEqual(400);
    expect(page.text).toContain(code);
    expect(page.text).not.toMatch(/<b>x|<script>/);
    expect([at.idp.tokenRequests, at.provider.authorizations]).toEqual([[], []]);
  });

  test.each([
    ["another nonce", { nonce: "old" }],
    ["another audience", { aud: "another-client" }],
    ["more audiences and no azp", { aud: ["gw", "another"] }],
    ["another azp", { azp: "another-client" }],
    ["an end that has passed", { exp: Math.floor(Date.now() / 1000) - 60 }],
    ["a start to come", { iat: Math.floor(Date.now() / 1000) + 3_600 }],
    ["no subject", { sub: "" }],
    ["another issuer", { iss: "https://attacker.test" }],
  ])("an ID token with %s is not believed", async (_name, idToken) => {
    const at = await connectWorld();
    at.idp.idToken = idToken;
    const page = await at.browser.open(await at.linkFor());
    expect([page.status, page.text]).toEqual([502, expect.stringContaining("login_failed")]);
    expect(at.provider.authorizations).toEqual([]);
  });

  test.each([
    ["another issuer", { iss: "https://attacker.test" }, 400],
    ["a refusal", { error: "access_denied" }, 403],
    ["an error", { error: "server_error" }, 502],
  ])("a third party that answers with %s connects nothing", async (_name, redirect, status) => {
    const at = await connectWorld();
    at.provider.redirect = redirect;
    expect((await at.connectAs("alice")).status).toBe(status);
    expect(at.provider.tokenRequests).toEqual([]);
    at.provider.redirect = {};
    expect((await at.connectAs("alice")).status).toBe(200);
  });

  test("a third party whose token endpoint fails connects nothing", async () => {
    const at = await connectWorld();
    at.provider.fault = () => ({ status: 500, body: { error: "LEAK" } });
    const page = await at.connectAs("alice");
    expect(page.status).toBe(502);
    expect(page.text).not.toContain("LEAK");
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
  });

  test("pages cannot be framed, cached or scripted", async () => {
    const at = await connectWorld();
    const origin = new URL(at.url).origin;
    const { headers } = await fetch(`${origin}/connect/tracker?t=x`);
    expect(headers.get("content-security-policy")).toMatch(
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("cache-control")).toBe("no-store");
  });

  test("a login client that cannot prove itself is found at load", async () => {
    const at = await connectWorld();
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    await writeFile(join(at.dir, "key.pem"), pem, { mode: 0o600 });
    const yaml = await readFile(at.options.file, "utf8");
    const proves = 'auth: private_key_jwt, algorithm: RS256, key: "${file:key.pem}"';
    const bad = yaml
      .replace("login: {client: gateway}", "login: {client: bad}")
      .replace("clients: {", () => `clients: {bad: {issuer: "${at.idp.url}", id: b, ${proves}}, `);
    await writeFile(at.options.file, bad);
    expect(await at.gateway.reload()).toMatchObject({
      outcome: "refused",
      issues: [{ code: "invalid_client_key" }],
    });
  });

  test("a gateway without connections has no such pages", async () => {
    const at = await world({ spec: { paths: { "/x": { get: { operationId: "x" } } } } });
    const origin = new URL(at.url).origin;
    for (const path of ["/connect/tracker?t=x", "/login/callback?state=x", "/disconnect/tracker"]) {
      const response = await fetch(`${origin}${path}`);
      expect([response.status, await response.json()]).toEqual([404, { error: "not_found" }]);
    }
  });
});

describe("disconnecting", () => {
  const start = async (): Promise<ConnectWorld & { readonly page: string }> => {
    const at = await connectWorld();
    await at.connectAs("alice");
    await at.modern();
    return { ...at, page: `${new URL(at.url).origin}/disconnect/tracker` };
  };

  test("asks who is there, asks again, forgets the account and gives its tokens back", async () => {
    const at = await start();
    const asked = await at.browser.open(at.page);
    expect([asked.status, asked.text]).toEqual([200, expect.stringContaining("Disconnect Issue")]);
    expect((await at.modern()).message.result?.resultType).toBe("complete");
    const done = await at.browser.submit(asked);
    expect([done.status, done.text]).toEqual([200, expect.stringContaining("is disconnected")]);
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
    expect(at.provider.revoked).toEqual(["refresh-1"]);
    expect((await at.audit()).at(-2)).toMatchObject({
      event: "connection.action",
      outcome: "success",
      connection: { action: "disconnect", provider: "tracker", sub: "alice" },
    });
  });

  test("is of the one who is signed in", async () => {
    const at = await start();
    at.idp.signedIn = "bob";
    await at.browser.submit(await at.browser.open(at.page));
    expect((await at.modern({ claims: { sub: "alice" } })).message.result?.resultType).toBe(
      "complete",
    );
    expect(at.provider.revoked).toEqual([]);
  });

  test("a form that was not shown here does nothing", async () => {
    const at = await start();
    const asked = await at.browser.open(at.page);
    expect((await at.browser.submit(asked, { csrf: "guessed".padEnd(43, "x") })).status).toBe(400);
    expect((await createBrowser().submit(asked)).status).toBe(400);
    const elsewhere = await fetch(at.page, {
      method: "POST",
      body: new URLSearchParams({ csrf: "x" }),
      headers: { origin: "https://attacker.test" },
    });
    expect(elsewhere.status).toBe(400);
    expect((await at.modern()).message.result?.resultType).toBe("complete");
    expect((await at.browser.submit(asked)).status).toBe(200);
    expect((await at.browser.submit(asked)).status).toBe(400);
  });
});
