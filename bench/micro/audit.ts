import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Principal } from "../../src/base/principal.ts";
import { Secret } from "../../src/base/secret.ts";
import { describeByDigest } from "../../src/observe/record/args.ts";
import { createAudit, type Audit } from "../../src/observe/audit.ts";
import type { Client } from "../../src/observe/record/client.ts";
import type { CallEnd, CallTrace, RecordedCall } from "../../src/observe/record/event.ts";
import type { ToolText } from "../../src/observe/record/text.ts";
import type { MicroRow } from "./row.ts";

const tool: ToolText = {
  labels: { tool: "get_item", method: "GET", path: "/orders/{id}", address: "items.internal" },
  allowed: `,"tool":{"name":"get_item","source":"items","operation":"getItem","schema_hash":"sha256:0123456789abcdef0123456789abcdef","risk":"read"},"policy":{"decision":"allow","rule":"bench/config/full.yaml:26:9","generation":"0123456789ab"}`,
  denied: "",
  upstream: `,"upstream":{"name":"items","method":"GET","url_template":"/items/{id}","token":"exchanged","aud":"items-api"`,
  args: describeByDigest,
};

export const success: CallEnd = { event: "tool.call", outcome: "success", reason: undefined };

/** What ends a call on the road, to the byte that the operating system has it. */
export async function auditRows(): Promise<{
  readonly rows: readonly MicroRow[];
  readonly close: () => Promise<void>;
}> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-micro-"));
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const audit = createAudit(
    {
      sinks: [{ kind: "file", dir, rotation: undefined }],
      args: { default: { kind: "digest" }, tools: [] },
      result: "size",
      redact: { keys: [], detectors: [], schema: true },
      durability: "flushed",
      onFailure: "deny-unsafe",
      signingKey: undefined,
    },
    { now: () => Date.now(), log: silent },
    { version: "0.0.0", stdout: async () => {}, fetch },
  );
  return {
    rows: [row(audit, { perTurn: 8, atMost: 1.5 }), row(audit, { perTurn: 1, atMost: 2.5 })],
    async close() {
      await audit.close();
      await rm(dir, { recursive: true });
    },
  };
}

export const principal: Principal = {
  iss: "https://sso.acme.test",
  sub: "alice",
  name: undefined,
  roles: [],
  clientId: "cursor",
  scopes: new Set(["mcp:tools", "items:read"]),
  claims: {},
  expiresAt: Number.POSITIVE_INFINITY,
  tokenHash: "b".repeat(43),
  token: new Secret("a token"),
};

const client: Client = { ip: "127.0.0.1", userAgent: "bench", name: "bench", version: "1" };

export function callOf(id: number): RecordedCall {
  return {
    tool: "get_item",
    args: { id },
    principal,
    transport: "http",
    protocol: "2026-07-28",
    requestId: id,
    client,
  };
}

export function traceOf(): CallTrace {
  const now = Date.now();
  return {
    tool,
    span: undefined,
    confirmation: undefined,
    intent: undefined,
    startedAt: now,
    sentAt: now,
    attempts: 1,
    status: 200,
    answeredAt: now,
    answer: undefined,
    answerBytes: 1_024,
    isError: false,
    endedAt: now,
  };
}

/** @param perTurn Calls that end in one turn of the event loop; 16 connections give about 8. */
function row(
  audit: Audit,
  { perTurn, atMost }: { readonly perTurn: number; readonly atMost: number },
): MicroRow {
  return {
    name: `audit record, ${perTurn} per turn`,
    atMost,
    count: 16_000,
    async run(count) {
      for (let done = 0; done < count; done += perTurn) {
        const waiting: (boolean | Promise<boolean>)[] = [];
        for (let i = 0; i < perTurn; i++) {
          waiting.push(audit.call(callOf(done + i), success, traceOf()));
        }
        for (const one of waiting) await one;
      }
    },
  };
}
