import { CallError } from "../base/errors.ts";
import type { JsonValue } from "../base/json.ts";
import type { Parameter } from "../openapi/operation.ts";
import { compileStyle, spell } from "./style.ts";
import { encodeReserved, encodeText, refusing, reservedInPath } from "./text-encoding.ts";

/** One value of a path, in template order. */
export interface PathSlot {
  /** Name of the argument, for messages. */
  readonly argument: string;
  readonly parameter: Parameter;
}

/**
 * Splits `/orders/{id}` once, at load; a call only joins strings.
 *
 * @param basePath Of the API, without trailing slash.
 * @returns Builds the path; throws CallError `invalid_arguments` for a value that is empty or could
 *   climb. Many servers read `%2e%2e` and `..%2f` as `..`, so no encoding makes these safe: such
 *   values are refused, never repaired.
 */
export function compilePath(
  basePath: string,
  template: string,
  slots: readonly PathSlot[],
): (values: readonly (JsonValue | undefined)[]) => string {
  const parts = template.split(/\{[+]?([^}=]+)(?:=[^}]*)?\}/);
  const pieces = parts.map((part, i) => (i % 2 ? compileSlot(part, slots) : part));
  const literals = [basePath, ...pieces.filter((piece) => typeof piece === "string")];
  for (const literal of literals) {
    if (literal !== "" && !/^[!-~]*$/.test(literal)) {
      throw new TypeError(`the path template ${template} is not a URL path`);
    }
  }
  const names = slots.map(({ argument }) => argument).join(", ");
  return (values) => {
    let path = basePath;
    let suspicious = false;
    for (const piece of pieces) {
      if (typeof piece === "string") {
        path += piece;
        continue;
      }
      const text = piece.fill(values);
      suspicious ||= !harmless.test(text);
      path += text;
    }
    // Two values side by side can make a segment that neither of them is.
    if (suspicious && climbs(path.slice(basePath.length))) refuse(names);
    if (!path.startsWith("/") || path.startsWith("//")) refuse(names);
    return path;
  };
}

const harmless = /^[A-Za-z0-9_~,;=-]*$/;

function compileSlot(name: string, slots: readonly PathSlot[]): { fill: Fill } {
  const index = slots.findIndex(({ parameter }) => parameter.name === name);
  const slot = slots[index];
  if (slot === undefined) throw new TypeError(`no parameter for {${name}}`);
  const expand = compileExpansion(slot.parameter);
  return {
    fill(values) {
      const value = values[index];
      if (value === undefined || value === null) return refuse(slot.argument);
      for (const text of textsOf(value)) {
        if (text === "" || control.test(text) || climbs(text)) refuse(slot.argument);
      }
      const expanded = refusing(slot.argument, () => expand(value));
      return expanded === undefined || expanded === "" ? refuse(slot.argument) : expanded;
    },
  };
}

type Fill = (values: readonly (JsonValue | undefined)[]) => string;

function compileExpansion(parameter: Parameter): (value: JsonValue) => string | undefined {
  const { encoding, name } = parameter;
  if (encoding.kind === "content") return (value) => encodeText(JSON.stringify(value));
  const encode = encoding.allowReserved
    ? (text: string) => encodeReserved(text, reservedInPath)
    : encodeText;
  return compileStyle({ ...encoding, name, encode, between: "," });
}

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const control = /[\u0000-\u001f\u007f-\u009f]/;

/** Every text that ends up in the path: scalars, list items, keys and members of objects. */
function textsOf(value: JsonValue): string[] {
  if (typeof value !== "object" || value === null) return [spell(value)];
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(textsOf);
  return Object.entries(value).flatMap(([key, member]) => [key, ...textsOf(member)]);
}

/**
 * Whether in the text itself or any of three percent-decodings a piece between slashes is `.` or
 * `..`, or starts with `.;` or `..;` (path parameters that some servers strip).
 */
export function climbs(text: string): boolean {
  let current = text;
  for (let round = 0; round < 4; round++) {
    if (current.split(/[/\\]/).some((piece) => /^\.{1,2}(?:;|$)/.test(piece))) return true;
    const decoded = decode(current);
    if (decoded === undefined || decoded === current) return false;
    current = decoded;
  }
  return false;
}

/** Byte-wise, so that `%ff%2e%2e` does not hide what comes after an invalid sequence. */
function decode(text: string): string | undefined {
  if (!text.includes("%")) return undefined;
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function refuse(argument: string): never {
  throw new CallError(
    "invalid_arguments",
    `${argument} must not be empty and must not have "." or ".." as a part`,
  );
}
