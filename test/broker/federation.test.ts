import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { createBrowser, type Stop } from "../../examples/demo/browser.ts";
import { startCompany, type Company } from "./company.ts";
import { fromCompany, html, left, logIn, office, refreshOf, toCompany, tokens } from "./office.ts";
import { callback, verifier, world } from "./world.ts";

test("a person of the company logs in there and gets a token of the broker", async () => {
  const at = await office();
  const { access } = await tokens(at, "carol");
  expect(decodeJwt(access)).toMatchObject({
    iss: at.issuer,
    sub: "acme|carol",
    name: "Carol Example",
    email: "carol@acme.example",
  });
  expect(at.company.requests).toContain("POST /token");
  expect(at.events.map(({ event, outcome }) => `${event} ${outcome}`)).toEqual([
    "broker.register success",
    "broker.consent success",
    "broker.login success",
    "broker.token success",
  ]);
});

test("the authorization request has PKCE, state and nonce, and goes out only after consent", async () => {
  const at = await office({ params: new Map([["prompt", "select_account"]]) });
  const browser = createBrowser();
  const consent = await browser.open(at.authorizeUrl({ client_id: await at.client() }));
  expect(at.company.requests).toEqual([]);
  const { searchParams } = left(await browser.click(consent, "decision", "allow"));
  expect(Object.fromEntries(searchParams)).toMatchObject({
    response_type: "code",
    client_id: "broker",
    redirect_uri: `${at.issuer}/idp/callback`,
    code_challenge_method: "S256",
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    prompt: "select_account",
  });
});

test("every authorization asks for consent and goes to the company again", async () => {
  const at = await office();
  const browser = createBrowser();
  const clientId = await at.client();
  left(await logIn(at, clientId, "carol", browser));
  at.company.requests.length = 0;
  // There she is logged in already, so the browser comes straight back.
  const answer = left(await toCompany(at, clientId, browser));
  left(await browser.open(answer));
  expect(at.company.requests).toEqual(["GET /auth", "POST /token", "GET /me"]);
});

test.each([
  ["dave", { emailDomains: ["acme.example"] }, "another domain"],
  ["erin", { emailDomains: ["acme.example"], emailVerified: true }, "not verified"],
  ["dave", { groups: ["mcp-users"] }, "none of the groups"],
  ["carol", { organizations: ["acme"] }, "none of the organisations"],
])("%s may not enter by %j", async (user, allow, why) => {
  const rules = { emailDomains: [], emailVerified: false, groups: [], organizations: [], ...allow };
  const at = await office({ allow: rules });
  const stop = await logIn(at, await at.client(), user);
  expect(stop).toMatchObject({ kind: "page", status: 403 });
  expect(html(stop)).toContain("not_allowed");
  expect(html(stop)).not.toContain("localhost:8123");
  expect(at.events.at(-1)).toMatchObject({
    event: "broker.login",
    outcome: "denied",
    reason: "not_allowed",
    detail: expect.stringContaining(why),
  });
});

test("a refresh asks the company again, and a disabled person loses access", async () => {
  const at = await office();
  const first = await tokens(at, "carol");
  at.company.requests.length = 0;
  const second = await refreshOf(at, first);
  expect(second.status).toBe(200);
  expect(at.company.requests).toContain("POST /token");
  at.company.people.delete("carol");
  const third = await refreshOf(at, { ...first, refresh: second.body.refresh_token });
  expect(third).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  // The grant has ended, also when the account comes back.
  at.company.people.set("carol", { name: "Carol Example" });
  const fourth = await refreshOf(at, { ...first, refresh: second.body.refresh_token });
  expect(fourth).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
});

test("a rule that no longer holds ends the grant at the next refresh", async () => {
  const allow = { emailDomains: [], emailVerified: false, groups: ["sales"], organizations: [] };
  const at = await office({ allow });
  const first = await tokens(at, "carol");
  at.company.people.set("carol", { name: "Carol Example", groups: ["support"] });
  expect(await refreshOf(at, first)).toMatchObject({
    status: 400,
    body: { error: "invalid_grant" },
  });
  expect(at.events).toContainEqual(
    expect.objectContaining({ event: "broker.refresh", reason: "not_allowed" }),
  );
});

test("new claims arrive with the next refresh", async () => {
  const at = await office();
  const first = await tokens(at, "carol");
  at.company.people.set("carol", { name: "Carol Renamed", email: "carol@acme.example" });
  const { body } = await refreshOf(at, first);
  expect(decodeJwt(body.access_token)).toMatchObject({ name: "Carol Renamed" });
});

test("with onRefresh skip the company is not asked", async () => {
  const at = await office({ onRefresh: "skip" });
  const first = await tokens(at, "carol");
  at.company.people.delete("carol");
  at.company.requests.length = 0;
  expect(await refreshOf(at, first)).toMatchObject({ status: 200 });
  expect(at.company.requests).toEqual([]);
});

test("while the company is down a refresh answers 503 and the refresh token stays good", async () => {
  const at = await office();
  const first = await tokens(at, "carol");
  at.company.down = true;
  expect(await refreshOf(at, first)).toMatchObject({
    status: 503,
    body: { error: "temporarily_unavailable" },
  });
  at.company.down = false;
  expect(await refreshOf(at, first)).toMatchObject({ status: 200 });
});

test("two refreshes at once renew the company's tokens once", async () => {
  const at = await office();
  const first = await tokens(at, "carol");
  at.company.requests.length = 0;
  const answers = await Promise.all([refreshOf(at, first), refreshOf(at, first)]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(at.company.requests.filter((request) => request === "POST /token")).toHaveLength(1);
});

test("who says no at the consent page never meets the company", async () => {
  const at = await office();
  const browser = createBrowser();
  const consent = await browser.open(at.authorizeUrl({ client_id: await at.client() }));
  const back = left(await browser.click(consent, "decision", "deny"));
  expect(back.searchParams.get("error")).toBe("access_denied");
  expect(at.company.requests).toEqual([]);
});

test("who says no at the company goes back to the client", async () => {
  const at = await office();
  const back = left(await logIn(at, await at.client(), "refuse"));
  expect(back.searchParams.get("error")).toBe("access_denied");
  expect(back.searchParams.getAll("iss")).toEqual([at.issuer]);
  expect(back.href).not.toContain("%3Cb%3E");
});

test("while the company is down the login ends on a page that says so", async () => {
  const at = await office();
  at.company.down = true;
  const browser = createBrowser();
  const consent = await browser.open(at.authorizeUrl({ client_id: await at.client() }));
  const stop = await browser.click(consent, "decision", "allow");
  expect(stop).toMatchObject({ kind: "page", status: 502 });
  expect(html(stop)).toContain("idp_unavailable");
});

test("several providers are a choice, each with a callback of its own", async () => {
  const companies: Company[] = [];
  const at = await world({
    config: async (issuer) => {
      for (const name of ["acme", "beta"]) {
        const redirectUri = `${issuer}/idp/${name}/callback`;
        companies.push(await startCompany({ name, redirectUri }));
      }
      const idps = companies.map((company, i) => company.idp({ title: `Company ${i}` }));
      return { upstream: { kind: "idps", idps } };
    },
  });
  const browser = createBrowser();
  const consent = await browser.open(at.authorizeUrl({ client_id: await at.client() }));
  expect(html(consent)).toContain("Continue with Company 0");
  expect(html(consent)).toContain("Continue with Company 1");
  const login = await browser.open(left(await browser.click(consent, "decision", "allow beta")));
  expect(login.url.origin).toBe(companies[1]?.issuer);
  const answer = await fromCompany(browser, login, "carol");
  expect(answer.pathname).toBe("/idp/beta/callback");
  left(await browser.open(answer));
  expect(at.events).toContainEqual(
    expect.objectContaining({ event: "broker.login", sub: "beta|carol" }),
  );
});

test("whether a refresh asks is each provider's own setting", async () => {
  const companies: Company[] = [];
  const at = await world({
    config: async (issuer) => {
      for (const name of ["acme", "beta"]) {
        const redirectUri = `${issuer}/idp/${name}/callback`;
        companies.push(await startCompany({ name, redirectUri }));
      }
      const [acme, beta] = companies;
      const idps = [acme?.idp({ onRefresh: "skip" }), beta?.idp()].filter(
        (idp) => idp !== undefined,
      );
      return { upstream: { kind: "idps", idps } };
    },
  });
  const refreshAt = async (name: string): Promise<number> => {
    const [clientId, browser] = [await at.client(), createBrowser()];
    const consent = await browser.open(at.authorizeUrl({ client_id: clientId }));
    const away = left(await browser.click(consent, "decision", `allow ${name}`));
    const back = left(
      await browser.open(await fromCompany(browser, await browser.open(away), "carol")),
    );
    const { body } = await at.token({
      grant_type: "authorization_code",
      client_id: clientId,
      code: back.searchParams.get("code") ?? "",
      redirect_uri: callback,
      code_verifier: verifier,
    });
    for (const company of companies) company.people.delete("carol");
    const { status } = await refreshOf(at, { clientId, refresh: body.refresh_token });
    for (const company of companies) company.people.set("carol", {});
    return status;
  };
  expect(await refreshAt("acme")).toBe(200);
  expect(await refreshAt("beta")).toBe(400);
});

test("metadata that names another host than its own is refused", async () => {
  const at = await office({}, {});
  const other = await office({
    client: {
      ...at.company.idp().client,
      issuer: at.company.issuer.replace("127.0.0.1", "localhost"),
    },
  });
  const browser = createBrowser();
  const consent = await browser.open(other.authorizeUrl({ client_id: await other.client() }));
  const stop = await browser.click(consent, "decision", "allow");
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(html(stop)).toContain("idp_answer_invalid");
});

test("remembered consent skips the page in the same browser, for the same request only", async () => {
  const at = await office({}, { consent: "remember" });
  const browser = createBrowser();
  const clientId = await at.client();
  left(await logIn(at, clientId, "carol", browser));
  const again = await browser.open(at.authorizeUrl({ client_id: clientId }));
  expect(left(again).origin).toBe(at.company.issuer);
  const asked: Stop[] = [
    await browser.open(at.authorizeUrl({ client_id: clientId, scope: "mcp:tools courses:read" })),
    await browser.open(at.authorizeUrl({ client_id: clientId, prompt: "consent" })),
    await browser.open(at.authorizeUrl({ client_id: await at.client() })),
    await createBrowser().open(at.authorizeUrl({ client_id: clientId })),
  ];
  for (const stop of asked) expect(html(stop)).toContain('name="decision"');
});
