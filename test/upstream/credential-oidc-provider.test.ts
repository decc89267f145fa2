import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { exportJWK } from "jose";
import { InvalidGrant, InvalidTarget } from "oidc-provider/lib/helpers/errors.js";
import { type Context, Provider } from "oidc-provider/lib/provider.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Secret } from "../../src/base/secret.ts";
import type { ClientAuthConfig } from "../../src/config/types/clients.ts";
import {
  bearerParts,
  clientConfig,
  createRoom,
  createTestPorts,
  exchange,
  obtain,
  person,
  secretAuth,
} from "./credential-world.ts";

const oddSecret = "s3cret:with%odd&parts and+spaces";
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

const pemAuth = (algorithm: string, key: typeof ec.privateKey): ClientAuthConfig => ({
  kind: "private_key_jwt",
  key: new Secret(key.export({ format: "pem", type: "pkcs8" }).toString()),
  algorithm,
  keyId: undefined,
  certificate: undefined,
  assertionAudience: "issuer",
});

const clients: readonly { readonly id: string; readonly auth: ClientAuthConfig }[] = [
  { id: "basic:100%", auth: secretAuth("client_secret_basic", oddSecret) },
  { id: "post-client", auth: secretAuth("client_secret_post", oddSecret) },
  { id: "es256", auth: pemAuth("ES256", ec.privateKey) },
  { id: "rs256", auth: pemAuth("RS256", rsa.privateKey) },
  { id: "ps256", auth: pemAuth("PS256", rsa.privateKey) },
];

const server = createServer();
let issuer = "";

/** A company login service: knows the token `outer`, and the one API `courses-api`. */
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const publicKeys = { es256: ec.publicKey, rs256: rsa.publicKey, ps256: rsa.publicKey };
  const signingKey = await exportJWK(ec.privateKey);
  const registered = clients.map(async ({ id, auth }) => ({
    client_id: id,
    token_endpoint_auth_method: auth.kind,
    grant_types: [exchangeGrant, "client_credentials"],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: "ES256",
    ...(auth.kind === "private_key_jwt"
      ? {
          token_endpoint_auth_signing_alg: auth.algorithm,
          jwks: { keys: [await exportJWK(publicKeys[id as keyof typeof publicKeys])] },
        }
      : { client_secret: oddSecret }),
  }));
  const provider = new Provider(issuer, {
    clients: await Promise.all(registered),
    jwks: { keys: [{ ...signingKey, use: "sig", alg: "ES256" }] },
    cookies: { keys: ["only for tests"] },
    enabledJWA: {
      idTokenSigningAlgValues: ["ES256"],
      clientAuthSigningAlgValues: ["ES256", "PS256", "RS256"],
    },
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt"],
    scopes: ["courses:read"],
    routes: { token: "/oauth/token" },
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    ttl: { ClientCredentials: 600 },
  });
  provider.registerGrantType(
    exchangeGrant,
    async (ctx: Context) => {
      const params = ctx.oidc.params ?? {};
      if (params["subject_token"] !== "outer") throw new InvalidGrant("not one of ours");
      if (params["audience"] !== "courses-api") throw new InvalidTarget("no such API");
      ctx.body = {
        access_token: `for-${ctx.oidc.client?.clientId}`.replaceAll(/[^a-z0-9-]/g, "_"),
        issued_token_type: params["requested_token_type"],
        token_type: "Bearer",
        expires_in: 300,
        scope: params["scope"],
      };
    },
    [
      "subject_token",
      "subject_token_type",
      "requested_token_type",
      "audience",
      "resource",
      "scope",
    ],
    ["audience", "resource"],
  );
  const handle = provider.callback();
  server.on("request", (request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function room(client: { readonly id: string; readonly auth: ClientAuthConfig }) {
  const ports = createTestPorts();
  const config = clientConfig({ issuer, tokenUrl: undefined, ...client });
  return { ports, make: createRoom([config], ports) };
}

describe.each(clients)("oidc-provider knows the client $id", (client) => {
  test("and exchanges a token for it", async () => {
    const name = client.id === "basic:100%" ? "basic_100_" : client.id;
    expect(await obtain(room(client).make(exchange), person("outer"))).toEqual(
      bearerParts(`for-${name}`),
    );
  });

  test("and gives it a token of its own", async () => {
    const credential = room(client).make({
      kind: "clientCredentials",
      client: "corp",
      audience: [],
      resource: [],
      scope: [],
    });
    const { headers } = await obtain(credential, person("outer"));
    expect(headers[1]).toMatch(/^Bearer [\w-]{20,}$/);
    expect(credential.get(person("other"), undefined)).toMatchObject({ headers });
  });
});

test.each([
  {
    name: "a dead subject token",
    config: exchange,
    token: "dead",
    error: { name: "AuthError", code: "invalid_token" },
  },
  {
    name: "an unknown audience",
    config: { ...exchange, audience: ["payroll"] },
    token: "outer",
    error: { code: "gateway_misconfigured" },
  },
])("oidc-provider refuses $name", async ({ config, token, error }) => {
  const credential = room({ id: "post-client", auth: secretAuth("client_secret_post", oddSecret) });
  await expect(obtain(credential.make(config), person(token))).rejects.toMatchObject(error);
});

test.each([
  {
    name: "a wrong secret",
    client: { id: "post-client", auth: secretAuth("client_secret_post", "no") },
  },
  { name: "another client's key", client: { id: "es256", auth: pemAuth("RS256", rsa.privateKey) } },
])("oidc-provider refuses $name, and the log says which client", async ({ client }) => {
  const { ports, make } = room(client);
  await expect(obtain(make(exchange), person("outer"))).rejects.toMatchObject({
    code: "gateway_misconfigured",
  });
  expect(ports.lines).toMatchObject([
    { level: "error", fields: { code: "invalid_client", client: "corp", api: "courses" } },
  ]);
});
