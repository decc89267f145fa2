import { CallError } from "../base/errors.ts";

/** Takes a place for one call and gives back how to leave it. @throws CallError `busy` */
export type Enter = () => () => void;

/** At most `max` calls in flight; one more is refused at once instead of waiting behind a slow API. */
export function createConcurrencyLimit(max: number): Enter {
  let inFlight = 0;
  return () => {
    if (inFlight >= max) {
      throw new CallError("busy", "The API is busy with other calls. Try again in a few seconds.");
    }
    inFlight++;
    let inside = true;
    return () => {
      if (inside) inFlight--;
      inside = false;
    };
  };
}
