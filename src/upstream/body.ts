import type { JsonValue } from "../base/json.ts";
import type { Body } from "../openapi/operation.ts";
import { spell } from "./style.ts";

/** Turns the value of the `body` argument into what is sent. */
export type EncodeBody = (value: JsonValue) => string;

/** By media type; `tools` chooses only media types that this knows. */
export function compileBody(body: Body): EncodeBody {
  // JSON keeps null members: merge-patch depends on them (RFC 7396).
  if (/^(?:application|text)\/(?:.+\+)?json$/.test(body.mediaType)) return JSON.stringify;
  return spell;
}
