import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";

export interface Started {
  readonly pid: number;
  /** The line that said it is ready. */
  readonly line: string;
  readonly close: () => Promise<void>;
}

export interface Command {
  /** Arguments of `node`. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Processor it is pinned to, where `taskset` exists. */
  readonly core: number;
  /** Tells the ready line, on either output. */
  readonly isReady: (line: string) => boolean;
}

const hasTaskset = ((): boolean => {
  try {
    execFileSync("taskset", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** The generator and the upstream share one core, the server under test has the other alone. */
export function pinSelf(core: number): void {
  if (hasTaskset)
    execFileSync("taskset", ["-acp", String(core), String(process.pid)], { stdio: "ignore" });
}

export async function start({ args, env = {}, core, isReady }: Command): Promise<Started> {
  const command = hasTaskset
    ? ["taskset", "-c", String(core), process.execPath]
    : [process.execPath];
  const [program = "", ...before] = command;
  const child = spawn(program, [...before, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const line = await readyLine(child, isReady);
  if (child.pid === undefined) throw new TypeError("a started process has an id");
  return {
    pid: child.pid,
    line,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(force);
    },
  };
}

function readyLine(child: ChildProcess, isReady: (line: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const seen: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on("line", (line) => {
        if (seen.length < 50) seen.push(line);
        if (isReady(line)) resolve(line);
      });
    }
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`ended with ${code}:\n${seen.join("\n")}`)));
  });
}

/** Free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
