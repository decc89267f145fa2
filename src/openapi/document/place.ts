import { descend, type Node, type Pointer } from "./node.ts";

/**
 * The documents of an API stand under one root: the main document's members are the root's own,
 * those of another stand below this key and the name of that document. So a pointer is enough to
 * say where anything is, in whichever file. No document has a member of this name to confuse it
 * with: the main document's own, if any, is hidden.
 */
export const others = "\0others";

/** The document that a place belongs to. */
export function documentOf(at: Pointer): Pointer {
  return at[0] === others ? at.slice(0, 2) : [];
}

/** A place inside its own document: what a reader of that file looks for. */
export function withinDocument(at: Pointer): Pointer {
  return at[0] === others ? at.slice(2) : at;
}

/** The name of another document, as the main one would refer to it; undefined for the main one. */
export function documentName(at: Pointer): string | undefined {
  return at[0] === others ? at[1] : undefined;
}

/** The document that a node belongs to, then the main one. */
export function documentsOf({ at }: Node, { root }: { readonly root: Node }): readonly Node[] {
  const own = descend(root, documentOf(at));
  return own === undefined || own.at.length === 0 ? [root] : [own, root];
}
