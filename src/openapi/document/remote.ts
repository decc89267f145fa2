import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";

import { escapeText } from "../../base/text.ts";
import { hostOf } from "../../config/url.ts";
import { type AddressKind, classifyAddress, guardLookup } from "./address.ts";
import { maxBytes } from "./source.ts";

/** A document that is not fetched, and why: the end of a sentence that begins with its URL. */
export class NotFetched extends Error {
  override readonly name = "NotFetched";
  /** The host does not answer, or says that it cannot now. */
  readonly mayPass: boolean;
  /** What the operator can do about it. */
  readonly advice: string | undefined;

  constructor(
    message: string,
    options: ErrorOptions & { readonly mayPass?: boolean; readonly advice?: string } = {},
  ) {
    super(message, options);
    this.mayPass = options.mayPass ?? false;
    this.advice = options.advice;
  }
}

/** A document and the request headers that ask whether it is still that (RFC 9110 §13.1). */
export interface Fetched {
  readonly bytes: Uint8Array;
  readonly validators: Readonly<Record<string, string>>;
}

export interface Fetching {
  readonly lookup: LookupFunction;
  /** Which kinds of address this host may have. */
  readonly permits: (kind: AddressKind) => boolean;
  readonly signal: AbortSignal;
}

const maxRedirects = 3;

/**
 * GETs one document. A redirect is followed on its own origin only. Addresses are judged where the
 * socket connects to them, so a name cannot answer one thing to the check and another to the
 * connection.
 *
 * @param validators Of an earlier answer. Undefined comes back when that still holds.
 * @throws NotFetched
 */
export async function fetchBytes(
  start: URL,
  fetching: Fetching,
  validators: Fetched["validators"] = {},
): Promise<Fetched | undefined> {
  let url = start;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await get(url, fetching, validators);
    const { statusCode = 0 } = response;
    if (statusCode === 200) return readAll(response, fetching.signal);
    response.destroy();
    if (statusCode === 304 && Object.keys(validators).length > 0) return undefined;
    const location = statusCode >= 300 && statusCode < 400 ? response.headers.location : undefined;
    if (location === undefined) {
      const mayPass = statusCode >= 500 || statusCode === 429;
      const advice =
        "the document is asked for without a credential; what needs one must be a file";
      throw new NotFetched(`answers ${statusCode}`, {
        mayPass,
        ...([401, 403, 404].includes(statusCode) ? { advice } : {}),
      });
    }
    const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (next?.origin !== start.origin) throw new NotFetched("redirects to another host");
    url = next;
  }
  throw new NotFetched("redirects too often");
}

async function get(
  url: URL,
  { lookup, permits, signal }: Fetching,
  validators: Fetched["validators"],
): Promise<IncomingMessage> {
  const guarded = guardLookup(hostOf(url), { lookup, permits, refuse: refusedAddress });
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      // No pool: a connection made under other permissions is never reused.
      agent: false,
      lookup: guarded,
      signal,
      headers: {
        accept: "application/yaml, application/json, */*;q=0.1",
        "accept-encoding": "identity",
        "user-agent": "tollgate",
        ...validators,
      },
    });
    sent.on("response", resolve);
    sent.on("error", (error) => reject(translate(error, signal)));
    sent.end();
  });
}

function refusedAddress(address: string): NotFetched {
  const kind = classifyAddress(address);
  const name = kind === "never" ? "reserved or link-local" : kind;
  return new NotFetched(`has the ${name} address ${address}`);
}

async function readAll(response: IncomingMessage, signal: AbortSignal): Promise<Fetched> {
  const { "content-encoding": encoding = "identity" } = response.headers;
  if (encoding !== "identity") {
    response.destroy();
    throw new NotFetched("answers with a compressed body that nobody asked for");
  }
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw new NotFetched("is larger than 32 MiB");
      chunks.push(chunk);
    }
  } catch (error) {
    throw translate(error, signal);
  } finally {
    response.destroy();
  }
  const { etag, "last-modified": lastModified } = response.headers;
  return {
    bytes: Buffer.concat(chunks),
    validators: {
      ...(etag === undefined ? {} : { "if-none-match": etag }),
      ...(lastModified === undefined ? {} : { "if-modified-since": lastModified }),
    },
  };
}

function translate(error: unknown, signal: AbortSignal): NotFetched {
  if (error instanceof NotFetched) return error;
  if (signal.aborted) return new NotFetched("takes too long", { mayPass: true });
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  const told = `cannot be fetched (${escapeText(code, 64)})`;
  return new NotFetched(told, {
    cause: error,
    mayPass: true,
    advice: fetchAdvice[code] ?? "ask for the URL from this machine, e.g. with curl",
  });
}

const fetchAdvice: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there: correct host and port, or start the service first",
  ENOTFOUND: "no such name: correct the host, or look at the DNS of this machine",
  EAI_AGAIN: "the DNS of this machine does not answer",
  DEPTH_ZERO_SELF_SIGNED_CERT: "name the authority's certificate in NODE_EXTRA_CA_CERTS",
  SELF_SIGNED_CERT_IN_CHAIN: "name the authority's certificate in NODE_EXTRA_CA_CERTS",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "name the authority's certificate in NODE_EXTRA_CA_CERTS",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "name the authority's certificate in NODE_EXTRA_CA_CERTS",
};
