import { printExactly } from "../../base/exact-number.ts";
import type { JsonValue } from "../../base/json.ts";
import { kindOf, mediaTypeOf } from "../../openapi/operation/media.ts";
import { spell } from "./style.ts";

/** A value as the text of a media type: JSON where it is JSON, else texts as they are. */
export function contentText(value: JsonValue, mediaType: string): string {
  const isJson = kindOf(mediaTypeOf(mediaType)).kind === "json";
  return isJson ? printExactly(value) : spell(value);
}
