import { CallError } from "../../base/errors.ts";
import { isJsonObject } from "../../base/json.ts";
import type { Principal } from "../../base/principal.ts";

/** Of `act` in `act` (RFC 8693 §4.1): a longer chain is a loop. */
const maxActors = 5;

/** @throws CallError `not_permitted` */
export function checkActors({ claims }: Principal, api: string): void {
  let count = 0;
  for (let actor = claims["act"]; isJsonObject(actor); actor = actor["act"]) count += 1;
  if (count <= maxActors) return;
  throw new CallError(
    "not_permitted",
    `This login was handed on by more than ${maxActors} services, so it gets no credential for the API ${api}.`,
  );
}
