import { readBody } from "../../base/body.ts";
import type { JsonValue } from "../../base/json.ts";
import { IdpError } from "./idp.ts";

export type Fetch = typeof fetch;

const timeoutMs = 5_000;
const maxBytes = 256 * 1024;

interface Request {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * One exchange with an identity provider: at most 5 s and 256 KiB, answer included. A redirect is
 * no answer, because the request carries a secret or somebody's token.
 *
 * @throws IdpError `idp_unavailable` for a broken transport and for 5xx and 429.
 */
export function createIdpFetch(fetch: Fetch, tokenRequest: "form" | "json") {
  return async (url: string, { method, headers, body }: Request): Promise<Response> => {
    const json = tokenRequest === "json" && body instanceof URLSearchParams;
    const sent = json ? JSON.stringify(Object.fromEntries(body)) : (body as URLSearchParams);
    const signal = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let bytes: Uint8Array | undefined;
    try {
      response = await fetch(url, {
        method,
        headers: json ? { ...headers, "content-type": "application/json" } : headers,
        redirect: "manual",
        signal,
        ...(body === undefined || body === null ? {} : { body: sent }),
      });
      bytes = await readBody(response.body, maxBytes, signal);
    } catch (cause) {
      throw new IdpError("idp_unavailable", `${hostOf(url)} does not answer`, { cause });
    }
    if (bytes === undefined) throw new IdpError("idp_answer_invalid", "an answer is too large");
    if (response.status >= 500 || response.status === 429)
      throw new IdpError("idp_unavailable", `${hostOf(url)} answers ${response.status}`);
    if (response.status >= 300 && response.status < 400)
      throw new IdpError("idp_answer_invalid", `${hostOf(url)} redirects`);
    return new Response(bytes, {
      status: refusalStatus(response.status, bytes),
      headers: { "content-type": response.headers.get("content-type") ?? "" },
    });
  };
}

/** GitHub answers 200 when it refuses a code. */
function refusalStatus(status: number, bytes: Uint8Array): number {
  if (status !== 200) return status;
  const text = Buffer.from(bytes).toString("utf8");
  return /"error"\s*:\s*"/.test(text) && !text.includes('"access_token"') ? 400 : status;
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? "the provider";
}

/** undefined: no JSON. */
export async function readJson(response: Response): Promise<JsonValue | undefined> {
  try {
    return (await response.json()) as JsonValue;
  } catch {
    return undefined;
  }
}
