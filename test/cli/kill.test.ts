import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { verifyText } from "../observe/audit.ts";
import { readRecords } from "../world/audit.ts";
import { site, type Site } from "./site.ts";

/** `npm run test:kill` does it 500 times. */
const kills = Number(process.env["KILLS"] ?? 3);
const callers = 16;

interface Called {
  readonly id: string;
  readonly operation: "list_orders" | "add_item";
}

/** Calls until the server is gone, and adds what was answered. */
async function callUntilGone(
  at: Site,
  [run, caller]: readonly [number, number],
  answered: Called[],
): Promise<void> {
  for (let i = 0; ; i++) {
    const id = `${run}-${caller}-${i}`;
    const operation = i % 2 === 0 ? "list_orders" : "add_item";
    const args = operation === "add_item" ? { orderId: "1", body: { sku: "s" }, sku: "s" } : {};
    try {
      const response = await fetch(at.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
        },
        body: JSON.stringify({
          jsonrpc: "2.0",
          id,
          method: "tools/call",
          params: { name: operation, arguments: args },
        }),
      });
      await response.text();
      answered.push({ id, operation });
    } catch {
      return;
    }
  }
}

test(
  `F54, S90: after ${kills} kills under load, every answered call has its record and only last lines are torn`,
  async () => {
    const at = await site({ auth: "none", credential: "none" });
    await at.edit("gateway.yaml", (text) =>
      text.replace("audit: {", "audit: {durability: fsync, "),
    );
    const answered: Called[] = [];
    for (let run = 0; run < kills; run++) {
      const server = at.start(["serve"]);
      await server.until("stderr", '"listening"');
      const before = answered.length;
      const calls = Array.from({ length: callers }, (_, i) =>
        callUntilGone(at, [run, i], answered),
      );
      while (answered.length <= before + 1) await sleep(5);
      await sleep(Math.random() * 300);
      server.child.kill("SIGKILL");
      await Promise.all(calls);
      await server.ended;
    }
    const text = await at.auditText();
    const { findings, chains } = verifyText(text);
    expect(findings.filter(({ kind }) => kind !== "torn_line")).toEqual([]);
    expect(chains).toBe(kills);
    const ended = new Set(
      readRecords(text.slice(0, text.lastIndexOf("\n")))
        .filter(({ phase }) => phase === "result")
        .map(({ mcp }) => (mcp as { readonly request_id: string }).request_id),
    );
    expect(answered.length).toBeGreaterThan(kills);
    expect(answered.filter(({ id }) => !ended.has(id))).toEqual([]);
  },
  kills * 20_000,
);
