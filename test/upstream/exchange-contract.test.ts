import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { loadConfig } from "../../src/config/load.ts";
import type { CredentialConfig } from "../../src/config/types/credential.ts";
import { Secret } from "../../src/base/secret.ts";
import {
  type Answer,
  type Asked,
  clientConfig,
  createRoom,
  createTestPorts,
  obtain,
  person,
  startServer,
} from "./credential-world.ts";

/** The vendors' own words on the request that their token endpoint takes. */
const sources = {
  rfc8693: "RFC 8693 §2.1",
  keycloak: "https://www.keycloak.org/securing-apps/token-exchange#_standard-token-exchange",
  entra: "https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-on-behalf-of-flow",
  okta: "https://developer.okta.com/docs/guides/set-up-token-exchange/main/",
  auth0: "https://auth0.com/docs/api/authentication/on-behalf-of-token-exchange/get-token",
  zitadel: "https://zitadel.com/docs/guides/integrate/token-exchange",
  google: "https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token",
} as const;

const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const bearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const type = (name: string): string => `urn:ietf:params:oauth:token-type:${name}`;

interface Contract {
  readonly preset: string;
  /** YAML of `credential.exchange` besides client and preset. */
  readonly keys: string;
  readonly source: string;
  /** Every field of the form but those of client authentication. */
  readonly form: Readonly<Record<string, string | readonly string[]>>;
  /** What the product answers. */
  readonly answer: Readonly<Record<string, string | number>>;
}

const contracts: readonly Contract[] = [
  {
    preset: "generic",
    keys: "audience: [orders, billing], resource: 'https://orders.test', scope: [a, b], parameters: {tenant: acme}",
    source: sources.rfc8693,
    form: {
      grant_type: exchangeGrant,
      subject_token: "outer",
      subject_token_type: type("access_token"),
      requested_token_type: type("access_token"),
      resource: "https://orders.test",
      audience: ["orders", "billing"],
      scope: "a b",
      tenant: "acme",
    },
    answer: { issued_token_type: type("access_token"), token_type: "Bearer", expires_in: 300 },
  },
  {
    preset: "keycloak",
    keys: "audience: orders-api, scope: ['orders:read']",
    source: sources.keycloak,
    form: {
      grant_type: exchangeGrant,
      subject_token: "outer",
      subject_token_type: type("access_token"),
      requested_token_type: type("access_token"),
      audience: "orders-api",
      scope: "orders:read",
    },
    answer: {
      issued_token_type: type("access_token"),
      token_type: "Bearer",
      expires_in: 300,
      refresh_expires_in: 0,
      scope: "email orders:read profile",
    },
  },
  {
    preset: "entra",
    keys: "scope: 'api://orders/.default'",
    source: sources.entra,
    form: {
      grant_type: bearerGrant,
      assertion: "outer",
      requested_token_use: "on_behalf_of",
      scope: "api://orders/.default",
    },
    answer: {
      token_type: "Bearer",
      expires_in: 3269,
      ext_expires_in: 0,
      scope: "api://orders/Orders.Read api://orders/Orders.Write",
    },
  },
  {
    preset: "okta",
    keys: "audience: 'api://orders', scope: ['orders:read']",
    source: sources.okta,
    form: {
      grant_type: exchangeGrant,
      subject_token: "outer",
      subject_token_type: type("access_token"),
      audience: "api://orders",
      scope: "orders:read",
    },
    answer: {
      issued_token_type: type("access_token"),
      token_type: "Bearer",
      expires_in: 3600,
      scope: "orders:read",
    },
  },
  {
    preset: "auth0",
    keys: "audience: 'https://orders.acme.com', scope: ['orders:read']",
    source: sources.auth0,
    form: {
      grant_type: exchangeGrant,
      subject_token: "outer",
      subject_token_type: type("access_token"),
      audience: "https://orders.acme.com",
      scope: "orders:read",
    },
    answer: { issued_token_type: type("access_token"), token_type: "Bearer", expires_in: 86_400 },
  },
  {
    preset: "zitadel",
    keys: "scope: ['urn:zitadel:iam:org:project:id:4711:aud']",
    source: sources.zitadel,
    form: {
      grant_type: exchangeGrant,
      subject_token: "outer",
      subject_token_type: type("access_token"),
      requested_token_type: type("jwt"),
      actor_token: "own",
      actor_token_type: type("access_token"),
      scope: "urn:zitadel:iam:org:project:id:4711:aud",
    },
    answer: { issued_token_type: type("jwt"), token_type: "Bearer", expires_in: 43_100 },
  },
  {
    preset: "google-sts",
    keys: "audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q', scope: 'https://www.googleapis.com/auth/cloud-platform'",
    source: sources.google,
    form: {
      grant_type: exchangeGrant,
      subject_token: "outer",
      subject_token_type: type("jwt"),
      requested_token_type: type("access_token"),
      audience:
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
      scope: "https://www.googleapis.com/auth/cloud-platform",
    },
    answer: { issued_token_type: type("access_token"), token_type: "Bearer", expires_in: 3600 },
  },
];

const secret = new Secret("s3cret-of-the-client");

/** What gateway.yaml makes of a preset. */
async function credentialOf({ preset, keys }: Contract): Promise<CredentialConfig> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  const file = join(dir, "gateway.yaml");
  const auth = preset === "google-sts" ? "auth: none" : "secret: '${SECRET}'";
  await writeFile(
    file,
    `version: 1
server: {url: https://mcp.acme.com}
auth:
  issuers: [{issuer: https://sso.acme.com}]
  clients: {corp: {issuer: https://sso.acme.com, id: tollgate, ${auth}}}
apis:
  orders:
    spec: orders.yaml
    credential: {exchange: {client: corp, preset: ${preset}, ${keys}}}
    tools: [{match: {tags: [a]}}]
`,
  );
  const { apis } = await loadConfig(file, { SECRET: "s3cret-of-the-client" });
  return apis[0]?.credential ?? { kind: "none" };
}

function groups(form: URLSearchParams): Record<string, string | readonly string[]> {
  const names = [...new Set(form.keys())].filter((name) => !name.startsWith("client_"));
  return Object.fromEntries(
    names.map((name) => {
      const values = form.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? "") : values];
    }),
  );
}

async function ask(contract: Contract, config: CredentialConfig): Promise<readonly Asked[]> {
  const server = await startServer(({ form }): Answer => ({
    body:
      form.get("grant_type") === "client_credentials"
        ? { access_token: "own", token_type: "Bearer", expires_in: 300 }
        : { access_token: "inner", ...contract.answer },
  }));
  onTestFinished(() => server.close());
  const auth =
    contract.preset === "google-sts"
      ? ({ kind: "none" } as const)
      : ({ kind: "client_secret_post", secret } as const);
  const room = createRoom([clientConfig({ issuer: server.origin, auth })], createTestPorts());
  const parts = await obtain(room(config), person("outer"));
  expect(parts.headers).toEqual(["authorization", "Bearer inner"]);
  return server.asked;
}

test.each(contracts)("$preset asks as $source says, field by field", async (contract) => {
  const asked = await ask(contract, await credentialOf(contract));
  const request = asked.at(-1);
  expect(groups(request?.form ?? new URLSearchParams())).toEqual(contract.form);
  expect(request?.headers.authorization).toBeUndefined();
});

test("Google's endpoint is told nothing about a client", async () => {
  const contract = contracts.find(({ preset }) => preset === "google-sts");
  if (contract === undefined) throw new TypeError("no contract");
  const [request] = await ask(contract, await credentialOf(contract));
  const named = [...(request?.form.keys() ?? [])].filter((name) => name.startsWith("client_"));
  expect(named).toEqual([]);
});

test("with an actor, the gateway's own token is fetched once and says who acts", async () => {
  const contract = contracts.find(({ preset }) => preset === "zitadel");
  if (contract === undefined) throw new TypeError("no contract");
  const asked = await ask(contract, await credentialOf(contract));
  expect(asked.map(({ form }) => form.get("grant_type"))).toEqual([
    "client_credentials",
    exchangeGrant,
  ]);
});

test.each([
  { preset: "keycloak", scope: "orders:read admin" },
  { preset: "entra", scope: "api://orders/Orders.Read api://payroll/Read" },
  { preset: "entra", scope: "api://ordersX/Read" },
  { preset: "okta", scope: "orders:read profile" },
])("$preset: an answer with the scope $scope is refused", async ({ preset, scope }) => {
  const contract = contracts.find((one) => one.preset === preset);
  if (contract === undefined) throw new TypeError("no contract");
  const config = await credentialOf(contract);
  await expect(
    ask({ ...contract, answer: { ...contract.answer, scope } }, config),
  ).rejects.toMatchObject({ code: "gateway_misconfigured" });
});

test("a type that was not asked for is refused, and so is another than the one that was", async () => {
  for (const [preset, got] of [
    ["okta", "id_token"],
    ["zitadel", "access_token"],
    ["keycloak", "jwt"],
  ]) {
    const contract = contracts.find((one) => one.preset === preset);
    if (contract === undefined) throw new TypeError("no contract");
    const config = await credentialOf(contract);
    const answer = { ...contract.answer, issued_token_type: type(got ?? "") };
    await expect(ask({ ...contract, answer }, config)).rejects.toMatchObject({
      code: "gateway_misconfigured",
    });
  }
});
