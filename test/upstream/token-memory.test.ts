import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { expect, test } from "vitest";

import { createTokenCache } from "../../src/upstream/credential/token-cache.ts";
import { toGrant } from "../../src/upstream/credential/grant.ts";
import { createTestPorts } from "./credential-world.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

test("10,000 kept tokens of 1 KB take less than 25 MB, and one more takes the place of the oldest", async () => {
  const ports = createTestPorts();
  const tokens = createTokenCache(ports, 10_000, () => {});
  const before = heap();
  const keep = (i: number): Promise<unknown> =>
    tokens.obtain({
      key: `${String(i).padStart(43, "k")}.${String(i).padStart(43, "t")}`,
      api: "courses",
      client: "corp",
      request: async () => {
        const accessToken = Buffer.alloc(1_000, `${i}.`).toString("latin1");
        const reply = {
          accessToken,
          isAccessToken: true,
          issuedTokenType: undefined,
          scope: undefined,
          refreshToken: undefined,
          idToken: undefined,
        };
        return toGrant({ ...reply, expiresInMs: 600_000 }, ports.now(), undefined);
      },
    });
  const keyOf = (i: number): string =>
    `${String(i).padStart(43, "k")}.${String(i).padStart(43, "t")}`;
  for (let i = 0; i < 10_000; i++) await keep(i);
  expect(heap() - before).toBeLessThan(25_000_000);
  expect(tokens.find(keyOf(9_999))?.parts.headers[1]).toContain("9999.");
  await keep(10_000);
  expect([tokens.find(keyOf(0)), tokens.find(keyOf(10_000))]).toEqual([
    undefined,
    expect.anything(),
  ]);
});
