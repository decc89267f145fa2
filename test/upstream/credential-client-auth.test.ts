import { createHash, generateKeyPairSync, webcrypto, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createLocalJWKSet, decodeProtectedHeader, exportJWK, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";

import { Secret } from "../../src/base/secret.ts";
import type { ClientAuthConfig } from "../../src/config/types/clients.ts";
import type { ClientKeys } from "../../src/upstream/credential/client-auth.ts";
import { createIntrospect } from "../../src/upstream/credential/introspect.ts";
import { createIssuerMetadata } from "../../src/upstream/credential/issuer-metadata.ts";
import { createFetchAs } from "../../src/upstream/credential/tls-fetch.ts";
import { makeCertificate } from "../world/certificate.ts";
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
  type TestPorts,
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

function jwtAuth(
  algorithm: string,
  key: Secret | undefined,
  over: { readonly certificate?: string; readonly assertionAudience?: "tokenUrl" } = {},
): ClientAuthConfig {
  return {
    kind: "private_key_jwt",
    key,
    algorithm,
    keyId: "key-1",
    certificate: undefined,
    assertionAudience: "issuer",
    ...over,
  };
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

describe("private_key_jwt as Okta and Entra want it", () => {
  test("names the token endpoint as aud", async () => {
    const auth = jwtAuth("RS256", pem(rsa.privateKey), { assertionAudience: "tokenUrl" });
    const { form } = await ask(auth);
    const { payload } = await jwtVerify(form.get("client_assertion") ?? "", rsa.publicKey, {
      audience: `${server.origin}/token`,
    });
    expect(payload.iss).toBe("tollgate");
  });

  test("names the endpoint that is asked as aud where that is another one", async () => {
    const auth = jwtAuth("RS256", pem(rsa.privateKey), { assertionAudience: "tokenUrl" });
    const client = clientConfig({ issuer: server.origin, auth });
    const ports = createTestPorts();
    const deps = {
      fetch,
      fetchAs: createFetchAs(undefined),
      metadata: createIssuerMetadata(fetch, ports),
      clientKeys: new Map(),
    };
    const url = `${server.origin}/introspect`;
    await createIntrospect(client, url, deps, ports)("opaque");
    const assertion = server.asked.at(-1)?.form.get("client_assertion") ?? "";
    await expect(jwtVerify(assertion, rsa.publicKey, { audience: url })).resolves.toBeDefined();
  });

  test("has the certificate's thumbprint in its header", async () => {
    const { key, certificate } = makeCertificate("tollgate");
    const { form } = await ask(jwtAuth("ES256", new Secret(key), { certificate }));
    const assertion = form.get("client_assertion") ?? "";
    const { raw, publicKey } = new X509Certificate(certificate);
    expect(decodeProtectedHeader(assertion)["x5t#S256"]).toBe(
      createHash("sha256").update(raw).digest("base64url"),
    );
    await expect(jwtVerify(assertion, publicKey)).resolves.toBeDefined();
  });

  test("is refused at load with the certificate of another key, or none that can be read", () => {
    const { certificate } = makeCertificate("tollgate");
    for (const text of [certificate, "no certificate"]) {
      const auth = jwtAuth("ES256", pem(p256.privateKey), { certificate: text });
      const room = createRoom([clientConfig({ issuer: server.origin, auth })], createTestPorts());
      expect(() => room(exchange)).toThrow(
        expect.objectContaining({
          issues: [expect.objectContaining({ code: "invalid_client_key" })],
        }),
      );
    }
  });
});

describe("tls_client_auth", () => {
  const authority = makeCertificate("localhost");
  const own = makeCertificate("tollgate");

  /** A token endpoint that takes this one client certificate. */
  async function start(aliases: object = {}): Promise<{ origin: string; seen: object[] }> {
    const seen: object[] = [];
    const options = {
      key: authority.key,
      cert: authority.certificate,
      ca: [own.certificate],
      requestCert: true,
      rejectUnauthorized: false,
    };
    const https = createServer(options, (request, response) => {
      const socket = request.socket as TLSSocket;
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = new URLSearchParams(Buffer.concat(chunks).toString());
        const { authorized } = socket;
        seen.push({ path: request.url, authorized, id: body.get("client_id") });
        response.setHeader("content-type", "application/json");
        response.end(
          JSON.stringify(
            request.url?.startsWith("/.well-known/")
              ? { issuer: origin, token_endpoint: `${origin}/token`, ...aliases }
              : { access_token: "inner", token_type: "Bearer", expires_in: 60 },
          ),
        );
      });
    });
    await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      https.closeAllConnections();
      https.close();
    });
    const origin = `https://localhost:${(https.address() as AddressInfo).port}`;
    return { origin, seen };
  }

  test("shows the certificate in the handshake, and its name in the form", async () => {
    const { origin, seen } = await start();
    const { certificate, key } = own;
    const auth = { kind: "tls_client_auth", certificate, key: new Secret(key) } as const;
    const room = createRoom([clientConfig({ issuer: origin, auth })], createTestPorts(), {
      ca: authority.certificate,
    });
    const parts = await room(exchange).get(person("outer"), undefined);
    expect(parts.headers[1]).toBe("Bearer inner");
    expect(seen).toEqual([{ path: "/token", authorized: true, id: "tollgate" }]);
  });

  test("goes to the alias that the metadata names for it (RFC 8705 §5)", async () => {
    const plain = await startServer(({ path }) => ({
      body: path.startsWith("/.well-known/")
        ? {
            issuer: plain.origin,
            token_endpoint: `${plain.origin}/token`,
            mtls_endpoint_aliases: { token_endpoint: `${plain.origin}/mtls/token` },
          }
        : { access_token: "inner", token_type: "Bearer", expires_in: 60 },
    }));
    onTestFinished(() => plain.close());
    const { certificate, key } = own;
    const auth = { kind: "tls_client_auth", certificate, key: new Secret(key) } as const;
    const client = clientConfig({ issuer: plain.origin, tokenUrl: undefined, auth });
    await createRoom([client], createTestPorts())(exchange).get(person("outer"), undefined);
    expect(plain.asked.at(-1)?.path).toBe("/mtls/token");
  });

  test("an alias at another host is refused to who needs it, and to nobody else", async () => {
    const plain = await startServer(({ path }) => ({
      body: path.startsWith("/.well-known/")
        ? {
            issuer: plain.origin,
            token_endpoint: `${plain.origin}/token`,
            introspection_endpoint: "https://elsewhere.test/introspect",
            mtls_endpoint_aliases: { token_endpoint: "https://mtls.elsewhere.test/token" },
          }
        : { access_token: "inner", token_type: "Bearer", expires_in: 60 },
    }));
    const { certificate, key } = own;
    const auth = { kind: "tls_client_auth", certificate, key: new Secret(key) } as const;
    const at = { issuer: plain.origin, tokenUrl: undefined };
    const ports = createTestPorts();
    await expect(
      Promise.resolve(
        createRoom(
          [clientConfig({ ...at, auth })],
          ports,
        )(exchange).get(person("outer"), undefined),
      ),
    ).rejects.toMatchObject({ code: "gateway_misconfigured" });
    expect(ports.lines.map(({ fields }) => fields?.["code"])).toEqual(["foreign_token_endpoint"]);
    const parts = await createRoom(
      [clientConfig(at)],
      ports,
    )(exchange).get(person("outer"), undefined);
    expect(parts.headers[1]).toBe("Bearer inner");
  });

  test("O11: a server whose certificate nobody vouches for gets no request", async () => {
    const { origin, seen } = await start();
    const ports = createTestPorts();
    const { certificate, key } = own;
    const auths = [
      secretAuth("client_secret_post", "s"),
      { kind: "tls_client_auth", certificate, key: new Secret(key) },
    ] as const;
    for (const auth of auths) {
      const room = createRoom([clientConfig({ issuer: origin, auth })], ports);
      await expect(
        Promise.resolve(room(exchange).get(person("outer"), undefined)),
      ).rejects.toMatchObject({ code: "temporarily_unavailable" });
    }
    expect(seen).toEqual([]);
    expect(ports.lines.map(({ fields }) => fields?.["system"])).toEqual([
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
    ]);
  });
});

describe("workload", () => {
  const token = (id: number): string => {
    const payload = Buffer.from(JSON.stringify({ sub: "tollgate", id })).toString("base64url");
    return `e30.${payload}.c2ln`;
  };

  async function start(): Promise<{
    file: string;
    ports: TestPorts;
    fetchToken: () => Promise<unknown>;
  }> {
    const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
    onTestFinished(() => rm(dir, { recursive: true }));
    const file = join(dir, "token");
    const ports = createTestPorts();
    const auth = { kind: "workload", tokenFile: file } as const;
    const room = createRoom([clientConfig({ issuer: server.origin, auth })], ports);
    const credential = room(exchange);
    return { file, ports, fetchToken: async () => credential.get(person("outer"), undefined) };
  }

  test("O13: the file is read for every request, so a rotated token is used at once", async () => {
    const { file, fetchToken } = await start();
    for (const id of [1, 2]) {
      await writeFile(file, `${token(id)}\n`);
      await fetchToken();
      const { form } = server.asked.at(-1) as Asked;
      expect(Object.fromEntries(form)).toMatchObject({
        client_id: "tollgate",
        client_assertion: token(id),
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      });
    }
  });

  test.each([
    ["missing", undefined, "ENOENT"],
    ["empty", "", undefined],
    ["cut in the payload", token(1).slice(0, 12), undefined],
    ["cut before the signature", token(1).slice(0, -4), undefined],
    ["cut to the last dot", token(1).slice(0, -4).concat("."), undefined],
    ["no JWT", "s3cret", undefined],
  ])(
    "O13: a file that is %s is a clear error, and nothing is sent",
    async (_name, text, system) => {
      const { file, ports, fetchToken } = await start();
      if (text !== undefined) await writeFile(file, text);
      await expect(fetchToken()).rejects.toMatchObject({ code: "gateway_misconfigured" });
      expect(server.asked).toEqual([]);
      expect(ports.lines).toMatchObject([
        { level: "error", fields: { code: "workload_token_unreadable", client: "corp" } },
      ]);
      expect(ports.lines[0]?.fields?.["system"]).toBe(system);
      await writeFile(file, token(7));
      await fetchToken();
      expect((server.asked.at(-1) as Asked).form.get("client_assertion")).toBe(token(7));
    },
  );
});
