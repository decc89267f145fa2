import { child, children, formatPointer, type Node } from "../document/node.ts";
import { isFailure, type References, refOf } from "../document/reference.ts";
import { createComponents } from "./component.ts";
import type { LeavesCycle } from "./conversion.ts";

/**
 * A schema that refers to itself without stepping into the instance (`A: {$ref: A}`, or a parent
 * whose oneOf lists children whose allOf names the parent) never ends in a validator. The common
 * case has a right reading: inside a child the parent stands without its choice. What remains
 * circular is refused.
 */
export function createCycleGuard(references: References): LeavesCycle {
  const nodes = new Map<string, Node>();
  const known = new Map<string, readonly Edge[]>();
  const keyOf = (node: Node): string => {
    const key = formatPointer(node.at);
    if (!nodes.has(key)) nodes.set(key, node);
    return key;
  };
  const edgesOf = (key: string): readonly Edge[] => {
    const node = nodes.get(key);
    let edges = known.get(key);
    if (edges === undefined) known.set(key, (edges = node ? collectEdges(node, references) : []));
    return edges;
  };

  /** The document as written. */
  const written = createComponents((key) => edgesOf(key).map(({ target }) => keyOf(target)));
  /** The document as converted: a name ends in `baseMark` where the choice is left out. */
  const converted = createComponents((state) => {
    const isBase = state.endsWith(baseMark);
    const from = isBase ? state.slice(0, -baseMark.length) : state;
    return edgesOf(from)
      .filter(({ kind }) => !isBase || kind !== "choice")
      .map(({ kind, target }) => {
        const to = keyOf(target);
        const loses = kind === "allOf" && hasChoice(target) && written(to) === written(from);
        return loses ? to + baseMark : to;
      });
  });

  return (target, chain, inAllOf) => {
    const to = keyOf(target);
    if (edgesOf(to).length === 0) return "whole";
    const around = chain.map(keyOf);
    if (!around.some((key) => written(key) === written(to))) return "whole";
    const base = inAllOf && hasChoice(target);
    const end = converted(base ? to + baseMark : to);
    const isCircular = around.some(
      (key) => converted(key) === end || converted(key + baseMark) === end,
    );
    if (isCircular) return "never";
    return base ? "base" : "whole";
  };
}

const baseMark = " base";

interface Edge {
  readonly kind: "allOf" | "choice" | "other";
  readonly target: Node;
}

function hasChoice(node: Node): boolean {
  return child(node, "oneOf") !== undefined || child(node, "anyOf") !== undefined;
}

const lists = [
  ["allOf", "allOf"],
  ["oneOf", "choice"],
  ["anyOf", "choice"],
] as const;
const singles = ["not", "if", "then", "else"];

/** References that `node` makes about the same instance, through any nesting of applicators. */
function collectEdges(node: Node, references: References): Edge[] {
  const edges: Edge[] = [];
  const open: { node: Node; kind: Edge["kind"] }[] = [{ node, kind: "other" }];
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    const { node: schema, kind } = step;
    const ref = refOf(schema);
    const target = ref === undefined ? undefined : references.resolve(ref, schema.at, node.at);
    if (target !== undefined && !isFailure(target)) edges.push({ kind, target });
    // Below a choice everything belongs to the choice.
    const below = (own: Edge["kind"]): Edge["kind"] => (kind === "choice" ? kind : own);
    for (const [keyword, own] of lists)
      for (const [, branch] of children(child(schema, keyword)))
        open.push({ node: branch, kind: below(own) });
    for (const keyword of singles) {
      const inner = child(schema, keyword);
      if (inner !== undefined) open.push({ node: inner, kind: below("other") });
    }
    for (const [, inner] of children(child(schema, "dependentSchemas")))
      open.push({ node: inner, kind: below("other") });
  }
  return edges;
}
