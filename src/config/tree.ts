import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type Pair, Scalar } from "yaml";
import type { Position } from "../base/issue.ts";
import type { JsonValue } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import type { YamlDocument } from "./document.ts";
import { joinPath, plainValue, type YamlNode } from "./node.ts";
import type { Problems } from "./problems.ts";

const maxDepth = 64;
const maxAliases = 100;
/** Counted with every alias followed, so that no bomb of aliases unfolds. */
const maxNodes = 100_000;

interface Place {
  readonly path: string;
  readonly depth: number;
  readonly keyPosition: Position | undefined;
}

/**
 * The syntax tree as plain nodes: aliases followed, scalars resolved, keys unique, sizes bounded.
 *
 * @returns undefined when a bound was broken; `problems` then says which.
 */
export function readTree(document: YamlDocument, problems: Problems): YamlNode | undefined {
  const { root, positionAt } = document;
  let nodes = 0;
  let aliases = 0;
  let broken = false;

  const stop = (at: Position, message: string): undefined => {
    if (!broken) problems.error({ at, code: "too_complex", message });
    broken = true;
  };

  const read = (node: Node | null | undefined, place: Place): YamlNode | undefined => {
    if (broken) return undefined;
    const position = positionOf(node, place);
    if (++nodes > maxNodes) return stop(position, `more than ${maxNodes} values`);
    if (place.depth > maxDepth) return stop(position, `nested deeper than ${maxDepth} levels`);
    if (isAlias(node)) return follow(node, place, position);
    const base = { path: place.path, position, keyPosition: place.keyPosition };
    if (isMap(node)) return collection(base, "mapping", readPairs(node.items, place));
    if (isSeq(node)) return collection(base, "list", readItems(node.items as Node[], place));
    return scalar(base, isScalar(node) ? node : new Scalar(null));
  };

  /** An absent value has no text of its own: its key stands for it. */
  const positionOf = (node: Node | null | undefined, place: Place): Position => {
    const start = node?.range?.[0];
    const absent = start === undefined || (isScalar(node) && node.source === "" && isPlain(node));
    return absent && place.keyPosition ? place.keyPosition : positionAt(start ?? 0);
  };

  const follow = (alias: Alias, place: Place, position: Position): YamlNode | undefined => {
    if (++aliases > maxAliases) return stop(position, `more than ${maxAliases} YAML aliases`);
    const target = alias.resolve(root);
    if (target !== undefined) return read(target, { ...place, depth: place.depth + 1 });
    const message = `no anchor &${escapeText(alias.source, 64)} before this alias`;
    problems.error({ at: position, code: "invalid_yaml", message });
    return undefined;
  };

  const readPairs = (pairs: readonly Pair[], place: Place): Map<string, YamlNode> => {
    const children = new Map<string, YamlNode>();
    for (const pair of pairs) {
      const key = pair.key as Node | null;
      const keyPosition = positionAt(key?.range?.[0] ?? 0);
      if (!isScalar(key)) {
        const message = "a key must be plain text, not an alias or a collection";
        problems.error({ at: keyPosition, code: "invalid_yaml", message });
        continue;
      }
      const name = typeof key.value === "string" ? key.value : (key.source ?? "");
      if (children.has(name)) {
        const message = `duplicate key "${escapeText(name, 64)}"`;
        problems.error({ at: keyPosition, code: "duplicate_key", message });
        continue;
      }
      const path = joinPath(place.path, name);
      const value = read(pair.value as Node | null, { path, depth: place.depth + 1, keyPosition });
      if (value !== undefined) children.set(name, value);
    }
    return children;
  };

  const readItems = (items: readonly Node[], place: Place): Map<string, YamlNode> => {
    const children = new Map<string, YamlNode>();
    for (const [index, item] of items.entries()) {
      const path = joinPath(place.path, index);
      const value = read(item, { path, depth: place.depth + 1, keyPosition: undefined });
      if (value !== undefined) children.set(String(index), value);
    }
    return children;
  };

  const scalar = (base: Base, node: Scalar): YamlNode => {
    const plain = isPlain(node);
    const made: YamlNode = {
      ...base,
      kind: "scalar",
      value: jsonScalar(node.value),
      children: new Map(),
      written: true,
      plain,
      origin: undefined,
    };
    const source = node.source ?? "";
    if (typeof node.value === "number" && !isExact(node.value)) {
      const message = `${escapeText(source, 64)} is not a number that JSON can carry exactly`;
      problems.error({ at: made, code: "invalid_value", message, help: "quote it" });
    } else if (plain && /^[-+]?0\d+$/.test(source)) {
      const message = `${escapeText(source, 64)} is the decimal number ${String(node.value)}`;
      problems.warn({ at: made, code: "leading_zero", message, help: "quote it, or write 0o…" });
    }
    return made;
  };

  const tree = read(root.contents, { path: "", depth: 0, keyPosition: undefined });
  return broken ? undefined : tree;
}

type Base = Pick<YamlNode, "path" | "position" | "keyPosition">;

function collection(
  base: Base,
  kind: "mapping" | "list",
  children: ReadonlyMap<string, YamlNode>,
): YamlNode {
  const value = plainValue(kind, children);
  return { ...base, kind, value, children, written: true, plain: false, origin: undefined };
}

function isPlain(node: Scalar): boolean {
  return node.type === undefined || node.type === Scalar.PLAIN;
}

function isExact(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

function jsonScalar(value: unknown): JsonValue {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") return isExact(value) ? value : 0;
  return typeof value === "string" ? value : null;
}
