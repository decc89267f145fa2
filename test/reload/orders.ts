import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { vi, expect } from "vitest";
import type { RealClient } from "../clients/clients.ts";
import type { WorldOptions } from "../world/world.ts";

const responses = { 200: { description: "ok", content: { "application/json": {} } } };

/** Two operations, of which gateway.yaml exposes one. */
export const orders: WorldOptions = {
  spec: {
    paths: {
      "/orders": { get: { operationId: "list_orders", responses } },
      "/orders/latest": { get: { operationId: "latest_order", responses } },
    },
  },
  tools: "- operation: list_orders",
};

/** Lets gateway.yaml expose the other one as well. */
export function exposeLatest(yaml: string): string {
  return yaml.replace("- operation: list_orders", "$&\n      - operation: latest_order");
}

export async function edit(
  dir: string,
  change: (text: string) => string,
  name = "gateway.yaml",
): Promise<void> {
  const file = join(dir, name);
  const before = await readFile(file, "utf8");
  const after = change(before);
  expect(after, "an edit that changes nothing").not.toBe(before);
  await writeFile(file, after);
}

/** Number of the first line that starts with this. */
export async function lineOf(file: string, start: string): Promise<number> {
  const lines = (await readFile(file, "utf8")).split("\n");
  return lines.findIndex((line) => line.startsWith(start)) + 1;
}

/** A change must be noticed, compiled, told and served within this time. */
export const withinMs = 2_000;

/** Waits until the client was told and can call the tool; fails when that took too long. */
export async function expectNewTool(
  client: RealClient,
  tool: string,
  change: () => Promise<void>,
): Promise<void> {
  const told = client.changes();
  const start = performance.now();
  await change();
  await vi.waitFor(() => expect(client.changes()).toBe(told + 1), { timeout: 10_000 });
  const result = await client.call(tool);
  expect(performance.now() - start).toBeLessThan(withinMs);
  expect(result.isError ?? false).toBe(false);
  expect(await client.list()).toContain(tool);
}
