import { isLoopback } from "./units.ts";

export interface UrlRules {
  /** Plain http is allowed on a loopback host only. */
  readonly secure: boolean;
  /** `origin`: no path at all; `base`: a path without a trailing slash; `any`: as others wrote it. */
  readonly path: "origin" | "base" | "any";
  readonly query: boolean;
}

/** Where issuers end logins; no endpoint can be there. */
export const logoutPath = "/backchannel-logout";

/** A public address of our own. */
export const originRules: UrlRules = { secure: true, path: "origin", query: false };
/** RFC 8414 §2: no query or fragment. The trailing slash belongs to the name (Auth0). */
export const issuerRules: UrlRules = { secure: true, path: "any", query: false };
/** RFC 6749 §3.2 allows a query. */
export const endpointRules: UrlRules = { secure: true, path: "any", query: true };
/** An OpenAPI document. */
export const documentRules: UrlRules = { secure: true, path: "any", query: true };
/** An internal API may speak plain http. */
export const apiRules: UrlRules = { secure: false, path: "base", query: false };

/** What is wrong with a URL, as the end of a sentence; undefined if it is exactly as it should be. */
export function urlFault(text: string, rules: UrlRules): string | undefined {
  if (!/^[!-~]+$/.test(text) || text.includes("\\")) return "must be printable ASCII without \\";
  const [, scheme, authority, path] = /^([^:/?#]+):\/\/([^/?#]*)([^?#]*)/.exec(text) ?? [];
  if (scheme === undefined || authority === undefined || path === undefined || !URL.canParse(text))
    return "must be a whole URL such as https://mcp.acme.com";
  const url = new URL(text);
  return (
    schemeFault(scheme, hostOf(url), rules) ??
    authorityFault(authority, url) ??
    restFault(text, path, rules) ??
    (url.pathname === (path || "/") ? undefined : "must have its path in normal form")
  );
}

function schemeFault(scheme: string, host: string, rules: UrlRules): string | undefined {
  if (scheme !== "https" && scheme !== "http") return "must start with https:// or http://";
  if (rules.secure && scheme === "http" && !isLoopback(host))
    return "must be https; http is for loopback hosts only";
  return undefined;
}

function authorityFault(authority: string, url: URL): string | undefined {
  if (authority.includes("@")) return "must not hold a user name or password";
  if (/[A-Z]/.test(authority)) return "must have a lower-case host";
  // `url.host` leaves a default port out and writes an address in its one normal form.
  if (authority === url.host) return undefined;
  const port = /:\d*$/.exec(authority);
  return port !== null && url.port === ""
    ? "must not name the default port"
    : "must have its host in normal form";
}

function restFault(text: string, path: string, rules: UrlRules): string | undefined {
  if (text.includes("#")) return "must not have a fragment";
  if (!rules.query && text.includes("?")) return "must not have a query";
  if (rules.path === "any") return undefined;
  if (path.endsWith("/")) return "must not end with a slash";
  if (rules.path === "origin" && path !== "") return "must not have a path";
  return undefined;
}

/** Host without port; an IPv6 address without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

export function portOf(url: URL): number {
  return Number(url.port || (url.protocol === "https:" ? 443 : 80));
}
