import { isUtf8 } from "node:buffer";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { invalidToken } from "./refusal.ts";

/** A JWT taken apart. Nothing in it is verified. */
export interface Jws {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly typ: string | undefined;
  /** Frozen objects without a prototype: a claim is found only if the token has it. */
  readonly claims: JsonObject;
}

/** Deeper claims are nobody's; the bound keeps walking them cheap. */
const maxDepth = 16;

/** Never data, and harmful to a careless copy. */
const prototypeNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Reads the compact form (RFC 7515 §7.1) strictly: three non-empty parts of canonical base64url, no
 * critical extension (§4.1.11), payload encoded (RFC 7797). Key material in the header is ignored.
 *
 * @throws AuthError `malformed_token`.
 */
export function decodeJws(token: string): Jws {
  const parts = token.split(".", 6);
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || !header || !payload || !signature)
    throw invalidToken("malformed_token");
  decode(signature);
  const { alg, kid, typ, crit, b64 } = parseObject(decode(header));
  if (typeof alg !== "string" || !isOptionalText(kid) || !isOptionalText(typ))
    throw invalidToken("malformed_token");
  if (crit !== undefined || (b64 !== undefined && b64 !== true))
    throw invalidToken("malformed_token");
  return { alg, kid, typ, claims: parseObject(decode(payload)) };
}

/** Buffer reads sloppy base64 as well; only text that it would write itself is canonical. */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) throw invalidToken("malformed_token");
  return bytes;
}

function parseObject(bytes: Buffer): JsonObject {
  if (!isUtf8(bytes)) throw invalidToken("malformed_token");
  let value: JsonValue;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    // The parser's message quotes the token.
    throw invalidToken("malformed_token");
  }
  if (!isJsonObject(value)) throw invalidToken("malformed_token");
  return plainObject(value, maxDepth);
}

/** The same for claims that came by another way. @throws AuthError `malformed_token` */
export function freezeClaims(value: JsonObject): JsonObject {
  return plainObject(value, maxDepth);
}

function plain(value: JsonValue, depth: number): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) throw invalidToken("malformed_token");
  if (isJsonObject(value)) return plainObject(value, depth);
  return Object.freeze(value.map((item) => plain(item, depth - 1)));
}

function plainObject(value: JsonObject, depth: number): JsonObject {
  const copy: Record<string, JsonValue> = Object.create(null);
  for (const [name, member] of Object.entries(value))
    if (!prototypeNames.has(name)) copy[name] = plain(member, depth - 1);
  return Object.freeze(copy);
}

function isOptionalText(value: JsonValue | undefined): value is string | undefined {
  return value === undefined || typeof value === "string";
}
