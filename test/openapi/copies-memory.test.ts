import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { type Copies, createCopies } from "../../src/openapi/document/copies.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test("a load holds none of those before it in memory", async () => {
  const loads: WeakRef<Copies>[] = [];
  const load = (earlier: Copies | undefined): Copies => {
    const made = createCopies(earlier);
    loads.push(new WeakRef(made));
    return made;
  };
  let last = load(undefined);
  for (let i = 0; i < 10; i++) last = load(last);
  await vi.waitFor(() => {
    collectGarbage();
    expect(loads.filter((one) => one.deref() !== undefined)).toHaveLength(1);
  });
  expect(last.copies.size).toBe(0);
});
