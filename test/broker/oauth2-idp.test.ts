import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash } from "node:crypto";
import { decodeJwt } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { createBrowser, type Stop } from "../../examples/demo/browser.ts";
import type { JsonValue } from "../../src/base/json.ts";
import type { BrokerConfig } from "../../src/config/types/broker.ts";
import { goodEnv, load } from "../config/world.ts";
import { callback, verifier, world, type World } from "./world.ts";

interface Hub {
  readonly url: string;
  /** Of the token endpoint. */
  readonly bodies: {
    readonly type: string;
    readonly authorization: string;
    readonly text: string;
  }[];
  /** By path; a missing one is 401, as for a token that was revoked. */
  readonly users: Map<string, JsonValue>;
  token: { readonly status: number; readonly body: JsonValue };
  /** What a refresh brings. */
  renewal: JsonValue | undefined;
}

/** A provider without ID tokens, as GitHub and Notion are. */
async function startHub(): Promise<Hub> {
  const challenges = new Map<string, string>();
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? "", "http://hub");
    const send = (status: number, body: JsonValue): void => {
      res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    if (url.pathname === "/authorize") {
      const back = new URL(url.searchParams.get("redirect_uri") ?? "");
      challenges.set("code-1", url.searchParams.get("code_challenge") ?? "");
      back.searchParams.set("code", "code-1");
      back.searchParams.set("state", url.searchParams.get("state") ?? "");
      res.writeHead(302, { location: back.href }).end();
      return;
    }
    if (url.pathname === "/token") {
      let text = "";
      req.on("data", (chunk: Buffer) => (text += chunk.toString()));
      req.on("end", () => {
        const { authorization = "", "content-type": type = "" } = req.headers;
        hub.bodies.push({ type, authorization, text });
        const form = type.includes("json")
          ? new Map(Object.entries(JSON.parse(text) as Record<string, string>))
          : new URLSearchParams(text);
        const proof = createHash("sha256").update(form.get("code_verifier") ?? "");
        const fits = proof.digest("base64url") === challenges.get(form.get("code") ?? "");
        if (form.get("grant_type") === "refresh_token" && hub.renewal) send(200, hub.renewal);
        else if (fits) send(hub.token.status, hub.token.body);
        else send(200, { error: "bad_verification_code" });
      });
      return;
    }
    const known = req.headers.authorization === "Bearer gho_1" && hub.users.get(url.pathname);
    if (known) send(200, known);
    else send(401, { message: "Bad credentials" });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const hub: Hub = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies: [],
    users: new Map<string, JsonValue>([
      ["/user", { id: 4711, login: "carol", name: "Carol", email: "public@acme.example" }],
      [
        "/user/emails",
        [
          { email: "old@other.example", primary: false, verified: true },
          { email: "carol@acme.example", primary: true, verified: true },
        ],
      ],
      ["/user/orgs", [{ login: "someone" }, { login: "acme" }]],
    ]),
    token: { status: 200, body: { access_token: "gho_1", token_type: "bearer", scope: "" } },
    renewal: undefined,
  };
  return hub;
}

const github = (hub: Hub): string => `    hub:
      preset: github
      client: hub
      authorizationUrl: ${hub.url}/authorize
      tokenUrl: ${hub.url}/token
      userUrl: ${hub.url}/user
      emailsUrl: ${hub.url}/user/emails
      organizationsUrl: ${hub.url}/user/orgs
      allow: {emailDomains: [acme.example], organizations: [acme]}
`;

const notion = (hub: Hub): string => `    hub:
      preset: notion
      client: hub
      authorizationUrl: ${hub.url}/authorize
      tokenUrl: ${hub.url}/token
      allow: {organizations: [ws-1]}
`;

/** A broker with this upstream, read from gateway.yaml as an operator would write it. */
async function at(hub: Hub, upstream: (hub: Hub) => string): Promise<World> {
  return world({
    config: async (issuer): Promise<Partial<BrokerConfig>> => {
      const { broker } = await load(
        `version: 1
server: {url: "http://localhost:3000"}
auth:
  issuers: [{issuer: "${issuer}"}]
  clients:
    hub: {issuer: "https://hub.example", id: tollgate, secret: "\${CLIENT_SECRET}"}
broker:
  issuer: ${issuer}
  listen: 0
  upstream:
${upstream(hub)}
apis: {orders: {spec: orders.yaml, url: "http://orders.internal", credential: none, tools: [{operation: getOrder}]}}
`,
        goodEnv,
      );
      if (broker === undefined) throw new Error("no broker");
      return { upstream: broker.upstream };
    },
  });
}

async function logIn(broker: World, clientId: string): Promise<Stop> {
  const browser = createBrowser();
  const consent = await browser.open(broker.authorizeUrl({ client_id: clientId }));
  const to = await browser.click(consent, "decision", "allow");
  if (to.kind === "page") throw new Error(to.html);
  const answer = await browser.open(to.url);
  if (answer.kind === "page") throw new Error(answer.html);
  return browser.open(answer.url);
}

async function tokens(
  broker: World,
): Promise<{ clientId: string; access: string; refresh: string }> {
  const clientId = await broker.client();
  const stop = await logIn(broker, clientId);
  if (stop.kind === "page") throw new Error(JSON.stringify(broker.events.at(-1)));
  const { body } = await broker.token({
    grant_type: "authorization_code",
    client_id: clientId,
    code: stop.url.searchParams.get("code") ?? "",
    redirect_uri: callback,
    code_verifier: verifier,
  });
  return { clientId, access: body.access_token, refresh: body.refresh_token };
}

test("with preset github a person is their numeric id, with the verified primary address", async () => {
  const hub = await startHub();
  const broker = await at(hub, github);
  const { access } = await tokens(broker);
  expect(decodeJwt(access)).toMatchObject({
    sub: "hub|4711",
    name: "Carol",
    email: "carol@acme.example",
  });
  expect(hub.bodies).toMatchObject([{ type: expect.stringContaining("form-urlencoded") }]);
});

test.each([
  ["/user/orgs", [{ login: "someone" }]],
  ["/user/emails", [{ email: "carol@acme.example", primary: true, verified: false }]],
  ["/user/emails", [{ email: "carol@evil.example", primary: true, verified: true }]],
] as const)("with %s %j nobody enters", async (path, body) => {
  const hub = await startHub();
  const broker = await at(hub, github);
  hub.users.set(path, body);
  const stop = await logIn(broker, await broker.client());
  expect(stop).toMatchObject({ kind: "page", status: 403 });
});

test("a refresh asks who the person is, and a revoked token ends the grant", async () => {
  const hub = await startHub();
  const broker = await at(hub, github);
  const { clientId, refresh } = await tokens(broker);
  const form = { grant_type: "refresh_token", client_id: clientId, refresh_token: refresh };
  const renewed = await broker.token(form);
  expect(renewed.status).toBe(200);
  hub.users.clear();
  const refused = await broker.token({ ...form, refresh_token: renewed.body.refresh_token });
  expect(refused).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
});

test("a refusal that comes with status 200 is a refusal", async () => {
  const hub = await startHub();
  const broker = await at(hub, github);
  hub.token = { status: 200, body: { error: "bad_verification_code", error_description: "<i>" } };
  const stop = await logIn(broker, await broker.client());
  expect(stop).toMatchObject({ kind: "page", status: 400 });
  expect(broker.events.at(-1)).toMatchObject({ event: "broker.login", reason: "idp_refused" });
});

test("with preset notion the token endpoint is asked in JSON and says who the person is", async () => {
  const hub = await startHub();
  const broker = await at(hub, notion);
  const owner = {
    type: "user",
    user: { id: "u-1", name: "Carol", person: { email: "carol@acme.example" } },
  };
  hub.token = {
    status: 200,
    body: { access_token: "ntn_1", token_type: "bearer", workspace_id: "ws-1", owner },
  };
  const { access } = await tokens(broker);
  expect(decodeJwt(access)).toMatchObject({ sub: "hub|u-1", name: "Carol" });
  expect(hub.bodies).toMatchObject([
    { type: "application/json", authorization: expect.stringMatching(/^Basic /) },
  ]);
  expect(JSON.parse(hub.bodies[0]?.text ?? "")).toMatchObject({
    grant_type: "authorization_code",
    code: "code-1",
    redirect_uri: `${broker.issuer}/idp/callback`,
  });
});

/** Seconds that a refresh token of the broker lives. */
async function lifeOf({ issuer }: World, token: string): Promise<number> {
  const answer = await fetch(`${issuer}/introspect`, {
    method: "POST",
    headers: {
      authorization: `Basic ${btoa(`tollgate:${encodeURIComponent("s3cret:with%odd&parts")}`)}`,
    },
    body: new URLSearchParams({ token }),
  });
  const { exp, iat } = (await answer.json()) as { readonly exp: number; readonly iat: number };
  return exp - iat;
}

const fortnight = 14 * 86_400;

test.each([
  [{ refresh_token: "ghr_1", refresh_token_expires_in: 3_600 }, 3_600],
  [{ refresh_token: "ghr_1", refresh_token_expires_in: "3600" }, 3_600],
  [{ refresh_token: "ghr_1", refresh_expires_in: 1_800 }, 1_800],
  // Keycloak's word for one without an end.
  [{ refresh_token: "ghr_1", refresh_expires_in: 0 }, fortnight],
  [{ refresh_token: "ghr_1", refresh_expires_in: 9_000_000 }, fortnight],
  [{ refresh_token: "ghr_1" }, fortnight],
  [{}, fortnight],
])("with %j a refresh token lives no longer than the provider's", async (more, seconds) => {
  const hub = await startHub();
  hub.token = { status: 200, body: { access_token: "gho_1", token_type: "bearer", ...more } };
  const broker = await at(hub, github);
  const { refresh } = await tokens(broker);
  const life = await lifeOf(broker, refresh);
  expect(life).toBeLessThanOrEqual(seconds);
  // What it took to get here.
  expect(life).toBeGreaterThan(seconds - 60);
});

test("a renewed refresh token of the provider brings its own end", async () => {
  const hub = await startHub();
  const first = { access_token: "gho_1", token_type: "bearer", refresh_token: "ghr_1" };
  hub.token = { status: 200, body: { ...first, refresh_token_expires_in: 3_600 } };
  const broker = await at(hub, github);
  const { clientId, refresh } = await tokens(broker);
  hub.renewal = { ...first, refresh_token_expires_in: 7_200 };
  const form = { grant_type: "refresh_token", client_id: clientId };
  const longer = await broker.token({ ...form, refresh_token: refresh });
  const life = await lifeOf(broker, longer.body.refresh_token);
  expect(life).toBeLessThanOrEqual(7_200);
  expect(life).toBeGreaterThan(7_200 - 60);
});

test("with onRefresh skip nothing ends with a refresh token of the provider, which nobody uses", async () => {
  const hub = await startHub();
  const more = { refresh_token: "ghr_1", refresh_token_expires_in: 1_800 };
  hub.token = { status: 200, body: { access_token: "gho_1", token_type: "bearer", ...more } };
  const broker = await at(hub, (one) => `${github(one)}\n      onRefresh: skip`);
  const { refresh } = await tokens(broker);
  expect(await lifeOf(broker, refresh)).toBeGreaterThan(fortnight - 60);
});
