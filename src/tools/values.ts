import { CallError } from "../base/errors.ts";
import { exactFormOf } from "../base/exact-number.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import type { Place } from "./tool.ts";

/** The values of a request, in the order of the tool's places; undefined: nothing is sent. */
export type Values = readonly (JsonValue | undefined)[];

/**
 * Puts together what the model gave, with every digit that it wrote, what the verified token says
 * and what is constant.
 *
 * @throws CallError `not_permitted` when the token lacks a claim that the request needs: leaving it
 *   out could widen what the request asks for.
 */
export function collectValues(
  places: readonly Place[],
  args: JsonObject,
  principal: Principal,
): Values {
  const exact = exactFormOf(args);
  return places.map((place) => {
    switch (place.source.kind) {
      case "model":
        return valueOf(place, exact);
      case "value":
        return place.source.value;
      case "principal":
        return claimOf(principal, place.source.path);
    }
  });
}

function valueOf(place: Place, args: JsonObject): JsonValue | undefined {
  if (place.target.kind === "property" && !place.target.own) return place.default;
  return Object.hasOwn(args, place.key) ? args[place.key] : place.default;
}

/** What the verified token says at the end of this path. @throws CallError `not_permitted`, as above. */
export function claimOf(principal: Principal, path: readonly string[]): JsonValue {
  let value: unknown = {
    sub: principal.sub,
    iss: principal.iss,
    clientId: principal.clientId,
    claims: principal.claims,
  };
  for (const name of path) {
    value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  if (value === undefined || isBlank(value as JsonValue)) {
    throw new CallError(
      "not_permitted",
      `Your login does not carry ${path.at(-1) ?? "a claim"}, which this tool needs. Another account may have it.`,
    );
  }
  return value as JsonValue;
}

/** What a request would be sent without: a list or object of nothing is left out like nothing. */
function isBlank(value: JsonValue): boolean {
  if (typeof value !== "object" || value === null) return value === null || value === "";
  return Object.values(value).every((member) => isBlank(member));
}
