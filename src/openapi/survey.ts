import type { JsonObject } from "../base/json.ts";
import { formatPointer, type Pointer } from "./node.ts";

/** What one walk over a whole document finds out. */
export interface Survey {
  /** `$anchor` and `$dynamicAnchor` by name, `$id` as written: the first of each. */
  readonly anchors: ReadonlyMap<string, Pointer>;
  readonly ids: ReadonlyMap<string, Pointer>;
  /** Where an `$id` stands, as `formatPointer` writes it. */
  readonly resources: ReadonlySet<string>;
  /** Anchors written more than once cannot be told apart in one tool. */
  readonly repeatedAnchors: ReadonlySet<string>;
  /** Some `$ref` may lead out of the document. */
  readonly hasExternalRefs: boolean;
}

/** Visits every container once, however many aliases lead to it. The parsers bound the nesting. */
export function surveyDocument(root: JsonObject): Survey {
  const anchors = new Map<string, Pointer>();
  const ids = new Map<string, Pointer>();
  const resources = new Set<string>();
  const repeatedAnchors = new Set<string>();
  let hasExternalRefs = false;
  const at: string[] = [];
  const note = (keyword: string, value: string): void => {
    if (keyword === "$ref") hasExternalRefs ||= !value.startsWith("#");
    if (keyword === "$id") {
      resources.add(formatPointer(at));
      if (!ids.has(value)) ids.set(value, [...at]);
    }
    if (keyword !== "$anchor" && keyword !== "$dynamicAnchor") return;
    if (anchors.has(value)) repeatedAnchors.add(value);
    else anchors.set(value, [...at]);
  };
  const seen = new Set<object>();
  const visit = (value: JsonObject): void => {
    if (seen.has(value)) return;
    seen.add(value);
    for (const key of Object.keys(value)) {
      const inner = value[key];
      if (typeof inner === "string" && key.startsWith("$")) note(key, inner);
      if (typeof inner !== "object" || inner === null) continue;
      at.push(key);
      visit(inner as JsonObject);
      at.pop();
    }
  };
  visit(root);
  return { anchors, ids, resources, repeatedAnchors, hasExternalRefs };
}
