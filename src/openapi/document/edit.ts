import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { Origins, Place } from "./origin.ts";

/** Keys and indices from the root down. */
export type Location = readonly (string | number)[];

type Container = Record<string, JsonValue> | JsonValue[];

/** What cannot be merged with what: the end of a sentence about an action. */
export class Incompatible extends Error {
  override readonly name = "Incompatible";
}

/** A document while it is edited. What it was made from is never changed. */
export interface Edits {
  readonly root: () => JsonValue;
  readonly get: (location: Location) => JsonValue | undefined;
  readonly remove: (location: Location) => void;
  /** Merges as OpenAPI Overlay 1.1 §4.4.3 says. @throws Incompatible */
  readonly merge: (location: Location, value: JsonValue, from: Place) => void;
}

/** Containers are copied on the way to a change, once each. */
export function createEdits(start: JsonValue, origins: Origins): Edits {
  // A holder around the root, so that the root is a member like any other.
  const holder: Record<string, JsonValue> = { root: start };
  const copies = new Set<unknown>([holder]);

  const editable = (parent: Container, key: string): Container => {
    const value = (parent as JsonObject)[key];
    if (copies.has(value)) return value as Container;
    const copy: Container = Array.isArray(value)
      ? [...(value as readonly JsonValue[])]
      : { ...(value as JsonObject) };
    origins.copied(parent, key, copy);
    copies.add(copy);
    assign(parent, key, copy);
    return copy;
  };

  const reach = (location: Location): { readonly parent: Container; readonly key: string } => {
    let parent: Container = holder;
    let key = "root";
    for (const step of location) {
      parent = editable(parent, key);
      key = String(step);
    }
    return { parent, key };
  };

  const mergeMember = (parent: Container, key: string, value: JsonValue, from: Place): void => {
    const target = (parent as JsonObject)[key];
    if (Array.isArray(target)) return append(editable(parent, key) as JsonValue[], value, from);
    if (isJsonObject(target) && isJsonObject(value))
      return mergeObject(editable(parent, key), value, from);
    if (isJsonObject(target)) throw new Incompatible("an object is merged with something else");
    if (typeof value === "object" && value !== null)
      throw new Incompatible("a single value is replaced by an object or a list");
    assign(parent, key, value);
  };

  const append = (list: JsonValue[], value: JsonValue, from: Place): void => {
    const items: readonly JsonValue[] = Array.isArray(value) ? value : [value];
    for (const [i, item] of items.entries()) {
      origins.inserted(item, Array.isArray(value) ? below(from, String(i)) : from);
      list.push(item);
    }
  };

  const mergeObject = (object: Container, value: JsonObject, from: Place): void => {
    for (const [name, inner] of Object.entries(value)) {
      if (Object.hasOwn(object, name)) mergeMember(object, name, inner, below(from, name));
      else {
        origins.inserted(inner, below(from, name));
        assign(object, name, inner);
      }
    }
  };

  return {
    root: () => holder["root"] as JsonValue,
    get(location) {
      let value: JsonValue | undefined = (holder as JsonObject)["root"];
      for (const step of location) value = (value as JsonObject)[step];
      return value;
    },
    remove(location) {
      const { parent, key } = reach(location);
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
    },
    merge(location, value, from) {
      const { parent, key } = reach(location);
      mergeMember(parent, key, value, from);
    },
  };
}

function below({ source, at }: Place, key: string): Place {
  return { source, at: [...at, key] };
}

function assign(parent: Container, key: string, value: JsonValue): void {
  // Plain assignment of `__proto__` would set the prototype.
  const member = { value, enumerable: true, writable: true, configurable: true };
  Object.defineProperty(parent, key, member);
}
