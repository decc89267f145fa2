import { request, type RequestOptions } from "node:https";
import type { LookupFunction } from "node:net";
import type { IncomingMessage } from "node:http";
import { InvalidClient } from "oidc-provider/lib/helpers/errors.js";
import type { Context } from "oidc-provider/lib/provider.js";
import { createCache } from "../base/cache.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { networkOf } from "../base/network.ts";
import type { Ports } from "../base/ports.ts";
import { hostOf } from "../config/url.ts";
import { type AddressKind, classifyAddress, guardLookup } from "../openapi/document/address.ts";
import { isLoopbackUri, readRedirect, redirectAllowed, type RedirectRules } from "./redirect.ts";

/** How the broker reads what clients publish about themselves (Client ID Metadata Documents). */
export interface ClientDocuments {
  /** Settings of oidc-provider. */
  readonly feature: object;
  /** The only way that oidc-provider fetches anything. */
  readonly fetch: (url: string | URL) => Promise<Response>;
}

export interface DocumentRules {
  readonly hosts: "any" | readonly string[];
  readonly privateHosts: readonly string[];
  readonly redirects: RedirectRules;
  /** Whose request it is, be it through a proxy. */
  readonly addressOf: (request: IncomingMessage) => string | undefined;
}

export interface DocumentDeps {
  readonly lookup: LookupFunction;
  /** PEM of the authorities to trust; undefined: those that Node trusts. */
  readonly ca: string | undefined;
}

const maxBytes = 32 * 1024;
const timeoutMs = 3_000;
const fetchesPerMinute = 30;
const recentFor = 10_000;

/**
 * Whoever opens `/authorize` decides what is fetched, so: https only, no redirect, no private
 * address, few bytes, few times. Addresses are judged where the socket connects to them.
 */
export function createClientDocuments(
  rules: DocumentRules,
  deps: DocumentDeps,
  ports: Ports,
): ClientDocuments {
  const windows = createCache<{ count: number }>(1000, ports.now);
  const mayFetch = (peer: string): boolean => {
    const window = windows.get(peer) ?? { count: 0 };
    if (window.count === 0) windows.set(peer, window, ports.now() + 60_000);
    window.count += 1;
    return window.count <= fetchesPerMinute;
  };
  const load = async (url: URL): Promise<Answer> => {
    const permits = (kind: AddressKind): boolean =>
      kind === "public" || (kind !== "never" && rules.privateHosts.includes(url.host));
    const response = await get(url, { ...deps, permits });
    if (response.statusCode !== 200) {
      response.destroy();
      // oidc-provider refuses it by its status, and follows nothing.
      return { status: 502, body: "", headers: {} };
    }
    const text = await readBounded(response);
    const document = parse(text);
    const described = isJsonObject(document) && "client_id" in document;
    const { "cache-control": cacheControl } = response.headers;
    return {
      status: 200,
      body: described ? JSON.stringify(normalize(document, url, rules.redirects)) : text,
      headers: cacheControl === undefined ? {} : { "cache-control": cacheControl },
    };
  };
  /** Good or bad, for a moment: one bad request makes oidc-provider ask twice. */
  const recent = createCache<Promise<Answer>>(100, ports.now);
  return {
    feature: {
      enabled: true,
      ack: "draft-02",
      cacheDuration: { min: 60, max: 86_400 },
      allowFetch: async (ctx: Context | undefined, clientId: string) => {
        const { host, href } = new URL(clientId);
        if (rules.hosts !== "any" && !rules.hosts.includes(host)) return false;
        return (
          recent.get(href) !== undefined ||
          mayFetch(networkOf((ctx && rules.addressOf(ctx.req)) ?? ""))
        );
      },
    },
    async fetch(address) {
      const url = new URL(address);
      const loading = recent.get(url.href) ?? load(url);
      recent.set(url.href, loading, ports.now() + recentFor);
      const { status, body, headers } = await loading;
      return new Response(body, {
        status,
        headers: { "content-type": "application/json", ...headers },
      });
    },
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What of the document counts; a client lists what any server may want (RFC 7591 §2). */
function normalize(document: JsonObject, url: URL, rules: RedirectRules): JsonObject {
  const redirects = textsOf(document["redirect_uris"]).filter((uri) => fits(uri, url, rules));
  const grants = textsOf(document["grant_types"] ?? ["authorization_code"]);
  const keysUrl = URL.parse(textsOf([document["jwks_uri"] ?? ""])[0] ?? "");
  const name = document["client_name"];
  const method = document["token_endpoint_auth_method"] ?? "none";
  return {
    client_id: document["client_id"] ?? "",
    redirect_uris: redirects,
    response_types: ["code"],
    grant_types: ["authorization_code", "refresh_token"].filter((grant) => grants.includes(grant)),
    application_type: redirects.every((uri) => uri.startsWith("https:")) ? "web" : "native",
    token_endpoint_auth_method: method,
    ...(typeof name === "string" ? { client_name: name.slice(0, 256) } : {}),
    ...(isJsonObject(document["jwks"]) ? { jwks: document["jwks"] } : {}),
    // Keys come from the host that the client proves to be, or not at all.
    ...(keysUrl?.protocol === "https:" && keysUrl.host === url.host
      ? { jwks_uri: keysUrl.href }
      : {}),
  };
}

/** A document speaks for its own host; elsewhere the rules of registration hold. */
function fits(uri: string, document: URL, rules: RedirectRules): boolean {
  const own = readRedirect(uri);
  if (own?.protocol === "https:" && own.host === document.host) return true;
  return isLoopbackUri(uri) ? own !== undefined : redirectAllowed(uri, rules);
}

interface Reach extends DocumentDeps {
  readonly permits: (kind: AddressKind) => boolean;
}

function get(url: URL, { lookup, ca, permits }: Reach): Promise<IncomingMessage> {
  const guarded = guardLookup(hostOf(url), { lookup, permits, refuse: refusedAddress });
  const options: RequestOptions = {
    agent: false,
    lookup: guarded,
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      accept: "application/json",
      "accept-encoding": "identity",
      "user-agent": "tollgate",
    },
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    request(url, options).on("response", resolve).on("error", reject).end();
  });
}

function refusedAddress(address: string): Error {
  return new InvalidClient("client_id metadata document fetch failed", {
    detail: `its host has the ${classifyAddress(address)} address ${address}`,
  });
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      response.destroy();
      throw new InvalidClient("client_id metadata document fetch failed", { detail: "too large" });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).filter((item) => typeof item === "string").slice(0, 64);
}
