import { child, children, formatPointer, isTrue, type Node } from "../document/node.ts";
import { isFailure, type References, refOf } from "../document/reference.ts";

/** The marker of what is left out: a request has nothing that is read-only, an answer nothing write-only. */
export type Hides = "readOnly" | "writeOnly" | "nothing";

/** Both readOnly and writeOnly contradicts itself and counts as neither. */
export function isHidden(property: Node, references: References, hides: Hides): boolean {
  if (hides === "nothing") return false;
  const other = hides === "readOnly" ? "writeOnly" : "readOnly";
  if (isTrue(property, hides)) return !isTrue(property, other);
  if (refOf(property) === undefined) return false;
  const target = references.follow(property);
  return !isFailure(target) && isTrue(target, hides) && !isTrue(target, other);
}

const maxVisits = 200;

/** The hidden properties of an object, wherever its allOf declares them. */
export function hiddenNames(
  node: Node,
  references: References,
  hides: Hides,
): ReadonlySet<string> {
  const names = new Set<string>();
  // A schema that requires nothing and is composed of nothing has nothing to lose.
  if (child(node, "required") === undefined && child(node, "allOf") === undefined) return names;
  const seen = new Set<string>();
  const open: Node[] = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const schema = references.follow(next);
    if (isFailure(schema) || seen.size >= maxVisits) continue;
    const key = formatPointer(schema.at);
    if (seen.has(key)) continue;
    seen.add(key);
    for (const [name, property] of children(child(schema, "properties")))
      if (isHidden(property, references, hides)) names.add(name);
    for (const [, branch] of children(child(schema, "allOf"))) open.push(branch);
  }
  return names;
}
