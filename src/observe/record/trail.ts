import type { JsonObject } from "../../base/json.ts";
import { textAt } from "./query.ts";

interface Step {
  readonly at: number;
  readonly record: JsonObject;
}

/** Of one person; a log has no more within any time that is worth asking for. */
const maxSteps = 10_000;

/**
 * Passes on what led to something: each record that `isEnd` holds for, and before it what the same
 * person did within the time before, oldest first. No record is passed on twice. What nobody is
 * known to have done comes alone.
 */
export function createTrail(
  isEnd: (record: JsonObject) => boolean,
  withinMs: number,
  onRecord: (record: JsonObject) => void,
): (record: JsonObject) => void {
  /** By person, whoever did something last at the end. */
  const recent = new Map<string, Step[]>();
  const forget = (before: number): void => {
    for (const [person, steps] of recent) {
      if ((steps.at(-1)?.at ?? 0) >= before) return;
      recent.delete(person);
    }
  };
  return (record) => {
    const sub = textAt(record, ["actor", "sub"]);
    if (sub === "") {
      if (isEnd(record)) onRecord(record);
      return;
    }
    const at = Date.parse(textAt(record, ["time"]));
    const person = `${textAt(record, ["actor", "iss"])}\n${sub}`;
    const steps = recent.get(person) ?? [];
    recent.delete(person);
    forget(at - withinMs);
    while (steps.length > 0 && (steps[0]?.at ?? 0) < at - withinMs) steps.shift();
    if (isEnd(record)) {
      for (const step of steps) onRecord(step.record);
      onRecord(record);
      return;
    }
    if (steps.push({ at, record }) > maxSteps) steps.shift();
    recent.set(person, steps);
  };
}
