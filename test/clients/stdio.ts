import { copyFile, mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Stream } from "node:stream";
import { onTestFinished } from "vitest";
import type { World } from "../world/world.ts";

/** How a client starts `tollgate serve --stdio`: the built program, as a user's client would. */
export interface StdioProgram {
  readonly command: string;
  readonly args: string[];
  readonly env: Record<string, string>;
  readonly cwd: string;
  readonly stderr: "pipe";
}

/** The same gateway as a program of its own, with its own copy of the files. */
export interface StdioFolder {
  /** Holds gateway.yaml and spec.json. */
  readonly dir: string;
  /** @param file gateway.yaml; default the one in `dir`. */
  readonly program: (token?: string, file?: string) => StdioProgram;
  /** What the program says on standard error; the world searches it for tokens at the end. */
  readonly follow: (stderr: Stream | null) => void;
  readonly said: () => string;
}

export async function stdioFolder({ dir: from, logs }: World): Promise<StdioFolder> {
  const dir = join(from, "stdio");
  await mkdir(dir);
  for (const name of ["gateway.yaml", "spec.json"]) {
    await copyFile(join(from, name), join(dir, name));
  }
  let said = "";
  onTestFinished(async () => {
    const audit = await readFile(join(dir, "audit", "audit.ndjson"), "utf8").catch(() => "");
    (logs as string[]).push(said, audit);
  });
  return {
    dir,
    program: (token, file = join(dir, "gateway.yaml")) => ({
      command: process.execPath,
      args: [resolve("dist/cli/main.js"), "serve", "--stdio", "-c", file],
      env: {
        CLIENT_SECRET: "client-secret",
        ...(token === undefined ? {} : { TOLLGATE_TOKEN: token }),
      },
      cwd: dir,
      stderr: "pipe",
    }),
    follow(stderr) {
      stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
    },
    said: () => said,
  };
}
