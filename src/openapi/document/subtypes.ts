import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { child, children, descend, type Node } from "./node.ts";
import { refOf } from "./reference.ts";
import type { Dialect } from "./version.ts";

/** A choice of more would cost a model more than it says. */
const maxSubtypes = 50;

/**
 * Older documents write a choice from below: children name their parent in `allOf`, and the parent
 * has a `discriminator` and no `oneOf`. Gives such a parent the `oneOf` of its known subtypes; inside
 * them it is then read without that choice (see cycle.ts).
 */
export function withSubtypes(root: JsonObject, dialect: Dialect): JsonObject {
  const schemas = descend({ value: root, at: [] }, dialect.schemas);
  if (schemas === undefined || !isJsonObject(schemas.value)) return root;
  const prefix = `#/${dialect.schemas.join("/")}/`;
  const below = subtypesByParent(schemas, prefix);
  const parents = [...below.keys()]
    .filter((name) => isOpenChoice(child(schemas, name)))
    .map((name) => ({ name, subtypes: descendants(name, below) }));
  // A parent that is a subtype of another is chosen there.
  const chosen = new Set(parents.flatMap(({ subtypes }) => subtypes));
  const expanded = parents
    .filter(({ name, subtypes }) => !chosen.has(name) && subtypes.length <= maxSubtypes)
    .map(({ name, subtypes }): [string, JsonValue] => {
      const oneOf = subtypes.map((subtype) => ({ $ref: prefix + subtype }));
      return [name, { ...(child(schemas, name)?.value as JsonObject), oneOf }];
    });
  if (expanded.length === 0) return root;
  return replace(root, dialect.schemas, { ...schemas.value, ...Object.fromEntries(expanded) });
}

function isOpenChoice(parent: Node | undefined): boolean {
  if (parent === undefined || (child(parent, "oneOf") ?? child(parent, "anyOf"))) return false;
  const discriminator = child(parent, "discriminator");
  // 2.0 writes the property's name alone.
  if (typeof discriminator?.value === "string") return true;
  return discriminator !== undefined && child(discriminator, "propertyName") !== undefined;
}

/** Names as references write them. */
function subtypesByParent(schemas: Node, prefix: string): ReadonlyMap<string, readonly string[]> {
  const below = new Map<string, string[]>();
  for (const [name, schema] of children(schemas)) {
    for (const [, part] of children(child(schema, "allOf"))) {
      const ref = refOf(part);
      if (ref?.startsWith(prefix) !== true) continue;
      const parent = ref.slice(prefix.length);
      const known = below.get(parent);
      if (known === undefined) below.set(parent, [name]);
      else known.push(name);
    }
  }
  return below;
}

function descendants(
  name: string,
  below: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const found = new Set<string>(below.get(name));
  for (const subtype of found) for (const next of below.get(subtype) ?? []) found.add(next);
  found.delete(name);
  return [...found];
}

function replace(
  root: JsonObject,
  [key, ...rest]: readonly string[],
  value: JsonValue,
): JsonObject {
  if (key === undefined) return root;
  const inner = root[key];
  if (rest.length === 0 || !isJsonObject(inner)) return { ...root, [key]: value };
  return { ...root, [key]: replace(inner, rest, value) };
}
