import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startProgram } from "../cli/program.ts";
import { createRandom } from "../world/random.ts";
import { createMemory, growthOf, type Sample } from "./memory.ts";

/** 20 minutes, seen every minute; calls under way make 200 KiB of difference at most. */
function samplesOf(bytesAnHour: number, seed: number): readonly Sample[] {
  const random = createRandom(seed);
  return Array.from({ length: 20 }, (_, i) => ({
    at: i * 60_000,
    heap: 30_000_000 + (bytesAnHour * i * 60_000) / 3_600_000 + random(204_800),
    code: 0,
    resident: 0,
    descriptors: 0,
  }));
}

test.each([
  { bytesAnHour: 0, certain: true },
  { bytesAnHour: 300_000, certain: true },
  { bytesAnHour: 1_300_000, certain: false },
  { bytesAnHour: 2_000_000, certain: false },
])(
  "of $bytesAnHour bytes an hour it is certain in 20 minutes that they are less than a megabyte: $certain",
  ({ bytesAnHour, certain }) => {
    for (let seed = 0; seed < 20; seed++) {
      const { perHour, error } = growthOf(samplesOf(bytesAnHour, seed), ({ heap }) => heap);
      expect(perHour + 2 * error < 1_000_000).toBe(certain);
      expect(Math.abs(perHour - bytesAnHour)).toBeLessThan(4 * error);
    }
  },
);

const idle = fileURLToPath(new URL("idle.mjs", import.meta.url));

async function watch(leak: number, objects: boolean): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-memory-"));
  const memory = createMemory({ dir, objects });
  const env = { ...memory.env, LEAK: String(leak) };
  const program = startProgram([], { cwd: dir, program: idle, env });
  onTestFinished(async () => {
    program.child.kill("SIGKILL");
    await program.ended;
    await rm(dir, { recursive: true });
  });
  await program.until("stdout", "ready");
  // What its start leaves behind is gone by the second.
  await memory.sample(program);
  const from = await memory.sample(program);
  // It keeps something every second; three of them are in this even when each comes late.
  await sleep(3_500);
  const to = await memory.sample(program);
  return to.heap - from.heap;
}

test.each([true, false])(
  "what a process keeps is seen, and what it does not keep is not; objects only: %s",
  async (objects) => {
    const perSecond = 100_000;
    expect(await watch(perSecond * 3_600, objects)).toBeGreaterThan(2 * perSecond);
    expect(await watch(0, objects)).toBeLessThan(perSecond / 2);
  },
  60_000,
);
