import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The program as `npm run build` leaves it and the package installs it. */
const main = resolve("dist/cli/main.js");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly child: ChildProcess;
  /** What it wrote so far. */
  readonly output: () => Omit<Ended, "code">;
  readonly ended: Promise<Ended>;
  /** Resolves once its output has this text; rejects when it ends without. */
  readonly until: (stream: "stdout" | "stderr", text: string) => Promise<void>;
}

export interface Place {
  readonly cwd: string;
  /** Another copy of the program. */
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function startProgram(
  args: readonly string[],
  { cwd, program = main, env = {} }: Place,
): Program {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  }
  const ended = once(child, "close").then(([code]): Ended => ({
    code: code as number | null,
    ...written,
  }));
  return {
    child,
    output: () => ({ ...written }),
    ended,
    async until(stream, text) {
      while (!written[stream].includes(text)) {
        if (child.exitCode !== null) {
          throw new Error(`ended with ${child.exitCode} before ${text}\n${written.stderr}`);
        }
        await sleep(10);
      }
    },
  };
}

export async function runProgram(args: readonly string[], place: Place): Promise<Ended> {
  return startProgram(args, place).ended;
}
