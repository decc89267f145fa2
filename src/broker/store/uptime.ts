import type { Records } from "./records.ts";

/** A clock in milliseconds that stands still while no broker runs. */
export interface Uptime {
  readonly now: () => number;
  readonly stop: () => void;
}

interface Beat {
  readonly at: number;
  readonly up: number;
}

const beatMs = 2_000;
const keptFor = 400 * 86_400_000;

/**
 * The grace of refresh tokens is measured by this clock. A client whose answer got lost with a
 * killed process comes again when the broker is back, however long that took; by the clock on the
 * wall its token would look stolen. It goes on with the first question after the start.
 */
export async function startUptime(records: Records, now: () => number): Promise<Uptime> {
  const last = await records.get<Beat>("alive", "broker");
  const silence = last === undefined ? 0 : now() - last.at;
  // Another replica is alive: its clock went on.
  const running = silence <= 2 * beatMs;
  const base = last === undefined ? now() : last.up + (running ? silence : 0);
  let startedAt: number | undefined = running && last !== undefined ? now() : undefined;
  const up = (): number => {
    startedAt ??= now();
    return base + now() - startedAt;
  };
  const beat = async (): Promise<void> => {
    if (startedAt === undefined) return;
    // Who cannot write now writes in two seconds.
    await records
      .put("alive", "broker", { at: now(), up: up() } satisfies Beat, now() + keptFor)
      .catch(() => {});
  };
  // Or a first life that ends before its first beat would leave nothing to go on from.
  if (last === undefined)
    await records.put("alive", "broker", { at: now(), up: base }, now() + keptFor);
  const timer = setInterval(() => void beat(), beatMs);
  timer.unref();
  return { now: up, stop: () => clearInterval(timer) };
}
