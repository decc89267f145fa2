import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { examineEndpoint, examineIssuers, examineToken } from "../../src/auth/doctor.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import type { IssuerConfig } from "../../src/config/types/auth.ts";
import {
  createIssuer,
  createWorld,
  endpoint,
  issuerConfig,
  jwks,
  oauth,
  resource,
  sendJson,
  type Claims,
  type TestIssuer,
  depsOf,
} from "./issuer.ts";

const guid = "6731de76-14a6-49ae-97bc-6eba6914391e";

interface TokenCase {
  readonly mistake: string;
  readonly code: string;
  readonly config?: Partial<IssuerConfig>;
  readonly claims?: Claims;
  readonly header?: Claims;
  /** Instead of a signed token. */
  readonly text?: (good: string) => string;
  readonly deny?: string;
}

const keycloak = { preset: "keycloak", typ: "any" } as const;
const entra = { preset: "entra", typ: "any" } as const;
const auth0 = { preset: "auth0", typ: "any" } as const;

const tokenCases: readonly TokenCase[] = [
  { mistake: "the scheme is copied too", code: "bearer_prefix", text: (good) => `Bearer ${good}` },
  { mistake: "quotes are copied too", code: "quoted_token", text: (good) => `"${good}"` },
  {
    mistake: "the end is cut off",
    code: "malformed_token",
    text: (good) => good.split(".", 2).join("."),
  },
  { mistake: "the token is encrypted", code: "encrypted_token", text: (good) => `${good}.a.b` },
  {
    mistake: "an opaque token",
    code: "opaque_token",
    text: () => "v1.local-opaque".replace(".", ""),
  },
  {
    mistake: "Auth0 without audience",
    code: "auth0_opaque_token",
    config: auth0,
    text: () => "opaque",
  },
  {
    mistake: "ZITADEL's default token type",
    code: "zitadel_opaque_token",
    config: { preset: "zitadel" },
    text: () => "opaque",
  },
  { mistake: "no slash in iss", code: "issuer_slash", claims: { iss: "ISSUER/" } },
  {
    mistake: "Entra version 1",
    code: "entra_v1_token",
    config: entra,
    claims: { iss: "https://sts.windows.net/t/" },
  },
  {
    mistake: "another Entra tenant",
    code: "entra_other_tenant",
    config: entra,
    claims: { iss: "https://login.microsoftonline.com/x/v2.0", tid: "x" },
  },
  { mistake: "another realm", code: "issuer_path", claims: { iss: "ISSUER/realms/other" } },
  { mistake: "another provider", code: "unknown_issuer", claims: { iss: "https://other.test" } },
  {
    mistake: "an algorithm not listed",
    code: "unsupported_algorithm",
    config: { algorithms: ["RS256"] },
  },
  { mistake: "the key of another environment", code: "unknown_key", header: { kid: "other" } },
  {
    mistake: "a changed token",
    code: "bad_signature",
    text: (good) => `${good.slice(0, -8)}AAAAAAAA`,
  },
  { mistake: "an ID token", code: "id_token", config: keycloak, claims: { nonce: "n" } },
  {
    mistake: "Cognito's ID token",
    code: "id_token",
    config: keycloak,
    claims: { token_use: "id" },
  },
  {
    mistake: "a refresh token",
    code: "refresh_token",
    config: keycloak,
    claims: { typ: "Refresh" },
  },
  { mistake: "no preset", code: "header_type", header: { typ: "JWT" } },
  {
    mistake: "a logout token",
    code: "not_an_access_token",
    config: keycloak,
    header: { typ: "logout+jwt" },
  },
  { mistake: "a slash too many", code: "audience_slash", claims: { aud: `${resource}/` } },
  {
    mistake: "no audience mapper",
    code: "keycloak_audience_mapper",
    config: keycloak,
    claims: { aud: undefined },
  },
  {
    mistake: "the default mapper only",
    code: "keycloak_audience_mapper",
    config: keycloak,
    claims: { aud: "account" },
  },
  {
    mistake: "Cognito without preset",
    code: "cognito_no_audience",
    config: { typ: "any" },
    claims: { aud: undefined, token_use: "access" },
  },
  { mistake: "Entra's client id", code: "entra_audience", config: entra, claims: { aud: guid } },
  {
    mistake: "Entra's id URI",
    code: "entra_audience_uri",
    config: entra,
    claims: { aud: `api://${guid}` },
  },
  { mistake: "no resource asked for", code: "audience_is_client", claims: { aud: "cursor" } },
  {
    mistake: "the origin alone",
    code: "audience_is_origin",
    claims: { aud: "https://mcp.acme.test" },
  },
  { mistake: "no aud", code: "no_audience", claims: { aud: undefined } },
  { mistake: "another API", code: "wrong_audience", claims: { aud: "https://api.acme.test" } },
  {
    mistake: "userinfo beside the API",
    code: "shared_audience",
    config: { exclusive: true },
    claims: { aud: [resource, "https://idp.test/userinfo"] },
  },
  {
    mistake: "a guest's tenant",
    code: "wrong_tenant",
    config: { tenant: "t" },
    claims: { tid: "u" },
  },
  { mistake: "an old token", code: "expired", claims: { iat: 1_799_990_000, exp: 1_799_999_000 } },
  { mistake: "a clock ahead", code: "clock_skew", claims: { iat: 1_800_000_100 } },
  { mistake: "a clock ahead, by nbf", code: "clock_skew", claims: { nbf: 1_800_000_100 } },
  { mistake: "a token for a month", code: "lifetime_too_long", claims: { exp: 1_802_592_000 } },
  { mistake: "no sub", code: "no_subject", config: keycloak, claims: { sub: undefined } },
  { mistake: "client credentials", code: "machine_token", claims: { sub: "cursor" } },
  { mistake: "two clients", code: "client_mismatch", claims: { azp: "other" } },
  { mistake: "a client not listed", code: "client_not_allowed", config: { clients: ["claude"] } },
  { mistake: "a bound token", code: "sender_constrained", claims: { cnf: { jkt: "x" } } },
  {
    mistake: "a token bound to a certificate",
    code: "certificate_bound",
    claims: { cnf: { "x5t#S256": "x" } },
  },
  { mistake: "scopes in full", code: "scope_prefix", claims: { scope: "api://x/mcp:tools" } },
  {
    mistake: "Auth0's permissions without preset",
    code: "scope_claim",
    claims: { scope: "openid", permissions: ["mcp:tools"] },
  },
  { mistake: "commas", code: "scope_separator", claims: { scope: "openid,mcp:tools" } },
  { mistake: "a scope not granted", code: "scope_missing", claims: { scope: "openid" } },
  {
    mistake: "a group missing",
    code: "claim_rule",
    config: { require: new Map([["groups", { kind: "any", values: ["mcp-users"] }]]) },
  },
  { mistake: "a person denied", code: "denied_token", deny: "alice" },
];

async function judge(given: TokenCase): Promise<Awaited<ReturnType<typeof examineToken>>> {
  const world = createWorld();
  const issuer = await createIssuer(world);
  const config = {
    ...oauth(issuerConfig(issuer.url, given.config)),
    deny: { jti: [], sub: given.deny === undefined ? [] : [given.deny], clients: [] },
  };
  const keys = createKeySets(config.issuers, { fetch: globalThis.fetch, store: noKeyStore }, world);
  const deps = depsOf(keys, world);
  const authenticate = createAuthenticate(config, endpoint, deps, world);
  const claims = Object.entries(given.claims ?? {}).map(([name, value]) => [
    name,
    typeof value === "string" ? value.replace("ISSUER", issuer.url) : value,
  ]);
  const good = await issuer.sign(Object.fromEntries(claims) as Claims, given.header);
  const token = given.text?.(good) ?? good;
  const finding = await examineToken(token, config, [{ resource, authenticate }]);
  const [, payload = "x", signature = "x"] = good.split(".");
  for (const part of [payload, signature]) expect(JSON.stringify(finding)).not.toContain(part);
  return finding;
}

test.each(tokenCases)("$mistake: $code", async (given) => {
  const finding = await judge(given);
  expect(finding).toMatchObject({ check: "token", verdict: "problem", code: given.code });
  expect(finding.fix).toMatch(/\S/);
});

test("a good token is accepted, and the finding says for whom", async () => {
  const finding = await judge({ mistake: "none", code: "ok" });
  expect(finding).toMatchObject({ verdict: "ok", fix: undefined });
  expect(finding.message).toContain("alice by client cursor, scopes mcp:tools courses:read");
});

test.each<[string, (issuer: TestIssuer) => void, string, RegExp]>([
  [
    "a slash in the issuer",
    (issuer) => (issuer.metadata = { issuer: `${issuer.url}/` }),
    "issuer_mismatch",
    /slash/,
  ],
  [
    "keys elsewhere",
    (issuer) => (issuer.metadata = { jwks_uri: "https://keys.test/jwks" }),
    "jwks_url_refused",
    /jwks\.hosts/,
  ],
  ["no keys", (issuer) => (issuer.jwks = { keys: [] }), "jwks_invalid", /signing key/],
  [
    "no metadata",
    (issuer) => (issuer.answer = (_, to) => (to.writeHead(404).end(), true)),
    "metadata_invalid",
    /URL/,
  ],
])("an issuer with %s", async (_mistake, spoil, code, fix) => {
  const world = createWorld();
  const issuer = await createIssuer(world);
  const config = oauth(issuerConfig(issuer.url, { jwks: { ...jwks, startup: "lazy" } }));
  expect(await examineIssuers(config, globalThis.fetch, world)).toMatchObject([{ verdict: "ok" }]);
  spoil(issuer);
  expect(await examineIssuers(config, globalThis.fetch, world)).toMatchObject([
    { check: "issuer", verdict: "problem", code, fix: expect.stringMatching(fix) },
  ]);
});

test("an issuer that nobody reaches", async () => {
  const config = oauth(issuerConfig("http://127.0.0.1:1"));
  expect(await examineIssuers(config, globalThis.fetch, createWorld())).toMatchObject([
    { code: "issuer_unreachable", fix: expect.stringContaining("firewall") },
  ]);
});

type Answer = (request: IncomingMessage, response: ServerResponse, at: string) => void;

/** A gateway behind a proxy that may spoil what it says. */
async function examine(answer: Answer): Promise<readonly string[]> {
  const server = createServer((request, response) => answer(request, response, origin));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const metadataUrl = `${origin}/.well-known/oauth-protected-resource/mcp`;
  const findings = await examineEndpoint({ resource: `${origin}/mcp`, metadataUrl }, fetch);
  return findings.map(({ code }) => code);
}

const healthy: Answer = (request, response, at) => {
  const metadata = `${at}/.well-known/oauth-protected-resource/mcp`;
  if (request.url === "/mcp")
    response.writeHead(401, { "www-authenticate": `Bearer resource_metadata="${metadata}"` }).end();
  else sendJson(response, { resource: `${at}/mcp` });
};
const spoiling =
  (path: string, answer: Answer): Answer =>
  (request, response, at) =>
    (request.url === path ? answer : healthy)(request, response, at);
const metadataPath = "/.well-known/oauth-protected-resource/mcp";

test.each<[string, Answer, readonly string[]]>([
  ["nothing is wrong", healthy, ["ok", "ok"]],
  [
    "the proxy strips the challenge",
    spoiling("/mcp", (_, to) => void to.writeHead(401).end()),
    ["challenge_missing", "ok"],
  ],
  [
    "the proxy shows a login page",
    spoiling("/mcp", (_, to) => void to.writeHead(302, { location: "/login" }).end()),
    ["not_challenged", "ok"],
  ],
  ["anybody may call", spoiling("/mcp", (_, to) => sendJson(to, {})), ["not_challenged", "ok"]],
  [
    "the proxy changes Host",
    spoiling("/mcp", (_, to) => void to.writeHead(403).end()),
    ["host_not_allowed", "ok"],
  ],
  [
    "another gateway answers",
    spoiling(
      "/mcp",
      (_, to) =>
        void to
          .writeHead(401, { "www-authenticate": 'Bearer resource_metadata="https://x.test"' })
          .end(),
    ),
    ["challenge_elsewhere", "ok"],
  ],
  [
    "the metadata is not passed on",
    spoiling(metadataPath, (_, to) => void to.writeHead(404).end()),
    ["ok", "metadata_missing"],
  ],
  [
    "the metadata is of another URL",
    spoiling(metadataPath, (_, to) => sendJson(to, { resource: "https://internal:3000/mcp" })),
    ["ok", "metadata_resource"],
  ],
  [
    "the metadata is a page",
    spoiling(metadataPath, (_, to) => void to.end("<html>")),
    ["ok", "metadata_resource"],
  ],
])("of an endpoint where %s", async (_mistake, answer, codes) => {
  expect(await examine(answer)).toEqual(codes);
});

test("an endpoint where nothing listens", async () => {
  const at = { resource: "http://127.0.0.1:1/mcp", metadataUrl: "http://127.0.0.1:1/x" };
  expect(await examineEndpoint(at, fetch)).toMatchObject([{ code: "gateway_unreachable" }]);
});
