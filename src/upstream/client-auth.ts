import { createPrivateKey, type KeyObject, webcrypto } from "node:crypto";

import { type ClientAuth, ClientSecretPost, modifyAssertion, PrivateKeyJwt } from "oauth4webapi";

import { ConfigError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import type { Secret } from "../base/secret.ts";
import type { ClientConfig } from "../config/config.ts";

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
 * @throws ConfigError `invalid_client_key`: no private key, or one that does not fit the algorithm.
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
      const made = auth.key === undefined ? keys.get(client.name) : undefined;
      if (made !== undefined) return privateKeyJwt(() => Promise.resolve(made), ports);
      const load = pemLoader(client, auth.key, auth.algorithm);
      const kid = auth.keyId;
      return privateKeyJwt(async () => ({ key: await load(), kid }), ports);
    }
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

/** RFC 7523 §3: `aud` is the issuer, `jti` is new and `exp` 60 s away on each request. */
function privateKeyJwt(
  load: () => Promise<{ readonly key: webcrypto.CryptoKey; readonly kid: string | undefined }>,
  ports: Ports,
): ClientAuth {
  return async (...request) => {
    const { key, kid } = await load();
    const sign = PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
      [modifyAssertion](_header, payload) {
        const issuedAt = Math.floor(ports.now() / 1000);
        payload["iat"] = issuedAt;
        payload["nbf"] = issuedAt;
        payload["exp"] = issuedAt + 60;
      },
    });
    await sign(...request);
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
