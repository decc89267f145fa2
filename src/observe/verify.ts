import { hash, type KeyObject } from "node:crypto";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { isSignedBy } from "./checkpoint.ts";

/** Something about a log that its writer would not have left so. */
export interface Finding {
  readonly kind:
    | "torn_line"
    | "not_a_record"
    | "edited"
    | "missing"
    | "after_end"
    | "unknown_start"
    | "bad_signature"
    | "unsigned_checkpoint"
    | "wrong_count"
    | "anchor_missing";
  /** Of the record at fault, counted from 1 over all files; of the one after it, when it is missing. */
  readonly line: number;
  readonly seq: number | undefined;
  readonly chain: string | undefined;
  readonly message: string;
}

export interface VerifyReport {
  readonly records: number;
  readonly chains: number;
  readonly checkpoints: number;
  readonly findings: readonly Finding[];
  /** Calls that were announced and whose end is not in the log. */
  readonly withoutResult: readonly { readonly id: string; readonly line: number }[];
  /** Records after the last checkpoint: whoever can write the file could have cut more off. */
  readonly afterCheckpoint: number;
  /** Chains that do not end with `server.stop`: they run, or were killed. */
  readonly open: number;
}

export interface VerifyOptions {
  /** Of the key that signs checkpoints; undefined: signatures are not looked at. */
  readonly key: KeyObject | undefined;
  /** Checkpoints that were copied elsewhere: each must be in the log as it is. */
  readonly anchors: readonly string[];
}

interface Chain {
  line: number;
  seq: number;
  head: string;
  stopped: boolean;
}

/** Findings that are kept; a log that is broken everywhere needs no longer list. */
const maxFindings = 1_000;
/** Lines whose hash the first record of a chain may name: others may write at the same moment. */
const recentLines = 64;

/**
 * Follows every chain of a log from line to line.
 *
 * @returns `line` takes whole lines without line feed; `tail` what came after the last line feed.
 */
export function createVerifier({ key, anchors }: VerifyOptions): {
  readonly line: (text: string) => void;
  readonly tail: (text: string) => void;
  readonly report: () => VerifyReport;
} {
  const chains = new Map<string, Chain>();
  const intents = new Map<string, number>();
  const missing = new Set(anchors.map((anchor) => anchor.trimEnd()));
  const recent: string[] = [];
  const findings: Finding[] = [];
  let [count, checkpoints, afterCheckpoint] = [0, 0, 0];
  let start: { readonly prev: string; readonly finding: Finding } | undefined;

  const add = (finding: Finding): void => {
    if (findings.length < maxFindings) findings.push(finding);
  };
  const find = (kind: Finding["kind"], message: string, record?: JsonObject): void => {
    const [seq, chain] = [record?.["seq"], record?.["chain"]];
    add({
      kind,
      line: count,
      seq: typeof seq === "number" ? seq : undefined,
      chain: typeof chain === "string" ? chain : undefined,
      message,
    });
  };
  /** What stands before the first line may have been removed by its writer, which says so later. */
  const openStart = (record: JsonObject, prev: string): void => {
    const before = findings.length;
    judgeStart(record, prev);
    const [finding] = findings.splice(before);
    if (finding !== undefined) start = { prev, finding };
  };
  const judgeStart = (record: JsonObject, prev: string): void => {
    const first = record["seq"] === 1;
    const early = count <= recentLines;
    const known = recent.includes(prev) || (early && prev === genesis);
    if (!first) find("missing", "the records of this chain before it are missing", record);
    else if (!known) {
      find("unknown_start", "the lines before it are not those that it was written after", record);
    }
  };
  /** The first record of a process names the last line that it found. */
  const begin = (record: JsonObject, prev: string): Chain => {
    if (count === 1) openStart(record, prev);
    else judgeStart(record, prev);
    return { line: count, seq: Number(record["seq"]) - 1, head: prev, stopped: false };
  };
  const follow = (record: JsonObject, name: string, prev: string): Chain => {
    const known = chains.get(name);
    const chain = known ?? begin(record, prev);
    chains.set(name, chain);
    const { line, seq } = chain;
    if (record["seq"] !== seq + 1) {
      const message = `number ${seq + 1} is missing here, or was moved`;
      add({ kind: "missing", line: count, seq: seq + 1, chain: name, message });
    } else if (prev !== chain.head) {
      const message = "it is not as it was when the next one was written";
      add({ kind: "edited", line, seq, chain: name, message });
    }
    if (known?.stopped === true && record["event"] !== "audit.checkpoint") {
      find("after_end", "it comes after the end of its chain", record);
    }
    return chain;
  };
  const checkCheckpoint = (record: JsonObject, text: string): void => {
    checkpoints++;
    afterCheckpoint = 0;
    missing.delete(text);
    if (record["records"] !== Number(record["seq"]) - 1) {
      find("wrong_count", "it counts other records than there are", record);
    }
    if (key === undefined) return;
    if (record["sig"] === undefined) find("unsigned_checkpoint", "nobody signed it", record);
    else if (!isSignedBy(text, key)) find("bad_signature", "another key signed it", record);
  };
  const excuseStart = (removed: JsonValue | undefined): void => {
    const head = isJsonObject(removed) ? removed["head"] : undefined;
    if (start !== undefined && head === `sha256:${start.prev}`) start = undefined;
  };
  /** Calls are told apart by the id of the record that announced them. */
  const pair = (record: JsonObject): void => {
    const { id, phase, intent } = record;
    if (phase === "intent" && typeof id === "string") intents.set(id, count);
    if (typeof intent === "string") intents.delete(intent);
  };

  return {
    line(text) {
      count++;
      afterCheckpoint++;
      const record = parse(text);
      const own = hash("sha256", `${text}\n`, "hex");
      const { chain: name, prev } = record ?? {};
      if (record === undefined || typeof name !== "string" || typeof prev !== "string") {
        find("not_a_record", "it is no record of an audit log", record);
      } else {
        const chain = follow(record, name, prev.slice("sha256:".length));
        chain.line = count;
        chain.seq = Number(record["seq"]);
        chain.head = own;
        if (record["event"] === "server.stop") chain.stopped = true;
        if (record["event"] === "audit.checkpoint") checkCheckpoint(record, text);
        if (record["event"] === "audit.remove") excuseStart(record["removed"]);
        pair(record);
      }
      recent.push(own);
      if (recent.length > recentLines) recent.shift();
    },
    tail(text) {
      if (text === "") return;
      count++;
      find("torn_line", "the last line has no end: the process was stopped while it wrote");
    },
    report() {
      for (const anchor of missing) {
        const message =
          "a checkpoint that was kept elsewhere is not here: the log was cut or rewritten";
        find("anchor_missing", message, parse(anchor));
      }
      missing.clear();
      if (start !== undefined) findings.unshift(start.finding);
      start = undefined;
      const withoutResult = [...intents].map(([id, line]) => ({ id, line }));
      const open = [...chains.values()].filter(({ stopped }) => !stopped).length;
      return {
        records: count,
        chains: chains.size,
        checkpoints,
        findings,
        withoutResult,
        afterCheckpoint,
        open,
      };
    },
  };
}

const genesis = "0".repeat(64);

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
