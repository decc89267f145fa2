import type { IncomingMessage, ServerResponse } from "node:http";

/** Cookies ignore ports, so two brokers on localhost must not share names. */
export function cookiePrefix(issuer: string): string {
  const { protocol, port } = new URL(issuer);
  return `tollgate_${port || (protocol === "https:" ? "443" : "80")}`;
}

/**
 * Cookies of our own. Over https their names start with `__Host-`: no other host can plant one, not
 * even a sibling below the same domain (RFC 6265bis §4.1.3.2).
 */
export interface OwnCookies {
  readonly read: (req: IncomingMessage, name: string) => string | undefined;
  readonly set: (res: ServerResponse, name: string, value: string, seconds: number) => void;
  readonly clear: (res: ServerResponse, name: string) => void;
}

export function createOwnCookies(issuer: string): OwnCookies {
  const secure = issuer.startsWith("https:");
  const prefix = `${secure ? "__Host-" : ""}${cookiePrefix(issuer)}`;
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
  const set: OwnCookies["set"] = (res, name, value, seconds) => {
    res.appendHeader("set-cookie", `${prefix}_${name}=${value}; Max-Age=${seconds}; ${attributes}`);
  };
  return {
    set,
    clear: (res, name) => {
      set(res, name, "", 0);
    },
    read(req, name) {
      const wanted = `${prefix}_${name}=`;
      const found = (req.headers.cookie ?? "").split(/; */).filter((one) => one.startsWith(wanted));
      // Two of one name: one of them was planted, and nobody can say which.
      return found.length === 1 ? found[0]?.slice(wanted.length) : undefined;
    },
  };
}
