import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test, vi } from "vitest";
import { site } from "../cli/site.ts";
import { stdioFolder } from "../clients/stdio.ts";
import { call, modern, usual } from "../mcp/wire.ts";
import type { TestApi } from "../world/api.ts";
import { world } from "../world/world.ts";

/** `npm run test:cancel` asks for more, and only there the time is judged. */
const cancels = Number(process.env["CANCELS"] ?? 20);
const maxMs = process.env["CANCELS"] === undefined ? Number.POSITIVE_INFINITY : 50;

vi.setConfig({ testTimeout: 60_000 + cancels * 100 });

interface Held {
  /** By the clock of this process. */
  readonly closedAt: Promise<number>;
}

/** Resolves when the API is asked next; it never answers. */
function nextHeld(api: TestApi): Promise<Held> {
  return new Promise((resolve) => {
    api.answer = (_, response) => {
      const { socket } = response;
      if (socket === null) throw new TypeError("a request without a connection");
      const closedAt = once(socket, "close").then(() => performance.now());
      resolve({ closedAt });
    };
  });
}

interface Times {
  readonly p99: number;
  readonly text: string;
}

function summarize(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const p99 = at(0.99);
  const text = `${times.length} cancels: p50 ${at(0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${at(1).toFixed(1)} ms`;
  return { p99, text };
}

test(`F57: of ${cancels} calls whose client of 2026-07-28 closes its stream, each ends at the API`, async ({
  annotate,
}) => {
  const at = await site({ credential: "none" });
  const server = at.start(["serve", "--no-watch"]);
  await server.until("stderr", '"listening"');
  const authorization = `Bearer ${await at.idp.token()}`;
  const { body, headers } = modern("tools/call", call("list_orders"));
  const all = { ...usual, ...(headers as Record<string, string>), authorization };
  const times: number[] = [];
  for (let i = 0; i < cancels; i++) {
    const asked = nextHeld(at.api);
    const outgoing = request(at.url, { method: "POST", headers: all, agent: false });
    outgoing.on("error", () => {});
    outgoing.end(JSON.stringify(body));
    const { closedAt } = await asked;
    const cancelledAt = performance.now();
    outgoing.destroy();
    times.push((await closedAt) - cancelledAt);
  }
  server.child.kill("SIGTERM");
  // A cancelled call is no call that the drain had to end.
  expect((await server.ended).code).toBe(0);
  const records = await at.audit();
  expect(records.filter(({ outcome }) => outcome === "cancelled")).toHaveLength(cancels);
  expect(at.api.requests).toHaveLength(cancels);
  const { p99, text } = summarize(times);
  await annotate(text, "observed");
  expect(p99).toBeLessThan(maxMs);
});

test(`F58: of ${cancels} calls on a pipe that notifications/cancelled names, each ends at the API`, async ({
  annotate,
}) => {
  const spec = { paths: { "/orders": { post: { operationId: "add_order" } } } };
  const at = await world({ spec, credential: "none" });
  const folder = await stdioFolder(at);
  const program = folder.program(await at.idp.token());
  const { command, args, env, cwd } = program;
  const child = spawn(command, args, { env, cwd, stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  folder.follow(child.stderr);
  const say = (message: object): void =>
    void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const lines = createInterface({ input: child.stdout });
  const clientInfo = { name: "test", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  say({ id: "hello", method: "initialize", params });
  await once(lines, "line");
  const answered: string[] = [];
  lines.on("line", (line) => answered.push(line));
  say({ method: "notifications/initialized" });
  const times: number[] = [];
  for (let id = 0; id < cancels; id++) {
    const asked = nextHeld(at.api);
    say({ id, method: "tools/call", params: call("add_order") });
    const { closedAt } = await asked;
    const cancelledAt = performance.now();
    say({ method: "notifications/cancelled", params: { requestId: id } });
    times.push((await closedAt) - cancelledAt);
  }
  const ended = once(child, "exit");
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
  // MCP: who cancelled gets no answer.
  expect(answered).toEqual([]);
  expect(at.api.requests).toHaveLength(cancels);
  const { p99, text } = summarize(times);
  await annotate(text, "observed");
  expect(p99).toBeLessThan(maxMs);
});
