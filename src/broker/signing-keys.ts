import { randomBytes } from "node:crypto";
import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type CryptoKey,
  type JWK,
} from "jose";
import type { Records } from "./store/records.ts";

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** With the private members, for oidc-provider, which publishes the public ones. */
  readonly privateJwk: JWK;
}

/** `current` signs; what all of them sign is believed, and all of them are published. */
export interface SigningKeys {
  readonly current: SigningKey;
  /** Current, next and, once there was one, previous. */
  readonly all: readonly SigningKey[];
}

interface KeptKey {
  readonly privateJwk: JWK;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

const day = 86_400_000;
const rotatedAfter = 90 * day;
const keptFor = 400 * day;

/**
 * Keys are a numbered row: the last is `next`, the one before it `current`, the third `previous`.
 * Rotation writes one more, which only the first replica can do, and the others read it. So a key
 * is published 90 days before it signs and 90 days after.
 */
export async function loadSigningKeys(records: Records, now: () => number): Promise<SigningKeys> {
  const kept: KeptKey[] = [];
  const start = await records.get<{ readonly first: number }>("key", "first");
  const first = start?.first ?? 0;
  for (let at = first; ; at++) {
    const key = (await records.get<KeptKey>("key", String(at))) ?? (await createNext(at, kept));
    if (key === undefined) break;
    kept.push(key);
  }
  if (kept.length > 3) {
    await records.put("key", "first", { first: first + kept.length - 3 }, now() + 10 * keptFor);
  }
  const [next, current, ...earlier] = await Promise.all(kept.slice(-3).toReversed().map(read));
  if (next === undefined || current === undefined) throw new TypeError("fewer than two keys");
  return { current, all: [current, next, ...earlier] };

  /** The first two at the first start; afterwards one more when the last is old enough. */
  async function createNext(at: number, before: readonly KeptKey[]): Promise<KeptKey | undefined> {
    const last = before.at(-1);
    if (before.length >= 2 && last !== undefined && now() - last.createdAt < rotatedAfter)
      return undefined;
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const made: KeptKey = { privateJwk: await exportJWK(privateKey), createdAt: now() };
    if (await records.add("key", String(at), made, now() + keptFor)) return made;
    return records.get<KeptKey>("key", String(at));
  }
}

/** RFC 7517 §5. */
export function publicKeys({ all }: SigningKeys): string {
  const keys = all.map(({ privateJwk: { d: _private, ...publicJwk } }) => publicJwk);
  return JSON.stringify({ keys });
}

async function read({ privateJwk }: KeptKey): Promise<SigningKey> {
  const kid = await calculateJwkThumbprint(privateJwk);
  const { d: _private, ...publicJwk } = privateJwk;
  return {
    kid,
    privateKey: (await importJWK(privateJwk, "ES256")) as CryptoKey,
    publicKey: (await importJWK(publicJwk, "ES256")) as CryptoKey,
    privateJwk: { ...privateJwk, kid, alg: "ES256", use: "sig" },
  };
}

/** A random secret that every replica and every later start has too. */
export async function loadSeed(records: Records, name: string, now: () => number): Promise<string> {
  const made = { seed: randomBytes(32).toString("base64url") };
  if (await records.add("seed", name, made, now() + 10 * keptFor)) return made.seed;
  return (await records.get<typeof made>("seed", name))?.seed ?? made.seed;
}
