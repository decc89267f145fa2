import { child, formatPointer, type Node, parsePointer, type Pointer } from "./node.ts";
import { documentOf } from "./place.ts";
import type { Survey } from "./survey.ts";
import { absolute } from "./uri.ts";

/** Why a reference leads to nothing. The reference itself is quoted by the caller, cut and escaped. */
export interface RefFailure {
  readonly code: string;
  /** Continues "the reference … ". */
  readonly reason: string;
}

export function isFailure(target: Node | RefFailure): target is RefFailure {
  return "reason" in target;
}

/** The `$ref` resolver: it looks into the documents that were read and opens nothing. */
export interface References {
  /**
   * @param at Where the reference stands: it is relative to what is around it (RFC 3986 §5.1).
   * @param own The schema being converted: many are copied with fragments relative to themselves.
   */
  readonly resolve: (ref: string, at: Pointer, own?: Pointer) => Node | RefFailure;
  /** Replaces a Reference Object by what it leads to, over any number of steps. */
  readonly follow: (node: Node) => Node | RefFailure;
}

const maxSteps = 100;

const unresolved: RefFailure = { code: "unresolved_ref", reason: "leads to nothing" };
const circular: RefFailure = { code: "circular_ref", reason: "leads back to itself" };
const unread: RefFailure = {
  code: "external_ref",
  reason: "leads out of the document, to what is not read",
};

export function createReferences(
  document: Node,
  survey: Survey,
  failures: ReadonlyMap<string, RefFailure>,
): References {
  const startsOf = (base: string, at: Pointer, own: Pointer | undefined): readonly Pointer[] => {
    if (base === "") {
      const last = own === undefined ? [] : [own];
      return [...survey.resourcesAround(at), documentOf(at), ...last];
    }
    const uri = absolute(base, survey.baseAt(at));
    const start = (uri === undefined ? undefined : survey.find(uri)) ?? survey.find(base);
    return start === undefined ? [] : [start];
  };

  const resolveWithin = (
    ref: string,
    { at, own }: { readonly at: Pointer; readonly own: Pointer | undefined },
    budget: { left: number },
  ): Node | RefFailure => {
    const cut = ref.indexOf("#");
    const base = cut === -1 ? ref : ref.slice(0, cut);
    const fragment = cut === -1 ? "" : ref.slice(cut + 1);
    const starts = startsOf(base, at, own);
    if (starts.length === 0) {
      return failures.get(absolute(base, survey.baseAt(at)) ?? "") ?? unread;
    }
    const pointer = parsePointer(fragment);
    for (const start of starts) {
      const place = pointer === undefined ? survey.anchorIn(start, fragment) : start;
      const target = place && walk([...place, ...(pointer ?? [])], budget);
      if (target !== undefined) return target;
    }
    return unresolved;
  };

  /** A pointer may lead through a component that is itself a reference. */
  const walk = (pointer: Pointer, budget: { left: number }): Node | undefined => {
    let current = document;
    for (const token of pointer) {
      let next = child(current, token);
      const ref = refOf(current);
      if (next === undefined && ref !== undefined && budget.left-- > 0) {
        const around = resolveWithin(ref, { at: current.at, own: undefined }, budget);
        next = isFailure(around) ? undefined : child(around, token);
      }
      if (next === undefined) return undefined;
      current = next;
    }
    return current;
  };

  const resolve: References["resolve"] = (ref, at, own) =>
    resolveWithin(ref, { at, own }, { left: maxSteps });

  return {
    resolve,
    follow(node) {
      const seen = new Set<string>();
      let current = node;
      for (let ref = refOf(current); ref !== undefined; ref = refOf(current)) {
        const key = formatPointer(current.at);
        if (seen.has(key) || seen.size >= maxSteps) return circular;
        seen.add(key);
        const target = resolve(ref, current.at);
        if (isFailure(target)) return target;
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
