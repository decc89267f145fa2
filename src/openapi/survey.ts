import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Pointer } from "./node.ts";

/** What one walk over a whole document finds out. */
export interface Survey {
  /** `$anchor` and `$dynamicAnchor` by name, `$id` as written: the first of each. */
  readonly anchors: ReadonlyMap<string, Pointer>;
  readonly ids: ReadonlyMap<string, Pointer>;
  /** Anchors written more than once cannot be told apart in one tool. */
  readonly repeatedAnchors: ReadonlySet<string>;
  /** Some `$ref` may lead out of the document. */
  readonly hasExternalRefs: boolean;
}

interface Step {
  readonly value: JsonValue;
  readonly key: string;
  readonly parent: Step | undefined;
}

/** Visits every container once, however many aliases lead to it, without recursion. */
export function surveyDocument(root: JsonObject): Survey {
  const anchors = new Map<string, Pointer>();
  const ids = new Map<string, Pointer>();
  const repeatedAnchors = new Set<string>();
  let hasExternalRefs = false;
  const note = (value: JsonObject, step: Step): void => {
    const { $ref, $id, $anchor, $dynamicAnchor } = value as Record<string, JsonValue | undefined>;
    if (typeof $ref === "string" && !$ref.startsWith("#")) hasExternalRefs = true;
    if (typeof $id === "string" && !ids.has($id)) ids.set($id, pointerOf(step));
    for (const anchor of [$anchor, $dynamicAnchor]) {
      if (typeof anchor !== "string") continue;
      if (anchors.has(anchor)) repeatedAnchors.add(anchor);
      else anchors.set(anchor, pointerOf(step));
    }
  };
  const seen = new Set<object>();
  const open: Step[] = [{ value: root, key: "", parent: undefined }];
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    const { value } = step;
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (isJsonObject(value)) note(value, step);
    // Backwards, so that what is popped first comes first in the document.
    for (const [key, inner] of Object.entries(value as JsonObject).toReversed())
      if (typeof inner === "object" && inner !== null)
        open.push({ value: inner, key, parent: step });
  }
  return { anchors, ids, repeatedAnchors, hasExternalRefs };
}

function pointerOf(step: Step): Pointer {
  const keys: string[] = [];
  for (let at: Step = step; at.parent !== undefined; at = at.parent) keys.push(at.key);
  return keys.toReversed();
}
