import { pino } from "pino";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Log } from "../base/ports.ts";
import { escapeText } from "../base/text.ts";
import { readStack } from "./stack.ts";

/** One JSON line per event to `write`; the stack of a bug is kept, secrets print as `***`. */
export function createLog(write: (line: string) => void, level: string): Log {
  const logger = pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` },
    { write },
  );
  return {
    debug: (event, fields) => logger.debug(escapeFields(fields), event),
    info: (event, fields) => logger.info(escapeFields(fields), event),
    warn: (event, fields) => logger.warn(escapeFields(fields), event),
    error: (event, fields, cause) =>
      logger.error({ ...escapeFields(fields), ...describeCause(cause) }, event),
  };
}

function escapeFields(fields: JsonObject = {}): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, escapeValue(value)]),
  );
}

function escapeValue(value: JsonValue): JsonValue {
  if (typeof value === "string") return escapeText(value, 2_000);
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(escapeValue);
  return isJsonObject(value) ? escapeFields(value) : value;
}

function describeCause(cause: unknown): JsonObject {
  if (!(cause instanceof Error)) return {};
  const inner = cause.cause instanceof Error ? { cause: cause.cause.message } : {};
  return { error: cause.name, stack: readStack(cause), ...inner };
}
