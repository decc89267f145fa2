import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import type { Measured } from "./measure.ts";
import { printTable } from "./report.ts";
import { writeGateway, writeSmallGateway } from "./small-document.ts";

/**
 * What loading and compiling cost: the bounds of an operator's patience and memory. Each number is
 * the best of several runs, because other programs on the machine only ever make it worse.
 */

const root = fileURLToPath(new URL("..", import.meta.url));
const github = join(
  root,
  "test/corpus/packages/node_modules/@octokit/openapi/generated/api.github.com.json",
);
const runs = 3;

interface Row {
  readonly what: string;
  readonly measured: number;
  readonly bound: number;
  readonly unit: string;
}

async function measureAll(directory: string): Promise<readonly Row[]> {
  if (!existsSync(github)) {
    throw new Error('GitHub\'s document is not installed: run "npm run corpus:install" once');
  }
  const port = 3999;
  const small = (count: number): Promise<string> => writeSmallGateway(directory, count, port);
  const large = measure(await writeGateway(directory, "github", { spec: github, port }));
  const thousand = await small(1_000);
  const [once, twice] = [measure(await small(4_000)), measure(await small(8_000))];
  const node = await best(() => timeOf(["-e", "0"], () => false));
  const listening = await best(() => timeOf(serveArgs(thousand), isListening));
  return [
    {
      what: `GitHub, ${large.tools} tools: load and compile`,
      measured: large.ms,
      bound: 2_500,
      unit: "ms",
    },
    { what: "GitHub: resident memory at most", measured: large.rssMb, bound: 400, unit: "MB" },
    {
      // The difference of two sizes, so that the program itself does not count.
      what: "heap for 1,000 tools",
      measured: (twice.heapMb - once.heapMb) / 4,
      bound: 5,
      unit: "MB",
    },
    {
      what: "1,000 tools: start to listening beyond Node's own",
      measured: listening - node,
      bound: 500,
      unit: "ms",
    },
    {
      what: "8,000 tools against 4,000: time",
      measured: twice.ms / once.ms,
      bound: 2.3,
      unit: "x",
    },
  ];
}

/** In a process of its own: what one document leaves behind must not count for the next. */
function measure(file: string): Measured {
  const script = fileURLToPath(new URL("measure.js", import.meta.url));
  const results = Array.from({ length: runs }, () => {
    const text = execFileSync(process.execPath, ["--expose-gc", script, file], {
      encoding: "utf8",
    });
    return JSON.parse(text) as Measured;
  });
  const least = (pick: (result: Measured) => number): number => Math.min(...results.map(pick));
  return {
    tools: results[0]?.tools ?? 0,
    ms: least(({ ms }) => ms),
    rssMb: least(({ rssMb }) => rssMb),
    heapMb: least(({ heapMb }) => heapMb),
  };
}

async function best(run: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) times.push(await run());
  return Math.min(...times);
}

function serveArgs(file: string): readonly string[] {
  return [join(root, "dist/cli/main.js"), "serve", "--no-watch", "-c", file];
}

function isListening(line: string): boolean {
  return line.includes('"listening"') || line.includes(" listening");
}

/** From the start of `node` until a line says so, or until it ends by itself. */
async function timeOf(args: readonly string[], isDone: (line: string) => boolean): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const seen = new Promise<void>((resolve) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (isDone(line)) resolve();
    });
  });
  await Promise.race([seen, ended]);
  const time = performance.now() - start;
  if (child.exitCode !== null && child.exitCode !== 0) {
    throw new Error(`node ${args.join(" ")} ended with ${child.exitCode}`);
  }
  child.kill("SIGTERM");
  await ended;
  return time;
}

const directory = await mkdtemp(join(tmpdir(), "tollgate-bench-"));
try {
  const rows = await measureAll(directory);
  const show = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
  printTable(
    ["", "measured", "bound", ""],
    rows.map(({ what, measured, bound, unit }) => [
      what,
      `${show(measured)} ${unit}`,
      `${show(bound)} ${unit}`,
      measured <= bound ? "holds" : "FAILS",
    ]),
  );
  if (rows.some(({ measured, bound }) => measured > bound)) process.exitCode = 1;
} finally {
  await rm(directory, { recursive: true });
}
