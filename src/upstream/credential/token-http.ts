import { customFetch, type CustomFetchOptions } from "oauth4webapi";

import { readBody } from "../../base/body.ts";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { TokenFailure } from "./token-failure.ts";

const timeoutMs = 5_000;
const maxReplyBytes = 65_536;

export type Fetch = typeof fetch;

/** An authorization server's answer; never a redirect. */
export interface JsonReply {
  readonly status: number;
  readonly retryAfter: string | null;
  /** undefined: not a JSON object. */
  readonly body: JsonObject | undefined;
}

/** What every oauth4webapi request is sent with. */
export interface SendOptions {
  readonly signal: AbortSignal;
  readonly [customFetch]: (
    url: string,
    options: CustomFetchOptions<"GET" | "POST", URLSearchParams | undefined>,
  ) => Promise<Response>;
}

/**
 * One exchange with an authorization server: at most 5 s and 64 KiB, answer included. A redirect is
 * a failure, because the request carries a client secret and a person's token.
 */
export async function requestJson(
  fetch: Fetch,
  send: (options: SendOptions) => Promise<Response>,
): Promise<JsonReply> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const { signal } = deadline;
  try {
    const response = await send({
      signal,
      [customFetch]: (url, { body, headers, method }) =>
        fetch(url, {
          method,
          headers,
          signal,
          redirect: "manual",
          ...(body === undefined ? {} : { body }),
        }).catch((error: unknown) => {
          throw transportFailure(error, signal);
        }),
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw new TokenFailure("redirected");
    }
    return {
      status: response.status,
      retryAfter: response.headers.get("retry-after"),
      body: parseObject(await readText(response, signal)),
    };
  } finally {
    clearTimeout(timer);
  }
}

async function readText(response: Response, signal: AbortSignal): Promise<string> {
  const body = await readBody(response.body, maxReplyBytes, signal).catch((error: unknown) => {
    throw transportFailure(error, signal);
  });
  if (body === undefined) throw new TokenFailure("reply_too_large");
  return body.toString();
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the code of the socket or TLS error only: its text may hold what the peer sent. */
function transportFailure(error: unknown, signal: AbortSignal): TokenFailure {
  if (signal.aborted) return new TokenFailure("timeout");
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return new TokenFailure("unreachable", {
    system: typeof code === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : undefined,
  });
}
