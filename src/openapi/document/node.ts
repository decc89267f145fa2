import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";

/** The tokens of a JSON pointer (RFC 6901), unescaped. */
export type Pointer = readonly string[];

/** A value of the document together with the place it stands at. */
export interface Node {
  readonly value: JsonValue;
  readonly at: Pointer;
}

/** Reads a URI fragment (RFC 6901 §6) without its `#`; undefined when it is not a JSON pointer. */
export function parsePointer(fragment: string): Pointer | undefined {
  let text = fragment;
  try {
    if (text.includes("%")) text = decodeURIComponent(text);
  } catch {
    return undefined; // a broken percent escape
  }
  if (text === "") return [];
  if (!text.startsWith("/")) return undefined;
  return text
    .slice(1)
    .split("/")
    .map((token) => (token.includes("~") ? unescapeToken(token) : token));
}

/** `~01` means `~1`, so `~1` is unescaped first (RFC 6901 §4). */
function unescapeToken(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** `#/paths/~1users/get`, without percent escapes: for messages and as a key. */
export function formatPointer(at: Pointer): string {
  let text = "#";
  for (const token of at) text += `/${/[~/]/.test(token) ? escapeToken(token) : token}`;
  return text;
}

function escapeToken(token: string): string {
  return token.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Own members only: a document cannot reach `constructor` or `__proto__`. */
export function child(node: Node, key: string): Node | undefined {
  const { value } = node;
  if (Array.isArray(value)) {
    const index = /^(?:0|[1-9]\d{0,8})$/.test(key) ? Number(key) : value.length;
    return index < value.length ? { value: value[index], at: [...node.at, key] } : undefined;
  }
  if (!isJsonObject(value) || !Object.hasOwn(value, key)) return undefined;
  return { value: value[key] as JsonValue, at: [...node.at, key] };
}

/** The members of an object or array, in document order; none of anything else. */
export function children(node: Node | undefined): readonly (readonly [string, Node])[] {
  if (node === undefined || typeof node.value !== "object" || node.value === null) return [];
  return Object.entries(node.value as JsonObject).map(([key, value]) => [
    key,
    { value, at: [...node.at, key] },
  ]);
}

/** The value of a child, without the place that nobody asked for. */
export function member(node: Node | undefined, key: string): JsonValue | undefined {
  if (node === undefined) return undefined;
  const { value } = node;
  if (!isJsonObject(value)) return child(node, key)?.value;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A number is accepted for a text, as in `version: 1.0`. */
export function textOf(node: Node | undefined, key: string): string | undefined {
  const value = member(node, key);
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
}

/** The texts of a list; whatever else stands in it is passed over. */
export function textsOf(node: Node | undefined): readonly string[] {
  const value = node?.value;
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

export function isTrue(node: Node | undefined, key: string): boolean {
  return member(node, key) === true;
}

/** Walks down without following references. */
export function descend(node: Node, keys: Pointer): Node | undefined {
  let current: Node | undefined = node;
  for (const key of keys) {
    if (current === undefined) return undefined;
    current = child(current, key);
  }
  return current;
}
