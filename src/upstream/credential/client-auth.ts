import {
  createHash,
  createPrivateKey,
  type KeyObject,
  webcrypto,
  X509Certificate,
} from "node:crypto";
import { readFile } from "node:fs/promises";

import {
  type AuthorizationServer,
  type ClientAuth,
  ClientSecretPost,
  modifyAssertion,
  PrivateKeyJwt,
  TlsClientAuth,
} from "oauth4webapi";

import { ConfigError } from "../../base/errors.ts";
import type { Ports } from "../../base/ports.ts";
import type { Secret } from "../../base/secret.ts";
import type { ClientAuthConfig, ClientConfig } from "../../config/types/clients.ts";
import { readJwtClaims } from "./jwt-claims.ts";
import { TokenFailure } from "./token-failure.ts";

/** A key pair the gateway made at start, for a client of its own broker. */
export interface ClientKey {
  readonly key: webcrypto.CryptoKey;
  readonly kid: string;
}

/** By the client's name in gateway.yaml. */
export type ClientKeys = ReadonlyMap<string, ClientKey>;

/**
 * How the gateway proves to an authorization server which client it is.
 *
 * @throws ConfigError `invalid_client_key`: no private key, or one that does not fit the algorithm
 *   or the certificate.
 */
export function createClientAuth(client: ClientConfig, keys: ClientKeys, ports: Ports): ClientAuth {
  const { auth } = client;
  switch (auth.kind) {
    case "none":
      return () => {};
    case "client_secret_basic":
      return basic(auth.secret);
    case "client_secret_post": {
      const { secret } = auth;
      return (...request) => ClientSecretPost(secret.reveal())(...request);
    }
    case "private_key_jwt": {
      const shape = { audience: auth.assertionAudience, thumbprint: thumbprintOf(client, auth) };
      const made = auth.key === undefined ? keys.get(client.name) : undefined;
      if (made !== undefined) return privateKeyJwt(() => Promise.resolve(made), shape, ports);
      const load = pemLoader(client, auth.key, auth.algorithm);
      const kid = auth.keyId;
      return privateKeyJwt(async () => ({ key: await load(), kid }), shape, ports);
    }
    case "tls_client_auth":
      checkPair(client, auth.certificate, auth.key);
      return TlsClientAuth();
    case "workload":
      return workload(auth.tokenFile);
  }
}

/** RFC 6749 §2.3.1: id and secret are form-encoded first, so `:`, `%` and non-ASCII survive. */
function basic(secret: Secret): ClientAuth {
  return (_server, client, _body, headers) => {
    const pair = `${formEncode(client.client_id)}:${formEncode(secret.reveal())}`;
    headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  };
}

/** Leaves `-`, `.`, `_` as they are: servers that forget to decode still know such an id. */
function formEncode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

interface AssertionShape {
  readonly audience: "issuer" | "tokenUrl";
  /** RFC 7515 §4.1.8. */
  readonly thumbprint: string | undefined;
}

/** RFC 7523 §3: `jti` is new and `exp` 60 s away on each request. */
function privateKeyJwt(
  load: () => Promise<{ readonly key: webcrypto.CryptoKey; readonly kid: string | undefined }>,
  { audience, thumbprint }: AssertionShape,
  ports: Ports,
): ClientAuth {
  return async (server, ...request) => {
    const { key, kid } = await load();
    const sign = PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
      [modifyAssertion](header, payload) {
        if (thumbprint !== undefined) header["x5t#S256"] = thumbprint;
        const issuedAt = Math.floor(ports.now() / 1000);
        payload["iat"] = issuedAt;
        payload["nbf"] = issuedAt;
        payload["exp"] = issuedAt + 60;
        payload["aud"] = audience === "issuer" ? server.issuer : askedAt(server);
      },
    });
    await sign(server, ...request);
  };
}

/** RFC 7523 §3 names the token endpoint; at another one of the server it is that one. */
function askedAt({
  token_endpoint: token,
  introspection_endpoint: introspection,
  revocation_endpoint: revocation,
}: AuthorizationServer): string {
  return token ?? introspection ?? revocation ?? "";
}

function thumbprintOf(
  client: ClientConfig,
  auth: Extract<ClientAuthConfig, { kind: "private_key_jwt" }>,
): string | undefined {
  if (auth.certificate === undefined) return undefined;
  const certificate = checkPair(client, auth.certificate, auth.key);
  return createHash("sha256").update(certificate.raw).digest("base64url");
}

function checkPair(client: ClientConfig, pem: string, key: Secret | undefined): X509Certificate {
  const certificate = parseCertificate(pem);
  const parsed = key && parseKey(key);
  if (certificate !== undefined && parsed !== undefined && certificate.checkPrivateKey(parsed))
    return certificate;
  throw new ConfigError([
    {
      severity: "error",
      code: "invalid_client_key",
      message: `clients.${client.name}: certificate and key are not a PEM certificate and its unencrypted private key`,
      position: client.position,
      help: "compare: openssl x509 -noout -pubkey, openssl pkey -pubout",
    },
  ]);
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

const maxTokenBytes = 65_536;

/**
 * RFC 7523 §2.2 with a JWT that the platform wrote about this workload. It is renewed in place, so
 * it is read each time; a file that is being written is no reason to send half of it.
 *
 * @throws TokenFailure `workload_token_unreadable`
 */
function workload(tokenFile: string): ClientAuth {
  return async (_server, client, body) => {
    const token = await readFile(tokenFile, "utf8").catch((error: unknown) => {
      const system = error instanceof Error && "code" in error ? String(error.code) : undefined;
      throw new TokenFailure("workload_token_unreadable", { system });
    });
    const text = token.trim();
    if (text.length > maxTokenBytes || readJwtClaims(text) === undefined || text.endsWith("."))
      throw new TokenFailure("workload_token_unreadable");
    body.set("client_id", client.client_id);
    body.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    body.set("client_assertion", text);
  };
}

/** RFC 7518 §3.1. */
const algorithms = {
  ES256: { import: { name: "ECDSA", namedCurve: "P-256" }, fits: isP256 },
  RS256: { import: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, fits: isStrongRsa },
  PS256: { import: { name: "RSA-PSS", hash: "SHA-256" }, fits: isStrongRsa },
};

function pemLoader(
  client: ClientConfig,
  pem: Secret | undefined,
  algorithm: string,
): () => Promise<webcrypto.CryptoKey> {
  const known = Object.hasOwn(algorithms, algorithm)
    ? algorithms[algorithm as keyof typeof algorithms]
    : undefined;
  const key = pem === undefined ? undefined : parseKey(pem);
  if (known === undefined || key === undefined || !known.fits(key)) {
    throw new ConfigError([
      {
        severity: "error",
        code: "invalid_client_key",
        message: `clients.${client.name}: key is not an unencrypted PEM private key for ${algorithm}`,
        position: client.position,
        help: "ES256 needs a P-256 key, RS256 and PS256 an RSA key of 2048 bits or more",
      },
    ]);
  }
  const der = key.export({ format: "der", type: "pkcs8" });
  let imported: Promise<webcrypto.CryptoKey> | undefined;
  return () => {
    imported ??= webcrypto.subtle.importKey("pkcs8", der, known.import, false, ["sign"]);
    return imported;
  };
}

function parseKey(pem: Secret): KeyObject | undefined {
  try {
    return createPrivateKey(pem.reveal());
  } catch {
    return undefined;
  }
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyDetails?.namedCurve === "prime256v1";
}

function isStrongRsa(key: KeyObject): boolean {
  return key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048;
}
