import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { listen, type Running } from "./listen.ts";

export interface GatewayStart {
  /** gateway.yaml */
  readonly file: string;
  /** Log and audit records go here. */
  readonly output: string;
  readonly env: Readonly<Record<string, string>>;
}

const main = join(import.meta.dirname, "../dist/cli/main.js");

/** The Node that npm runs on: the suite needs a newer one, the gateway must not. */
const gatewayNode: string = process.env["npm_node_execpath"] ?? process.execPath;

/** Starts the built gateway as an operator would; resolves when it listens. */
export async function startGateway(start: GatewayStart): Promise<Pick<Running, "close">> {
  const child = spawn(gatewayNode, [main, "serve", "-c", start.file], {
    env: { PATH: process.env["PATH"], ...start.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = createWriteStream(start.output);
  child.stdout.pipe(output, { end: false });
  const log: string[] = [];
  const listening = new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on("line", (line) => {
      output.write(`${line}\n`);
      log.push(line);
      if (line.includes('"listening"')) resolve();
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      reject(new Error(`the gateway ended with ${code} before it listened:\n${log.join("\n")}`));
    });
  });
  await listening;
  return {
    async close() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const [code] = (await ended) as [number | null];
      output.end();
      if (code !== 0) throw new Error(`the gateway ended with ${code}: see ${start.output}`);
    },
  };
}

/** Free at this moment, for a process that cannot be asked which port it got. */
export async function freePort(): Promise<number> {
  const { url, close } = await listen(createServer());
  await close();
  return Number(new URL(url).port);
}
