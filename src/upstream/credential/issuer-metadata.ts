import { allowInsecureRequests, discoveryRequest } from "oauth4webapi";

import { isJsonObject, type JsonValue } from "../../base/json.ts";
import type { Ports } from "../../base/ports.ts";
import { TokenFailure } from "./token-failure.ts";
import { type Fetch, requestJson } from "./token-http.ts";

const freshMs = 10 * 60_000;
const retryMs = 30_000;

/**
 * The token endpoint of an issuer, from its metadata. Asked lazily, kept for 10 minutes; while the
 * issuer does not answer, or answers for another issuer, the last good one stays.
 *
 * @throws TokenFailure when there is none to fall back to; the next call asks again.
 */
export type IssuerMetadata = (issuer: string) => Promise<IssuerEndpoints>;

interface IssuerEndpoints {
  readonly tokenUrl: string;
  /**
   * RFC 8705 §5; undefined: the same.
   *
   * @throws TokenFailure `foreign_token_endpoint`: a matter of those alone who need it, because many
   *   servers have a host of its own for it.
   */
  readonly mtlsTokenUrl: () => string | undefined;
  /** RFC 7662. @throws TokenFailure `foreign_token_endpoint` */
  readonly introspectionUrl: () => string | undefined;
  /** RFC 6749 §3.1. The person's browser goes there, and no secret of the gateway. */
  readonly authorizationUrl: string | undefined;
  /** RFC 7009. Only on the issuer's own origin. */
  readonly revocationUrl: string | undefined;
  /** Its authorization responses say whose they are (RFC 9207 §3). */
  readonly saysIssuer: boolean;
}

interface Known {
  readonly endpoints: IssuerEndpoints;
  readonly freshUntil: number;
}

/** Outlives a reload: one per gateway. */
export function createIssuerMetadata(fetch: Fetch, ports: Ports): IssuerMetadata {
  const known = new Map<string, Known>();
  const pending = new Map<string, Promise<IssuerEndpoints>>();

  async function refresh(issuer: string): Promise<IssuerEndpoints> {
    try {
      const endpoints = await discover(issuer, fetch);
      known.set(issuer, { endpoints, freshUntil: ports.now() + freshMs });
      return endpoints;
    } catch (error) {
      const last = known.get(issuer);
      if (!(error instanceof TokenFailure) || last === undefined) throw error;
      ports.log.warn("issuer_metadata_stale", { issuer, code: error.code });
      known.set(issuer, { ...last, freshUntil: ports.now() + retryMs });
      return last.endpoints;
    } finally {
      pending.delete(issuer);
    }
  }

  return async (issuer) => {
    const last = known.get(issuer);
    if (last !== undefined && last.freshUntil > ports.now()) return last.endpoints;
    const flight = pending.get(issuer) ?? refresh(issuer);
    pending.set(issuer, flight);
    return flight;
  };
}

/** RFC 8414 §3 (well-known part inserted before the path), then OpenID Connect Discovery §4 (appended). */
async function discover(issuer: string, fetch: Fetch): Promise<IssuerEndpoints> {
  if (!isSafeUrl(issuer)) throw new TokenFailure("insecure_token_endpoint");
  let foreign = false;
  for (const algorithm of ["oauth2", "oidc"] as const) {
    const { status, body } = await requestJson(fetch, (options) =>
      discoveryRequest(new URL(issuer), {
        ...options,
        algorithm,
        [allowInsecureRequests]: true,
      }),
    );
    if (status === 429 || status >= 500) throw new TokenFailure("server_error");
    if (status !== 200 || body === undefined) continue;
    // RFC 8414 §3.3: byte for byte, or the document speaks for someone else.
    if (body["issuer"] === issuer) {
      const aliases = body["mtls_endpoint_aliases"];
      const alias = isJsonObject(aliases) ? aliases["token_endpoint"] : undefined;
      const introspection = body["introspection_endpoint"];
      return {
        introspectionUrl: () =>
          introspection === undefined ? undefined : tokenUrlOf(issuer, introspection),
        tokenUrl: tokenUrlOf(issuer, body["token_endpoint"]),
        mtlsTokenUrl: () => (alias === undefined ? undefined : tokenUrlOf(issuer, alias)),
        authorizationUrl: safeUrlOf(body["authorization_endpoint"]),
        revocationUrl: ownUrlOf(issuer, body["revocation_endpoint"]),
        saysIssuer: body["authorization_response_iss_parameter_supported"] === true,
      };
    }
    foreign = true;
  }
  throw new TokenFailure(foreign ? "issuer_mismatch" : "no_metadata");
}

/** Secrets go to the origin the operator named; any other has to be named as well, by `tokenUrl`. */
function tokenUrlOf(issuer: string, value: JsonValue | undefined): string {
  if (typeof value !== "string" || !URL.canParse(value)) throw new TokenFailure("no_metadata");
  if (new URL(value).origin !== new URL(issuer).origin)
    throw new TokenFailure("foreign_token_endpoint");
  return value;
}

function safeUrlOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && URL.canParse(value) && isSafeUrl(value) ? value : undefined;
}

/** What nobody needs for a call is left out rather than refused. */
function ownUrlOf(issuer: string, value: JsonValue | undefined): string | undefined {
  const url = safeUrlOf(value);
  return url !== undefined && new URL(url).origin === new URL(issuer).origin ? url : undefined;
}

/** https, or a loopback host: nothing else keeps a client secret from being read on the way. */
export function isSafeUrl(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:") return true;
  return protocol === "http:" && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}
