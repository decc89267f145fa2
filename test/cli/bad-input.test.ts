import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { document } from "../openapi/load-text.ts";
import type { Program } from "./program.ts";
import { site, type Site } from "./site.ts";

/** A fifth of what a gateway of this size may have; what a bomb unfolds to would not fit. */
const heapMiB = 160;
const maxResidentMiB = 450;

const bomb = Array.from({ length: 40 }, (_, i) => {
  const before = i === 0 ? "lol" : `*a${i - 1}`;
  return `x-a${i}: &a${i} [${Array.from({ length: 9 }, () => before).join(", ")}]`;
});
const good = "/orders: {get: {operationId: list_orders}}";
const reference = (target: string): string => document(`${good}\n/bad: {$ref: '${target}'}`);
const cyclic = `A: {$ref: '#/components/schemas/B'}
B: {$ref: '#/components/schemas/A'}
Tree: {type: object, properties: {left: {$ref: '#/components/schemas/Tree'}, alias: {$ref: '#/components/schemas/A'}}}`;

/** What cannot be a document at all. */
const refused = [
  { what: "an alias bomb", text: `openapi: 3.1.0\n${bomb.join("\n")}`, told: "alias" },
  {
    what: "50 MB of YAML",
    text: `openapi: 3.1.0\nx: ${"a".repeat(50_000_000)}`,
    told: "is larger than 32 MiB",
  },
  {
    what: "50 MB of JSON",
    text: `{"openapi": "3.1.0", "x": [${"1,".repeat(25_000_000)}1]}`,
    told: "is larger than 32 MiB",
  },
  {
    what: "10,000 levels of JSON",
    text: `{"openapi": "3.1.0", "x": ${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
    told: "nested deeper than",
  },
  {
    what: "10,000 levels of YAML",
    text: `openapi: 3.1.0\nx:\n  ${"- ".repeat(10_000)}x\n`,
    told: "nested deeper than",
  },
  { what: "no text", text: "\u0000\u0001\u0002", told: "is neither a mapping nor a list" },
  { what: "half a document", text: 'openapi: "3.1.0\npaths: {', told: "shop.yaml:" },
];

/** What breaks one operation, or none. */
const served = [
  {
    what: "a path item from /etc/hostname",
    text: reference("/etc/hostname"),
    told: "leads out of the document's directory",
  },
  {
    what: "a path item by file URL",
    text: reference("file:///etc/hostname"),
    told: "leads out of the document's directory",
  },
  {
    what: "a path item from 127.0.0.1",
    text: reference("http://127.0.0.1:9/x.yaml"),
    told: "leads to a host that refs.allowHosts does not list",
  },
  {
    what: "a path item from the metadata of a cloud",
    text: reference("http://169.254.169.254/latest/meta-data"),
    told: "leads to a host that refs.allowHosts does not list",
  },
  {
    what: "a path item that leads to itself",
    text: reference("#/paths/~1bad"),
    told: "leads back to itself",
  },
  {
    what: "schemas that lead to each other",
    text: document(
      `${good}\n/tree: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Tree'}}}}}}`,
      `schemas:\n${cyclic.replace(/^/gm, "  ")}`,
    ),
    told: "anything is accepted there",
  },
];

async function listOrders(at: Site): Promise<unknown> {
  const params = { name: "list_orders", arguments: {} };
  const response = await fetch(at.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  });
  return response.json();
}

const env = { NODE_OPTIONS: `--max-old-space-size=${heapMiB}` };
const rule = "      - operation: list_orders\n      - match: {paths: ['/**']}\naudit:";

/** Without login, with every operation of whatever document comes. */
async function openSite(): Promise<Site> {
  const at = await site({ auth: "none" });
  await at.edit("gateway.yaml", (text) => text.replace(/ {6}- operation: delete[^]*?audit:/, rule));
  return at;
}

describe("tollgate validate in a small heap", () => {
  test.each(refused)("refuses $what", async ({ text, told }) => {
    const at = await openSite();
    await writeFile(join(at.dir, "shop.yaml"), text);
    const { code, stdout, stderr } = await at.run(["validate"], env);
    expect(code).toBe(78);
    expect(stdout + stderr).toContain(told);
    expect((stdout + stderr).length).toBeLessThan(10_000);
  });

  test.each(served)("takes what is good beside $what", async ({ text, told }) => {
    const at = await openSite();
    await writeFile(join(at.dir, "shop.yaml"), text);
    const { code, stdout, stderr } = await at.run(["validate"], env);
    expect(code).toBe(0);
    expect(stdout + stderr).toContain(told);
    expect(stdout + stderr).toMatch(/ok: (?:1 tool|2 tools)\b/);
  });

  test("an operation that the file names and the document breaks is an error with its place", async () => {
    const at = await openSite();
    await writeFile(join(at.dir, "shop.yaml"), reference("/etc/hostname"));
    await at.edit("gateway.yaml", (text) => text.replace("list_orders", "GET /bad"));
    const { code, stdout, stderr } = await at.run(["validate"], env);
    expect(code).toBe(78);
    expect(stdout + stderr).toMatch(/gateway\.yaml:\d+:\d+/);
    expect(stdout + stderr).toContain("leads out of the document's directory");
  });
});

test("a gateway that is reloaded with all of it serves on", { timeout: 120_000 }, async () => {
  const at = await openSite();
  const server = at.start(["serve", "--no-watch"], env);
  await server.until("stderr", '"listening"');
  const shop = await readFile(join(at.dir, "shop.yaml"), "utf8");
  for (const [i, { text }] of [...refused, ...served].entries()) {
    await writeFile(join(at.dir, "shop.yaml"), text);
    await reload(server, i < refused.length ? '"config_refused"' : '"config_reloaded"');
    expect(await listOrders(at)).toMatchObject({ result: { structuredContent: { ok: true } } });
  }
  await writeFile(join(at.dir, "shop.yaml"), shop);
  await reload(server, '"config_reloaded"');
  expect(await residentMiB(server)).toBeLessThan(maxResidentMiB);
  server.child.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
});

/** One more line of the log that says how it went. */
async function reload(server: Program, outcome: string): Promise<void> {
  const count = (): number => server.output().stderr.split(outcome).length;
  const before = count();
  server.child.kill("SIGHUP");
  await expect.poll(count, { timeout: 30_000 }).toBe(before + 1);
}

/** The most that the process ever held (proc(5)). */
async function residentMiB({ child }: Program): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
