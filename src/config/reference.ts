/** A piece of a scalar: text as it is, or a reference to a variable or a file. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "variable";
      readonly name: string;
      /** `${NAME:-fallback}`: used when the variable is unset or empty. */
      readonly fallback: string | undefined;
      /** `${NAME:?complaint}`: what to say when it is unset or empty. */
      readonly complaint: string | undefined;
    }
  | { readonly kind: "file"; readonly path: string };

/**
 * Splits a scalar at its references; `$${` is a literal `${`.
 *
 * @returns a sentence about the first malformed reference instead, without its text.
 */
export function splitReferences(text: string): readonly Piece[] | string {
  const pieces: Piece[] = [];
  let plain = "";
  let at = 0;
  for (;;) {
    const open = text.indexOf("${", at);
    if (open === -1) break;
    if (open > at && text[open - 1] === "$") {
      plain += `${text.slice(at, open - 1)}\${`;
      at = open + 2;
      continue;
    }
    const close = text.indexOf("}", open);
    if (close === -1) return "a ${ without its }; write $${ for a literal one";
    const piece = readReference(text.slice(open + 2, close));
    if (typeof piece === "string") return piece;
    plain += text.slice(at, open);
    if (plain !== "") pieces.push({ kind: "text", text: plain });
    pieces.push(piece);
    plain = "";
    at = close + 1;
  }
  plain += text.slice(at);
  if (plain !== "" || pieces.length === 0) pieces.push({ kind: "text", text: plain });
  return pieces;
}

const variable = /^([A-Za-z_]\w{0,127})(?::([-?])([\s\S]*))?$/;

function readReference(inner: string): Piece | string {
  if (inner.includes("${")) return "references do not nest";
  if (inner.startsWith("file:")) {
    const path = inner.slice(5);
    return path === "" ? "${file:} needs a path" : { kind: "file", path };
  }
  const [, name, operator, rest] = variable.exec(inner) ?? [];
  if (name === undefined)
    return "a reference must be ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}";
  return {
    kind: "variable",
    name,
    fallback: operator === "-" ? rest : undefined,
    complaint: operator === "?" ? rest : undefined,
  };
}

/** The reference without its default, as messages name it. */
export function describeReference(piece: Exclude<Piece, { kind: "text" }>): string {
  return piece.kind === "file" ? `\${file:${piece.path}}` : `\${${piece.name}}`;
}
