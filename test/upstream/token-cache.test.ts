import { expect, test } from "vitest";

import type { Grant } from "../../src/upstream/credential/grant.ts";
import { createTokenCache, type TokenCache } from "../../src/upstream/credential/token-cache.ts";
import { TokenFailure } from "../../src/upstream/credential/token-failure.ts";
import { createTestPorts, person } from "./credential-world.ts";

const alice = person("alice-token");

/** A request for Alice's token that a test answers. */
function start() {
  const { now, ...ports } = createTestPorts();
  const tokens = createTokenCache({ now, ...ports }, 10, () => {});
  const answers: (() => void)[] = [];
  const source: Parameters<TokenCache["obtain"]>[0] = {
    key: "key",
    api: "orders",
    client: "corp",
    holder: alice,
    request: () =>
      new Promise((resolve) => {
        const grant: Grant = {
          parts: { headers: ["authorization", `Bearer ${answers.length}`], query: "", cookie: "" },
          expiresAt: now() + 60_000,
          refreshAt: now() + 50_000,
          holder: alice,
        };
        answers.push(() => resolve(grant));
      }),
  };
  return { tokens, answers, source };
}

const drops: readonly [string, (tokens: TokenCache) => void][] = [
  ["a person who is denied", (tokens) => tokens.forget(({ sub }) => sub === "alice")],
  ["a key that is dropped", (tokens) => tokens.drop("key")],
];

test.each(drops)("T41: of %s nothing that is under way is kept", async (_whose, drop) => {
  const { tokens, answers, source } = start();
  const waiting = tokens.obtain(source);
  drop(tokens);
  // Who comes later asks anew, and does not wait for what was dropped.
  const later = tokens.obtain(source);
  expect(answers).toHaveLength(2);
  answers[0]?.();
  expect((await waiting).parts.headers[1]).toBe("Bearer 0");
  expect(tokens.find("key")).toBeUndefined();
  expect(await Promise.race([later, Promise.resolve("waits")])).toBe("waits");
  answers[1]?.();
  await later;
  expect(tokens.find("key")?.parts.headers[1]).toBe("Bearer 1");
});

test("what is under way for others stays", async () => {
  const { tokens, answers, source } = start();
  const waiting = tokens.obtain(source);
  tokens.forget(({ sub }) => sub === "bob");
  tokens.drop("another key");
  answers[0]?.();
  const grant = await waiting;
  expect(tokens.find("key")).toBe(grant);
});

test("a request that a circuit did not let out is told as none", async () => {
  const told: (string | undefined)[] = [];
  const tokens = createTokenCache(createTestPorts(), 10, ({ reason }) => told.push(reason));
  const failing = (code: TokenFailure["code"]): Promise<Grant> =>
    tokens.obtain({
      key: code,
      api: "orders",
      client: "corp",
      holder: alice,
      request: () => Promise.reject(new TokenFailure(code)),
    });
  await expect(failing("circuit_open")).rejects.toMatchObject({ code: "circuit_open" });
  await expect(failing("timeout")).rejects.toMatchObject({ code: "timeout" });
  expect(told).toEqual(["timeout"]);
});
