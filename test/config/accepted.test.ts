import { join } from "node:path";
import { expect, test } from "vitest";
import type { Issue } from "../../src/base/issue.ts";
import type { Config } from "../../src/config/config.ts";
import type { ApiConfig } from "../../src/config/types/apis.ts";
import type { RuleConfig } from "../../src/config/types/rule.ts";
import { loadConfig } from "../../src/config/load.ts";
import { good, goodEnv, goodWith, issuesOf, load, makeWorld, privateKey } from "./world.ts";

const minimal = `version: 1
server: {url: https://mcp.acme.com}
auth: {issuers: [{issuer: https://sso.acme.com}]}
apis:
  things: {spec: things.yaml, credential: none, tools: [{match: {tags: [a]}}]}
`;

const usualLimits = {
  maxRequestBytes: 2 ** 20,
  maxResponseBytes: 2 ** 20,
  shedding: { maxLoopDelayMs: 250, afterMs: 3_000 },
  maxConnections: 16_384,
  callTimeoutMs: 60_000,
  queue: 64,
  queueMs: 1_000,
  maxPrincipalCalls: 16,
  maxCalls: 1_024,
  rates: {
    principal: undefined,
    client: undefined,
    tool: undefined,
    external: undefined,
    address: undefined,
  },
  maxListenStreams: 1000,
  maxTokens: 10_000,
};

test("the shortest file gets every default", async () => {
  const { directory, file } = await makeWorld(minimal);
  const at = (line: number, column: number): object => ({ file, line, column });
  expect(await loadConfig(file, {})).toEqual({
    file,
    files: [file],
    server: {
      url: "https://mcp.acme.com",
      listen: { host: "127.0.0.1", port: 443 },
      listenPosition: at(2, 15),
      trustProxy: undefined,
      tls: undefined,
      drain: { delayMs: undefined, timeoutMs: 25_000, graceMs: 60_000 },
      allowedHosts: ["mcp.acme.com", "localhost", "127.0.0.1", "::1"],
      allowedOrigins: ["mcp.acme.com", "localhost", "127.0.0.1", "::1"],
    },
    admin: undefined,
    when: undefined,
    auth: {
      mode: "oauth",
      scopes: [],
      stepUp: true,
      keysDir: join(directory, "var/keys"),
      dpop: "off",
      deny: { jti: [], sub: [], clients: [] },
      cache: { entries: 10_000, maxAgeMs: 600_000 },
      issuers: [
        {
          issuer: "https://sso.acme.com",
          embedded: false,
          preset: "generic",
          tokens: "jwt",
          introspection: undefined,
          tenant: undefined,
          audience: [],
          exclusive: false,
          typ: "at+jwt",
          algorithms: ["ES256", "PS256", "RS256", "EdDSA", "Ed25519"],
          jwksUrl: undefined,
          jwks: { hosts: [], staleForMs: 21_600_000, cooldownMs: 30_000, startup: "require" },
          backChannelLogout: undefined,
          clockSkewMs: 30_000,
          maxLifetimeMs: 86_400_000,
          clientClaims: ["client_id", "azp", "cid", "appid"],
          clients: [],
          scopes: { from: ["scope", "scp"], prefix: "", advertise: "", implies: new Map() },
          nameClaims: ["name", "preferred_username", "email"],
          roleClaims: ["roles", "groups"],
          require: new Map(),
          machine: [new Map([["idtyp", "app"]]), new Map([["gty", "client-credentials"]])],
          allowMachine: false,
        },
      ],
    },
    clients: new Map(),
    signingKeys: [],
    broker: undefined,
    connections: undefined,
    apis: [
      {
        id: "things",
        spec: join(directory, "things.yaml"),
        specPosition: at(5, 18),
        overlays: [],
        server: { select: undefined, variables: new Map() },
        ca: undefined,
        allowedHosts: [],
        refs: { roots: [], allowHosts: [], privateHosts: [] },
        url: undefined,
        credential: { kind: "none" },
        identityHeaders: new Map(),
        timeouts: { connectMs: 2_000, headersMs: 10_000, idleMs: 10_000, totalMs: 30_000 },
        retry: { attempts: 1, unsafe: false, idempotencyKey: undefined },
        breaker: true,
        maxConcurrentCalls: 128,
        deepObjectArrays: "repeat",
        redirects: undefined,
        prefix: false,
        when: undefined,
        skipDeprecated: false,
        keepReadOnly: false,
        rules: [
          {
            select: { kind: "match", tags: ["a"], methods: [], paths: [] },
            expose: true,
            name: undefined,
            title: undefined,
            description: undefined,
            scopes: [],
            when: undefined,
            mediaType: undefined,
            allowGetBody: false,
            flattenBody: false,
            annotations: {
              readOnly: undefined,
              destructive: undefined,
              idempotent: undefined,
              openWorld: undefined,
            },
            args: new Map(),
            response: {
              select: undefined,
              fields: [],
              headers: [],
              schema: "none",
              maxPages: 1,
              maxTokens: 25_000,
            },
            timeouts: { headersMs: 10_000, idleMs: 10_000, totalMs: 30_000 },
            rate: undefined,
            egress: "internal",
            maxConcurrentCalls: undefined,
            position: at(5, 57),
          },
        ],
        position: at(5, 3),
      },
    ],
    trust: "auto",
    specsDir: join(directory, "var/specs"),
    endpoints: [
      {
        path: "/mcp",
        resource: "https://mcp.acme.com/mcp",
        apis: ["things"],
        audience: [],
        profile: "default",
      },
    ],
    limits: usualLimits,
    replicas: undefined,
    audit: {
      sinks: [{ kind: "file", dir: join(directory, "var/audit"), rotation: undefined }],
      args: { default: { kind: "digest" }, tools: [] },
      result: "size",
      redact: { keys: [], detectors: usualDetectors, schema: true },
      durability: "flushed",
      onFailure: "deny-unsafe",
      signingKey: undefined,
    },
    telemetry: { otlp: undefined, baggage: new Set() },
    warnings: [
      expect.objectContaining({ severity: "warning", code: "https_without_tls" }) as Issue,
    ],
  });
});

test.each([
  "https://acme.com/openapi.yaml?version=2",
  "http://127.0.0.1:8080/openapi.json",
  "http://localhost:8080/openapi.json",
])("the document %s is fetched", async (url) => {
  const { apis } = await load(goodWith("spec: specs/other.yaml", `spec: ${url}`));
  expect(apis[1]?.spec).toBe(url);
});

test.each([
  ["name: prod", { kind: "name", name: "prod" }],
  ["description: Production", { kind: "description", description: "Production" }],
  ["index: 1", { kind: "index", index: 1 }],
])("a server is chosen by %s", async (choice, select) => {
  const { apis } = await load(
    goodWith(
      "spec: specs/other.yaml",
      `spec: specs/other.yaml\n    server: {${choice}, variables: {region: eu}}\n    allowedHosts: [files.acme.com]`,
    ),
  );
  expect(apis[1]).toMatchObject({ server: { select }, allowedHosts: ["files.acme.com"] });
  expect(apis[1]?.server.variables.get("region")).toMatchObject({ value: "eu" });
});

test("references get to more directories and hosts", async () => {
  const { directory, file } = await makeWorld(
    goodWith(
      "spec: specs/other.yaml",
      "spec: specs/other.yaml\n    refs: {roots: [common], allowHosts: [schemas.acme.com, localhost], privateHosts: [schemas.acme.com]}",
    ),
  );
  const { apis } = await loadConfig(file, goodEnv);
  expect(apis[1]?.refs).toEqual({
    roots: [join(directory, "common")],
    allowHosts: ["schemas.acme.com", "localhost"],
    privateHosts: ["schemas.acme.com"],
  });
});

test.each([
  { written: "0.0.0.0:3000", listen: { host: "0.0.0.0", port: 3000 } },
  { written: ":3000", listen: { host: "0.0.0.0", port: 3000 } },
  { written: '"[::1]:3000"', listen: { host: "::1", port: 3000 } },
  { written: "localhost:0", listen: { host: "localhost", port: 0 } },
  { written: "3000", listen: { host: "127.0.0.1", port: 3000 } },
  { written: '"3000"', listen: { host: "127.0.0.1", port: 3000 } },
])("listen: $written", async ({ written, listen }) => {
  const { server } = await load(goodWith("listen: 127.0.0.1:3000", `listen: ${written}`));
  expect(server.listen).toEqual(listen);
});

test("without listen it is loopback and the port of the url", async () => {
  const plain = good
    .replace("  listen: 127.0.0.1:4000\n", "")
    .replace("  listen: 127.0.0.1:3000\n", "")
    .replace("https://mcp.acme.com\n", "http://localhost\n");
  const { server, broker } = await load(plain);
  expect(server.listen).toEqual({ host: "127.0.0.1", port: 80 });
  expect(broker).toEqual({
    issuer: "http://localhost:4000",
    listen: { host: "127.0.0.1", port: 4000 },
    upstream: { kind: "dev" },
    registration: {
      dynamic: "open",
      documents: { hosts: "any", privateHosts: [] },
      clients: new Map(),
    },
    redirects: { known: true, allowed: [] },
    consent: "always",
    store: { kind: "memory" },
    assertionIssuers: [],
  });
});

test("port 0 is a free one for every listener", async () => {
  const text = good.replace(/^( {2}listen: 127\.0\.0\.1):\d+$/gm, "$1:0");
  const { server, admin, broker } = await load(text);
  expect([server, admin, broker].map((section) => section?.listen?.port)).toEqual([0, 0, 0]);
});

test("on an open listener only the configured hosts are allowed", async () => {
  const { server } = await load(
    goodWith(
      "listen: 127.0.0.1:3000",
      "listen: :3000\n  allowedHosts: [mcp.internal, mcp.acme.com]\n  allowedOrigins: [app.acme.com]",
    ),
  );
  expect(server.allowedHosts).toEqual(["mcp.acme.com", "mcp.internal"]);
  expect(server.allowedOrigins).toEqual(["mcp.acme.com", "app.acme.com"]);
});

test("an issuer takes every key", async () => {
  const issuer = `issuers:
    - issuer: https://acme.auth0.com/
      preset: auth0
      tenants: [t1]
      tokens: auto
      introspection: {client: corp, url: https://sso.acme.com/introspect, cache: 5s, every: 1m}
      audience: [a, b]
      exclusive: true
      typ: any
      algorithms: [RS256]
      jwksUrl: https://acme.auth0.com/jwks?v=1
      jwks: {hosts: [keys.acme.com], staleFor: 1h, cooldown: 5s, startup: lazy}
      backChannelLogout: {audience: tollgate}
      clockSkew: 2m
      maxLifetime: 1h
      client: azp
      clients: [claude]
      scopes: {from: permissions, prefix: p/, advertise: "{resource}/", implies: {admin: [read, write]}}
      name: upn
      roles: [https://acme.com/roles]
      require: {email_verified: true, groups: {any: [mcp-users, 7]}, teams: {all: [a, b]}}
      machine: [{gty: null, sub: m2m-*}]
      allowMachine: true`;
  const { auth } = await load(
    goodWith(
      "issuers:\n    - issuer: https://sso.acme.com/realms/acme\n      audience: https://mcp.acme.com/mcp",
      issuer,
    ),
  );
  expect(auth).toEqual({
    mode: "oauth",
    scopes: ["mcp:tools"],
    stepUp: true,
    keysDir: expect.stringMatching(/\/var\/keys$/),
    dpop: "off",
    deny: { jti: [], sub: [], clients: [] },
    cache: { entries: 10_000, maxAgeMs: 600_000 },
    issuers: [
      {
        issuer: "https://acme.auth0.com/",
        embedded: false,
        preset: "auth0",
        tokens: "auto",
        introspection: {
          client: "corp",
          url: "https://sso.acme.com/introspect",
          cacheMs: 5_000,
          everyMs: 60_000,
        },
        tenant: "t1",
        audience: ["a", "b"],
        exclusive: true,
        typ: "any",
        algorithms: ["RS256"],
        jwksUrl: "https://acme.auth0.com/jwks?v=1",
        jwks: {
          hosts: ["keys.acme.com"],
          staleForMs: 3_600_000,
          cooldownMs: 5_000,
          startup: "lazy",
        },
        backChannelLogout: { audience: ["tollgate"] },
        clockSkewMs: 120_000,
        maxLifetimeMs: 3_600_000,
        clientClaims: ["azp"],
        clients: ["claude"],
        scopes: {
          from: ["permissions"],
          prefix: "p/",
          advertise: "{resource}/",
          implies: new Map([["admin", ["read", "write"]]]),
        },
        nameClaims: ["upn"],
        roleClaims: ["https://acme.com/roles"],
        require: new Map([
          ["email_verified", { kind: "any", values: [true] }],
          ["groups", { kind: "any", values: ["mcp-users", 7] }],
          ["teams", { kind: "all", values: ["a", "b"] }],
        ]),
        machine: [
          new Map([
            ["gty", null],
            ["sub", "m2m-*"],
          ]),
        ],
        allowMachine: true,
      },
    ],
  });
});

const entra = `issuers:
    - issuer: https://login.microsoftonline.com/{tid}/v2.0
      preset: entra
      tenants: [acme, umbrella]
      audience: guid`;
const oneIssuer =
  "issuers:\n    - issuer: https://sso.acme.com/realms/acme\n      audience: https://mcp.acme.com/mcp";

test("an issuer of several tenants is one issuer for each", async () => {
  const { auth } = await load(goodWith(oneIssuer, entra));
  expect(auth).toMatchObject({
    issuers: [
      { issuer: "https://login.microsoftonline.com/acme/v2.0", tenant: "acme" },
      { issuer: "https://login.microsoftonline.com/umbrella/v2.0", tenant: "umbrella" },
    ],
  });
});

test("with the preset of Entra the tenant is that of the issuer", async () => {
  const one = entra.replace("{tid}", "acme").replace("      tenants: [acme, umbrella]\n", "");
  const { auth } = await load(goodWith(oneIssuer, one));
  expect(auth).toMatchObject({ issuers: [{ tenant: "acme" }] });
});

test("a preset fills what is not written, inside mappings too", async () => {
  const { auth } = await load(
    goodWith(oneIssuer, `${entra}\n      scopes: {from: scp}\n      name: upn`),
  );
  expect(auth).toMatchObject({
    issuers: [
      {
        typ: "any",
        algorithms: ["RS256"],
        scopes: { from: ["scp"], advertise: "{resource}/" },
        nameClaims: ["upn"],
        machine: [new Map([["idtyp", "app"]]), new Map([["scp", null]])],
      },
      {},
    ],
  });
});

test("without an audience the clients are named, and a warning says what that means", async () => {
  const cognito = `issuers:
    - issuer: https://cognito-idp.eu-central-1.amazonaws.com/pool
      preset: cognito
      clients: [c1]`;
  const { auth, warnings } = await load(goodWith(oneIssuer, cognito));
  expect(auth).toMatchObject({ issuers: [{ audience: "none", clients: ["c1"] }] });
  expect(warnings).toMatchObject([{ code: "audience_not_checked" }]);
});

test("an audience may be called none", async () => {
  const { auth } = await load(goodWith("audience: https://mcp.acme.com/mcp", "audience: [none]"));
  expect(auth).toMatchObject({ issuers: [{ audience: ["none"] }] });
});

test("each endpoint is a resource with its own apis", async () => {
  const text = good
    .replace("      audience: https://mcp.acme.com/mcp\n", "")
    .concat(
      "endpoints: {/mcp: {apis: [courses]}, /v2/admin: {apis: [courses, other], audience: a}}\n",
    );
  const { endpoints, warnings } = await load(text);
  expect(endpoints).toEqual([
    {
      path: "/mcp",
      resource: "https://mcp.acme.com/mcp",
      apis: ["courses"],
      audience: [],
      profile: "default",
    },
    {
      path: "/v2/admin",
      resource: "https://mcp.acme.com/v2/admin",
      apis: ["courses", "other"],
      audience: ["a"],
      profile: "default",
    },
  ]);
  expect(warnings).toEqual([]);
});

test("an api that no endpoint has is a warning", async () => {
  const { warnings } = await load(`${good}endpoints: {/mcp: {apis: [courses]}}\n`);
  expect(warnings).toMatchObject([{ code: "api_not_served" }]);
});

test("stepUp can be off", async () => {
  const { auth } = await load(goodWith("  mode: oauth", "  mode: oauth\n  stepUp: false"));
  expect(auth).toMatchObject({ stepUp: false });
});

test("without tokens there is nothing but the mode", async () => {
  const { auth } = await load(
    goodWith(
      "  mode: oauth\n  scopes: [mcp:tools]\n  issuers:\n    - issuer: https://sso.acme.com/realms/acme\n      audience: https://mcp.acme.com/mcp\n",
      "  mode: none\n",
    ),
  );
  expect(auth).toEqual({ mode: "none" });
});

test.each([
  {
    written: "auth: client_secret_post\n      secret: ${CLIENT_SECRET}",
    auth: { kind: "client_secret_post" },
    secret: "canary-client",
  },
  {
    written: "secret: ${CLIENT_SECRET}",
    auth: { kind: "client_secret_basic" },
    secret: "canary-client",
  },
  {
    written: "auth: private_key_jwt\n      key: ${KEY}\n      algorithm: RS256\n      keyId: k1",
    auth: { kind: "private_key_jwt", algorithm: "RS256", keyId: "k1", assertionAudience: "issuer" },
    secret: privateKey,
  },
  {
    written:
      "auth: private_key_jwt\n      key: ${KEY}\n      certificate: cert\n      assertionAudience: tokenUrl",
    auth: { kind: "private_key_jwt", certificate: "cert", assertionAudience: "tokenUrl" },
    secret: privateKey,
  },
  {
    written: "auth: tls_client_auth\n      key: ${KEY}\n      certificate: cert",
    auth: { kind: "tls_client_auth", certificate: "cert" },
    secret: privateKey,
  },
  {
    written: "auth: workload\n      tokenFile: /run/token",
    auth: { kind: "workload", tokenFile: "/run/token" },
    secret: undefined,
  },
])("a client authenticates by $auth.kind", async ({ written, auth, secret }) => {
  const text = goodWith("auth: client_secret_basic\n      secret: ${CLIENT_SECRET}", written);
  const { clients } = await load(text, { ...goodEnv, KEY: privateKey });
  const corp = clients.get("corp");
  expect(corp).toMatchObject({ name: "corp", id: "tollgate", tokenUrl: undefined, auth });
  expect(revealed(corp?.auth)).toBe(secret);
});

test("a client of the broker needs no key", async () => {
  const { clients } = await load(good);
  expect(clients.get("local")?.auth).toEqual({
    kind: "private_key_jwt",
    key: undefined,
    algorithm: "ES256",
    keyId: undefined,
    certificate: undefined,
    assertionAudience: "issuer",
  });
});

test("a token endpoint may be written", async () => {
  const { clients } = await load(
    goodWith(
      "      id: tollgate",
      "      id: tollgate\n      tokenUrl: https://sso.acme.com/t?a=b",
    ),
  );
  expect(clients.get("corp")?.tokenUrl).toBe("https://sso.acme.com/t?a=b");
});

test.each([
  { written: "none", credential: { kind: "none" } },
  { written: "{none: {}}", credential: { kind: "none" } },
  {
    written: "{exchange: {client: local, audience: [a, b], resource: https://r, scope: s}}",
    credential: {
      kind: "exchange",
      grant: "token-exchange",
      subject: "caller",
      client: "local",
      audience: ["a", "b"],
      resource: ["https://r"],
      scope: ["s"],
      scopeGranularity: "operation",
      addedScopes: [],
      parameters: new Map(),
      verifyAudience: true,
      subjectTokenType: "urn:ietf:params:oauth:token-type:access_token",
      requestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
      actor: "none",
      cache: { maxMs: 600_000, failureMs: 5_000 },
      retry: true,
      stepUp: undefined,
    },
  },
  {
    written:
      "{exchange: {client: corp, subjectTokenType: jwt, requestedTokenType: 'urn:acme:t', actor: self, verifyAudience: false, scopeGranularity: api, addedScopes: [o], parameters: {a: b}}}",
    credential: {
      kind: "exchange",
      grant: "token-exchange",
      subject: "caller",
      client: "corp",
      audience: [],
      resource: [],
      scope: [],
      scopeGranularity: "api",
      addedScopes: ["o"],
      parameters: new Map([["a", "b"]]),
      verifyAudience: false,
      subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
      requestedTokenType: "urn:acme:t",
      actor: "self",
      cache: { maxMs: 600_000, failureMs: 5_000 },
      retry: true,
      stepUp: undefined,
    },
  },
  {
    written: "{signedJwt: {audience: a, claims: [email]}}",
    credential: { kind: "signedJwt", audience: "a", claims: ["email"], typ: "at+jwt" },
  },
  {
    written: "{jwtBearer: {client: corp, scope: s, parameters: {a: b}}}",
    credential: {
      kind: "exchange",
      grant: "jwt-bearer",
      subject: "caller",
      client: "corp",
      audience: [],
      resource: [],
      scope: ["s"],
      scopeGranularity: "operation",
      addedScopes: [],
      parameters: new Map([["a", "b"]]),
      verifyAudience: true,
      subjectTokenType: "",
      requestedTokenType: undefined,
      actor: "none",
      cache: { maxMs: 600_000, failureMs: 5_000 },
      retry: true,
      stepUp: undefined,
    },
  },
  {
    written: "{clientCredentials: {client: corp, scope: [s, t]}}",
    credential: {
      kind: "clientCredentials",
      client: "corp",
      audience: [],
      resource: [],
      scope: ["s", "t"],
    },
  },
])("credential: $written", async ({ written, credential }) => {
  expect((await withCredential(written)).credential).toEqual(credential);
});

test.each([
  {
    written: "{header: X-Key, value: '${API_KEY}'}",
    in: "header",
    name: "X-Key",
    value: "canary-key",
  },
  { written: "{query: key, value: '${API_KEY}'}", in: "query", name: "key", value: "canary-key" },
  { written: "{cookie: sid, value: '${API_KEY}'}", in: "cookie", name: "sid", value: "canary-key" },
  {
    written: "{header: X-Key, value: 'Key ${API_KEY}'}",
    in: "header",
    name: "X-Key",
    value: "Key canary-key",
  },
  {
    written: "{bearer: '${API_KEY}'}",
    in: "header",
    name: "authorization",
    value: "Bearer canary-key",
  },
  {
    written: "{basic: {username: me, password: '${API_PASSWORD}'}}",
    in: "header",
    name: "authorization",
    value: `Basic ${Buffer.from("me:canary-password").toString("base64")}`,
  },
])("static: $written", async ({ written, in: place, name, value }) => {
  const { credential } = await withCredential(`{static: ${written}}`);
  expect(credential).toMatchObject({ kind: "static", in: place, name });
  expect(revealed(credential)).toBe(value);
});

test("a rule takes every key", async () => {
  const config = await load(
    goodWith(
      "        name: enrol_in_course\n",
      `        name: enrol_in_course
        title: Enrol
        description: Enrol the learner.
        scopes: [courses:write]
        when: principal.sub != "x"
        response:
          select: "{id: id}"
          fields: [id, "a b.c-d"]
          headers: [ETag, x-total]
          maxPages: 20
          maxTokens: 4000
`,
    ),
  );
  expect(ruleOf(config, 0)).toMatchObject({
    select: { kind: "operation", operation: "enrol" },
    expose: true,
    name: "enrol_in_course",
    title: "Enrol",
    description: "Enrol the learner.",
    scopes: ["courses:write"],
    when: { expression: 'principal.sub != "x"', position: { line: 40, column: 15 } },
    response: {
      select: { expression: "{id: id}", position: { line: 42, column: 19 } },
      fields: ["id", "a b.c-d"],
      headers: ["ETag", "x-total"],
      maxPages: 20,
      maxTokens: 4000,
    },
  });
  expect(ruleOf(config, 1)).toMatchObject({ expose: false, select: { tags: ["admin"] } });
  expect(ruleOf(config, 2).select).toEqual({
    kind: "match",
    tags: [],
    methods: ["GET"],
    paths: ["/courses/**"],
  });
});

test.each([
  { written: "{}", allowedHosts: [] },
  {
    written: '{allowedHosts: [files.acme.com, "cdn.internal:8080", "[::1]:3000"]}',
    allowedHosts: ["files.acme.com", "cdn.internal:8080", "[::1]:3000"],
  },
])("redirects: $written", async ({ written, allowedHosts }) => {
  const { apis } = await load(goodWith("timeout: 10s", `redirects: ${written}`));
  expect(apis[0]?.redirects).toEqual({ allowedHosts });
});

test.each([
  { written: "{from: principal.sub}", source: { kind: "principal", path: ["sub"] } },
  { written: "{from: principal.clientId}", source: { kind: "principal", path: ["clientId"] } },
  { written: "{from: principal.iss}", source: { kind: "principal", path: ["iss"] } },
  {
    written: "{from: principal.claims.org.id}",
    source: { kind: "principal", path: ["claims", "org", "id"] },
  },
  { written: "{value: null}", source: { kind: "value", value: null } },
  { written: "{value: [1, {a: b}]}", source: { kind: "value", value: [1, { a: "b" }] } },
  { written: "{name: x}", source: { kind: "model" } },
])("an argument: $written", async ({ written, source }) => {
  const config = await load(goodWith("{from: principal.sub}", written));
  expect(ruleOf(config, 0).args.get("learnerId")?.source).toEqual(source);
});

test("an argument of the model may have a name, a default and a description", async () => {
  const config = await load(
    goodWith("{from: principal.sub}", "{name: limit, default: 20, description: How many}"),
  );
  expect(ruleOf(config, 0).args.get("learnerId")).toMatchObject({
    name: "limit",
    default: 20,
    description: "How many",
    position: { line: 38, column: 11 },
  });
});

test.each([
  { written: "1MiB", bytes: 1_048_576 },
  { written: "512KiB", bytes: 524_288 },
  { written: "64kB", bytes: 64_000 },
  { written: "1048576", bytes: 1_048_576 },
])("a size of $written", async ({ written, bytes }) => {
  const { limits } = await load(goodWith("concurrency: 64", `requestSize: ${written}`));
  expect(limits).toEqual({ ...usualLimits, maxRequestBytes: bytes });
});

test.each([
  { written: "500ms", ms: 500 },
  { written: "10s", ms: 10_000 },
  { written: "1m", ms: 60_000 },
])("a duration of $written", async ({ written, ms }) => {
  const { apis } = await load(goodWith("timeout: 10s", `timeout: ${written}`));
  expect(apis[0]?.timeouts.totalMs).toBe(ms);
});

const usualDetectors = ["pan", "iban", "jwt", "aws-key", "private-key"];

test("arguments are shown by tool", async () => {
  const { audit } = await load(
    goodWith(
      "    - stdout: {}",
      `    - stdout
  result: digest
  args:
    default: none
    tools: {"orders_*": {fields: [id, filter.status], mask: {email: keep-domain}}, hr: full}
  redact: {keys: [patientId], detectors: [email], schema: false}`,
    ),
  );
  expect(audit).toMatchObject({
    args: {
      default: { kind: "none" },
      tools: [
        {
          pattern: "orders_*",
          mode: {
            kind: "fields",
            fields: ["id", "filter.status"],
            masks: new Map([["email", "keep-domain"]]),
          },
        },
        { pattern: "hr", mode: { kind: "full" } },
      ],
    },
    result: "digest",
    redact: { keys: ["patientId"], detectors: ["email"], schema: false },
  });
});

test("an audit file is rotated by size and time, and old ones are removed", async () => {
  const rotate = "rotate: {size: 1MiB, every: 1h, keep: 3}";
  const { audit } = await load(
    goodWith("    - stdout: {}", `    - file: {dir: /var/log/t, ${rotate}}`),
  );
  expect(audit.sinks[1]).toEqual({
    kind: "file",
    dir: "/var/log/t",
    rotation: { maxBytes: 2 ** 20, everyMs: 3_600_000, keep: 3, compress: true },
  });
});

test("audit records go to other machines", async () => {
  const { audit } = await load(
    goodWith(
      "    - stdout: {}",
      `    - syslog: {url: "tls://[::1]:6514"}
    - webhook: {url: "https://siem.acme.com/in", secret: "\${API_KEY}"}
    - otlp: {endpoint: "http://collector:4318", headers: {X-Key: "\${API_KEY}"}}`,
    ),
  );
  const [, syslog, webhook, otlp] = audit.sinks;
  expect(syslog).toEqual({ kind: "syslog", host: "::1", port: 6514, tls: true, ca: undefined });
  expect(webhook).toMatchObject({ kind: "webhook", url: "https://siem.acme.com/in" });
  expect(otlp).toMatchObject({ kind: "otlp", endpoint: "http://collector:4318" });
  expect(otlp?.kind === "otlp" && [...otlp.headers.keys()]).toEqual(["x-key"]);
});

test("audit takes bare words, directories and no digest", async () => {
  const { file, audit } = await load(
    goodWith("    - stdout: {}", "    - stdout\n    - file: {dir: /var/log/t}\n  args: none"),
  );
  expect(audit).toEqual({
    sinks: [
      { kind: "file", dir: join(file, "../var/audit"), rotation: undefined },
      { kind: "stdout" },
      { kind: "file", dir: "/var/log/t", rotation: undefined },
    ],
    args: { default: { kind: "none" }, tools: [] },
    result: "size",
    redact: { keys: [], detectors: usualDetectors, schema: true },
    durability: "flushed",
    onFailure: "deny-unsafe",
    signingKey: undefined,
  });
});

test("keys that begin with x- are free, and anchors work", async () => {
  const { apis } = await load(
    `x-shared: &none {none: {}}\n${minimal.replace("credential: none", "credential: *none, x-owner: me")}`,
  );
  expect(apis[0]?.credential).toEqual({ kind: "none" });
});

test("a number with a leading zero is a warning", async () => {
  const { warnings, apis } = await load(goodWith("concurrency: 64", "concurrency: 012"));
  expect(apis[0]?.maxConcurrentCalls).toBe(12);
  expect(warnings).toMatchObject([{ code: "leading_zero", severity: "warning" }]);
});

async function withCredential(written: string): Promise<ApiConfig> {
  const config = await load(
    goodWith(
      "    credential:\n      exchange: {client: corp, audience: courses-api, scope: [courses:read]}",
      `    credential: ${written}`,
    ),
  );
  const [api] = config.apis;
  if (api === undefined) throw new Error("no api");
  return api;
}

function ruleOf(config: Config, index: number): RuleConfig {
  const rule = config.apis[0]?.rules[index];
  if (rule === undefined) throw new Error(`no rule ${index}`);
  return rule;
}

/** The only secret among the fields. */
function revealed(holder: object | undefined): string | undefined {
  for (const value of Object.values(holder ?? {}))
    if (value instanceof Object && "reveal" in value)
      return (value as { reveal(): string }).reveal();
  return undefined;
}

test("a rule says for itself what its api says for all", async () => {
  const config = await load(
    minimal.replace(
      "credential: none, tools: [{match: {tags: [a]}}]",
      "credential: none, prefix: true, skipDeprecated: true, keepReadOnly: true, flattenBody: true, tools: [{match: {tags: [a]}}, {match: {tags: [b]}, flattenBody: false, annotations: {readOnly: true}, args: {x: {header: Region}}}]",
    ),
  );
  const [api] = config.apis;
  expect(api).toMatchObject({ prefix: true, skipDeprecated: true, keepReadOnly: true });
  expect(api?.rules).toMatchObject([
    { flattenBody: true, annotations: { readOnly: undefined } },
    { flattenBody: false, annotations: { readOnly: true } },
  ]);
  expect(api?.rules[1]?.args.get("x")).toMatchObject({ header: "Region" });
});

test("a connection may be the login at one of the broker's providers", async () => {
  const text = goodWith(
    "  upstream: dev",
    "  upstream: {hub: {preset: github, client: corp, allow: everyone}}",
  );
  const { apis } = await load(
    text.replace(/exchange: \{client: corp[^\n]*/, "connection: {login: hub}"),
  );
  expect(apis[0]?.credential).toEqual({
    kind: "login",
    idp: "hub",
    title: "GitHub",
    client: "corp",
  });
});

test("an identity provider's preset fills in what the file does not say", async () => {
  const upstream = `  upstream:
    hub:
      preset: github
      client: corp
      scope: [read:user]
      person: {name: login}
      allow: {organizations: [acme], emailDomains: [acme.com]}
    tenant: {preset: entra, client: corp}`;
  const { broker } = await load(goodWith("  upstream: dev", upstream));
  if (broker?.upstream.kind !== "idps") throw new Error("no identity providers");
  expect(broker.upstream.idps).toMatchObject([
    {
      name: "hub",
      title: "GitHub",
      protocol: "oauth2",
      scope: ["read:user"],
      endpoints: { tokenUrl: "https://github.com/login/oauth/access_token" },
      person: { subject: "id", name: ["login"], organization: "organizations.login" },
      allow: { organizations: ["acme"], emailDomains: ["acme.com"], emailVerified: true },
      onRefresh: "verify",
    },
    {
      name: "tenant",
      protocol: "openid",
      person: { subject: "oid", email: "email", organization: "tid" },
      allow: undefined,
    },
  ]);
});

test("a broker at the gateway's own origin has no listener", async () => {
  const text = good
    .replaceAll("http://localhost:4000", "https://mcp.acme.com")
    .replace("  listen: 127.0.0.1:4000\n", "")
    .replace("upstream: dev", "upstream: {acme: {client: corp}}")
    .replace(
      "    local:\n      issuer: https://mcp.acme.com",
      "    local:\n      issuer: https://mcp.acme.com",
    );
  const { broker } = await load(text);
  expect(broker).toMatchObject({ issuer: "https://mcp.acme.com", listen: undefined });
});

test("proxies that are believed are networks or single addresses", async () => {
  const networks = "[10.0.0.0/8, 127.0.0.1, '2001:db8::/48', '::1']";
  const url = "  url: https://mcp.acme.com\n";
  const { server } = await load(goodWith(url, `${url}  trustProxy: {networks: ${networks}}\n`));
  expect(server.trustProxy).toEqual({
    header: "x-forwarded-for",
    networks: [
      { address: "10.0.0.0", bits: 8 },
      { address: "127.0.0.1", bits: 32 },
      { address: "2001:db8::", bits: 48 },
      { address: "::1", bits: 128 },
    ],
  });
  for (const wrong of [
    "proxy.internal",
    "10.0.0.0/33",
    "10.0.0.0/0",
    "10.0.0/8",
    "'::1/129'",
    "'fe80::1%eth0'",
  ])
    expect(
      await issuesOf(goodWith(url, `${url}  trustProxy: {networks: [${wrong}]}\n`)),
    ).toMatchObject([{ code: "invalid_value", message: expect.stringContaining("networks[0]") }]);
});
