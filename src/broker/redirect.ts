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

/**
 * May a client that registers itself be redirected here? Known hosted clients, any loopback
 * listener (RFC 8252 §7.3) and Cursor's own scheme. Who else may ask is decided by people, not by
 * open registration: an unknown https site would get the codes of everyone it can lure.
 */
export function redirectAllowed(uri: string): boolean {
  if (uri.length > maxLength || !URL.canParse(uri)) return false;
  const url = new URL(uri);
  // What the parser rewrites (backslashes, dot segments, odd hosts, spaces) somebody else may read
  // differently; so the text must already be what the parser makes of it.
  if (url.href !== uri && url.href !== `${uri}/`) return false;
  if (url.username || url.password || uri.includes("#") || uri.includes("*")) return false;
  if (url.protocol === "http:") return loopback.has(url.hostname);
  if (url.protocol === "https:") return hosted.some((pattern) => pattern.test(uri));
  return url.protocol === "cursor:";
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
