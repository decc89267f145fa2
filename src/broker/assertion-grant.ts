import { createRemoteJWKSet, customFetch, decodeJwt, jwtVerify, type JWTPayload } from "jose";
import { InvalidGrant } from "oidc-provider/lib/helpers/errors.js";
import type { Context, Provider } from "oidc-provider/lib/provider.js";
import type { BrokerConfig } from "../config/config.ts";
import { answerToken } from "./client-grants.ts";
import { findResource, type BrokerResource, type Resources } from "./resource.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { Records } from "./store/records.ts";
import { signAccessToken } from "./token.ts";

export const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

export interface AssertionGrantDeps {
  readonly config: BrokerConfig;
  readonly keys: SigningKeys;
  readonly resources: Resources;
  readonly records: Records;
  readonly fetch: typeof fetch;
  readonly now: () => number;
}

const maxAssertion = 8 * 1024;
const maxLifetimeS = 300;

/**
 * RFC 7523 with an identity assertion of a trusted issuer (ID-JAG, draft): the company let this
 * client act for this person here. Whatever is wrong is `invalid_grant`, and there is no refresh
 * token: the company is asked again.
 */
export function registerAssertionGrant(provider: Provider, deps: AssertionGrantDeps): void {
  const { issuer, upstream, assertionIssuers } = deps.config;
  const trusted = new Map(
    assertionIssuers.map((one) => [
      one.issuer,
      createRemoteJWKSet(new URL(one.jwksUrl), {
        timeoutDuration: 3_000,
        [customFetch]: (url, options) => deps.fetch(url, { ...options, redirect: "error" }),
      }),
    ]),
  );
  const idps = upstream.kind === "idps" ? upstream.idps : [];
  /** The same person as after a login in the browser, where the issuer is one of those. */
  const subjectOf = (iss: string, sub: string): string =>
    `${idps.find(({ client }) => client.issuer === iss)?.name ?? new URL(iss).host}|${sub}`;

  const verify = async (ctx: Context): Promise<JWTPayload> => {
    const assertion = ctx.oidc.params?.["assertion"];
    if (typeof assertion !== "string" || assertion.length > maxAssertion)
      throw new InvalidGrant("assertion is missing or too long");
    const iss = readIssuer(assertion);
    const keys = trusted.get(iss);
    if (keys === undefined) throw new InvalidGrant("the issuer of the assertion is not trusted");
    const { payload } = await jwtVerify(assertion, keys, {
      issuer: iss,
      audience: issuer,
      typ: "oauth-id-jag+jwt",
      algorithms: ["ES256", "PS256", "RS256", "EdDSA", "Ed25519"],
      currentDate: new Date(deps.now()),
      requiredClaims: ["sub", "exp", "iat", "jti", "client_id"],
    }).catch((error: unknown) => {
      const why = error instanceof Error && "code" in error ? String(error.code) : "unknown";
      throw new InvalidGrant(`the assertion is not acceptable: ${why}`);
    });
    return payload;
  };

  provider.registerGrantType(
    jwtBearer,
    async (ctx) => {
      const payload = await verify(ctx);
      const { iss = "", sub = "", jti = "", exp = 0, iat = 0 } = payload;
      const clientId = ctx.oidc.client?.clientId ?? "";
      if (payload["client_id"] !== clientId)
        throw new InvalidGrant("the assertion is another client's");
      if (exp - iat > maxLifetimeS) throw new InvalidGrant("the assertion lives too long");
      const resource = resourceOf(deps.resources(), payload["resource"]);
      const scope = scopeOf(resource, payload["scope"]);
      const id = JSON.stringify([iss, jti]);
      if (!(await deps.records.add("assertion", id, {}, exp * 1000 + 60_000)))
        throw new InvalidGrant("the assertion was used before");
      const content = {
        sub: subjectOf(iss, sub),
        audience: resource.resource,
        clientId,
        scope,
        claims: {},
      };
      const nowMs = deps.now();
      answerToken(ctx, await signAccessToken(content, { issuer, keys: deps.keys, nowMs }), scope);
    },
    ["assertion", "scope", "resource"],
    [],
  );
}

function readIssuer(assertion: string): string {
  try {
    return decodeJwt(assertion).iss ?? "";
  } catch {
    throw new InvalidGrant("the assertion is no JWT");
  }
}

function resourceOf(resources: readonly BrokerResource[], indicator: unknown): BrokerResource {
  const found = typeof indicator === "string" ? findResource(resources, indicator) : undefined;
  if (found === undefined) throw new InvalidGrant("the assertion is for no resource of ours");
  return found;
}

/** Of what the assertion allows, what the resource has. */
function scopeOf(resource: BrokerResource, allowed: unknown): string {
  const asked = typeof allowed === "string" ? allowed.split(" ") : [];
  return asked.filter((scope) => resource.scopes.includes(scope)).join(" ");
}
