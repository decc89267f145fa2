import { randomBytes } from "node:crypto";

import { expect, onTestFinished, test } from "vitest";

import { noRedis, startRedis } from "../broker/redis.ts";
import { call, legacy, send } from "../mcp/wire.ts";
import { startReplica } from "../world/replica.ts";
import { freePort } from "../world/world.ts";
import { connectWorld } from "./world.ts";

test("what is connected at one replica is there at the other, and a link works once at either", async ({
  skip,
}) => {
  skip(noRedis !== undefined, noRedis);
  const redis = await startRedis();
  onTestFinished(redis.kill);
  const at = await connectWorld({
    connections: `redis: {url: "${redis.url}"}\n  keys: ["\${file:key}"]`,
    files: { key: randomBytes(32).toString("base64") },
  });
  const replica = await startReplica(at);

  const link = await at.linkFor();
  expect((await at.browser.open(link)).status).toBe(200);
  const { pathname, search } = new URL(link);
  expect((await at.browser.open(`${replica}${pathname}${search}`)).status).toBe(400);
  const { body } = legacy("tools/call", call("list_issues"));
  const authorization = `Bearer ${await at.idp.token()}`;
  const { messages } = await send(`${replica}/mcp`, body, { authorization });
  expect(messages).toMatchObject([{ result: { structuredContent: { ok: true } } }]);
  expect(at.bearers()).toEqual(["Bearer account-1"]);

  await redis.kill();
  const away = await at.modern({ claims: { sub: "bob" } });
  expect(away.message.result).toMatchObject({ resultType: "complete", isError: true });
  expect((await at.audit()).at(-1)).toMatchObject({ reason: "temporarily_unavailable" });
  await redis.start();
  await expect
    .poll(async () => (await at.modern({ claims: { sub: "bob" } })).message.result?.resultType, {
      timeout: 10_000,
    })
    .toBe("input_required");
});

test("a Redis that does not answer is found at start", async () => {
  const port = await freePort();
  await expect(
    connectWorld({
      connections: `redis: {url: "redis://127.0.0.1:${port}"}\n  keys: ["\${file:key}"]`,
      files: { key: randomBytes(32).toString("base64") },
    }),
  ).rejects.toMatchObject({
    issues: [expect.objectContaining({ code: "connections_unavailable" })],
  });
});
