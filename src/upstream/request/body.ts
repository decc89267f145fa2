import { printExactly } from "../../base/exact-number.ts";
import type { JsonValue } from "../../base/json.ts";
import { kindOf } from "../../openapi/operation/media.ts";
import type { WireBody } from "../../tools/tool.ts";
import { asObject, compileForm, joinPairs } from "./form.ts";
import { chooseType, readFile, refuse } from "./file.ts";
import { compileMultipart, compileParts, type Encoded } from "./multipart-form.ts";
import { spell, type DeepLists } from "./style.ts";
import { refusing } from "./text-encoding.ts";

/** Turns the value of the `body` argument into what is sent. @throws CallError `invalid_arguments`. */
export type EncodeBody = (value: JsonValue) => Encoded;

/** @param argument What the model calls the body, for messages. */
export function compileBody(argument: string, body: WireBody, lists: DeepLists): EncodeBody {
  const { mediaType, contentType, fields } = body;
  if (body.positions !== undefined) return compileParts(argument, contentType, body.positions);
  const notObject = (): Error => refuse(`${argument} must be an object`);
  switch (kindOf(mediaType).kind) {
    case "json":
      // Null members stay: merge-patch depends on them (RFC 7396).
      return (value) => ({ contentType, body: printExactly(value) });
    case "form": {
      const pairsOf = compileForm(fields, lists);
      return (value) => {
        const pairs = refusing(argument, () => pairsOf(asObject(value, notObject)));
        return { contentType, body: joinPairs(pairs, "&") };
      };
    }
    case "multipart": {
      const encode = compileMultipart(argument, fields, lists);
      return (value) => encode(asObject(value, notObject));
    }
    case "binary":
      return (value) => {
        const { bytes, mimeType } = readFile(argument, value);
        const type = chooseType(contentType, mimeType);
        if (type === undefined) throw refuse(`${argument}.mimeType must be one of ${contentType}`);
        return { contentType: contentType.includes("*") ? type : contentType, body: bytes };
      };
    case "lines":
      return (value) => ({ contentType, body: joinLines(value, mediaType) });
    case "text":
    case "xml":
    case "positional":
    case "unsupported":
      return (value) => ({ contentType, body: spell(value) });
  }
}

/** One JSON text per line; a sequence (RFC 7464 §2.2) also begins each with a record separator. */
function joinLines(value: JsonValue, mediaType: string): string {
  const items = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  const start = mediaType === "application/json-seq" ? "\u001e" : "";
  return items.map((item) => `${start}${printExactly(item)}\n`).join("");
}
