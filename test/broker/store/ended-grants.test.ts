import { expect, onTestFinished, test, vi } from "vitest";
import { createEndedGrants, type EndedGrants } from "../../../src/broker/store/ended-grants.ts";
import { createRecords, type Records } from "../../../src/broker/store/records.ts";
import { createMemoryRows } from "../../../src/broker/store/rows.ts";

const start = 1_800_000_000_000;

/** One store, and as many processes on it as a test wants, all with fake time. */
function shared(): { readonly records: Records; readonly process: () => EndedGrants } {
  vi.useFakeTimers({ now: start, toFake: ["Date", "setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const now = (): number => Date.now();
  const records = createRecords(createMemoryRows(now), now);
  return { records, process: () => createEndedGrants(records, now) };
}

async function heard(ended: EndedGrants): Promise<string[]> {
  const ids: string[] = [];
  const stop = await ended.follow((id) => ids.push(id));
  onTestFinished(stop);
  return ids;
}

test("what one process ends is heard there at once and elsewhere within half a second, each once", async () => {
  const { process } = shared();
  const [a, b] = [process(), process()];
  const [here, there] = [await heard(a), await heard(b)];
  const telling = a.tell("one");
  expect(here).toEqual(["one"]);
  await telling;
  expect(there).toEqual([]);
  await vi.advanceTimersByTimeAsync(500);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(there).toEqual(["one"]);
});

test("two that end many at once leave no hole in the list, over the end of a minute too", async () => {
  const { process } = shared();
  const [a, b] = [process(), process()];
  const there = await heard(process());
  const told: string[] = [];
  for (let round = 0; round < 20; round++) {
    const ids = Array.from({ length: 5 }, (_, i) => [`a${round}.${i}`, `b${round}.${i}`]).flat();
    told.push(...ids);
    await Promise.all(ids.map((id) => (id.startsWith("a") ? a : b).tell(id)));
    await vi.advanceTimersByTimeAsync(7_000);
  }
  expect(there.toSorted()).toEqual(told.toSorted());
});

test("who starts hears those of the last minutes; who could not read for a while reads on", async () => {
  const { records, process } = shared();
  const a = process();
  await a.tell("before");
  await vi.advanceTimersByTimeAsync(6 * 60_000);
  let away = false;
  const get: Records["get"] = async (kind, id) => {
    if (away) throw new Error("the store is away");
    return records.get(kind, id);
  };
  const flaky = createEndedGrants({ ...records, get }, () => Date.now());
  const ids = await heard(flaky);
  expect(ids).toEqual(["before"]);
  away = true;
  await a.tell("meanwhile");
  await vi.advanceTimersByTimeAsync(4 * 60_000);
  expect(ids).toEqual(["before"]);
  away = false;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ids).toEqual(["before", "meanwhile"]);
});

test("a tell that fails says so, and the next one is heard", async () => {
  const { records, process } = shared();
  let broken = true;
  const add: Records["add"] = async (...row) => {
    if (broken) throw new Error("the disk is full");
    return records.add(...row);
  };
  const a = createEndedGrants({ ...records, add }, () => Date.now());
  const there = await heard(process());
  await expect(a.tell("lost")).rejects.toThrow("the disk is full");
  broken = false;
  await a.tell("found");
  await vi.advanceTimersByTimeAsync(500);
  expect(there).toEqual(["found"]);
});

test("who ends many and follows nobody writes each at its first attempt", async () => {
  const { records } = shared();
  let attempts = 0;
  const add: Records["add"] = async (...row) => {
    attempts++;
    return records.add(...row);
  };
  const ended = createEndedGrants({ ...records, add }, () => Date.now());
  for (let i = 0; i < 50; i++) await ended.tell(`grant-${i}`);
  expect(attempts).toBe(50);
});

test("what a process whose clock is two minutes behind ends is heard", async () => {
  const { records, process } = shared();
  const there = await heard(process());
  await vi.advanceTimersByTimeAsync(5 * 60_000);
  await createEndedGrants(records, () => Date.now() - 119_000).tell("late");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(there).toEqual(["late"]);
});
