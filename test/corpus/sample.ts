import fc from "fast-check";

import { isJsonObject, type JsonObject, type JsonValue } from "../../src/base/json.ts";

/**
 * Writes a value for a schema, the same one for the same `turn`. Schemas contradict themselves and
 * their branches, so a value need not be valid: another turn takes other branches, fewer optional
 * members and other texts.
 */
export function sample(root: JsonObject, turn: number): JsonValue {
  return write(root, { root, turn, depth: 0 });
}

interface At {
  readonly root: JsonObject;
  readonly turn: number;
  readonly depth: number;
}

const maxDepth = 6;

function write(schema: JsonValue, at: At): JsonValue {
  if (!isJsonObject(schema)) return "any";
  const whole = combine(schema, at, 0);
  if ("const" in whole) return whole["const"] ?? null;
  const values = whole["enum"];
  if (Array.isArray(values)) return pick(values as readonly JsonValue[], at.turn) ?? null;
  switch (typeOf(whole)) {
    case "object":
      return writeObject(whole, at);
    case "array":
      return writeArray(whole, at);
    case "integer":
    case "number":
      return writeNumber(whole);
    case "boolean":
      return at.turn % 2 === 0;
    case "null":
      return null;
    default:
      return writeText(whole, at.turn);
  }
}

/** The schema with its reference, every `allOf` and one branch of each choice folded into it. */
function combine(schema: JsonObject, at: At, steps: number): JsonObject {
  if (steps > 32) return {};
  const { $ref, allOf, anyOf, oneOf, ...own } = schema;
  const parts: JsonObject[] = [own];
  const add = (part: JsonValue | undefined): void => {
    if (isJsonObject(part)) parts.push(combine(part, at, steps + 1));
  };
  if (typeof $ref === "string") add(lookUp($ref, at.root));
  if (Array.isArray(allOf)) for (const part of allOf) add(part);
  for (const branches of [anyOf, oneOf]) {
    if (Array.isArray(branches)) add(pick(branches as readonly JsonValue[], at.turn));
  }
  return parts.reduce(fold, {});
}

function fold(a: JsonObject, b: JsonObject): JsonObject {
  const [x, y] = [a["properties"] ?? {}, b["properties"] ?? {}] as [JsonObject, JsonObject];
  const shared = Object.keys(x).filter((name) => name in y);
  const both = shared.map((name) => [name, { allOf: [x[name] ?? {}, y[name] ?? {}] }]);
  const required = [a["required"] ?? [], b["required"] ?? []].flat();
  return {
    ...b,
    ...a,
    properties: { ...y, ...x, ...(Object.fromEntries(both) as JsonObject) },
    required: [...new Set(required)],
  };
}

function lookUp(ref: string, root: JsonObject): JsonValue | undefined {
  const name = ref.slice("#/$defs/".length).replaceAll("~1", "/").replaceAll("~0", "~");
  return isJsonObject(root["$defs"]) ? root["$defs"][name] : undefined;
}

function pick<T>(list: readonly T[], turn: number): T | undefined {
  return list[turn % Math.max(list.length, 1)];
}

function typeOf(schema: JsonObject): string {
  const type = [schema["type"] ?? []].flat().find((name) => name !== "null");
  if (typeof type === "string") return type;
  if ([schema["type"]].flat().includes("null")) return "null";
  if (Object.keys((schema["properties"] ?? {}) as JsonObject).length > 0) return "object";
  return schema["items"] === undefined ? "string" : "array";
}

function writeObject(schema: JsonObject, at: At): JsonObject {
  const properties = schema["properties"] as JsonObject;
  const required = new Set(schema["required"] as readonly string[]);
  const inner = { ...at, depth: at.depth + 1 };
  const wanted = Object.keys(properties).filter(
    (name) => required.has(name) || (at.depth < 2 && at.turn % 3 !== 2),
  );
  const written = Object.fromEntries(
    [...new Set([...wanted, ...required])].map((name) => [
      name,
      at.depth > maxDepth ? "deep" : write(properties[name] ?? {}, inner),
    ]),
  );
  const missing = Number(schema["minProperties"] ?? 0) - Object.keys(written).length;
  for (let i = 0; i < missing; i++) {
    written[`extra${i}`] = write(schema["additionalProperties"] ?? {}, inner);
  }
  return written;
}

function writeArray(schema: JsonObject, at: At): JsonValue {
  const inner = { ...at, depth: at.depth + 1 };
  const prefix = schema["prefixItems"];
  const first = Array.isArray(prefix) ? prefix.map((item) => write(item, inner)) : [];
  const least = Number(schema["minItems"] ?? (at.depth > maxDepth ? 0 : 1));
  const length = Math.min(least, Number(schema["maxItems"] ?? Number.POSITIVE_INFINITY));
  const rest = Array.from({ length: Math.max(length - first.length, 0) }, (_, i) =>
    write(schema["items"] ?? {}, { ...inner, turn: at.turn + i }),
  );
  return [...first, ...rest];
}

function writeNumber(schema: JsonObject): number {
  const step = Number(schema["multipleOf"] ?? 1);
  const above = schema["exclusiveMinimum"];
  const below = schema["exclusiveMaximum"];
  const least = above === undefined ? Number(schema["minimum"] ?? 1) : Number(above) + step;
  const most =
    below === undefined
      ? Number(schema["maximum"] ?? Number.POSITIVE_INFINITY)
      : Number(below) - step;
  return Math.min(Math.ceil(least / step) * step, most);
}

const formats: Readonly<Record<string, string>> = {
  "date-time": "2026-02-03T04:05:06Z",
  date: "2026-02-03",
  uuid: "0b6e1a2c-8a54-4c3b-9d1f-2f6d1a7c9e10",
  email: "alice@example.com",
  uri: "https://example.com/a",
  ipv4: "192.0.2.7",
  ipv6: "2001:db8::7",
  hostname: "example.com",
};

function writeText(schema: JsonObject, turn: number): string {
  const { format, pattern, contentEncoding } = schema;
  if (contentEncoding === "base64") return "aGk=";
  const least = Number(schema["minLength"] ?? 0);
  const most = Number(schema["maxLength"] ?? Number.POSITIVE_INFINITY);
  const known = typeof format === "string" ? formats[format] : undefined;
  if (typeof pattern === "string") {
    const regular = new RegExp(pattern, "u");
    if (known !== undefined && regular.test(known)) return known;
    const texts = textsMatching(pattern);
    const fitting = texts.filter((text) => isPlain(text, least, most));
    return pick(fitting.length > 0 ? fitting : texts, turn) ?? "";
  }
  return known ?? (turn % 2 === 0 ? "sample" : "Zoë & co").slice(0, most).padEnd(least, "x");
}

const matching = new Map<string, readonly string[]>();

function textsMatching(pattern: string): readonly string[] {
  const known = matching.get(pattern);
  if (known !== undefined) return known;
  const texts = fc.sample(fc.stringMatching(new RegExp(pattern, "u")), { numRuns: 24, seed: 7 });
  matching.set(pattern, texts);
  return texts;
}

/** Of a length that fits and without what some places of a request refuse. */
function isPlain(text: string, least: number, most: number): boolean {
  return text.length >= least && text.length <= most && /^[!-+\--~]+$/.test(text);
}
