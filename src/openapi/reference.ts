import type { JsonObject } from "../base/json.ts";
import { child, descend, formatPointer, type Node, parsePointer, type Pointer } from "./node.ts";
import type { Survey } from "./survey.ts";

/** Why a reference leads to nothing. */
export type RefFailure = "external_ref" | "unresolved_ref" | "circular_ref";

/** The `$ref` resolver: it looks into the one document that was read and opens nothing. */
export interface References {
  /**
   * @param scopes Schemas around the reference that a fragment may be relative to, nearest first
   *   (an embedded `$id`, JSON Schema 2020-12 §8.2.1); the document itself is the last resort.
   */
  readonly resolve: (ref: string, scopes?: readonly Pointer[]) => Node | RefFailure;
  /** Replaces a Reference Object by what it leads to, over any number of steps. */
  readonly follow: (node: Node) => Node | RefFailure;
}

const maxSteps = 100;

export function createReferences(root: JsonObject, survey: Survey): References {
  const document: Node = { value: root, at: [] };

  const resolve: References["resolve"] = (ref, scopes = []) => {
    const [base = "", fragment = ""] = ref.split("#", 2);
    const known = survey.ids.get(ref) ?? survey.ids.get(base) ?? survey.ids.get(`${base}#`);
    if (base !== "" && known === undefined) return "external_ref";
    const starts = base === "" ? [...scopes, []] : [known ?? []];
    const pointer = parsePointer(fragment);
    if (pointer === undefined) {
      const anchor = survey.anchors.get(fragment);
      return (anchor && descend(document, anchor)) ?? "unresolved_ref";
    }
    for (const start of starts) {
      const target = walk([...start, ...pointer]);
      if (target !== undefined) return target;
    }
    return "unresolved_ref";
  };

  /** A pointer may lead through a component that is itself a reference. */
  const walk = (pointer: Pointer, budget = { left: maxSteps }): Node | undefined => {
    let current = document;
    for (const token of pointer) {
      let next = child(current, token);
      const ref = refOf(current);
      if (next === undefined && ref?.startsWith("#/") === true && budget.left-- > 0) {
        const around = walk(parsePointer(ref.slice(1)) ?? [], budget);
        next = around && child(around, token);
      }
      if (next === undefined) return undefined;
      current = next;
    }
    return current;
  };

  return {
    resolve,
    follow(node) {
      const seen = new Set<string>();
      let current = node;
      for (let ref = refOf(current); ref !== undefined; ref = refOf(current)) {
        const key = formatPointer(current.at);
        if (seen.has(key) || seen.size >= maxSteps) return "circular_ref";
        seen.add(key);
        const target = resolve(ref);
        if (typeof target === "string") return target;
        current = target;
      }
      return current;
    },
  };
}

export function refOf(node: Node): string | undefined {
  const ref = child(node, "$ref")?.value;
  return typeof ref === "string" ? ref : undefined;
}

/** The reason in words. The reference itself is quoted by the caller, cut and escaped. */
export const refFailureText: Readonly<Record<RefFailure, string>> = {
  external_ref: "leads out of the document, which is not read",
  unresolved_ref: "leads to nothing in the document",
  circular_ref: "leads back to itself",
};
