import { hash } from "node:crypto";
import { createCache } from "../base/cache.ts";
import { AuthError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import { Secret } from "../base/secret.ts";
import type { AuthConfig, IssuerConfig } from "../config/types/auth.ts";
import type { EndpointConfig } from "../config/types/endpoints.ts";
import {
  checkTokenText,
  findCredential,
  parseCredential,
  readProofs,
  type Credential,
} from "./bearer.ts";
import { compilePatterns, compileRequirements } from "./claim.ts";
import { compileDeny } from "./deny.ts";
import { bindingIn, checkClaims, type Binding, type ClaimRules, type Subject } from "./claims.ts";
import { createIntrospection, type Introspect, type Introspection } from "./introspection.ts";
import { decodeJws, type Jws } from "./jws.ts";
import type { VerificationKey } from "./key.ts";
import type { KeySet } from "./keyset.ts";
import type { KeySets } from "./keysets.ts";
import { compileMapping } from "./mapping.ts";
import { createCheckProof } from "./proof.ts";
import { invalidToken } from "./refusal.ts";
import type { Replays } from "./replays.ts";
import type { Revocations } from "./revocation.ts";

/**
 * Believes the caller of one endpoint or refuses. Every request is asked, whatever came before.
 *
 * The function reads the access token of a request from Node's `rawHeaders` (name, value, …) and
 * refuses one in the query string. The principal is frozen; its claims are plain frozen data.
 *
 * @throws AuthError `missing_token`: 401 without `error` (RFC 6750 §3.1); `invalid_request`: 400;
 *   `invalid_token`, `invalid_dpop_proof`: 401; `insufficient_scope`: 403, a baseline scope is missing; `access_denied`:
 *   403, a claim that the issuer's `require` names is not as it must be;
 *   `temporarily_unavailable`: 503, the issuer's keys have never been read, or it does not answer,
 *   or too many proofs were shown.
 * @see RFC 9068 §4 (checks), RFC 8707 §2 (audience)
 */
export interface Authenticate {
  (
    rawHeaders: readonly string[],
    query?: string,
    method?: string,
    certificate?: PeerCertificate,
  ): Promise<Principal>;
  /**
   * The same at once, for a token verified before: what the hot lane asks first.
   *
   * @param connection What the request came by: most clients show the same token again.
   * @returns undefined when only the asynchronous form can tell.
   * @throws AuthError as above.
   */
  readonly known: (
    rawHeaders: readonly string[],
    query?: string,
    connection?: object,
  ) => Principal | undefined;
  /** The same for a token that did not come by HTTP. */
  readonly authenticateToken: (token: string) => Promise<Principal>;
}

/** SHA-256 of the certificate that the client showed, base64url; undefined: it showed none. */
type PeerCertificate = () => string | undefined;

type OAuthConfig = Extract<AuthConfig, { readonly mode: "oauth" }>;

interface Issuer extends ClaimRules {
  readonly iss: string;
  readonly algorithms: ReadonlySet<string>;
  /** undefined: its tokens are never judged by a signature. */
  readonly keySet: KeySet | undefined;
  /** undefined: it is never asked. */
  readonly introspection: Introspection | undefined;
  /** Whether it is asked about tokens that are not signed. */
  readonly knowsOpaque: boolean;
  /** How long its word counts. */
  readonly askedMs: number;
  /** After how long it is asked about a signed token again; undefined: never asked about those. */
  readonly askAgainMs: number | undefined;
  /** Clients that stand for the audience where the issuer says none (RFC 7662 has it optional). */
  readonly clients: readonly string[];
}

/** A token that passed every check, and what must still hold at its next use. */
interface Verified {
  readonly principal: Principal;
  readonly issuer: Issuer;
  readonly binding: Binding;
  /** undefined: the issuer said so. */
  readonly key: VerificationKey | undefined;
}

/** What a header showed, and what the token in it is known by. */
interface Shown extends Credential {
  readonly text: string;
  readonly tokenHash: string;
}

export interface AuthenticateDeps {
  /** Must know every issuer whose tokens are signed. */
  readonly keys: KeySets;
  /** How to ask the others, by issuer. */
  readonly introspect: ReadonlyMap<string, Introspect>;
  readonly replays: Replays;
  readonly revocations: Revocations;
  /** Whether clients are asked for a certificate. */
  readonly certificates: boolean;
}

export function createAuthenticate(
  config: OAuthConfig,
  endpoint: Pick<EndpointConfig, "resource" | "audience">,
  deps: AuthenticateDeps,
  ports: Ports,
): Authenticate {
  const issuers = new Map(
    config.issuers.map((issuer) => [
      issuer.issuer,
      compileIssuer(issuer, endpoint, { ...deps, dpop: config.dpop !== "off" }, ports),
    ]),
  );
  const introspecting = [...issuers.values()].filter(({ knowsOpaque }) => knowsOpaque);
  const deny = compileDeny(config, deps.revocations);
  const checkProof = createCheckProof(endpoint.resource, deps.replays, ports);
  const kept = createCache<Verified>(config.cache.entries, ports.now);
  const pending = new Map<string, Promise<Verified>>();
  /**
   * The last token of each connection that was believed there. It spares reading and hashing the same
   * text again, and nothing else: whether the token still counts is asked every time.
   */
  const shown = new WeakMap<object, Shown>();
  const required = config.scopes;

  const recall = (tokenHash: string): Verified | undefined => {
    const verified = kept.get(tokenHash);
    if (verified?.key === undefined || verified.issuer.keySet?.holds(verified.key)) return verified;
    kept.delete(tokenHash);
    return undefined;
  };
  const admit = ({ principal }: Verified): Principal => {
    const refusal = deny?.(principal);
    if (refusal !== undefined) throw invalidToken(refusal);
    for (const scope of required)
      if (!principal.scopes.has(scope))
        throw new AuthError("insufficient_scope", "baseline_scope_missing", { scopes: required });
    return principal;
  };
  const describe = (
    token: string,
    tokenHash: string,
    { issuer, ...found }: { readonly issuer: Issuer; readonly claims: JsonObject } & Subject,
  ): Principal => Object.freeze({ iss: issuer.iss, ...found, tokenHash, token: new Secret(token) });
  const verifyJws = async (jws: Jws, token: string, tokenHash: string): Promise<Verified> => {
    const { alg, kid, claims } = jws;
    const issuer = issuerOf(issuers, claims);
    if (issuer?.keySet === undefined) throw invalidToken("unknown_issuer");
    if (!issuer.algorithms.has(alg)) throw invalidToken("unsupported_algorithm");
    const key = await issuer.keySet.find(alg, kid);
    if (key === undefined) throw invalidToken("unknown_key");
    key.verify(token, alg);
    const subject = checkClaims(jws, issuer, ports.now());
    // Only about a token that would do otherwise: nobody makes the gateway ask with any other.
    if (issuer.askAgainMs !== undefined) await issuer.introspection?.claims(token, tokenHash);
    const principal = describe(token, tokenHash, { issuer, claims, ...subject });
    return { principal, issuer, binding: bindingIn(claims), key };
  };
  const ask = async (issuer: Issuer, token: string, tokenHash: string): Promise<Verified> => {
    const { introspection, clients } = issuer;
    if (introspection === undefined) throw invalidToken("unknown_issuer");
    const claims = await introspection.claims(token, tokenHash);
    // The issuer has said that it is an access token; what is left of the rules is the same.
    const jws = { alg: "", kid: undefined, typ: "at+jwt", claims };
    const unbound = claims["aud"] === undefined && clients.length > 0;
    const rules = unbound ? { ...issuer, audience: undefined } : issuer;
    const subject = checkClaims(jws, rules, ports.now());
    const principal = describe(token, tokenHash, { issuer, claims, ...subject });
    return { principal, issuer, binding: bindingIn(claims), key: undefined };
  };
  const verify = async (token: string, tokenHash: string): Promise<Verified> => {
    if (introspecting.length === 0) return verifyJws(decodeJws(token), token, tokenHash);
    const jws = tryDecode(token);
    const issuer = jws && issuerOf(issuers, jws.claims);
    if (jws && issuer?.keySet) return verifyJws(jws, token, tokenHash);
    if (issuer) return ask(issuer, token, tokenHash);
    let refusal = invalidToken("unknown_issuer");
    for (const candidate of introspecting) {
      try {
        return await ask(candidate, token, tokenHash);
      } catch (error) {
        if (!leavesOpen(error)) throw error;
        // The token may be of the one that did not answer, whatever the others say.
        if (refusal.code !== "temporarily_unavailable") refusal = error;
      }
    }
    throw refusal;
  };
  const verifyOnce = (token: string, tokenHash: string): Promise<Verified> => {
    const running = pending.get(tokenHash);
    if (running !== undefined) return running;
    const flight = verify(token, tokenHash)
      .catch((error: unknown) => {
        // Why a token that looks right is refused is for the operator; the client learns the rule.
        if (error instanceof AuthError && error.reason === "wrong_audience" && error.cause)
          ports.log.warn("audience_hint", { hint: (error.cause as Error).message });
        throw error;
      })
      .then((verified) => {
        const { principal, issuer } = verified;
        const againMs = verified.key === undefined ? issuer.askedMs : issuer.askAgainMs;
        const keepMs = Math.min(againMs ?? Infinity, config.cache.maxAgeMs);
        kept.set(tokenHash, verified, Math.min(principal.expiresAt, ports.now() + keepMs));
        return verified;
      })
      .finally(() => pending.delete(tokenHash));
    pending.set(tokenHash, flight);
    return flight;
  };
  /** What the token itself asks of the way it is shown. What is still to be proven comes back. */
  const checkScheme = (
    { binding }: Verified,
    scheme: Credential["scheme"],
  ): Binding | undefined => {
    const { jkt, certificate } = binding;
    if (jkt === undefined && scheme === "dpop") throw invalidToken("not_bound");
    if (jkt === undefined && config.dpop === "required") throw invalidToken("dpop_required");
    // RFC 9449 §7.2: a bound token is no bearer token.
    if (jkt !== undefined && scheme === "bearer") throw invalidToken("sender_constrained");
    return jkt === undefined && certificate === undefined ? undefined : binding;
  };
  const find = async (token: string, tokenHash: string): Promise<Verified> =>
    recall(tokenHash) ?? (await verifyOnce(token, tokenHash));
  const readShown = (text: string): Shown => {
    const { scheme, token } = parseCredential(text);
    if (scheme === "dpop" && config.dpop === "off") throw invalidToken("dpop_not_supported");
    return { text, scheme, token, tokenHash: hashToken(token) };
  };

  return Object.assign(
    async (
      rawHeaders: readonly string[],
      query?: string,
      method = "POST",
      peer: PeerCertificate = noCertificate,
    ) => {
      const { scheme, token, tokenHash } = readShown(findCredential(rawHeaders, query));
      const verified = await find(token, tokenHash);
      const { jkt, certificate } = checkScheme(verified, scheme) ?? unbound;
      if (certificate !== undefined && peer() !== certificate)
        throw invalidToken("wrong_certificate");
      if (jkt !== undefined) {
        const { iss, sub } = verified.principal;
        const request = { method, tokenHash, jkt, holder: `${iss} ${sub}` };
        await checkProof(readProofs(rawHeaders), request);
      }
      return admit(verified);
    },
    {
      known(rawHeaders: readonly string[], query?: string, connection?: object) {
        const text = findCredential(rawHeaders, query);
        const last = connection && shown.get(connection);
        const current = last?.text === text ? last : readShown(text);
        const verified = recall(current.tokenHash);
        // A proof takes its time to check, and a certificate is of the connection.
        if (verified === undefined || checkScheme(verified, current.scheme) !== undefined)
          return undefined;
        const principal = admit(verified);
        if (connection && current !== last) shown.set(connection, current);
        return principal;
      },
      async authenticateToken(token: string) {
        const verified = await find(checkTokenText(token), hashToken(token));
        if (checkScheme(verified, "bearer")) throw invalidToken("sender_constrained");
        return admit(verified);
      },
    },
  );
}

const noCertificate: PeerCertificate = () => undefined;
const unbound: Binding = { jkt: undefined, certificate: undefined };

function hashToken(token: string): string {
  return hash("sha256", token, "base64url");
}

function issuerOf(issuers: ReadonlyMap<string, Issuer>, { iss }: JsonObject): Issuer | undefined {
  return typeof iss === "string" ? issuers.get(iss) : undefined;
}

/** An issuer that does not know the token, or does not answer, leaves the question to the next. */
function leavesOpen(error: unknown): error is AuthError {
  return (
    error instanceof AuthError &&
    (error.reason === "inactive_token" || error.code === "temporarily_unavailable")
  );
}

/** undefined: no JWT, but perhaps a token that its issuer knows. */
function tryDecode(token: string): Jws | undefined {
  try {
    return decodeJws(token);
  } catch {
    return undefined;
  }
}

function compileIssuer(
  config: IssuerConfig,
  { resource, audience: own }: Pick<EndpointConfig, "resource" | "audience">,
  deps: AuthenticateDeps & { readonly dpop: boolean },
  ports: Ports,
): Issuer {
  const { issuer: iss, typ, tenant, exclusive, clockSkewMs, maxLifetimeMs, allowMachine } = config;
  const keySet = config.tokens === "introspect" ? undefined : deps.keys.of(iss);
  const introspect = deps.introspect.get(iss);
  if (config.tokens !== "introspect" && keySet === undefined)
    throw new TypeError(`no key set for ${iss}`);
  if (config.introspection !== undefined && introspect === undefined)
    throw new TypeError(`nobody asks ${iss}`);
  const audience = own.length > 0 ? own : config.audience;
  return {
    iss,
    typ,
    tenant,
    audience: audience === "none" ? undefined : acceptedAudience(audience, resource),
    exclusive,
    audienceHint: config.preset === "keycloak" ? keycloakHint : undefined,
    clockSkewMs,
    maxLifetimeMs,
    mapping: compileMapping(config, resource),
    bindings: { key: deps.dpop, certificate: deps.certificates },
    isMachine: compilePatterns(config.machine),
    allowMachine,
    isEntitled: compileRequirements(config.require),
    algorithms: new Set(config.algorithms),
    keySet,
    introspection: introspect && createIntrospection(iss, introspect, ports),
    knowsOpaque: config.tokens !== "jwt",
    askedMs: config.introspection?.cacheMs ?? 0,
    askAgainMs: config.introspection?.everyMs,
    clients: config.clients,
  };
}

const keycloakHint = "no aud: the client's scopes have no audience mapper for this gateway";

function acceptedAudience(configured: readonly string[], resource: string): ReadonlySet<string> {
  const audience = new Set(configured.length > 0 ? configured : [resource]);
  // Clients write a resource without a path as `new URL(resource).href`, with a slash.
  if (audience.has(resource) && `${resource}/` === new URL(resource).href)
    audience.add(`${resource}/`);
  return audience;
}
