import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { ConfigError } from "../../base/errors.ts";
import type { Position } from "../../base/issue.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Secret } from "../../base/secret.ts";

/** Keys that the gateway signs its own tokens with; never those of the broker. */
export interface SigningKeys {
  readonly current: () => SigningKey;
  /** RFC 7517 §5 as JSON: also the keys before and after the current one. */
  readonly jwks: () => string;
}

interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicJwk: JsonObject;
  /** RFC 7638, so that replicas with one key call it the same. */
  readonly kid: string;
}

const rotationMs = 24 * 3_600_000;

/**
 * Keys for a gateway whose configuration names none: made here, changed once a day. The next one is
 * published a day before it signs, the last one a day after.
 */
export function createSigningKeys(now: () => number): SigningKeys {
  let keys: { readonly last?: SigningKey; readonly current: SigningKey; readonly next: SigningKey };
  let rotateAt = -Infinity;
  const upToDate = (): typeof keys => {
    const passed = now() - rotateAt;
    if (passed >= rotationMs) keys = { current: makeKey(), next: makeKey() };
    else if (passed >= 0) keys = { last: keys.current, current: keys.next, next: makeKey() };
    if (passed >= 0) rotateAt = now() + rotationMs;
    return keys;
  };
  return {
    current: () => upToDate().current,
    jwks() {
      const { last, current, next } = upToDate();
      return encodeSet(last === undefined ? [current, next] : [last, current, next]);
    },
  };
}

/**
 * Keys that gateway.yaml names: the first signs, all are published.
 *
 * @throws ConfigError `invalid_client_key`
 */
export function compileSigningKeys(
  pems: readonly { readonly key: Secret; readonly position: Position }[],
): SigningKeys | undefined {
  const keys = pems.map(({ key, position }) => {
    const parsed = parseKey(key);
    if (parsed?.asymmetricKeyDetails?.namedCurve === "prime256v1") return describeKey(parsed);
    throw new ConfigError([
      {
        severity: "error",
        code: "invalid_client_key",
        message: "auth.signingKeys: not an unencrypted PEM private key for ES256",
        position,
        help: "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
      },
    ]);
  });
  const [current] = keys;
  if (current === undefined) return undefined;
  const jwks = encodeSet(keys);
  return { current: () => current, jwks: () => jwks };
}

function makeKey(): SigningKey {
  return describeKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
}

function describeKey(privateKey: KeyObject): SigningKey {
  const {
    crv = "",
    kty = "",
    x = "",
    y = "",
  } = createPublicKey(privateKey).export({
    format: "jwk",
  });
  const members = JSON.stringify({ crv, kty, x, y });
  const kid = createHash("sha256").update(members).digest("base64url");
  return { privateKey, kid, publicJwk: { kty, crv, x, y, kid, alg: "ES256", use: "sig" } };
}

function encodeSet(keys: readonly SigningKey[]): string {
  return JSON.stringify({ keys: keys.map(({ publicJwk }) => publicJwk) });
}

function parseKey(pem: Secret): KeyObject | undefined {
  try {
    return createPrivateKey(pem.reveal());
  } catch {
    return undefined;
  }
}
