import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { readEnds } from "../world/audit.ts";
import { world } from "../world/world.ts";
import { answerAsShop, shop } from "../mcp/shop.ts";
import { legacy, modern } from "../mcp/wire.ts";
import { stdioFolder, type StdioProgram } from "./stdio.ts";

// Programs are started here, and a busy machine starts them slowly.
vi.setConfig({ testTimeout: 60_000 });

interface Running {
  readonly process: ChildProcess;
  readonly send: (body: unknown) => void;
  /** Resolves when the answer to this id has come. */
  readonly answer: (id: number) => Promise<Message>;
  readonly output: () => string;
  readonly errors: () => string;
}

interface Message {
  readonly jsonrpc?: string;
  readonly id?: number;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string };
}

function start({ command, args, ...options }: StdioProgram): Running {
  const process = spawn(command, args, { ...options, stdio: "pipe" });
  let output = "";
  let errors = "";
  process.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  process.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return {
    process,
    send: (body) => process.stdin.write(`${JSON.stringify(body)}\n`),
    async answer(id) {
      for (;;) {
        const found = messages(output).find((message) => message.id === id);
        if (found) return found;
        await once(process.stdout, "data");
      }
    },
    output: () => output,
    errors: () => errors,
  };
}

/** Whole lines only; one that is not JSON throws. */
function messages(output: string): Message[] {
  const lines = output.slice(0, output.lastIndexOf("\n") + 1).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Message);
}

const initialize = legacy("initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
}).body;
const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };

test("standard output carries the protocol and nothing else, and its end ends the program", async () => {
  const made = await world(shop);
  made.api.answer = answerAsShop;
  const folder = await stdioFolder(made);
  // The sink named stdout must not write there either.
  const file = join(folder.dir, "gateway.yaml");
  const yaml = await readFile(file, "utf8");
  await writeFile(file, yaml.replace("sinks: [", "sinks: [{stdout: {}}, "));
  const program = folder.program(await made.idp.token());
  const running = start({ ...program, args: [...program.args, "--log-level", "debug"] });
  folder.follow(running.process.stderr);

  running.send(initialize);
  expect(await running.answer(1)).toMatchObject({
    result: { protocolVersion: "2025-11-25", capabilities: { tools: { listChanged: true } } },
  });
  running.send(initialized);
  running.send(legacy("tools/call", { name: "find_fault", arguments: {} }, 2).body);
  expect(await running.answer(2)).toMatchObject({ result: { isError: true } });
  running.process.stdin?.write("this is not JSON\n");
  running.send(legacy("tools/call", { name: "get_order", arguments: { id: 7 } }, 3).body);
  expect(await running.answer(3)).toMatchObject({
    result: { structuredContent: { id: 7 }, _meta: { "dev.tollgate/untrusted": true } },
  });

  running.process.stdin?.end();
  expect(await once(running.process, "exit")).toEqual([0, null]);
  for (const message of messages(running.output())) expect(message.jsonrpc).toBe("2.0");
  expect(running.output().endsWith("\n")).toBe(true);
  expect(running.errors()).toContain('"event":"tool.call"');
});

test("a client of 2026-07-28 needs no handshake", async () => {
  const made = await world(shop);
  made.api.answer = answerAsShop;
  const folder = await stdioFolder(made);
  const running = start(folder.program(await made.idp.token()));
  folder.follow(running.process.stderr);
  running.send(modern("tools/call", { name: "list_orders", arguments: {} }, 4).body);
  expect(await running.answer(4)).toMatchObject({
    result: {
      resultType: "complete",
      structuredContent: [{ id: 1 }, { id: 2 }],
      _meta: { "dev.tollgate/untrusted": true },
    },
  });
  running.process.stdin?.end();
  expect(await once(running.process, "exit")).toEqual([0, null]);
});

test("the token comes from the environment, and a file may renew it while the program runs", async () => {
  const made = await world(shop);
  made.api.answer = answerAsShop;
  const folder = await stdioFolder(made);
  const tokenFile = join(folder.dir, "token");
  await writeFile(tokenFile, `${await made.idp.token({ sub: "bob" })}\n`);
  const program = folder.program();
  const env = { ...program.env, TOLLGATE_TOKEN_FILE: tokenFile };
  const running = start({ ...program, env });
  folder.follow(running.process.stderr);
  const ask = async (id: number): Promise<Message> => {
    running.send(modern("tools/call", { name: "get_order", arguments: { id: 7 } }, id).body);
    return running.answer(id);
  };
  expect(await ask(1)).toMatchObject({ result: { structuredContent: { id: 7 } } });
  await writeFile(tokenFile, await made.idp.token({ aud: "https://elsewhere.test/mcp" }));
  expect(await ask(2)).toMatchObject({ result: { isError: true } });
  await writeFile(tokenFile, await made.idp.token({ sub: "alice" }));
  expect(await ask(3)).toMatchObject({ result: { structuredContent: { id: 7 } } });
  running.process.stdin?.end();
  await once(running.process, "exit");

  expect(made.api.requests).toHaveLength(2);
  const text = await readFile(join(folder.dir, "audit", "audit.ndjson"), "utf8");
  expect(readEnds(text)).toMatchObject([
    { event: "tool.call", actor: { sub: "bob" }, mcp: { transport: "stdio" } },
    { event: "auth.deny", outcome: "denied", mcp: { transport: "stdio" } },
    { event: "tool.call", actor: { sub: "alice" }, mcp: { transport: "stdio" } },
  ]);
});

test("without a token nothing is listed and nothing called", async () => {
  const made = await world(shop);
  const folder = await stdioFolder(made);
  const running = start(folder.program());
  folder.follow(running.process.stderr);
  running.send(modern("tools/list", {}, 1).body);
  expect(await running.answer(1)).toMatchObject({ error: { code: -32602 } });
  running.send(modern("tools/call", { name: "get_order", arguments: { id: 7 } }, 2).body);
  expect(await running.answer(2)).toMatchObject({ result: { isError: true } });
  running.process.stdin?.end();
  await once(running.process, "exit");
  expect(made.api.requests).toEqual([]);
});

test("a broken gateway.yaml ends the program with 78 and says where, on standard error", async () => {
  const made = await world(shop);
  const folder = await stdioFolder(made);
  await appendFile(join(folder.dir, "gateway.yaml"), "nonsense: true\n");
  const running = start(folder.program(await made.idp.token()));
  folder.follow(running.process.stderr);
  expect(await once(running.process, "close")).toEqual([78, null]);
  expect(running.output()).toBe("");
  expect(running.errors()).toMatch(/gateway\.yaml:\d+:1/);
});
