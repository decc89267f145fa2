import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  callOf,
  makeDir,
  makeKey,
  openAudit,
  readLog,
  success,
  traceOf,
  verifyText,
} from "./audit.ts";

const { pem, publicKey } = makeKey();
let text = "";
let lines: readonly string[] = [];
let anchors: readonly string[] = [];

/** Three starts, 24 calls, intents with their results, and the checkpoints as somebody kept them. */
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-verify-"));
  for (let start = 0; start < 3; start++) {
    const audit = openAudit(dir, { signingKey: pem });
    audit.start({ config: { generation: "a1b2c3" } });
    for (let i = 0; i < 8; i++) {
      const trace = traceOf();
      const intent = i % 4 === 0 ? audit.intend(callOf({ args: { i } }), trace).id : undefined;
      await audit.call(callOf({ args: { i } }), success, { ...trace, intent });
    }
    await audit.close();
  }
  text = readLog(dir);
  await rm(dir, { recursive: true });
  lines = text.split("\n").slice(0, -1);
  anchors = lines.filter((line) => line.includes("audit.checkpoint"));
});

test("a log as it was written has no finding", () => {
  expect(verifyText(text, { key: publicKey, anchors })).toMatchObject({
    records: lines.length,
    chains: 3,
    checkpoints: 3,
    open: 0,
    afterCheckpoint: 0,
    withoutResult: [],
    findings: [],
  });
});

type Mutation = (lines: string[]) => string;
const whole = (all: readonly string[]): string => `${all.join("\n")}\n`;
const pick = (all: readonly unknown[]): number => randomInt(all.length);

const mutations: Readonly<Record<string, Mutation>> = {
  "a byte changed"(all) {
    const joined = Buffer.from(whole(all));
    const at = randomInt(joined.length);
    const before = joined[at] ?? 0;
    joined[at] = (before + randomInt(1, 256)) % 256;
    return joined.toString("latin1");
  },
  "a line removed": (all) => (all.splice(pick(all), 1), whole(all)),
  "lines removed at the start": (all) => whole(all.slice(1 + randomInt(all.length - 1))),
  "lines removed at the end": (all) => whole(all.slice(0, randomInt(1, all.length))),
  "lines removed in the middle"(all) {
    const from = pick(all);
    all.splice(from, 1 + randomInt(all.length - from));
    return all.length === 0 ? "" : whole(all);
  },
  "two lines swapped"(all) {
    const [a, b] = [pick(all), randomInt(1, all.length)];
    const c = (a + b) % all.length;
    [all[a], all[c]] = [all[c] ?? "", all[a] ?? ""];
    return whole(all);
  },
  "a line repeated"(all) {
    all.splice(pick(all), 0, all[pick(all)] ?? "");
    return whole(all);
  },
  "a line moved"(all) {
    const from = pick(all);
    const [line = ""] = all.splice(from, 1);
    const to = (from + randomInt(1, all.length)) % (all.length + 1);
    all.splice(to === from ? (to + 1) % (all.length + 1) : to, 0, line);
    return whole(all);
  },
  "a word changed to another"(all) {
    const at = pick(all);
    const line = all[at] ?? "";
    const words = [...line.matchAll(/[a-z]{3,}|\d+/g)];
    const word = words[pick(words)];
    if (word === undefined) throw new Error("a line without words");
    all[at] = `${line.slice(0, word.index)}xyzzy${line.slice(word.index + word[0].length)}`;
    return whole(all);
  },
  "a blank line"(all) {
    all.splice(pick(all), 0, "");
    return whole(all);
  },
  "the file cut within a line"(all) {
    const joined = whole(all);
    return joined.slice(0, randomInt(1, joined.length - 1));
  },
};

test("S89: 10,000 random mutations are all found", () => {
  const kinds = Object.entries(mutations);
  const missed: string[] = [];
  for (let i = 0; i < 10_000; i++) {
    const [name, mutate] = kinds[i % kinds.length] ?? [];
    const changed = mutate?.([...lines]) ?? "";
    if (changed === text) continue;
    const { findings } = verifyText(changed, { key: publicKey, anchors });
    if (findings.length === 0) missed.push(`${name}:\n${changed}`);
  }
  expect(missed).toEqual([]);
}, 120_000);

describe("what is found names the record", () => {
  const edited = (at: number, change: (line: string) => string): string =>
    whole(lines.map((line, i) => (i === at ? change(line) : line)));

  test("an edited record", () => {
    const changed = edited(4, (line) => line.replace('"sub":"alice"', '"sub":"bob"'));
    expect(verifyText(changed).findings).toMatchObject([{ kind: "edited", line: 5, seq: 5 }]);
  });

  test("a removed record", () => {
    const changed = whole(lines.toSpliced(4, 1));
    expect(verifyText(changed).findings[0]).toMatchObject({ kind: "missing", line: 5, seq: 5 });
  });

  test("a removed start", () => {
    const last = lines.findLastIndex((line) => line.includes("server.start"));
    expect(verifyText(whole(lines.slice(last))).findings).toMatchObject([
      { kind: "unknown_start", line: 1, seq: 1 },
    ]);
  });

  test("a cut end shows only against a checkpoint that was kept elsewhere", () => {
    const last = lines.findLastIndex((line) => line.includes("server.start"));
    const cut = whole(lines.slice(0, last));
    expect(verifyText(cut, { key: publicKey }).findings).toEqual([]);
    expect(verifyText(cut, { key: publicKey, anchors }).findings).toMatchObject([
      { kind: "anchor_missing" },
    ]);
  });

  test("a log written anew with another key", async () => {
    const dir = await makeDir();
    const forged = openAudit(dir, { signingKey: makeKey().pem });
    forged.start({});
    await forged.close();
    expect(verifyText(readLog(dir)).findings).toEqual([]);
    expect(verifyText(readLog(dir), { key: publicKey }).findings).toMatchObject([
      { kind: "bad_signature", seq: 3 },
    ]);
    const plain = openAudit(join(dir, "plain"));
    plain.start({});
    await plain.close();
    expect(verifyText(readLog(join(dir, "plain")), { key: publicKey }).findings).toMatchObject([
      { kind: "unsigned_checkpoint", seq: 3 },
    ]);
  });

  test("a call that was announced and has no result", async () => {
    const dir = await makeDir();
    const audit = openAudit(dir);
    audit.start({});
    const { id } = audit.intend(callOf(), traceOf());
    await audit.close();
    expect(verifyText(readLog(dir))).toMatchObject({
      findings: [],
      withoutResult: [{ id, line: 2 }],
    });
  });
});
