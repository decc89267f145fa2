import { readBody } from "../base/body.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";

/** The part of WHATWG fetch that this room uses; `globalThis.fetch` fits. */
export type Fetch = (
  url: string,
  init: {
    readonly headers: Readonly<Record<string, string>>;
    readonly redirect: "error";
    readonly signal: AbortSignal;
  },
) => Promise<{
  readonly status: number;
  readonly headers: { readonly get: (name: string) => string | null };
  readonly body: ReadableStream<Uint8Array> | null;
}>;

export type KeyProblemCode =
  | "issuer_mismatch"
  | "issuer_unreachable"
  | "jwks_url_refused"
  | "metadata_invalid"
  | "jwks_invalid";

/** An issuer's keys cannot be had. For the operator: the message quotes no document, only names. */
export class KeysError extends Error {
  override readonly name = "KeysError";
  readonly code: KeyProblemCode;

  constructor(code: KeyProblemCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const timeoutMs = 3_000;
const maxBytes = 256 * 1024;
const jsonType = /^application\/(?:[a-z0-9.-]+\+)?json *(?:;|$)/i;

/**
 * Fetches one JSON object: within 3 s, at most 256 KiB after decompression, no redirect followed.
 *
 * @param invalid The code for an answer that is no such document.
 * @throws KeysError
 */
export async function fetchDocument(
  url: string,
  fetch: Fetch,
  invalid: KeyProblemCode,
): Promise<JsonObject> {
  const refuse = (why: string): KeysError => new KeysError(invalid, `${url} ${why}`);
  const signal = AbortSignal.timeout(timeoutMs);
  let text: string;
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json" },
      redirect: "error",
      signal,
    });
    const { status } = response;
    const type = response.headers.get("content-type") ?? "";
    // Read even when unwanted: an unread body would keep the connection.
    const body = await readBody(response.body, maxBytes, signal);
    if (status !== 200) throw refuse(`answers ${status}`);
    if (!jsonType.test(type)) throw refuse("is not JSON by its content type");
    if (body === undefined) throw refuse(`is larger than ${maxBytes} bytes`);
    text = body.toString();
  } catch (cause) {
    if (cause instanceof KeysError) throw cause;
    throw new KeysError("issuer_unreachable", `${url} cannot be read: ${describe(cause)}`, {
      cause,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch {
    // The parser's message quotes the document; the refusal below does not.
  }
  throw refuse("is not a JSON object");
}

/** `fetch failed` says nothing; the system's code or the inner message does. */
function describe(failure: unknown): string {
  const inner = failure instanceof Error && failure.cause ? failure.cause : failure;
  if (!(inner instanceof Error)) return "unknown failure";
  return "code" in inner && typeof inner.code === "string" ? inner.code : inner.message;
}
