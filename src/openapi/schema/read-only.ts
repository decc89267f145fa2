import { child, children, formatPointer, isTrue, type Node } from "../node.ts";
import { isFailure, type References, refOf } from "../reference.ts";

/** Both readOnly and writeOnly contradicts itself and counts as neither. */
export function isReadOnly(property: Node, references: References): boolean {
  if (isTrue(property, "readOnly")) return !isTrue(property, "writeOnly");
  if (refOf(property) === undefined) return false;
  const target = references.follow(property);
  return !isFailure(target) && isTrue(target, "readOnly") && !isTrue(target, "writeOnly");
}

const maxVisits = 200;

/** The read-only properties of an object, wherever its allOf declares them. */
export function readOnlyNames(node: Node, references: References): ReadonlySet<string> {
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
      if (isReadOnly(property, references)) names.add(name);
    for (const [, branch] of children(child(schema, "allOf"))) open.push(branch);
  }
  return names;
}
