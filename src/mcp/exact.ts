import { exactFormOf, linkExact, parseExactly, restoreNumbers } from "../base/exact-number.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";

/**
 * Gives the arguments of every `tools/call` their exact form. Nothing else of a message may have a
 * number that JavaScript cannot hold.
 *
 * @param text What `body` was parsed from.
 */
export function linkArguments(body: JsonValue, text: string): void {
  const written = messagesOf(parseExactly(text));
  for (const [i, message] of messagesOf(body).entries()) {
    const [args, exact] = [argumentsOf(message), argumentsOf(written[i])];
    if (args !== undefined && exact !== undefined) linkExact(args, exact);
  }
}

function messagesOf(body: JsonValue): readonly JsonValue[] {
  return Array.isArray(body) ? (body as readonly JsonValue[]) : [body];
}

function argumentsOf(message: JsonValue | undefined): JsonObject | undefined {
  const params = isJsonObject(message) ? message["params"] : undefined;
  const args = isJsonObject(params) ? params["arguments"] : undefined;
  return isJsonObject(args) ? args : undefined;
}

/**
 * Messages for the SDK, which copies them and would leave the exact form of arguments behind: their
 * numbers are carried in them instead.
 */
export function carryArguments(body: JsonValue): JsonValue {
  if (Array.isArray(body)) return (body as readonly JsonValue[]).map(carryArguments);
  const args = argumentsOf(body);
  if (args === undefined || exactFormOf(args) === args) return body;
  const { params, ...message } = body as JsonObject;
  return { ...message, params: { ...(params as JsonObject), arguments: exactFormOf(args) } };
}

/** What the SDK printed, with carried numbers as numbers again; it prints whole messages. */
export function restoreChunk(chunk: unknown): unknown {
  if (typeof chunk === "string") return restoreNumbers(chunk);
  if (!(chunk instanceof Uint8Array)) return chunk;
  const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString();
  const restored = restoreNumbers(text);
  return restored === text ? chunk : Buffer.from(restored);
}
