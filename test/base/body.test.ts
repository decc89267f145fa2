import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { readBody } from "../../src/base/body.ts";

/** Answers with one byte every 20 ms, for ever; tells when its reader has left. */
async function startDrip(): Promise<{ readonly url: string; readonly left: Promise<void> }> {
  let leave = (): void => {};
  const left = new Promise<void>((resolve) => (leave = resolve));
  const server = createServer((_request, response) => {
    const drip = setInterval(() => response.write("x"), 20);
    response.once("close", () => {
      clearInterval(drip);
      leave();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, left };
}

test("a body without end stops with the signal, also when fetch does not know it", async () => {
  const { url, left } = await startDrip();
  const { body } = await fetch(url);
  await expect(readBody(body, 1_000, AbortSignal.timeout(200))).rejects.toThrow(/timeout/);
  await left;
});

test("a body that is larger than its bound is given up", async () => {
  const { url, left } = await startDrip();
  const { body } = await fetch(url);
  expect(await readBody(body, 3, AbortSignal.timeout(10_000))).toBeUndefined();
  await left;
});

test("a whole body within its bound, and none at all", async () => {
  const signal = AbortSignal.timeout(10_000);
  expect(String(await readBody(new Response("four").body, 4, signal))).toBe("four");
  expect(await readBody(null, 4, signal)).toEqual(Buffer.alloc(0));
});
