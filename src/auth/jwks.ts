import type { JsonValue } from "../base/json.ts";
import type { IssuerConfig } from "../config/types/auth.ts";
import { checkKeyUrl, createDiscovery } from "./discovery.ts";
import { fetchDocument, KeysError, type Fetch } from "./document.ts";
import { readKey, type VerificationKey } from "./key.ts";

const maxKeys = 100;

export interface Jwks {
  readonly keys: readonly VerificationKey[];
  /** Why members are unfit, e.g. `RSA with 1024 bits`. */
  readonly ignored: readonly string[];
}

/**
 * Returns a function that fetches an issuer's JWK set (RFC 7517 §5) from the configured URL, else
 * from the one its metadata names at that moment.
 *
 * @throws KeysError (the returned function)
 */
export function createJwksSource(
  config: Pick<IssuerConfig, "issuer" | "jwksUrl" | "jwks">,
  fetch: Fetch,
): () => Promise<Jwks> {
  const discover = createDiscovery(config, fetch);
  return async () => {
    const url =
      config.jwksUrl === undefined ? await discover() : checkKeyUrl(config.jwksUrl, undefined);
    const { keys: members } = await fetchDocument(url, fetch, "jwks_invalid");
    if (!Array.isArray(members) || members.length > maxKeys)
      throw new KeysError("jwks_invalid", `${url} has no list of at most ${maxKeys} keys`);
    const jwks = readJwks(members as readonly JsonValue[]);
    // An empty set is a broken issuer far more often than a revocation of everything.
    if (jwks.keys.length === 0) throw new KeysError("jwks_invalid", `${url} has no usable key`);
    return jwks;
  };
}

export function readJwks(members: readonly JsonValue[]): Jwks {
  const read = members.map(readKey);
  return {
    keys: read.filter((key) => typeof key === "object"),
    ignored: read.filter((key) => typeof key === "string"),
  };
}
