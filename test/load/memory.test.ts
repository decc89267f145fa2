import { expect, test } from "vitest";
import { createRandom } from "../world/random.ts";
import { growthOf, type Sample } from "./memory.ts";

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
