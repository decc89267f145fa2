import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import type { Principal } from "../../src/base/principal.ts";
import { Secret } from "../../src/base/secret.ts";
import type { AuditConfig } from "../../src/config/types/audit.ts";
import { describeByDigest } from "../../src/observe/record/args.ts";
import { createAudit, type Audit } from "../../src/observe/audit.ts";
import type { CallEnd, CallTrace, RecordedCall } from "../../src/observe/record/event.ts";
import { listLog } from "../../src/observe/sinks/log-dir.ts";
import { createVerifier, type VerifyReport } from "../../src/observe/verify.ts";

export const alice: Principal = {
  iss: "https://sso.acme.test",
  sub: "alice",
  name: undefined,
  roles: [],
  clientId: "cursor",
  scopes: new Set(["orders:read"]),
  claims: {},
  expiresAt: Number.POSITIVE_INFINITY,
  tokenHash: "b".repeat(43),
  token: new Secret("a.secret.token"),
};

export function callOf(more: Partial<RecordedCall> = {}): RecordedCall {
  return {
    tool: "get_order",
    args: { id: 7 },
    principal: alice,
    transport: "http",
    protocol: "2026-07-28",
    requestId: 1,
    client: { ip: "203.0.113.9", userAgent: "Cursor/2.1", name: "cursor", version: "2.1" },
    ...more,
  };
}

export function traceOf(more: Partial<CallTrace> = {}): CallTrace {
  return {
    tool: {
      labels: { tool: "get_order", method: "GET", path: "/orders/{id}", address: "orders.test" },
      allowed: ',"tool":{"name":"get_order"},"policy":{"decision":"allow"}',
      denied: ',"tool":{"name":"get_order"},"policy":{"decision":"deny"}',
      upstream: ',"upstream":{"name":"orders"',
      args: describeByDigest,
    },
    span: undefined,
    confirmation: undefined,
    intent: undefined,
    startedAt: 0,
    sentAt: 0,
    attempts: 1,
    status: 200,
    answeredAt: 12,
    answer: undefined,
    answerBytes: 812,
    isError: false,
    endedAt: Date.now(),
    ...more,
  };
}

export const success: CallEnd = { event: "tool.call", outcome: "success", reason: undefined };

export function makeKey(): { readonly pem: Secret; readonly publicKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    pem: new Secret(String(privateKey.export({ type: "pkcs8", format: "pem" }))),
    publicKey,
  };
}

export async function makeDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-audit-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

interface AuditPorts {
  readonly now?: () => number;
  readonly send?: typeof fetch;
  readonly stdout?: (bytes: Uint8Array) => Promise<void>;
  /** Told of what is logged as an error. */
  readonly log?: (event: string, fields: JsonObject | undefined) => void;
}

export function openAudit(
  dir: string,
  more: Partial<AuditConfig> = {},
  {
    now = () => Date.now(),
    send = fetch,
    stdout = async () => {},
    log = () => {},
  }: AuditPorts = {},
): Audit {
  const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: log };
  return createAudit(
    {
      sinks: [{ kind: "file", dir, rotation: undefined }],
      args: { default: { kind: "digest" }, tools: [] },
      result: "size",
      redact: { keys: [], detectors: [], schema: true },
      durability: "flushed",
      onFailure: "deny-unsafe",
      signingKey: undefined,
      ...more,
    },
    { now, log: quiet },
    { version: "1.2.3", stdout, fetch: send },
  );
}

export function readLog(dir: string): string {
  return readFileSync(join(dir, "audit.ndjson"), "utf8");
}

/** Every file of the log, in order, as one text. */
export function readWholeLog(dir: string): string {
  return listLog(dir)
    .map((file) => {
      const bytes = readFileSync(file);
      return (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    })
    .join("");
}

/** As the command does it, from text. */
export function verifyText(
  text: string,
  { key, anchors = [] }: { readonly key?: KeyObject; readonly anchors?: readonly string[] } = {},
): VerifyReport {
  const verifier = createVerifier({ key, anchors });
  const lines = text.split("\n");
  for (const line of lines.slice(0, -1)) verifier.line(line);
  verifier.tail(lines.at(-1) ?? "");
  return verifier.report();
}
