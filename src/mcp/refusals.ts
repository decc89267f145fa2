import type { ServerResponse } from "node:http";
import { isJsonObject, type JsonValue } from "../base/json.ts";

/** Told of every error of the protocol that goes into an answer. */
export type OnError = (reason: string, id: JsonValue | undefined) => void;

/** Larger answers are results. */
const maxErrorBytes = 65_536;

const reasons = new Map<unknown, string>([
  [-32700, "invalid_json"],
  [-32600, "invalid_request"],
  [-32601, "unknown_method"],
  [-32602, "invalid_params"],
  [-32603, "internal_error"],
  [-32020, "header_mismatch"],
  [-32022, "unsupported_protocol_version"],
]);

/** The SDK answers by itself what never reaches a handler: this sees it just before it is sent. */
export function watchErrors(response: ServerResponse, onError: OnError): void {
  const write = response.write.bind(response) as Send;
  const end = response.end.bind(response) as Send;
  let seen = false;
  const look = (chunk: unknown): void => {
    const text = textOf(chunk);
    for (const { code, id } of text === undefined ? [] : findErrors(text)) {
      seen = true;
      onError(reasons.get(code) ?? "protocol_error", id);
    }
  };
  response.write = ((...args) => {
    look(args[0]);
    return write(...args);
  }) as Send as typeof response.write;
  response.end = ((...args) => {
    look(args[0]);
    if (!seen && response.statusCode >= 400) onError("invalid_request", undefined);
    return end(...args);
  }) as Send as typeof response.end;
}

/** Both have several forms, of which only the first argument matters here. */
type Send = (...args: readonly unknown[]) => never;

function textOf(chunk: unknown): string | undefined {
  if (typeof chunk === "string") return chunk.length > maxErrorBytes ? undefined : chunk;
  if (!(chunk instanceof Uint8Array) || chunk.length > maxErrorBytes) return undefined;
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString();
}

/** In a message, a batch of them, or the events of a stream. */
function findErrors(
  text: string,
): { readonly code: unknown; readonly id: JsonValue | undefined }[] {
  if (!text.includes('"error"')) return [];
  const events = /^\s*[[{]/.test(text)
    ? [text]
    : [...text.matchAll(/^data: ?(.*)$/gm)].map(([, data]) => data ?? "");
  return events.flatMap(readMessages).flatMap((message) => {
    const error = isJsonObject(message) ? message["error"] : undefined;
    return isJsonObject(message) && isJsonObject(error)
      ? [{ code: error["code"], id: message["id"] }]
      : [];
  });
}

function readMessages(text: string): readonly JsonValue[] {
  try {
    const value = JSON.parse(text) as JsonValue;
    return Array.isArray(value) ? value : [value];
  } catch {
    // A piece of a longer message: no error is that long.
    return [];
  }
}
