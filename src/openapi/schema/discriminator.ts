import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { child, children, type Node } from "../document/node.ts";
import { isFailure, type References, refOf } from "../document/reference.ts";
import type { Conversion, Draft } from "./conversion.ts";

/**
 * `discriminator` is not JSON Schema: what it says moves into the branches, each of which gets the
 * values that choose it. Values come from `mapping`, else from the component's name.
 */
export function discriminate(out: Draft, node: Node, { references }: Conversion): void {
  const discriminator = child(node, "discriminator");
  // 2.0 writes the property's name alone.
  const property =
    typeof discriminator?.value === "string"
      ? discriminator.value
      : discriminator && child(discriminator, "propertyName")?.value;
  if (discriminator === undefined || typeof property !== "string") return;
  // 3.2: without the property, or with a value of no other branch, the default branch applies.
  const fallback = child(discriminator, "defaultMapping");
  const required = fallback === undefined;
  for (const keyword of ["oneOf", "anyOf"]) {
    const branches = child(node, keyword);
    const converted = out[keyword];
    if (branches === undefined || !Array.isArray(converted)) continue;
    const written = children(branches);
    out[keyword] = converted.map((schema: JsonValue, i) => {
      const branch = written[i]?.[1];
      if (branch === undefined || !isJsonObject(schema)) return schema;
      if (isPinned(branch, property, references)) return schema;
      const isDefault = (other: Node): boolean =>
        fallback !== undefined && leadsTo(fallback, other, references);
      if (isDefault(branch)) {
        const others = written.filter(([, other]) => !isDefault(other));
        const taken = others.flatMap(([, other]) => valuesFor(other, discriminator, references));
        return taken.length === 0 ? schema : restrict(schema, property, { not: { enum: taken } });
      }
      const values = valuesFor(branch, discriminator, references);
      if (values.length === 0) return schema;
      return pin(schema, property, { values, required });
    });
  }
}

/** Mapping values that lead to the branch, else the name of its component. */
function valuesFor(branch: Node, discriminator: Node, references: References): readonly string[] {
  const name = refOf(branch)?.split("/").at(-1);
  if (name === undefined) return [];
  const mapped = children(child(discriminator, "mapping"))
    .filter(([, target]) => leadsTo(target, branch, references))
    .map(([value]) => value);
  return mapped.length > 0 ? mapped : [name];
}

/** A mapping's target is a reference or a component's name. */
function leadsTo(target: Node, branch: Node, references: References): boolean {
  const ref = refOf(branch);
  const { value } = target;
  if (ref === undefined || typeof value !== "string") return false;
  if (value === ref || value === ref.split("/").at(-1)) return true;
  if (!isReference(value)) return false;
  const a = references.resolve(value, target.at);
  const b = references.resolve(ref, branch.at);
  return !isFailure(a) && !isFailure(b) && a.value === b.value;
}

/** As opposed to the name of a component, which may hold dots (OAS 3.1 §4.8.25.3). */
function isReference(value: string): boolean {
  return /[#/]|\.(?:ya?ml|json)$/.test(value);
}

/** Whether the branch itself already says which value it wants. */
function isPinned(branch: Node, property: string, references: References): boolean {
  const target = references.follow(branch);
  const properties = isFailure(target) ? undefined : child(target, "properties");
  const schema = properties && child(properties, property);
  return (
    schema !== undefined &&
    (child(schema, "const") !== undefined || child(schema, "enum") !== undefined)
  );
}

function pin(
  schema: JsonObject,
  property: string,
  { values, required }: { values: readonly string[]; required: boolean },
): JsonObject {
  const choice: JsonObject =
    values.length === 1 ? { const: values[0] as string } : { enum: values };
  const demanded = Array.isArray(schema["required"]) ? (schema["required"] as string[]) : [];
  return {
    ...restrict(schema, property, choice),
    ...(required ? { required: [...new Set([...demanded, property])] } : {}),
  };
}

function restrict(schema: JsonObject, property: string, to: JsonObject): JsonObject {
  const beside = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  return { ...schema, properties: { ...beside, [property]: to } };
}
