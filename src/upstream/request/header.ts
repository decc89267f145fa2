import { CallError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import type { WireParameter } from "../../tools/tool.ts";
import { contentText } from "./content.ts";
import { compileExpansion, rawDelimiters } from "./style.ts";

/**
 * A header's value, not percent-encoded (OAS 3.2). Control characters could start another header;
 * what Latin-1 cannot say has no agreed form on the wire; spaces at the ends are lost there.
 *
 * @throws CallError `invalid_arguments` naming the argument.
 */
export function compileHeader(
  argument: string,
  parameter: WireParameter,
): (value: JsonValue) => string | undefined {
  const { encoding, name } = parameter;
  const expand =
    encoding.kind === "content"
      ? (value: JsonValue) => contentText(value, encoding.mediaType)
      : compileExpansion({
          ...encoding,
          name,
          encode: verbatim,
          encodeKey: verbatim,
          delimiters: rawDelimiters,
        });
  return (value) => {
    const text = expand(value);
    if (text !== undefined && (!isFieldValue(text) || atItsEnds.test(text))) {
      throw new CallError(
        "invalid_arguments",
        `${argument} must not have control characters, characters outside Latin-1, or spaces at its ends: it is sent as a header`,
      );
    }
    return text;
  };
}

/** No part of a field value (RFC 9110 §5.5): the API would read another one. */
const atItsEnds = /^[\t ]|[\t ]$/;

function verbatim(text: string): string {
  return text;
}

/** RFC 9110 §5.5 field-value, plus obs-text. */
export function isFieldValue(text: string): boolean {
  return /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(text);
}
