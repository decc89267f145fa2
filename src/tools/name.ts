import { createHash } from "node:crypto";

/** Room for the prefixes that clients put in front of a name (openapi page, rule 3). */
const maxToolName = 56;
const maxArgumentName = 64;

/**
 * A tool name every client accepts, `^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$`, from the operationId or, when
 * there is none, from method and path. It depends on nothing but its operation.
 */
export function toolName(
  operation: {
    readonly id: string | undefined;
    readonly method: string;
    readonly path: string;
  },
  prefix = "",
): string {
  const fromId = plain(operation.id ?? "", illegalInTool);
  const source = fromId === "" ? spellPath(operation.method, operation.path) : (operation.id ?? "");
  // A method of symbols only, with such a path, has no words at all.
  const words = fromId || plain(source, illegalInTool) || `tool_${hash(source)}`;
  const whole = `${prefix}${words}`;
  const name = /^[0-9-]/.test(whole) ? `_${whole}` : whole;
  return name.length <= maxToolName ? name : cut(name, maxToolName, source);
}

const illegalInTool = /[^a-zA-Z0-9_-]+/g;

/** The same name for a later operation whose name is already taken. */
export function distinctToolName(
  name: string,
  operation: { readonly method: string; readonly path: string; readonly fixedQuery: string },
): string {
  const query = operation.fixedQuery === "" ? "" : `?${operation.fixedQuery}`;
  const mark = hash(`${operation.method} ${operation.path}${query}`);
  return `${name.slice(0, maxToolName - mark.length - 1)}_${mark}`;
}

/** An argument name that every model API accepts, `^[a-zA-Z0-9_.-]{1,64}$`. */
export function argumentName(wireName: string): string {
  // `__proto__` names no property of a plain object: it could neither be listed nor checked.
  if (/^[a-zA-Z0-9_.-]{1,64}$/.test(wireName) && wireName !== "__proto__") return wireName;
  const name = plain(wireName, /[^a-zA-Z0-9_.-]+/g) || `arg_${hash(wireName)}`;
  return name.length <= maxArgumentName ? name : cut(name, maxArgumentName, wireName);
}

function spellPath(method: string, path: string): string {
  const words = path.replace(/\{([^{}]*)\}/g, "by_$1");
  return `${method.toLowerCase()}_${words}`;
}

/** What every client accepts as it is. */
const isPlain = /^[a-zA-Z0-9-]+(?:_[a-zA-Z0-9-]+)*$/;

function plain(text: string, illegal: RegExp): string {
  if (isPlain.test(text)) return text;
  return text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .replace(illegal, "_")
    .replace(/_{2,}/g, "_")
    .replace(/^_|_$/g, "");
}

/** Ends at a word where possible; the hash of the whole keeps two long names apart. */
function cut(name: string, max: number, whole: string): string {
  const head = name.slice(0, max - 7);
  const word = head.lastIndexOf("_");
  return `${word > max / 2 ? head.slice(0, word) : head}_${hash(whole)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 6);
}
