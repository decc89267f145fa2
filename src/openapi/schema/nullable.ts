import { isJsonObject, type JsonValue } from "../../base/json.ts";
import type { Draft } from "./conversion.ts";

/**
 * `nullable: true` of 3.0. It widens `type`; beside a composition, which has no type to widen, it
 * adds a null branch; alone it means nothing (OAS 3.0.3 §4.7.24.1).
 */
export function allowNull(out: Draft): void {
  const { type } = out;
  if (type !== undefined) {
    const types = [type].flat();
    if (!types.includes("null")) out["type"] = [...types, "null"] as JsonValue;
    const values = out["enum"];
    if (Array.isArray(values) && !values.includes(null)) out["enum"] = [...values, null];
    return;
  }
  for (const keyword of ["oneOf", "anyOf"]) {
    const branches = out[keyword];
    if (!Array.isArray(branches)) continue;
    if (!branches.some(isNull)) out[keyword] = [...branches, { type: "null" }];
    return;
  }
  const { allOf } = out;
  if (!Array.isArray(allOf)) return;
  delete out["allOf"];
  out["anyOf"] = [allOf.length === 1 ? (allOf[0] as JsonValue) : { allOf }, { type: "null" }];
}

function isNull(branch: JsonValue): boolean {
  return isJsonObject(branch) && branch["type"] === "null";
}
