import { createHmac, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import { escapeText } from "../base/text.ts";
import type { AuditConfig } from "../config/config.ts";

/** What happened, in the words of the room that saw it. */
export interface AuditEvent {
  readonly event: "tool.call" | "auth.deny" | "policy.deny" | "request.reject" | "config.reload";
  readonly outcome: "success" | "failure" | "denied" | "cancelled";
  /** Stable and snake_case: the code of the error. */
  readonly reason: string | undefined;
  readonly principal: Principal | undefined;
  readonly transport: "http" | "stdio" | "cli";
  /** As the caller spelled it, when no tool of that name was found. */
  readonly tool: string | undefined;
  readonly operation: string | undefined;
  readonly api: string | undefined;
  readonly args: JsonObject | undefined;
  readonly upstreamStatus: number | undefined;
  readonly durationMs: number;
}

/** Append-only NDJSON, one line per terminal event, written to the system before the reply. */
export interface Audit {
  readonly record: (event: AuditEvent) => void;
  readonly close: () => void;
}

/**
 * @throws ConfigError `audit_unavailable` when a file cannot be opened: without its record nothing
 *   may be called.
 * @param stdout Where the `stdout` sink writes: in stdio mode that stream belongs to the protocol.
 */
export function createAudit(
  config: AuditConfig,
  ports: Ports,
  stdout: (line: string) => void,
): Audit {
  // Arguments have little entropy: a bare digest could be guessed, a keyed one only compared.
  const key = randomBytes(32);
  const sinks = config.sinks.map((sink) =>
    sink.kind === "stdout" ? { write: stdout, close: () => {} } : openFile(sink.dir),
  );
  return {
    record(event) {
      const line = `${JSON.stringify(describe(event, ports.now(), config.args, key))}\n`;
      for (const { write } of sinks) {
        try {
          write(line);
        } catch (cause) {
          ports.log.error("audit_write_failed", {}, cause);
        }
      }
    },
    close() {
      for (const { close } of sinks) close();
    },
  };
}

/** Name of the file that is written to in the directory of a `file` sink. */
export const auditFile = "audit.ndjson";

function openFile(dir: string): { write: (line: string) => void; close: () => void } {
  const file = openAppending(dir);
  return { write: (line) => void writeSync(file, line), close: () => closeSync(file) };
}

function openAppending(dir: string): number {
  try {
    mkdirSync(dir, { recursive: true });
    return openSync(join(dir, auditFile), "a", 0o640);
  } catch (cause) {
    const issue: Issue = {
      severity: "error",
      code: "audit_unavailable",
      message: `the audit log cannot be written: ${cause instanceof Error ? cause.message : dir}`,
      position: undefined,
      help: "let audit.sinks name a directory that the gateway may write to",
    };
    throw new ConfigError([issue], { cause });
  }
}

function describe(
  event: AuditEvent,
  now: number,
  mode: AuditConfig["args"],
  key: Buffer,
): JsonObject {
  const { principal, args } = event;
  return {
    v: 1,
    time: new Date(now).toISOString(),
    event: event.event,
    outcome: event.outcome,
    ...(event.reason === undefined ? {} : { reason: event.reason }),
    ...(principal === undefined ? {} : { actor: describeActor(principal, key) }),
    mcp: { transport: event.transport },
    ...(event.tool === undefined
      ? {}
      : {
          tool: {
            name: escapeText(event.tool, 128),
            ...(event.api === undefined ? {} : { source: escapeText(event.api) }),
            ...(event.operation === undefined ? {} : { operation: escapeText(event.operation) }),
          },
        }),
    ...(args === undefined || mode === "none" ? {} : { args: describeArgs(args, key) }),
    ...(event.upstreamStatus === undefined ? {} : { upstream: { status: event.upstreamStatus } }),
    duration_ms: Math.round(event.durationMs * 10) / 10,
  };
}

const maxScopes = 64;

function describeActor(principal: Principal, key: Buffer): JsonObject {
  return {
    sub: escapeText(principal.sub),
    iss: escapeText(principal.iss),
    ...(principal.clientId === undefined ? {} : { client_id: escapeText(principal.clientId) }),
    scopes: [...principal.scopes].slice(0, maxScopes).map((scope) => escapeText(scope, 128)),
    ...(principal.token === undefined ? {} : { token_fp: hmac(principal.tokenHash, key) }),
  };
}

function describeArgs(args: JsonObject, key: Buffer): JsonObject {
  const text = JSON.stringify(args);
  return { mode: "digest", digest: hmac(text, key), bytes: Buffer.byteLength(text) };
}

function hmac(text: string, key: Buffer): string {
  return `hmac-sha256:${createHmac("sha256", key).update(text).digest("base64url").slice(0, 22)}`;
}
