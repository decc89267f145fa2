import { randomUUID, sign } from "node:crypto";

import { CallError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Principal } from "../../base/principal.ts";
import type { Ports } from "../../base/ports.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import { checkActors } from "./actors.ts";
import type { Credential } from "./credential-parts.ts";
import type { CredentialParts } from "../request/request.ts";
import type { SigningKeys } from "./signing-keys.ts";

const lifetimeS = 60;

export type SignedJwtConfig = Extract<CredentialConfig, { kind: "signedJwt" }>;

export interface SignedJwtDeps {
  /** Public origin of the gateway: its `iss`, below which its keys are published. */
  readonly issuer: string;
  readonly keys: SigningKeys;
}

/**
 * A token that the gateway signs itself, for one API, one person and one call. Two issuers may have
 * the same `sub`, so `sub_id` says whose it is (RFC 9493 §3.2.4).
 */
export function createSignedJwt(
  api: string,
  config: SignedJwtConfig,
  { issuer, keys }: SignedJwtDeps,
  ports: Ports,
): Credential {
  const actorOf = ({ clientId, claims }: Principal): JsonObject => ({
    sub: issuer,
    ...(clientId === undefined ? {} : { client_id: clientId }),
    ...(claims["act"] === undefined ? {} : { act: claims["act"] }),
  });

  function issue(principal: Principal): string {
    const { privateKey, kid } = keys.current();
    const { iss, sub, claims } = principal;
    const issuedAt = Math.floor(ports.now() / 1000);
    const header = { alg: "ES256", typ: config.typ, kid };
    const payload = {
      ...Object.fromEntries(
        config.claims.flatMap((name) =>
          Object.hasOwn(claims, name) ? [[name, claims[name]] as const] : [],
        ),
      ),
      iss: issuer,
      aud: config.audience,
      sub,
      sub_id: { format: "iss_sub", iss, sub },
      act: actorOf(principal),
      iat: issuedAt,
      exp: Math.min(issuedAt + lifetimeS, Math.floor(principal.expiresAt / 1000)),
      jti: randomUUID(),
    };
    const input = `${encode(header)}.${encode(payload)}`;
    const signature = sign("sha256", Buffer.from(input), {
      key: privateKey,
      dsaEncoding: "ieee-p1363",
    });
    return `${input}.${signature.toString("base64url")}`;
  }

  return {
    get(principal): CredentialParts {
      if (principal.token === undefined) {
        throw new CallError(
          "credential_unavailable",
          `The API ${api} needs to know the signed-in person, but this gateway runs without login (auth mode none).`,
        );
      }
      checkActors(principal, api);
      return { headers: ["authorization", `Bearer ${issue(principal)}`], query: "", cookie: "" };
    },
    // The next one would say the same.
    invalidate: () => false,
  };
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
