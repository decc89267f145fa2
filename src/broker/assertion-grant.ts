import { createRemoteJWKSet, customFetch, decodeJwt, jwtVerify, type JWTPayload } from "jose";
import { InvalidGrant } from "oidc-provider/lib/helpers/errors.js";
import type { Context, Provider } from "oidc-provider/lib/provider.js";
import type { JsonObject } from "../base/json.ts";
import type { BrokerConfig, IdpConfig } from "../config/types/broker.ts";
import { answerToken } from "./client-grants.ts";
import { IdpError } from "./idp/idp.ts";
import { readPerson } from "./idp/person.ts";
import type { Account } from "./login.ts";
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
/** By how much the issuer's clock may be ahead. */
const skewS = 30;

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
  const idpOf = new Map(idps.toReversed().map((idp) => [idp.client.issuer, idp]));

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
      const { iss = "", jti = "", exp = 0, iat = 0 } = payload;
      const clientId = ctx.oidc.client?.clientId ?? "";
      if (payload["client_id"] !== clientId)
        throw new InvalidGrant("the assertion is another client's");
      // From now on as well: `iat` may be in the future.
      if (exp - Math.min(iat, deps.now() / 1000 + skewS) > maxLifetimeS)
        throw new InvalidGrant("the assertion lives too long");
      const { params = {} } = ctx.oidc;
      const resource = resourceOf(deps.resources(), payload["resource"]);
      checkResource(deps.resources(), params["resource"], resource);
      const scope = scopeOf(resource, payload["scope"], params["scope"]);
      const account = personOf(idpOf.get(iss), payload);
      const id = JSON.stringify([iss, jti]);
      if (!(await deps.records.add("assertion", id, {}, exp * 1000 + 60_000)))
        throw new InvalidGrant("the assertion was used before");
      // Named in the audit log as after a login.
      ctx.oidc.entity("Account", { accountId: account.sub });
      const content = {
        sub: account.sub,
        audience: resource.resource,
        clientId,
        scope,
        claims: account.claims,
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

/** RFC 8707 §2.2: a request may name it, but no other. */
function checkResource(
  resources: readonly BrokerResource[],
  named: string | readonly string[] | undefined,
  { resource }: BrokerResource,
): void {
  if (named === undefined) return;
  if (typeof named !== "string" || findResource(resources, named)?.resource !== resource)
    throw new InvalidGrant("the assertion is for another resource");
}

/** Of what the assertion allows, what the resource has and the request does not leave out. */
function scopeOf(resource: BrokerResource, allowed: unknown, wanted: unknown): string {
  const words = typeof allowed === "string" ? allowed.split(" ") : [];
  const asked = typeof wanted === "string" && wanted !== "" ? wanted.split(" ") : words;
  return words.filter((word) => resource.scopes.includes(word) && asked.includes(word)).join(" ");
}

/**
 * The same person as after a login in the browser, by the same rules: what the assertion does not
 * say, no rule can find in it. Without a provider it is the login of development, which has none.
 */
function personOf(idp: IdpConfig | undefined, payload: JWTPayload): Account {
  const { iss = "", sub = "" } = payload;
  if (idp === undefined) return { sub: `${new URL(iss).host}|${sub}`, name: sub, claims: {} };
  try {
    return readPerson(idp, payload as JsonObject);
  } catch (error) {
    if (!(error instanceof IdpError)) throw error;
    throw new InvalidGrant(`${error.code}: ${error.detail}`);
  }
}
