import { BlockList, isIP } from "node:net";
import { escapeText } from "../base/text.ts";
import type { IssuerConfig } from "../config/types/auth.ts";
import { fetchDocument, KeysError, type Fetch } from "./document.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Where clouds keep the credentials of the machine itself. */
const linkLocal = new BlockList();
linkLocal.addSubnet("169.254.0.0", 16, "ipv4");
linkLocal.addSubnet("fe80::", 10, "ipv6");

const maxUrlLength = 2048;

/**
 * Finds an issuer's `jwks_uri`: authorization server metadata (RFC 8414 §3.1, the well-known part
 * inserted before the path), else OpenID Connect discovery (appended to the issuer). The form that
 * has answered once is the only one asked afterwards.
 */
export function createDiscovery(
  { issuer, jwks }: Pick<IssuerConfig, "issuer" | "jwks">,
  fetch: Fetch,
): () => Promise<string> {
  let forms: readonly string[] | undefined;
  return async () => {
    forms ??= metadataUrls(issuer);
    const hosts = new Set([hostName(issuer), ...jwks.hosts]);
    for (const [index, url] of forms.entries()) {
      try {
        const metadata = await fetchDocument(url, fetch, "metadata_invalid");
        // RFC 8414 §3.3: otherwise anybody who can write here could name the keys of this issuer.
        if (metadata["issuer"] !== issuer)
          throw new KeysError("issuer_mismatch", `${url} is not the metadata of ${issuer}`);
        forms = [url];
        return checkKeyUrl(metadata["jwks_uri"], hosts);
      } catch (error) {
        if (index === forms.length - 1 || !isAbsent(error)) throw error;
      }
    }
    throw new KeysError("metadata_invalid", `${issuer} has no metadata`);
  };
}

/**
 * A URL that keys may come from: https, or http on loopback; never link-local.
 *
 * @param hosts When the URL is from a document: it must be on one of these. undefined: the operator
 *   wrote it.
 * @throws KeysError `jwks_url_refused`
 */
export function checkKeyUrl(value: unknown, hosts: ReadonlySet<string> | undefined): string {
  if (typeof value !== "string" || value.length > maxUrlLength || !URL.canParse(value))
    throw refused("jwks_uri", "missing or not a URL");
  const url = new URL(value);
  const name = escapeText(url.host || url.protocol, 128);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname)))
    throw refused(name, "not https");
  if (isIn(linkLocal, url.hostname)) throw refused(name, "link-local");
  if (url.username !== "" || url.password !== "") throw refused(name, "the URL carries a password");
  if (hosts !== undefined && !hosts.has(hostName(value)))
    throw refused(name, "not the host of the issuer, nor in jwks.hosts");
  return url.href;
}

/** Without port; an IPv6 address without brackets. */
function hostName(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
}

function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(checkKeyUrl(issuer, undefined));
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}

/** Not found, or a page for people: the other form may exist. */
function isAbsent(error: unknown): boolean {
  return error instanceof KeysError && error.code === "metadata_invalid";
}

function refused(source: string, why: string): KeysError {
  return new KeysError("jwks_url_refused", `no keys are fetched from ${source}: ${why}`);
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || isIn(loopback, hostname);
}

function isIn(list: BlockList, hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, "");
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 6 ? "ipv6" : "ipv4");
}
