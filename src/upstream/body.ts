import type { JsonValue } from "../base/json.ts";
import { kindOf } from "../openapi/media.ts";
import type { Body } from "../openapi/operation.ts";
import { spell } from "./style.ts";

/** Turns the value of the `body` argument into what is sent. */
export type EncodeBody = (value: JsonValue) => string;

/** By media type; `tools` chooses only media types that this knows. */
export function compileBody(body: Body): EncodeBody {
  // JSON keeps null members: merge-patch depends on them (RFC 7396).
  return kindOf(body.mediaType).kind === "json" ? JSON.stringify : spell;
}
