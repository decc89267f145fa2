import { CallError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import type { WireParameter } from "../../tools/tool.ts";
import { climbs } from "../../tools/dot-segment.ts";
import { contentText } from "./content.ts";
import { compileExpansion, encodedDelimiters, spell } from "./style.ts";
import {
  encodeLiteral,
  encodeName,
  encodeReserved,
  encodeText,
  refusing,
  reservedAcrossSegments,
  reservedInPath,
} from "./text-encoding.ts";

/** One value of a path, in template order. */
export interface PathSlot {
  /** Name of the argument, for messages. */
  readonly argument: string;
  readonly parameter: WireParameter;
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
  const parts = template.split(/\{([^{}]+)\}/);
  const pieces = parts.map((part, i) => (i % 2 ? compileSlot(part, slots) : encodeLiteral(part)));
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
    // Nothing should come this far; a path that the API could read otherwise is never sent.
    if (!/^\/(?!\/)[!"$->@-~]*$/.test(path)) refuse(names);
    return path;
  };
}

/** No dot, and nothing that a dot before it makes a step up. */
const harmless = /^[A-Za-z0-9_~,=-]*$/;

/** @param variable `id`, or `+id` and `id=users/*`, whose value is a path of several segments. */
function compileSlot(variable: string, slots: readonly PathSlot[]): { fill: Fill } {
  const [, plus, name = "", pattern] = /^(\+?)([^=]*)(=.*)?$/s.exec(variable) ?? [];
  const index = slots.findIndex(({ parameter }) => parameter.name === name);
  const slot = slots[index];
  if (slot === undefined) throw new TypeError(`no parameter for {${variable}}`);
  const kept = plus !== "" || pattern !== undefined ? reservedAcrossSegments : reservedInPath;
  const expand = compileValue(slot.parameter, kept);
  const check = (text: string): void => {
    const isHarmless = text !== "" && harmless.test(text);
    if (!isHarmless && (text === "" || control.test(text) || climbs(text))) refuse(slot.argument);
  };
  return {
    fill(values) {
      const value = values[index];
      if (value === undefined || value === null) return refuse(slot.argument);
      if (typeof value === "object") textsOf(value).forEach(check);
      else check(spell(value));
      const expanded = refusing(slot.argument, () => expand(value));
      // Slashes that are kept must not make an empty segment.
      return expanded === undefined || /^$|^\/|\/$|\/\//.test(expanded)
        ? refuse(slot.argument)
        : expanded;
    },
  };
}

type Fill = (values: readonly (JsonValue | undefined)[]) => string;

function compileValue(
  parameter: WireParameter,
  kept: RegExp,
): (value: JsonValue) => string | undefined {
  const { encoding, name } = parameter;
  if (encoding.kind === "content") {
    return (value) => encodeText(contentText(value, encoding.mediaType));
  }
  const encode = encoding.allowReserved
    ? (text: string) => encodeReserved(text, kept, encodeText)
    : encodeText;
  return compileExpansion({
    ...encoding,
    name: encodeName(name),
    encode,
    encodeKey: encodeText,
    delimiters: encodedDelimiters,
  });
}

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const control = /[\u0000-\u001f\u007f-\u009f]/;

/** Every text that ends up in the path: scalars, list items, keys and members of objects. */
function textsOf(value: JsonValue): string[] {
  if (typeof value !== "object" || value === null) return [spell(value)];
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(textsOf);
  return Object.entries(value).flatMap(([key, member]) => [key, ...textsOf(member)]);
}

function refuse(argument: string): never {
  throw new CallError(
    "invalid_arguments",
    `${argument} must not be empty and must not have "." or ".." as a part`,
  );
}
