import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../src/base/secret.ts";
import { readRecords, type AuditRecord } from "../world/audit.ts";
import { runProgram, type Ended } from "./program.ts";
import { site } from "./site.ts";
import { callOf, alice, openAudit, success, traceOf } from "../observe/audit.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
let dir = "";
let records: readonly AuditRecord[] = [];

const run = (...args: readonly string[]): Promise<Ended> =>
  runProgram(["audit", ...args], { cwd: dir });

/** A log of alice and bob, two tools and a refusal. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tollgate-cli-audit-"));
  const pem = new Secret(String(privateKey.export({ type: "pkcs8", format: "pem" })));
  const audit = openAudit(dir, { signingKey: pem });
  audit.start({});
  const bob = { ...alice, sub: "=1+1", clientId: "claude" };
  for (let i = 0; i < 6; i++) {
    const trace = traceOf({ status: i === 5 ? 503 : 200 });
    await audit.call(callOf({ args: { i }, principal: i % 3 === 0 ? bob : alice }), success, trace);
  }
  await audit.call(
    callOf({ tool: "orders_secret" }),
    { event: "policy.deny", outcome: "denied", reason: "unknown_tool" },
    traceOf({ tool: undefined, attempts: 0 }),
  );
  await audit.close();
  await writeFile(join(dir, "public.pem"), publicKey.export({ type: "spki", format: "pem" }));
  records = readRecords(await readFile(join(dir, "audit.ndjson"), "utf8"));
});

afterAll(() => rm(dir, { recursive: true }));

const json = ({ stdout }: Ended): readonly AuditRecord[] => readRecords(stdout);

describe("query", () => {
  test.each([
    { asked: ["--user", "alice"], found: 5 },
    { asked: ["--user", "alice", "--tool", "get_order"], found: 4 },
    { asked: ["--tool", "orders_*"], found: 1 },
    { asked: ["--client", "claude"], found: 2 },
    { asked: ["--outcome", "denied"], found: 1 },
    { asked: ["--event", "tool.call", "--since", "1h"], found: 6 },
    { asked: ["--event", "tool.call", "--until", "1h"], found: 0 },
    { asked: ["--where", "upstream.status>=500"], found: 1 },
    { asked: ["--where", "reason=unknown_tool", "--where", "actor.sub!=bob"], found: 1 },
    { asked: ["--before", "reason=unknown_tool", "--event", "tool.call"], found: 0 },
    { asked: ["--before", "upstream.status>=500", "--event", "tool.call"], found: 4 },
    { asked: [], found: 10 },
  ])("$asked finds $found", async ({ asked, found }) => {
    const ended = await run("query", "--format", "json", ...asked, "audit.ndjson");
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: "" });
    expect(json(ended)).toHaveLength(found);
    for (const record of json(ended)) expect(records).toContainEqual(record);
  });

  test("S86: counts, in tables for people and cells that no spreadsheet calculates", async () => {
    const by = ["query", "--event", "tool.call", "--count-by", "actor.sub,tool.name"];
    const table = await run(...by, "audit.ndjson");
    expect(table.stdout.split("\n").map((line) => line.split(/ +/))).toEqual([
      ["actor.sub", "tool.name", "count"],
      ["alice", "get_order", "4"],
      ["=1+1", "get_order", "2"],
      [""],
    ]);
    const csv = await run(...by, "--format", "csv", "audit.ndjson");
    expect(csv.stdout).toContain('"\'=1+1","get_order","2"');
  });

  test("compressed files are read as they are", async () => {
    await writeFile(
      join(dir, "old.ndjson.gz"),
      gzipSync(await readFile(join(dir, "audit.ndjson"))),
    );
    const ended = await run("query", "--format", "json", "--user", "alice", "old.ndjson.gz");
    expect(json(ended)).toHaveLength(5);
  });

  test.each([
    { asked: ["--since", "yesterday"], says: "yesterday is neither" },
    { asked: ["--where", "nonsense"], says: "nonsense is not path=value" },
    { asked: ["--where", "seq>many"], says: "many is not a number" },
    { asked: ["--format", "xml"], says: "xml" },
  ])("$asked is no question", async ({ asked, says }) => {
    const { code, stdout, stderr } = await run("query", ...asked, "audit.ndjson");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(says);
  });
});

test("stats say who was refused what", async () => {
  const ended = await run("stats", "--top", "denials", "--format", "json", "audit.ndjson");
  expect(json(ended)).toEqual([{ reason: "unknown_tool", "actor.sub": "alice", count: 1 }]);
});

test("stats count a call once, however many records it has, and nothing that is no call", async () => {
  const one = { event: "tool.call", actor: { sub: "alice" }, tool: { name: "enrol" } };
  const log = [
    { event: "server.start" },
    { ...one, phase: "intent" },
    { ...one, phase: "result", outcome: "success" },
    { ...one, event: "policy.deny", outcome: "denied" },
  ];
  await writeFile(
    join(dir, "calls.ndjson"),
    log.map((line) => `${JSON.stringify(line)}\n`).join(""),
  );
  const stats = async (top: string): Promise<readonly AuditRecord[]> =>
    json(await run("stats", "--top", top, "--format", "json", "calls.ndjson"));
  expect(await stats("tools")).toEqual([{ "tool.name": "enrol", count: 1 }]);
  expect(await stats("users")).toEqual([{ "actor.sub": "alice", count: 1 }]);
});

test("export is one object a line, in the words of the other system", async () => {
  const ended = await run("export", "--format", "cloudevents", "--user", "alice", "audit.ndjson");
  expect(json(ended)).toHaveLength(5);
  expect(json(ended)[0]).toMatchObject({ specversion: "1.0", subject: "alice" });
});

test("explain tells one record in sentences", async () => {
  const id = String(records[1]?.["id"]);
  const { code, stdout } = await run("explain", id, "audit.ndjson");
  expect(code).toBe(0);
  expect(stdout).toContain(id);
  expect(stdout).toMatch(/who +=1\+1 of https:\/\/sso\.acme\.test, client claude/);
  expect(await run("explain", "01NOSUCHID", "audit.ndjson")).toMatchObject({ code: 1, stdout: "" });
});

describe("verify", () => {
  test("a good log is ok, with the key and an anchor too", async () => {
    const args = ["verify", "--public-key", "public.pem", "--anchor", "audit.ndjson"];
    const { code, stdout } = await run(...args, "audit.ndjson");
    expect(stdout).toBe("10 records, 1 starts, 1 checkpoints\nok\n");
    expect(code).toBe(0);
  });

  test("S89: an edited log is not, and the record at fault is named", async () => {
    const text = await readFile(join(dir, "audit.ndjson"), "utf8");
    await writeFile(join(dir, "edited.ndjson"), text.replace('"sub":"alice"', '"sub":"carol"'));
    const { code, stdout } = await run("verify", "edited.ndjson");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^line 3, record 3 of .*: edited: /m);
    expect(stdout).toMatch(/\nnot ok\n$/);
    const found = JSON.parse((await run("verify", "--json", "edited.ndjson")).stdout) as object;
    expect(found).toMatchObject({ findings: [{ kind: "edited", seq: 3 }] });
  });

  test("S89: a cut end is found against a copy of the checkpoints", async () => {
    const lines = (await readFile(join(dir, "audit.ndjson"), "utf8")).split("\n");
    await writeFile(join(dir, "cut.ndjson"), `${lines.slice(0, 5).join("\n")}\n`);
    expect(await run("verify", "cut.ndjson")).toMatchObject({ code: 0 });
    const { code, stdout } = await run("verify", "--anchor", "audit.ndjson", "cut.ndjson");
    expect(code).toBe(1);
    expect(stdout).toContain("anchor_missing");
  });
});

describe("a log of several files", () => {
  test("is followed, searched and verified as one", async () => {
    const at = await site({ auth: "none" });
    await at.edit("gateway.yaml", (text) =>
      text.replace("{file: {dir: audit}}", "{file: {dir: audit, rotate: {size: 3000}}}"),
    );
    const tail = at.start(["audit", "tail", "-f", "--json", "--where", "event=tool.call"]);
    const server = at.start(["serve"]);
    await server.until("stderr", '"listening"');
    for (let id = 1; id <= 20; id++) {
      const params = { name: "list_orders", arguments: {} };
      const response = await fetch(at.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
        },
        body: JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params }),
      });
      expect(response.status).toBe(200);
    }
    await tail.until("stdout", '"request_id":"20"');
    tail.child.kill("SIGINT");
    const followed = json(await tail.ended).map(({ mcp }) => mcp);
    expect(followed).toMatchObject(
      Array.from({ length: 20 }, (_, i) => ({ request_id: String(i + 1) })),
    );
    server.child.kill("SIGTERM");
    await server.ended;
    const names = await readdir(join(at.dir, "audit"));
    expect(names.filter((name) => name.endsWith(".gz")).length).toBeGreaterThan(2);
    const found = await at.run(["audit", "query", "--event", "tool.call", "--format", "json"]);
    expect(json(found)).toHaveLength(20);
    const verified = await at.run(["audit", "verify"]);
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.stdout).toMatch(/ 1 starts, 1 checkpoints\n[^]*ok\n$/);
    const last = await at.run(["audit", "tail", "-n", "5", "--json", "--where", "event=tool.call"]);
    expect(json(last)).toHaveLength(5);
  });

  test("a test that cannot be read is refused before anything is", async () => {
    const { code, stderr } = await run("tail", "--where", "nonsense");
    expect(code).toBe(2);
    expect(stderr).toContain("nonsense is not path=value");
  });
});
