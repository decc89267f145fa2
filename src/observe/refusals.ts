import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Audit } from "./audit.ts";
import type { Note } from "./record/event.ts";

export interface Refusals {
  readonly note: (note: Note) => void;
  /** Writes what was only counted so far. */
  readonly close: () => void;
}

const windowMs = 1_000;
const maxSingle = 50;

/**
 * Records refusals one by one, and counts those of strangers beyond 50 a second and reason: somebody
 * without a login must not be able to fill the disk.
 */
export function createRefusals(audit: Pick<Audit, "note">, { now }: Pick<Ports, "now">): Refusals {
  let startedAt = Number.NEGATIVE_INFINITY;
  const singles = new Map<string, number>();
  const counted = new Map<string, { readonly note: Note; count: number }>();
  let timer: NodeJS.Timeout | undefined;

  const settle = (): void => {
    clearTimeout(timer);
    timer = undefined;
    for (const { note, count } of counted.values()) {
      audit.note({ ...note, client: undefined, detail: { ...commonOf(note), count } });
    }
    counted.clear();
    singles.clear();
  };
  return {
    note(note) {
      if (note.principal !== undefined) {
        audit.note(note);
        return;
      }
      if (now() - startedAt >= windowMs) {
        settle();
        startedAt = now();
      }
      const key = `${note.event} ${note.reason} ${actionOf(note)}`;
      const before = singles.get(key) ?? 0;
      singles.set(key, before + 1);
      if (before < maxSingle) {
        audit.note(note);
        return;
      }
      const known = counted.get(key);
      if (known) known.count++;
      else counted.set(key, { note, count: 1 });
      timer ??= setTimeout(settle, windowMs).unref();
    },
    close: settle,
  };
}

/** What all those that are counted together have in common. */
function commonOf(note: Note): JsonObject | undefined {
  const action = actionOf(note);
  return action === "" ? note.detail : { broker: { action } };
}

/** What the broker refused; one reason may be that of several. */
function actionOf({ detail }: Note): string {
  const what = detail?.["broker"];
  return isJsonObject(what) && typeof what["action"] === "string" ? what["action"] : "";
}
