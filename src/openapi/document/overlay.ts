import { JSONPathEnvironment, type JSONPathQuery } from "json-p3";

import type { Issue } from "../../base/issue.ts";
import { isJsonObject, type JsonValue } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import { createEdits, type Edits, Incompatible, type Location } from "./edit.ts";
import { child, children, isTrue, type Node, textOf } from "./node.ts";
import { createOrigins, type Place } from "./origin.ts";
import { documentError, maxDepth } from "./parsed.ts";
import type { Source } from "./source.ts";

/** `..` goes as deep as a document may be. */
const paths = new JSONPathEnvironment({ maxRecursionDepth: maxDepth + 2 });

interface Action {
  readonly node: Node;
  readonly target: JSONPathQuery;
  /** 1.1 only; undefined: nothing is copied. */
  readonly copy: JSONPathQuery | undefined;
  readonly overlay: Source;
}

export interface Overlaid {
  readonly source: Source;
  readonly warnings: readonly Issue[];
}

/**
 * Applies OpenAPI Overlay documents (1.0 and 1.1), each one's actions in order. Positions of what
 * an overlay brought lead into the overlay.
 *
 * @throws ConfigError `invalid_overlay`: an overlay or one action of it cannot be applied. Half an
 *   overlay would make a document that nobody wrote.
 */
export function applyOverlays(document: Source, overlays: readonly Source[]): Overlaid {
  const origins = createOrigins(document);
  const warnings: Issue[] = [];
  const edits = createEdits(document.root, origins);
  for (const action of overlays.flatMap(actionsOf)) {
    const { overlay, node, target } = action;
    const locations = find(target, edits, action);
    if (locations.length > 0) {
      applyAction(action, locations, { edits, placeOf: (at) => origins.placeIn(edits.root(), at) });
      continue;
    }
    const message = `the target "${escapeText(textOf(node, "target") ?? "", 200)}" selects nothing`;
    const position = overlay.positionOf(node.at);
    warnings.push({
      severity: "warning",
      code: "overlay_unmatched",
      message,
      position,
      help: undefined,
    });
  }
  const root = edits.root();
  if (!isJsonObject(root)) throw new TypeError("an overlay took the root away");
  return { source: { ...document, root, positionOf: origins.positionIn(root) }, warnings };
}

function actionsOf(overlay: Source): readonly Action[] {
  const root: Node = { value: overlay.root, at: [] };
  const version = /^1\.([01])(?:\.|$)/.exec(textOf(root, "overlay") ?? "")?.[1];
  if (version === undefined) {
    const message = `${overlay.file} is no OpenAPI Overlay of version 1.0 or 1.1`;
    throw documentError("invalid_overlay", message, overlay.positionOf([]));
  }
  return children(child(root, "actions")).map(([, node]) => {
    const target = compilePath(child(node, "target") ?? node, overlay);
    const copy = version === "1" ? child(node, "copy") : undefined;
    if (copy !== undefined && child(node, "update") !== undefined)
      refuse({ node, overlay }, 'has both "update" and "copy"');
    return { node, target, copy: copy && compilePath(copy, overlay), overlay };
  });
}

function compilePath(node: Node, overlay: Source): JSONPathQuery {
  if (typeof node.value !== "string") return refuse({ node, overlay }, "has no target");
  try {
    return paths.compile(node.value);
  } catch {
    const path = escapeText(node.value, 200);
    return refuse({ node, overlay }, `has "${path}", which is no JSONPath (RFC 9535)`);
  }
}

function refuse({ node, overlay }: Pick<Action, "node" | "overlay">, why: string): never {
  const message = `an action of the overlay ${why}`;
  throw documentError("invalid_overlay", message, overlay.positionOf(node.at));
}

function find(path: JSONPathQuery, edits: Edits, action: Action): readonly Location[] {
  try {
    return path.query(edits.root() as never).locations();
  } catch {
    return refuse(action, "has a path that looks at too much");
  }
}

interface Editing {
  readonly edits: Edits;
  readonly placeOf: (at: readonly string[]) => Place;
}

function applyAction(action: Action, locations: readonly Location[], editing: Editing): void {
  const { node, overlay, copy } = action;
  const { edits } = editing;
  if (isTrue(node, "remove")) {
    for (const location of lastFirst(locations)) {
      if (location.length === 0) refuse(action, "removes the whole document");
      edits.remove(location);
    }
    return;
  }
  const update = child(node, "update");
  const change =
    copy === undefined
      ? update && { value: update.value, from: { source: overlay, at: update.at } }
      : copied(copy, action, editing);
  if (change === undefined) return;
  const forms = new Set(locations.map((location) => formOf(edits.get(location))));
  if (forms.size > 1) refuse(action, "selects values of several forms");
  try {
    for (const location of locations) edits.merge(location, change.value, change.from);
  } catch (error) {
    if (!(error instanceof Incompatible)) throw error;
    refuse(action, `does not fit: ${error.message}`);
  }
}

function copied(
  path: JSONPathQuery,
  action: Action,
  { edits, placeOf }: Editing,
): { readonly value: JsonValue; readonly from: Place } {
  const [location, ...more] = find(path, edits, action);
  if (location === undefined || more.length > 0)
    return refuse(action, "copies not exactly one value");
  // What is copied may contain the target: the copy is of what stands there now.
  const value = structuredClone(edits.get(location)) as JsonValue;
  return { value, from: placeOf(location.map(String)) };
}

function formOf(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return "list";
  return isJsonObject(value) ? "object" : "single";
}

/** Each place once, inner before outer, later items of a list first: nothing moves what is to go. */
function lastFirst(locations: readonly Location[]): readonly Location[] {
  const unique = new Map(locations.map((location) => [JSON.stringify(location), location]));
  return [...unique.values()].toSorted(compareBackwards);
}

function compareBackwards(a: Location, b: Location): number {
  const at = a.findIndex((step, i) => step !== b[i]);
  if (at === -1) return b.length - a.length;
  const [x, y] = [a[at], b[at]];
  if (typeof x === "number" && typeof y === "number") return y - x;
  if (y === undefined) return -1;
  return String(x) < String(y) ? -1 : 1;
}
