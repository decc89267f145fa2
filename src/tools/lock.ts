import { hash } from "node:crypto";
import { isJsonObject } from "../base/json.ts";
import type { Catalog } from "./catalog.ts";
import type { Tool } from "./tool.ts";

/** What a client knows of one tool, and the operation that it is. */
interface Locked {
  readonly operation: string;
  readonly hash: string;
}

/** The tools that an operator has looked at, by name. */
export type Lock = ReadonlyMap<string, Locked>;

export function lockOf({ tools }: Catalog): Lock {
  return new Map([...tools.values()].map((tool) => [tool.name, lock(tool)]));
}

function lock({ api, entry, operation: { method, path, fixedQuery } }: Tool): Locked {
  const query = fixedQuery === "" ? "" : `?${fixedQuery}`;
  const digest = hash("sha256", entry, "hex").slice(0, 32);
  return { operation: `${api} ${method} ${path}${query}`, hash: `sha256:${digest}` };
}

/** One line for each tool, so that a difference is one. */
export function printLock(tools: Lock): string {
  const lines = [...tools].map(([tool, locked]) => {
    const { operation, hash: digest } = locked;
    return `    ${JSON.stringify(tool)}: ${JSON.stringify({ operation, hash: digest })}`;
  });
  return `{\n  "version": 1,\n  "tools": {\n${lines.join(",\n")}\n  }\n}\n`;
}

/** @returns undefined for what `printLock` never writes. */
export function parseLock(text: string): Lock | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const tools = isJsonObject(value) && value["version"] === 1 ? value["tools"] : undefined;
    return isJsonObject(tools) ? new Map(Object.entries(tools).map(readOne)) : undefined;
  } catch {
    return undefined;
  }
}

function readOne([tool, locked]: readonly [string, unknown]): readonly [string, Locked] {
  const { operation, hash: digest } = isJsonObject(locked) ? locked : {};
  if (typeof operation !== "string" || typeof digest !== "string")
    throw new TypeError("not locked");
  return [tool, { operation, hash: digest }];
}

export interface LockDifference {
  readonly what: "new" | "gone" | "changed" | "renamed";
  readonly tool: string;
  /** Of a renamed one: its name before. */
  readonly was?: string;
}

/** An operation that has lost its tool and got another was renamed. */
export function compareLocks(before: Lock, now: Lock): readonly LockDifference[] {
  const gone = new Map<string, string>();
  for (const [tool, { operation }] of before) if (!now.has(tool)) gone.set(operation, tool);
  const differences: LockDifference[] = [];
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
