import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { onTestFinished } from "vitest";

const probe = spawnSync("redis-server", ["--version"], { encoding: "utf8" });

/** Why tests with a Redis cannot run here; undefined: they can. */
export const noRedis: string | undefined =
  probe.error === undefined ? undefined : "redis-server is not installed";

if (noRedis !== undefined) process.stderr.write(`skipped: ${noRedis}\n`);

export interface TestRedis {
  readonly url: string;
  /** Ends it without a farewell; what it had acknowledged is on disk. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** A redis-server of this test, with an append-only file that is synced at every write. */
export async function startRedis(): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-redis-"));
  const port = await freePort();
  let child: ReturnType<typeof spawn> | undefined;
  const start = async (): Promise<void> => {
    const options = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""];
    const durable = ["--appendonly", "yes", "--appendfsync", "always"];
    child = spawn("redis-server", [...options, ...durable], { stdio: "ignore" });
    for (let tries = 0; tries < 200; tries++) {
      if (await answers(port)) return;
      await wait(50);
    }
    throw new Error("redis-server does not listen");
  };
  const kill = async (): Promise<void> => {
    const ended = new Promise((resolve) => child?.once("exit", resolve));
    if (child?.exitCode !== null || !child.kill("SIGKILL")) return;
    await ended;
  };
  onTestFinished(async () => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  });
  await start();
  return { url: `redis://127.0.0.1:${port}`, kill, start };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString().startsWith("+PONG"));
    });
    socket.once("error", () => resolve(false));
  });
}
