import type { Position } from "../../base/issue.ts";
import type { JsonObject, JsonValue } from "../../base/json.ts";
import type { Pointer } from "./node.ts";
import type { Source } from "./source.ts";

/** Where a value was written. */
export interface Place {
  readonly source: Source;
  readonly at: Pointer;
}

/** Remembers where the parts of an edited document were written, in whichever file. */
export interface Origins {
  /** `copy` stands where the member of `parent` was, and is about to be edited. */
  readonly copied: (parent: object, key: string, copy: object) => void;
  readonly inserted: (value: JsonValue, from: Place) => void;
  /** Of the value at `at` in the edited document. */
  readonly placeIn: (root: JsonValue, at: Pointer) => Place;
  readonly positionIn: (root: JsonValue) => (at: Pointer) => Position;
}

/** What is not known of its own stands where its container was written, one step further. */
export function createOrigins(document: Source): Origins {
  const places = new Map<unknown, Place>([[document.root, { source: document, at: [] }]]);

  const step = (around: Place, key: string, value: unknown): Place =>
    places.get(value) ?? { source: around.source, at: [...around.at, key] };

  const placeIn: Origins["placeIn"] = (root, at) => {
    let value: JsonValue | undefined = root;
    let place: Place = places.get(root) ?? { source: document, at: [] };
    for (const key of at) {
      const isContainer: boolean = typeof value === "object" && value !== null;
      if (!isContainer || !Object.hasOwn(value as object, key)) break;
      value = (value as JsonObject)[key];
      place = step(place, key, value);
    }
    return place;
  };

  return {
    copied(parent, key, copy) {
      const around = places.get(parent) ?? { source: document, at: [] };
      const place = step(around, key, (parent as JsonObject)[key]);
      places.set(copy, place);
      // The numbers of a list's items change when one goes.
      if (!Array.isArray(copy)) return;
      for (const [i, item] of copy.entries())
        if (typeof item === "object" && item !== null)
          places.set(item, step(place, String(i), item));
    },
    inserted(value, from) {
      if (typeof value === "object" && value !== null && !places.has(value))
        places.set(value, from);
    },
    placeIn,
    positionIn: (root) => (at) => {
      const { source, at: written } = placeIn(root, at);
      return source.positionOf(written);
    },
  };
}
