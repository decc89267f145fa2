import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { noRedis, startRedis } from "../broker/redis.ts";
import { createGateway } from "../../src/gateway.ts";
import { freePort } from "../world/world.ts";
import { connectWorld } from "./world.ts";

const skip = noRedis !== undefined;

test.skipIf(skip)(
  "what is connected at one replica is there at the other, and a link works once at either",
  async () => {
    const redis = await startRedis();
    onTestFinished(redis.kill);
    const at = await connectWorld({
      connections: `redis: {url: "${redis.url}"}\n  keys: ["\${file:key}"]`,
      files: { key: randomBytes(32).toString("base64") },
    });
    const port = await freePort();
    const file = join(at.dir, "replica.yaml");
    const yaml = (await readFile(at.options.file, "utf8"))
      .replace(/server: \{(url: "[^"]+")/, `server: {$1, listen: "127.0.0.1:${port}"`)
      .replace("dir: audit", "dir: audit-of-the-replica");
    await writeFile(file, yaml);
    const replica = await createGateway({ ...at.options, file });
    onTestFinished(() => replica.close());
    await replica.listen();

    const link = await at.linkFor();
    expect((await at.browser.open(link)).status).toBe(200);
    const elsewhere = new URL(link);
    elsewhere.port = String(port);
    expect((await at.browser.open(elsewhere.href)).status).toBe(400);
    const response = await fetch(`http://127.0.0.1:${port}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await at.idp.token()}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "list_issues", arguments: {} },
      }),
    });
    expect(await response.json()).toMatchObject({ result: { structuredContent: { ok: true } } });
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
  },
);

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
