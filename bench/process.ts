import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

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

export async function start(command: Command): Promise<Started> {
  const child = launch(command);
  const line = await readyLine(child, command.isReady);
  return { pid: idOf(child), line, close: () => end(child) };
}

/** How long a server may take until it accepts connections. */
const listenMs = 30_000;

/** For a server whose output says nothing reliable: it is ready once something listens on `port`. */
export async function startOnPort(
  command: Omit<Command, "isReady"> & { readonly port: number },
): Promise<Omit<Started, "line">> {
  const child = launch(command);
  const gone = new AbortController();
  const failed = readyLine(child, () => false).finally(() => gone.abort());
  const deadline = AbortSignal.any([gone.signal, AbortSignal.timeout(listenMs)]);
  try {
    await Promise.race([failed, untilListening(command.port, deadline)]);
  } catch (error) {
    await end(child);
    throw error;
  }
  failed.catch(() => {});
  return { pid: idOf(child), close: () => end(child) };
}

async function untilListening(port: number, deadline: AbortSignal): Promise<void> {
  while (!(await listens(port))) {
    if (deadline.aborted) throw new Error(`nothing listens after ${listenMs} ms`);
    await sleep(5);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function launch({ args, env = {}, core }: Omit<Command, "isReady">): ChildProcess {
  const command = hasTaskset
    ? ["taskset", "-c", String(core), process.execPath]
    : [process.execPath];
  const [program = "", ...before] = command;
  return spawn(program, [...before, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function idOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new TypeError("a started process has an id");
  return pid;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await ended;
  clearTimeout(force);
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
