import type { Position } from "../base/issue.ts";
import type { JsonValue } from "../base/json.ts";
import { escapeText } from "../base/text.ts";

/** One value of gateway.yaml and where it stands. */
export interface YamlNode {
  /** Readable way from the root, e.g. `apis.courses.tools[0].name`; empty for the root. */
  readonly path: string;
  readonly kind: "mapping" | "list" | "scalar";
  /** Plain data; what an environment variable or a file gave is in here in clear. */
  readonly value: JsonValue;
  readonly position: Position;
  /** Of the key in front of it; undefined in a list and at the root. */
  readonly keyPosition: Position | undefined;
  /** By key, or by index as text. */
  readonly children: ReadonlyMap<string, YamlNode>;
  /** false: a default of the schema. */
  readonly written: boolean;
  /** An unquoted scalar, which YAML may read as a number or a boolean. */
  readonly plain: boolean;
  /** The references it was made of, e.g. `${PORT}`; its value must then not be shown. */
  readonly origin: string | undefined;
}

/** Where to point when something is absent from a mapping: at the key that names it. */
export function nameOf(node: YamlNode): Position {
  return node.keyPosition ?? node.position;
}

export function child(node: YamlNode | undefined, key: string): YamlNode | undefined {
  return node?.kind === "mapping" ? node.children.get(key) : undefined;
}

/** A child that the operator wrote: not a default. */
export function writtenChild(node: YamlNode | undefined, key: string): YamlNode | undefined {
  const found = child(node, key);
  return found?.written ? found : undefined;
}

export function entriesOf(node: YamlNode | undefined): readonly (readonly [string, YamlNode])[] {
  return node?.kind === "mapping" ? [...node.children] : [];
}

export function itemsOf(node: YamlNode | undefined): readonly YamlNode[] {
  return node?.kind === "list" ? [...node.children.values()] : [];
}

export function textOf(node: YamlNode | undefined): string | undefined {
  return typeof node?.value === "string" ? node.value : undefined;
}

/** The strings of a list, or of a single string in its place; empty when absent. */
export function textsOf(node: YamlNode | undefined): readonly string[] {
  const items = node?.kind === "list" ? itemsOf(node) : [node];
  return items.flatMap((item) => textOf(item) ?? []);
}

/** The strings of a list, or the single one in its place, each with its node. */
export function scalarsOf(node: YamlNode | undefined): readonly YamlNode[] {
  if (node === undefined) return [];
  return node.kind === "list" ? itemsOf(node) : [node];
}

/** `courses.tools[0]` from `courses.tools` and `0`. */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  const shown = /^[\w-]{1,64}$/.test(key) ? key : `"${escapeText(key, 64)}"`;
  return path === "" ? shown : `${path}.${shown}`;
}

/** How messages name a node. */
export function label(node: YamlNode): string {
  return node.path === "" ? "gateway.yaml" : node.path;
}

/** How messages show a value: never what came from a variable or a file. */
export function quote(node: YamlNode): string {
  if (node.origin !== undefined) return `the value of ${node.origin}`;
  if (node.kind === "mapping") return "a mapping";
  if (node.kind === "list") return "a list";
  if (node.value === null) return "nothing";
  const text = textOf(node);
  return text === undefined ? JSON.stringify(node.value) : `"${escapeText(text, 64)}"`;
}

/** The plain data of a collection. */
export function plainValue(
  kind: "mapping" | "list",
  children: ReadonlyMap<string, YamlNode>,
): JsonValue {
  if (kind === "list") return [...children.values()].map((node) => node.value);
  // fromEntries defines properties, so a key `__proto__` is a key like any other.
  return Object.fromEntries([...children].map(([key, node]) => [key, node.value]));
}
