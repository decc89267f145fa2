import { CallError } from "../base/errors.ts";

export type CircuitState = "closed" | "half-open" | "open";

/** How an exchange with the API ended. `unreachable` and `failed` count against it. */
export type Ending = "ok" | "failed" | "unreachable" | "unknown";

/** Spares an API that does not work, and its callers the wait. */
export interface Circuit {
  readonly state: () => CircuitState;
  /** @returns What `record` wants to know after the request. @throws CallError `breaker_open` */
  readonly admit: () => number;
  /** @param admitted From `admit`: what was sent in another state says nothing about this one. */
  readonly record: (ending: Ending, admitted: number, moment: number) => void;
}

export interface CircuitDeps {
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onChange: (state: CircuitState) => void;
}

const windowMs = 10_000;
const slots = 10;
const slotMs = windowMs / slots;
const minCalls = 20;
const failureShare = 0.5;
const maxUnreachable = 5;
const firstOpenMs = 5_000;
const maxOpenMs = 60_000;
const probesToClose = 3;

/**
 * Opens when half of at least 20 requests within 10 s fail, or 5 in a row find no connection. Then
 * for 5 s nothing is sent, twice as long each time it did not help, at most a minute; after that one
 * request at a time is tried, and three good ones close it.
 */
export function createCircuit({ now, random, onChange }: CircuitDeps): Circuit {
  let state: CircuitState = "closed";
  let openUntil = 0;
  let openings = 0;
  let probing = false;
  let goodProbes = 0;
  let unreachable = 0;
  const calls = new Uint32Array(slots);
  const failures = new Uint32Array(slots);
  let slot = 0;
  let slotEndsAt = 0;
  let changes = 0;

  const change = (next: CircuitState): void => {
    if (next === state) return;
    state = next;
    changes++;
    onChange(next);
  };
  const turn = (moment: number): void => {
    const passed = Math.min(slots, Math.floor((moment - slotEndsAt) / slotMs) + 1);
    for (let i = 0; i < passed; i++) {
      slot = (slot + 1) % slots;
      calls[slot] = 0;
      failures[slot] = 0;
    }
    slotEndsAt = moment + slotMs;
  };
  const open = (moment: number): void => {
    const pause = Math.min(maxOpenMs, firstOpenMs * 2 ** openings);
    openings++;
    // Replicas that open together must not all knock at the same moment.
    openUntil = moment + pause * (0.9 + 0.2 * random());
    probing = false;
    goodProbes = 0;
    unreachable = 0;
    calls.fill(0);
    failures.fill(0);
    change("open");
  };
  const judgeProbe = (ending: Ending, moment: number): void => {
    probing = false;
    if (ending === "unknown") return;
    if (ending !== "ok") open(moment);
    else if (++goodProbes >= probesToClose) {
      openings = 0;
      change("closed");
    }
  };
  const refuse = (waitMs: number): CallError =>
    new CallError(
      "breaker_open",
      `The API does not work at the moment. Try again after ${Math.max(1, Math.ceil(waitMs / 1_000))} seconds.`,
      { retryAfterMs: waitMs },
    );
  return {
    state: () => state,
    admit() {
      if (state === "closed") return changes;
      const moment = now();
      if (moment < openUntil) throw refuse(openUntil - moment);
      if (probing) throw refuse(1_000);
      probing = true;
      change("half-open");
      return changes;
    },
    record(ending, admitted, moment) {
      if (admitted !== changes) return;
      if (state === "half-open") {
        judgeProbe(ending, moment);
        return;
      }
      if (ending === "unknown") return;
      if (moment >= slotEndsAt) turn(moment);
      calls[slot] = (calls[slot] ?? 0) + 1;
      if (ending === "ok") {
        unreachable = 0;
        return;
      }
      failures[slot] = (failures[slot] ?? 0) + 1;
      unreachable = ending === "unreachable" ? unreachable + 1 : 0;
      const [all, bad] = [sum(calls), sum(failures)];
      if (unreachable >= maxUnreachable || (all >= minCalls && bad >= all * failureShare)) {
        open(moment);
      }
    },
  };
}

function sum(numbers: Uint32Array): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
