import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { verifyText } from "../observe/audit.ts";
import { call, legacy, usual } from "../mcp/wire.ts";
import { whyMissing } from "../world/proxy.ts";
import { site, type Site } from "./site.ts";

const main = resolve("dist/cli/main.js");

interface Running {
  readonly pid: number;
  readonly stderr: () => string;
  /** Asks for the orders once. @returns The HTTP status, or why there is none. */
  readonly ask: (authorization: string) => Promise<number | string>;
  readonly exitCode: () => number | null;
}

/** `serve` as another program starts it, with its own surroundings. */
async function serveUnder(
  at: Site,
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const [program, ...args] = command;
  const child = spawn(program, [...args], {
    cwd: at.dir,
    env: { PATH: process.env["PATH"] ?? "", CLIENT_SECRET: "client-secret", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  while (!stderr.includes('"listening"')) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}\n${stderr}`);
    await sleep(10);
  }
  return {
    pid: child.pid ?? 0,
    stderr: () => stderr,
    exitCode: () => child.exitCode,
    async ask(authorization) {
      try {
        const response = await fetch(at.url, {
          method: "POST",
          headers: { ...usual, authorization, connection: "close" },
          body: JSON.stringify(legacy("tools/call", call("list_orders")).body),
        });
        await response.text();
        return response.status;
      } catch (error) {
        return String((error as Error).cause ?? error);
      }
    },
  };
}

const bearer = async ({ idp }: Site, claims = {}): Promise<string> =>
  `Bearer ${await idp.token(claims)}`;

test("F22 a process without file descriptors left lives, and serves again when it has some", async ({
  annotate,
  skip,
}) => {
  const missing = whyMissing("prlimit");
  skip(missing !== undefined, missing);
  const at = await site();
  const running = await serveUnder(at, [process.execPath, main, "serve"]);
  const authorization = await bearer(at);
  expect(await running.ask(authorization)).toBe(200);
  // Only now: to load its modules Node opens many files at once.
  const open = (await readdir(`/proc/${running.pid}/fd`)).map(Number);
  const most = Math.max(...open) + 64;
  execFileSync("prlimit", ["--pid", String(running.pid), `--nofile=${most}:${most}`]);
  expect(await running.ask(authorization), running.stderr()).toBe(200);
  const sockets = await Promise.all(
    Array.from({ length: 200 }, async (): Promise<Socket> => {
      const socket = connect(Number(new URL(at.url).port), "127.0.0.1");
      socket.on("error", () => {});
      await Promise.race([once(socket, "connect"), once(socket, "close"), sleep(500)]);
      return socket;
    }),
  );
  expect(running.exitCode()).toBeNull();
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(async () => expect(await running.ask(authorization)).toBe(200), {
    timeout: 20_000,
    interval: 200,
  });
  expect(running.exitCode()).toBeNull();
  await annotate(
    "200 connections against 64 free descriptors; served again afterwards",
    "observed",
  );
});

test("F39, T30, T33: a clock that jumps back or ahead by ten minutes refuses tokens, ends nothing, and recovers", async ({
  skip,
}) => {
  const missing = whyMissing("faketime");
  skip(missing !== undefined, missing);
  const at = await site();
  const clock = join(at.dir, "clock");
  await writeFile(clock, "+0");
  const running = await serveUnder(at, [process.execPath, main, "serve"], {
    LD_PRELOAD: "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  });
  const ask = async (): Promise<number | string> => running.ask(await bearer(at));
  expect(await ask()).toBe(200);
  await writeFile(clock, "-10m");
  expect(await ask()).toBe(401);
  await writeFile(clock, "+10m");
  expect(await ask()).toBe(401);
  await writeFile(clock, "+20s");
  expect(await ask()).toBe(200);
  await writeFile(clock, "-20s");
  expect(await ask()).toBe(200);
  await writeFile(clock, "+0");
  expect(await ask()).toBe(200);
  expect(running.exitCode()).toBeNull();
  const records = await at.audit();
  expect(records.map(({ outcome }) => outcome)).toEqual([
    "success",
    "denied",
    "denied",
    "success",
    "success",
    "success",
  ]);
});

test.each(["Pacific/Kiritimati", "America/New_York", ""])(
  "F66 in the time zone %j every time in log and audit is UTC",
  async (zone) => {
    const at = await site();
    const running = await serveUnder(at, [process.execPath, main, "serve"], {
      LC_ALL: "C",
      ...(zone === "" ? {} : { TZ: zone }),
    });
    expect(await running.ask(await bearer(at))).toBe(200);
    const [record] = await at.audit();
    const time = String(record?.["time"]);
    expect(time).toMatch(/Z$/);
    expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
    for (const [stamp] of running.stderr().matchAll(/"\d{4}-\d\d-\d\dT[^"]*"/g)) {
      expect(stamp).toMatch(/Z"$/);
    }
  },
);

test("F67 without watches the files are looked at every half minute", async ({ skip }) => {
  skip(process.env["MATRIX"] === undefined, "takes half a minute: npm run test:matrix");
  skip(process.getuid?.() !== 0, "only root may set the limit");
  const missing = whyMissing("unshare");
  skip(missing !== undefined, missing);
  const at = await site();
  const limit = "echo 0 > /proc/sys/user/max_inotify_watches";
  const serve = `${limit} && exec ${process.execPath} ${main} serve`;
  const running = await serveUnder(at, [
    "unshare",
    "--user",
    "--map-root-user",
    "bash",
    "-c",
    serve,
  ]);
  expect(await running.ask(await bearer(at))).toBe(200);
  await at.edit("shop.yaml", (text) =>
    text.replace("operationId: list_orders", "operationId: all_orders"),
  );
  await vi.waitFor(async () => expect(running.stderr()).toContain("reload"), {
    timeout: 45_000,
    interval: 500,
  });
  expect(running.exitCode()).toBeNull();
}, 90_000);

test.each([
  ["an exception", 'throw new Error("boom")'],
  ["a rejection", 'void Promise.reject(new Error("boom"))'],
])(
  "F62 %s that nobody caught is logged and ends the process with 70, with every record kept",
  async (_what, code) => {
    const at = await site();
    const crash = `process.on("SIGUSR2", () => { ${code}; });`;
    const flags = ["--import", `data:text/javascript,${encodeURIComponent(crash)}`];
    const running = await serveUnder(at, [process.execPath, ...flags, main, "serve"]);
    const authorization = await bearer(at);
    for (let i = 0; i < 5; i++) expect(await running.ask(authorization)).toBe(200);
    process.kill(running.pid, "SIGUSR2");
    await vi.waitFor(() => expect(running.exitCode()).toBe(70), 15_000);
    expect(running.stderr()).toContain("boom");
    expect(verifyText(await at.auditText()).findings).toEqual([]);
    expect(await at.audit()).toHaveLength(5);
  },
);

test("S102 under Node's permission model it serves with its own directories, and reads no other", async ({
  skip,
}) => {
  const at = await site();
  const [major = 0] = process.versions.node.split(".").map(Number);
  const flag = major >= 24 ? "--permission" : "--experimental-permission";
  const outside = join(at.dir, "..", `outside-${process.pid}.yaml`);
  await writeFile(outside, "secret-of-another: place\n");
  await mkdir(join(at.dir, "audit"), { recursive: true });
  await mkdir(join(at.dir, "var", "keys"), { recursive: true });
  const app = resolve(".");
  const allowed = [
    flag,
    "--no-warnings",
    `--allow-fs-read=${at.dir}/*`,
    `--allow-fs-read=${app}/*`,
    `--allow-fs-write=${at.dir}/*`,
  ];
  skip(major < 20, "this Node has no permission model");
  const running = await serveUnder(at, [process.execPath, ...allowed, main, "serve"]);
  expect(await running.ask(await bearer(at))).toBe(200);
  await symlink(outside, join(at.dir, "link.yaml"));
  const yaml = await readFile(join(at.dir, "gateway.yaml"), "utf8");
  await writeFile(join(at.dir, "gateway.yaml"), yaml.replace("shop.yaml", "link.yaml"));
  process.kill(running.pid, "SIGHUP");
  await vi.waitFor(() => expect(running.stderr()).toContain("link.yaml"), 15_000);
  expect(running.stderr()).not.toContain("secret-of-another");
  expect(await running.ask(await bearer(at))).toBe(200);
});
