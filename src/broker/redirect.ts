const loopback = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Callbacks of the hosted MCP clients. */
const hosted = [
  /^https:\/\/claude\.(?:ai|com)\/api\/mcp\/auth_callback$/,
  /^https:\/\/chatgpt\.com\/connector\/oauth\/[\w-]+$/,
  /^https:\/\/chatgpt\.com\/connector_platform_oauth_redirect$/,
  /^https:\/\/www\.cursor\.com\/agents\/mcp\/oauth\/callback$/,
  /^https:\/\/(?:insiders\.)?vscode\.dev\/redirect$/,
];

const maxLength = 2048;

export interface RedirectRules {
  /** The callbacks of well-known clients, and every loopback listener. */
  readonly known: boolean;
  /** Exact URIs. */
  readonly allowed: readonly string[];
}

/**
 * May a client that registers itself be redirected here? Known hosted clients, any loopback
 * listener (RFC 8252 §7.3), Cursor's own scheme and what the operator wrote. Who else may ask is
 * decided by people, not by open registration: an unknown https site would get the codes of
 * everyone it can lure.
 */
export function redirectAllowed(uri: string, { known, allowed }: RedirectRules): boolean {
  const url = readRedirect(uri);
  if (url === undefined) return false;
  if (allowed.includes(uri)) return true;
  if (!known) return false;
  if (url.protocol === "http:") return loopback.has(url.hostname);
  if (url.protocol === "https:") return hosted.some((pattern) => pattern.test(uri));
  return url.protocol === "cursor:";
}

/** One in normal form: what the parser rewrites somebody else may read differently. */
export function readRedirect(uri: string): URL | undefined {
  const url = uri.length > maxLength ? null : URL.parse(uri);
  // Backslashes, dot segments, odd hosts, spaces: the text must already be what the parser makes.
  if (url === null || (url.href !== uri && url.href !== `${uri}/`)) return undefined;
  const extra = url.username || url.password || uri.includes("#") || uri.includes("*");
  return extra ? undefined : url;
}

/** A listener of a program on the person's own computer. */
export function isLoopbackUri(uri: string): boolean {
  const url = URL.parse(uri);
  return url?.protocol === "http:" && loopback.has(url.hostname);
}

/** Where the browser goes next, for people: the host, or the scheme of an app's own link. */
export function redirectTarget(uri: string): string {
  const url = new URL(uri);
  return url.protocol === "http:" || url.protocol === "https:"
    ? url.host
    : `${url.protocol}//${url.host}`;
}

/** Loopback by name: what may hold the listener and the issuer of a login without passwords. */
export function isLoopback(host: string): boolean {
  return loopback.has(host) || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
