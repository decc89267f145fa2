import { generateKeyPairSync, webcrypto } from "node:crypto";

import { createLocalJWKSet, decodeProtectedHeader, exportJWK, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { Secret } from "../../src/base/secret.ts";
import type { ClientAuthConfig } from "../../src/config/config.ts";
import type { ClientKeys } from "../../src/upstream/client-auth.ts";
import {
  type Asked,
  type AuthorizationServer,
  clientConfig,
  createRoom,
  createTestPorts,
  exchange,
  person,
  secretAuth,
  startServer,
} from "./credential-world.ts";

let server: AuthorizationServer;

beforeEach(async () => {
  server = await startServer(() => ({
    body: { access_token: "inner", token_type: "Bearer", expires_in: 0 },
  }));
});
afterEach(() => server.close());

async function ask(
  auth: ClientAuthConfig,
  options: { id?: string; clientKeys?: ClientKeys; now?: number } = {},
): Promise<Asked> {
  const ports = createTestPorts(options.now);
  const client = clientConfig({ issuer: server.origin, auth, id: options.id ?? "tollgate" });
  const room = createRoom([client], ports, { clientKeys: options.clientKeys ?? new Map() });
  await room(exchange).get(person("outer"), undefined);
  return server.asked.at(-1) as Asked;
}

const secrets = ["plain", "a:b", "100%", "a+b c&d=e", "pä§wörd-日本", "-_.!~*'()", '"quoted"'];

describe("client_secret_basic", () => {
  test.each(secrets)("%j is form-encoded before base64", async (secret) => {
    const { headers, form } = await ask(secretAuth("client_secret_basic", secret), {
      id: `gate:${secret}`,
    });
    const [scheme, code = ""] = (headers.authorization ?? "").split(" ");
    const pair = Buffer.from(code, "base64").toString("latin1");
    expect(scheme).toBe("Basic");
    expect(pair).toMatch(/^[A-Za-z0-9%+*._-]+:[A-Za-z0-9%+*._-]+$/);
    const decoded = pair.split(":").map((half) => new URLSearchParams(`x=${half}`).get("x"));
    expect(decoded).toEqual([`gate:${secret}`, secret]);
    expect(form.has("client_secret")).toBe(false);
    expect(form.has("client_id")).toBe(false);
  });

  test("leaves a common id as it is, for servers that forget to decode", async () => {
    const { headers } = await ask(secretAuth("client_secret_basic", "s_3.c-ret"), {
      id: "my-gate_1",
    });
    expect(headers.authorization).toBe(`Basic ${btoa("my-gate_1:s_3.c-ret")}`);
  });
});

test.each(secrets)("client_secret_post sends %j as one form field", async (secret) => {
  const { headers, form } = await ask(secretAuth("client_secret_post", secret));
  expect(headers.authorization).toBeUndefined();
  expect(form.getAll("client_id")).toEqual(["tollgate"]);
  expect(form.getAll("client_secret")).toEqual([secret]);
});

const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

function pem(key: typeof p256.privateKey, type: "pkcs8" | "sec1" | "pkcs1" = "pkcs8"): Secret {
  return new Secret(key.export({ format: "pem", type }).toString());
}

function jwtAuth(algorithm: string, key: Secret | undefined): ClientAuthConfig {
  return { kind: "private_key_jwt", key, algorithm, keyId: "key-1" };
}

describe("private_key_jwt", () => {
  test.each([
    { algorithm: "ES256", pair: p256 },
    { algorithm: "RS256", pair: rsa },
    { algorithm: "PS256", pair: rsa },
  ])(
    "$algorithm: aud is the issuer, a minute at most, a new jti each time",
    async ({ algorithm, pair }) => {
      const now = Date.parse("2031-05-06T07:08:09Z");
      const auth = jwtAuth(algorithm, pem(pair.privateKey));
      const asked = [await ask(auth, { now }), await ask(auth, { now })];
      const jtis = await Promise.all(
        asked.map(async ({ form }) => {
          expect(form.get("client_assertion_type")).toBe(
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
          );
          const assertion = form.get("client_assertion") ?? "";
          expect(decodeProtectedHeader(assertion)).toMatchObject({ alg: algorithm, kid: "key-1" });
          const { payload } = await jwtVerify(assertion, pair.publicKey, {
            issuer: "tollgate",
            subject: "tollgate",
            audience: server.origin,
            currentDate: new Date(now),
          });
          expect(payload.exp).toBe(now / 1000 + 60);
          expect(payload.iat).toBe(now / 1000);
          return payload.jti;
        }),
      );
      expect(new Set(jtis).size).toBe(2);
      expect(jtis[0]).toMatch(/^.{20,}$/);
    },
  );

  test("uses the key pair the gateway made when gateway.yaml names none", async () => {
    const { publicKey, privateKey } = await webcrypto.subtle.generateKey(
      { name: "ECDSA", namedCurve: "P-256" },
      true,
      ["sign", "verify"],
    );
    const clientKeys = new Map([["corp", { key: privateKey, kid: "made-1" }]]);
    const { form } = await ask(jwtAuth("ES256", undefined), { clientKeys });
    const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: "made-1" }] });
    const { payload } = await jwtVerify(form.get("client_assertion") ?? "", keys);
    expect(payload.sub).toBe("tollgate");
  });

  test.each([
    ["no key at all", "ES256", undefined],
    ["no PEM", "ES256", new Secret("sesame-open")],
    [
      "a public key",
      "ES256",
      new Secret(p256.publicKey.export({ format: "pem", type: "spki" }).toString()),
    ],
    ["an RSA key for ES256", "ES256", pem(rsa.privateKey)],
    ["an EC key for RS256", "RS256", pem(p256.privateKey)],
    ["another curve", "ES256", pem(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey)],
    [
      "a short RSA key",
      "PS256",
      pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey),
    ],
    ["an unknown algorithm", "HS256", pem(rsa.privateKey)],
    ["the name of an object member", "toString", pem(rsa.privateKey)],
  ])("%s is found at load, and not shown", (_name, algorithm, key) => {
    const room = createRoom(
      [clientConfig({ issuer: server.origin, auth: jwtAuth(algorithm, key) })],
      createTestPorts(),
    );
    let error: unknown;
    try {
      room(exchange);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      name: "ConfigError",
      issues: [{ code: "invalid_client_key", position: { line: 7 } }],
    });
    expect(String(error)).not.toMatch(/sesame|BEGIN/);
  });

  test.each([
    { form: "sec1", algorithm: "ES256", pair: p256 },
    { form: "pkcs1", algorithm: "RS256", pair: rsa },
  ] as const)(
    "a key in the older PEM form $form works as well",
    async ({ form, algorithm, pair }) => {
      const asked = await ask(jwtAuth(algorithm, pem(pair.privateKey, form)));
      const { payload } = await jwtVerify(asked.form.get("client_assertion") ?? "", pair.publicKey);
      expect(payload.sub).toBe("tollgate");
    },
  );
});
