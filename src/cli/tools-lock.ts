import { hash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isJsonObject } from "../base/json.ts";
import { inspect } from "../gateway.ts";
import type { Tool } from "../tools/tool.ts";
import { exitCodes, printLine, UsageError, type ExitCode, type Io } from "./io.ts";
import { gatewayOptions, quietPorts } from "./setup.ts";

export interface LockOptions {
  readonly config: string;
  /** Compare only; a difference is exit 1. */
  readonly check: boolean;
  readonly json: boolean;
}

/** What a client knows of one tool, and the operation that it is. */
interface Locked {
  readonly operation: string;
  readonly hash: string;
}

type Lock = ReadonlyMap<string, Locked>;

const name = "tools.lock.json";

/**
 * Writes `tools.lock.json` beside gateway.yaml, or compares it: a name or a schema that changes because
 * a document did becomes a difference that somebody can see, and a check of CI can stop.
 */
export async function lockTools(options: LockOptions, io: Io): Promise<ExitCode> {
  const { catalog } = await inspect(gatewayOptions(io, options.config, quietPorts));
  const file = join(dirname(resolve(options.config)), name);
  const now: Lock = new Map([...catalog.tools.values()].map((tool) => [tool.name, lock(tool)]));
  if (!options.check) {
    await writeFile(file, print(now));
    printLine(io.stderr, `${name}: ${now.size} tools`);
    return exitCodes.ok;
  }
  const differences = compare(await read(file), now);
  const lines = differences.map(({ what, tool, was }) =>
    was === undefined ? `${what}  ${tool}` : `${what}  ${was} -> ${tool}`,
  );
  if (options.json) printLine(io.stdout, JSON.stringify(differences));
  else for (const line of lines) printLine(io.stdout, line);
  if (differences.length === 0) return exitCodes.ok;
  printLine(io.stderr, `${name} is not what gateway.yaml makes: tollgate tools lock accepts it`);
  return exitCodes.refused;
}

function lock({ api, entry, operation: { method, path, fixedQuery } }: Tool): Locked {
  const query = fixedQuery === "" ? "" : `?${fixedQuery}`;
  const digest = hash("sha256", entry, "hex").slice(0, 32);
  return { operation: `${api} ${method} ${path}${query}`, hash: `sha256:${digest}` };
}

/** One line for each tool, so that a difference is one. */
function print(tools: Lock): string {
  const lines = [...tools].map(([tool, locked]) => {
    const { operation, hash: digest } = locked;
    return `    ${JSON.stringify(tool)}: ${JSON.stringify({ operation, hash: digest })}`;
  });
  return `{\n  "version": 1,\n  "tools": {\n${lines.join(",\n")}\n  }\n}\n`;
}

async function read(file: string): Promise<Lock> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UsageError(`cannot read ${file}: tollgate tools lock writes it`, { cause });
  });
  try {
    const value: unknown = JSON.parse(text);
    const tools = isJsonObject(value) && value["version"] === 1 ? value["tools"] : undefined;
    if (isJsonObject(tools)) return new Map(Object.entries(tools).map(readOne));
  } catch {
    // Said below.
  }
  throw new UsageError(`${file} is no ${name} of version 1`);
}

function readOne([tool, locked]: readonly [string, unknown]): readonly [string, Locked] {
  const { operation, hash: digest } = isJsonObject(locked) ? locked : {};
  if (typeof operation !== "string" || typeof digest !== "string")
    throw new TypeError("not locked");
  return [tool, { operation, hash: digest }];
}

interface Difference {
  readonly what: "new" | "gone" | "changed" | "renamed";
  readonly tool: string;
  /** Of a renamed one: its name before. */
  readonly was?: string;
}

/** An operation that has lost its tool and got another was renamed. */
function compare(before: Lock, now: Lock): readonly Difference[] {
  const gone = new Map<string, string>();
  for (const [tool, { operation }] of before) if (!now.has(tool)) gone.set(operation, tool);
  const differences: Difference[] = [];
  for (const [tool, { operation, hash: digest }] of now) {
    const known = before.get(tool);
    const was = known === undefined ? gone.get(operation) : undefined;
    if (was !== undefined) {
      gone.delete(operation);
      differences.push({ what: "renamed", tool, was });
    } else if (known === undefined) differences.push({ what: "new", tool });
    else if (known.hash !== digest || known.operation !== operation)
      differences.push({ what: "changed", tool });
  }
  for (const tool of gone.values()) differences.push({ what: "gone", tool });
  return differences;
}
