import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createAuthenticate, type Authenticate } from "../../src/auth/authenticate.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import type { Principal } from "../../src/base/principal.ts";
import { loadConfig } from "../../src/config/load.ts";
import {
  bearer,
  createIssuer,
  createWorld,
  outcome,
  resource,
  sign,
  type Claims,
  endpoint,
  depsOf,
} from "./issuer.ts";

const tid = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const guid = "6731de76-14a6-49ae-97bc-6eba6914391e";

/**
 * Access tokens with the claims that each product documents, and the lines of gateway.yaml that fit
 * them. `iss`, `iat` and `exp` are added.
 */
interface Vendor {
  readonly path: string;
  readonly yaml: readonly string[];
  /** undefined: the generic `ES256` key of the issuer. */
  readonly header: Claims;
  readonly claims: Claims;
}

const vendors = {
  entra: {
    path: `/${tid}/v2.0`,
    yaml: ["preset: entra", `audience: ${guid}`, "algorithms: [ES256]"],
    header: { typ: "JWT" },
    claims: {
      aud: guid,
      aio: "AXQAi/8IAAAA",
      azp: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
      azpacr: "0",
      name: "Alice Liddell",
      oid: "690222be-ff1a-4d56-abd1-7e4f7d38e474",
      preferred_username: "alice@acme.test",
      rh: "I",
      roles: ["Orders.Approve"],
      scp: "mcp:tools courses:read",
      sub: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
      tid,
      uti: "fqiBqXLPj0eQa82S-IYFAA",
      ver: "2.0",
    },
  },
  /** Version 1 of its tokens: another issuer, the application's URI as audience, `appid`, `upn`. */
  "entra v1": {
    path: `/${tid}/`,
    yaml: [
      "preset: entra",
      `audience: "api://${guid}"`,
      "algorithms: [ES256]",
      `tenants: ["${tid}"]`,
    ],
    header: { typ: "JWT" },
    claims: {
      aud: `api://${guid}`,
      acr: "1",
      aio: "AXQAi/8TAAAA",
      amr: ["pwd", "mfa"],
      appid: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
      appidacr: "0",
      family_name: "Liddell",
      given_name: "Alice",
      ipaddr: "198.51.100.7",
      name: "Alice Liddell",
      oid: "690222be-ff1a-4d56-abd1-7e4f7d38e474",
      rh: "I",
      scp: "mcp:tools courses:read",
      sub: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
      tid,
      unique_name: "alice@acme.test",
      upn: "alice@acme.test",
      uti: "fqiBqXLPj0eQa82S-IYFAA",
      ver: "1.0",
    },
  },
  okta: {
    path: "/oauth2/aus9o8wvkhockw9TL0h7",
    yaml: ["preset: okta"],
    header: { typ: undefined },
    claims: {
      ver: 1,
      jti: "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
      aud: resource,
      cid: "0oabskvc6442nkvQO0h7",
      uid: "00ujmkLgagxeRrAg20g3",
      scp: ["mcp:tools", "courses:read"],
      auth_time: 1_799_999_990,
      sub: "alice@acme.test",
      groups: ["Everyone", "staff"],
    },
  },
  auth0: {
    path: "/",
    yaml: ["preset: auth0"],
    header: { typ: "JWT" },
    claims: {
      aud: [resource, "https://acme.eu.auth0.test/userinfo"],
      azp: "my_client_id",
      scope: "openid profile mcp:tools",
      permissions: ["courses:read"],
      sub: "auth0|507f1f77bcf86cd799439011",
    },
  },
  keycloak: {
    path: "/realms/acme",
    yaml: ["preset: keycloak"],
    header: { typ: "JWT" },
    claims: {
      jti: "onrtac:8a1c8ba1",
      aud: [resource, "account"],
      typ: "Bearer",
      azp: "cursor",
      sid: "e3c1a6f0",
      acr: "1",
      "allowed-origins": ["http://localhost:8787"],
      realm_access: { roles: ["default-roles-acme", "staff"] },
      resource_access: { account: { roles: ["view-profile"] } },
      scope: "openid profile mcp:tools courses:read",
      email_verified: true,
      name: "Alice Liddell",
      preferred_username: "alice",
      sub: "f2e0ca31-4a1c-4b5b-9b2e-1f4f3c0a7d11",
    },
  },
  cognito: {
    path: "/eu-central-1_a1b2C3d4",
    yaml: ["preset: cognito", "clients: [xxxxxxxxxxxxexample]"],
    header: { typ: undefined },
    claims: {
      sub: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
      device_key: "aaaaaaaa-bbbb",
      "cognito:groups": ["staff"],
      version: 2,
      client_id: "xxxxxxxxxxxxexample",
      origin_jti: "aaaaaaaa",
      event_id: "64f513be",
      token_use: "access",
      scope: `openid ${resource}/mcp:tools ${resource}/courses:read`,
      auth_time: 1_799_999_990,
      jti: "aaaaaaaa-bbbb",
      username: "alice",
    },
  },
  /**
   * What a Google service account gets for one audience: an ID token by its name, and the only JWT of
   * Google's that can be for an API of one's own. It has no scope, and its subject is its client.
   */
  google: {
    path: "",
    yaml: [
      "preset: generic",
      "typ: any",
      "algorithms: [ES256]",
      "allowMachine: true",
      "scopes: {from: [groups]}",
      "require: {email: {any: [tools@acme.iam.gserviceaccount.test]}, email_verified: true}",
    ],
    header: { typ: "JWT" },
    claims: {
      aud: resource,
      azp: "104029292853099978293",
      email: "tools@acme.iam.gserviceaccount.test",
      email_verified: true,
      sub: "104029292853099978293",
      groups: ["mcp:tools"],
    },
  },
  zitadel: {
    path: "",
    yaml: ["preset: zitadel", 'audience: "69234237810729019"'],
    header: { typ: "JWT" },
    claims: {
      aud: ["69234237810729234", "69234237810729019"],
      client_id: "69234237810729234",
      jti: "V1_69234237810729",
      scope: "openid mcp:tools courses:read",
      sub: "69234237810729000",
      "urn:zitadel:iam:org:project:roles": { staff: { "69234237810": "acme.test" } },
    },
  },
  ping: {
    path: "/as",
    yaml: ["preset: ping"],
    header: { typ: undefined },
    claims: {
      aud: [resource],
      client_id: "cursor",
      scope: "mcp:tools courses:read",
      sub: "alice",
      sid: "b8a2",
      env: "4f1c",
    },
  },
} satisfies Readonly<Record<string, Vendor>>;

type VendorName = keyof typeof vendors;

interface VendorGate {
  readonly url: string;
  readonly authenticate: Authenticate;
  readonly lines: () => string;
  readonly token: (claims?: Claims, header?: Claims) => Promise<string>;
  readonly principal: (claims?: Claims) => Promise<Principal>;
  readonly present: (claims?: Claims, header?: Claims) => Promise<string>;
}

/** A real issuer on loopback, and a gate made from a gateway.yaml with the product's preset. */
async function gate(name: VendorName, more: readonly string[] = []): Promise<VendorGate> {
  const { path, yaml, header, claims }: Vendor = vendors[name];
  const world = createWorld();
  const issuer = await createIssuer(world, path.replace(/\/$/, ""));
  // The slash at the end belongs to the name.
  const url = path.endsWith("/") ? `${issuer.url}/` : issuer.url;
  issuer.metadata = { issuer: url };
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const file = join(dir, "gateway.yaml");
  const keys = [`issuer: ${url}`, ...yaml.filter((line) => !overrides(line, more)), ...more];
  await writeFile(
    file,
    `version: 1
server: {url: ${new URL(resource).origin}}
auth:
  scopes: ["mcp:tools"]
  issuers:
    - ${keys.join("\n      ")}
apis: {a: {spec: a.yaml, credential: none, tools: [{match: {tags: [t]}}]}}
`,
  );
  const { auth } = await loadConfig(file, {});
  if (auth.mode !== "oauth") throw new TypeError("no oauth");
  const sets = createKeySets(auth.issuers, { fetch: globalThis.fetch, store: noKeyStore }, world);
  const authenticate = createAuthenticate(auth, endpoint, depsOf(sets, world), world);
  const now = world.ms / 1000;
  const token: VendorGate["token"] = (change = {}, head = {}) =>
    sign(
      { iss: url, iat: now, nbf: now, exp: now + 600, ...claims, ...change },
      { ...header, ...head },
      issuer.key,
    );
  return {
    url,
    authenticate,
    lines: () => JSON.stringify(world.lines),
    token,
    principal: async (change) => authenticate(bearer(await token(change))),
    present: async (change, head) => outcome(authenticate(bearer(await token(change, head)))),
  };
}

function overrides(line: string, more: readonly string[]): boolean {
  return more.some((other) => other.split(":")[0] === line.split(":")[0]);
}

test.each<[VendorName, Partial<Principal>, readonly string[]]>([
  [
    "entra",
    {
      name: "Alice Liddell",
      clientId: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
      roles: ["Orders.Approve"],
    },
    ["mcp:tools", "courses:read", "Orders.Approve"],
  ],
  [
    "entra v1",
    {
      name: "Alice Liddell",
      clientId: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
      roles: [],
    },
    ["mcp:tools", "courses:read"],
  ],
  [
    "okta",
    { name: "alice@acme.test", clientId: "0oabskvc6442nkvQO0h7", roles: ["Everyone", "staff"] },
    ["mcp:tools", "courses:read"],
  ],
  [
    "auth0",
    { name: undefined, clientId: "my_client_id", roles: [] },
    ["openid", "profile", "mcp:tools", "courses:read"],
  ],
  [
    "keycloak",
    { name: "Alice Liddell", clientId: "cursor", roles: ["default-roles-acme", "staff"] },
    ["openid", "profile", "mcp:tools", "courses:read"],
  ],
  [
    "cognito",
    { name: "alice", clientId: "xxxxxxxxxxxxexample", roles: ["staff"] },
    ["openid", "mcp:tools", "courses:read"],
  ],
  [
    "google",
    {
      name: "tools@acme.iam.gserviceaccount.test",
      clientId: "104029292853099978293",
      roles: ["mcp:tools"],
    },
    ["mcp:tools"],
  ],
  [
    "zitadel",
    { name: undefined, clientId: "69234237810729234", roles: ["staff"] },
    ["openid", "mcp:tools", "courses:read"],
  ],
  ["ping", { name: undefined, clientId: "cursor", roles: [] }, ["mcp:tools", "courses:read"]],
])("an access token of %s is read as documented", async (name, expected, scopes) => {
  const { principal } = await gate(name);
  const found = await principal();
  expect(found).toMatchObject(expected);
  expect([...found.scopes]).toEqual(scopes);
  expect(Object.isFrozen(found.roles)).toBe(true);
});

test.each<[VendorName, string, Claims, string]>([
  ["entra", "T29: tid of another tenant", { tid: "other" }, "401 wrong_tenant"],
  ["entra", "T29: no tid", { tid: undefined }, "401 wrong_tenant"],
  [
    "entra",
    "T15: an ID token",
    { aud: guid, nonce: "n", scp: undefined },
    "401 not_an_access_token",
  ],
  ["entra", "T37: an application", { idtyp: "app", scp: undefined }, "401 machine_token"],
  ["entra", "T37: one that does not say so", { scp: undefined }, "401 machine_token"],
  ["entra v1", "T29: tid of another tenant", { tid: "other" }, "401 wrong_tenant"],
  ["entra v1", "T37: an application", { idtyp: "app", scp: undefined }, "401 machine_token"],
  ["entra v1", "the audience of version 2", { aud: guid }, "401 wrong_audience"],
  ["entra v1", "a token for Graph", { aud: "https://graph.test" }, "401 wrong_audience"],
  ["entra v1", "T15: an ID token", { nonce: "n", scp: undefined }, "401 not_an_access_token"],
  ["google", "T15: a person's ID token", { at_hash: "x" }, "401 not_an_access_token"],
  ["google", "T15: an ID token of a login", { nonce: "n" }, "401 not_an_access_token"],
  ["google", "another audience", { aud: "https://other.test" }, "401 wrong_audience"],
  ["google", "another account", { email: "x@acme.iam.gserviceaccount.test" }, "403 claim_rule"],
  ["google", "an unverified address", { email_verified: false }, "403 claim_rule"],
  ["auth0", "an opaque token's audience", { aud: undefined }, "401 wrong_audience"],
  [
    "okta",
    "T15: an ID token",
    { nonce: "n", at_hash: "x", scp: undefined },
    "401 not_an_access_token",
  ],
  ["okta", "the org server's audience", { aud: "https://acme.okta.test" }, "401 wrong_audience"],
  ["entra", "a v1 audience", { aud: `api://${guid}` }, "401 wrong_audience"],
  ["okta", "T37: a service", { sub: "0oabskvc6442nkvQO0h7" }, "401 machine_token"],
  ["okta", "another server's audience", { aud: "api://default" }, "401 wrong_audience"],
  ["auth0", "T37: a machine", { gty: "client-credentials", sub: "x@clients" }, "401 machine_token"],
  ["auth0", "userinfo alone", { aud: "https://acme.eu.auth0.test/userinfo" }, "401 wrong_audience"],
  ["keycloak", "T17: a refresh token", { typ: "Refresh" }, "401 not_an_access_token"],
  ["keycloak", "T17: an offline token", { typ: "Offline" }, "401 not_an_access_token"],
  ["keycloak", "T17: an ID token", { typ: "ID", at_hash: "x" }, "401 not_an_access_token"],
  [
    "keycloak",
    "T37: a service account",
    { preferred_username: "service-account-batch", azp: "batch", sid: undefined },
    "401 machine_token",
  ],
  [
    "keycloak",
    "T37: a service account without profile",
    { preferred_username: undefined, azp: "batch", client_id: "batch", sid: undefined },
    "401 machine_token",
  ],
  [
    "keycloak",
    "T37: a service account by its host",
    { clientHost: "10.0.0.7" },
    "401 machine_token",
  ],
  ["cognito", "T15: an ID token", { token_use: "id" }, "401 not_an_access_token"],
  ["cognito", "a token without use", { token_use: undefined }, "403 claim_rule"],
  ["cognito", "another client", { client_id: "other" }, "401 client_not_allowed"],
  ["cognito", "no client", { client_id: undefined }, "401 client_not_allowed"],
  ["zitadel", "another project", { aud: ["69234237810729234"] }, "401 wrong_audience"],
])("%s: %s is refused", async (name, _what, claims, expected) => {
  const { present } = await gate(name);
  expect(await present()).toBe("ok");
  expect(await present(claims)).toBe(expected);
});

test("T18: a security event is refused", async () => {
  const { present } = await gate("ping");
  expect(await present({}, { typ: "secevent+jwt" })).toBe("401 not_an_access_token");
});

test("T27: the slash of Auth0's issuer counts", async () => {
  const { present, url } = await gate("auth0");
  expect(await present({ iss: url.replace(/\/$/, "") })).toBe("401 unknown_issuer");
});

test("T29: of several tenants each is checked with its own issuer", async () => {
  const { present, url } = await gate("entra", ["tenants: [other]"].slice(1));
  expect(await present({ iss: url.replace(tid, "common") })).toBe("401 unknown_issuer");
  expect(await present({ iss: url.replace(tid, "other"), tid: "other" })).toBe(
    "401 unknown_issuer",
  );
});

test("T15: Google's opaque tokens are none, and its service accounts need permission", async () => {
  const { present, token } = await gate("google", ["allowMachine: false"]);
  expect(await present()).toBe("401 machine_token");
  const { authenticate } = await gate("google");
  expect(await outcome(authenticate(bearer("ya29.a0AfH6SMBx-opaque_0123")))).toBe(
    "401 malformed_token",
  );
  expect(
    await outcome(authenticate(bearer(await token({ iss: "https://accounts.google.com" })))),
  ).toBe("401 unknown_issuer");
});

test("T27: a token of Entra's version 1 is of another issuer than one of version 2", async () => {
  const { present, url } = await gate("entra");
  expect(await present({ iss: url.replace("/v2.0", "/") })).toBe("401 unknown_issuer");
});

test("Keycloak without audience mapper: the log says what is missing", async () => {
  const { present, lines } = await gate("keycloak");
  expect(await present({ aud: undefined })).toBe("401 wrong_audience");
  expect(lines()).toContain("no audience mapper");
});

test("machine tokens are accepted where they are allowed", async () => {
  const { present } = await gate("keycloak", ["allowMachine: true"]);
  expect(await present({ preferred_username: "service-account-batch", azp: "batch" })).toBe("ok");
});

test.each<[string, Claims, string]>([
  ["{email_verified: true}", {}, "ok"],
  ["{email_verified: true}", { email_verified: "true" }, "403 claim_rule"],
  ["{email_verified: true}", { email_verified: undefined }, "403 claim_rule"],
  ["{realm_access.roles: staff}", {}, "ok"],
  ["{realm_access.roles: {any: [admin, staff]}}", {}, "ok"],
  ["{realm_access.roles: {all: [admin, staff]}}", {}, "403 claim_rule"],
  ["{realm_access.roles: admin}", {}, "403 claim_rule"],
  ["{realm_access.roles.length: 2}", {}, "403 claim_rule"],
  ["{constructor: x}", {}, "403 claim_rule"],
])("require: %s with %j gives %s", async (rule, claims, expected) => {
  const { present } = await gate("keycloak", [`require: ${rule}`]);
  expect(await present(claims)).toBe(expected);
});

test("roles are scopes where they are listed, and a scope includes what it implies", async () => {
  const { principal } = await gate("keycloak", [
    "scopes: {from: [scope, realm_access.roles], implies: {staff: [courses:write], courses:write: [courses:archive, staff]}}",
  ]);
  const { scopes } = await principal();
  expect(scopes).toContain("staff");
  expect(scopes).toContain("courses:write");
  expect(scopes).toContain("courses:archive");
});

test("T38: a prefix is taken off whole scopes only", async () => {
  const { present } = await gate("cognito");
  expect(await present({ scope: `${resource}/mcp:toolsX` })).toBe("403 baseline_scope_missing");
  expect(await present({ scope: `x${resource}/mcp:tools` })).toBe("403 baseline_scope_missing");
  expect(await present({ scope: `${resource}/` })).toBe("403 baseline_scope_missing");
});
