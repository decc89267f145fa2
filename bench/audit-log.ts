import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAudit } from "../src/observe/audit.ts";
import { rssOf } from "./cpu.ts";
import { callOf, principal, success, traceOf } from "./micro/audit.ts";

/** A million records, and how long the questions of an ops team take without an index. */
const records = 1_000_000;
const users = 1_000;
const maxSeconds = 5;
const maxRssBytes = 200 * 2 ** 20;

const dir = await mkdtemp(join(tmpdir(), "tollgate-log-"));
const main = join(import.meta.dirname, "../../dist/cli/main.js");
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
let now = Date.parse("2026-11-01T00:00:00Z");
const audit = createAudit(
  {
    sinks: [{ kind: "file", dir, rotation: undefined }],
    args: { default: { kind: "digest" }, tools: [] },
    result: "size",
    redact: { keys: [], detectors: [], schema: true },
    durability: "buffered",
    onFailure: "allow",
    signingKey: undefined,
  },
  { now: () => now, log: silent },
  { version: "0.0.0", stdout: async () => {}, fetch },
);
const people = Array.from({ length: users }, (_, i) => ({ ...principal, sub: `user-${i}` }));
for (let i = 0; i < records; i++) {
  now += 1_000;
  const person = people[(i * 7_919) % users] ?? principal;
  void audit.call({ ...callOf(i), principal: person }, success, { ...traceOf(), endedAt: now });
  if (i % 1_000 === 0) await new Promise(setImmediate);
}
await audit.close();
const file = join(dir, "audit.ndjson");

async function run(
  args: readonly string[],
): Promise<{ seconds: number; rss: number; lines: number }> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [main, "audit", ...args, file], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let [rss, lines] = [0, 0];
  const poll = setInterval(() => {
    if (child.pid !== undefined) rss = Math.max(rss, rssOf(child.pid) || 0);
  }, 20);
  child.stdout.on("data", (chunk: Buffer) => {
    lines += chunk.toString().split("\n").length - 1;
  });
  await once(child, "close");
  clearInterval(poll);
  return { seconds: (performance.now() - startedAt) / 1_000, rss, lines };
}

const questions = [
  ["query", "--user", "user-7", "--since", "2026-11-03", "--until", "2026-11-05"],
  ["query", "--user", "user-7", "--count-by", "tool.name,outcome"],
  ["query", "--outcome", "denied"],
];
for (const question of questions) {
  const { seconds, rss, lines } = await run(question);
  const bad = seconds > maxSeconds || rss > maxRssBytes;
  if (bad) process.exitCode = 1;
  process.stdout.write(
    `${question.join(" ")}: ${seconds.toFixed(2)} s, ${(rss / 2 ** 20).toFixed(0)} MiB, ${lines} lines${bad ? " — over budget" : ""}\n`,
  );
}
await rm(dir, { recursive: true });
