import { hash } from "node:crypto";
import { formatPosition } from "../../base/issue.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { Principal } from "../../base/principal.ts";
import type { AuditConfig } from "../../config/types/audit.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import type { Tool } from "../../tools/tool.ts";
import { compileArgs, type DescribeArgs } from "./args.ts";
import type { Digest } from "./digest.ts";
import { fit, member, quote } from "./quote.ts";

/** Metric labels of one tool. */
export interface ToolLabels {
  /** The tool's name, or its API's where there are too many tools. */
  readonly tool: string;
  readonly method: string;
  /** Template of the path. */
  readonly path: string;
  /** Host and port of the API. */
  readonly address: string;
}

/** What every record of one tool says, as text that is made once, at load. */
export interface ToolText {
  readonly labels: ToolLabels;
  /** The tool, and that its rule let the caller in. */
  readonly allowed: string;
  readonly denied: string;
  /** To be followed by how it went, and a brace. */
  readonly upstream: string;
  /** What it says of arguments. */
  readonly args: DescribeArgs;
}

const safeMethods = new Set(["GET", "HEAD", "OPTIONS", "QUERY", "TRACE"]);

/** Whether a call may change something: then it is announced before it is sent. */
export function isUnsafe({ operation }: Tool): boolean {
  return !safeMethods.has(operation.method);
}

export function describeTool(
  tool: Tool,
  credential: CredentialConfig,
  {
    generation,
    labels,
    audit,
  }: {
    readonly generation: string;
    readonly labels: ToolLabels;
    readonly audit: Pick<AuditConfig, "args" | "redact">;
  },
): ToolText {
  const { operation } = tool;
  const { method, path } = operation;
  const id = operation.id ?? `${method} ${path}`;
  const risk = isUnsafe(tool) ? (method === "DELETE" ? "delete" : "write") : "read";
  const egress = tool.egress === "external" ? ',"egress":"external"' : "";
  const schema = hash("sha256", JSON.stringify(tool.inputSchema), "hex").slice(0, 32);
  const decided = (decision: "allow" | "deny"): string =>
    fit(
      1_000,
      (max) =>
        `,"tool":{"name":${quote(tool.name)}${member("source", tool.api)}${member("operation", id, max)},"schema_hash":"sha256:${schema}","risk":"${risk}"${egress}},"policy":{"decision":"${decision}","rule":${quote(formatPosition(tool.position).slice(-max), max)},"generation":"${generation}"}`,
    );
  return {
    labels,
    args: compileArgs(audit, tool),
    allowed: decided("allow"),
    denied: decided("deny"),
    upstream: fit(
      600,
      (max) =>
        `,"upstream":{"name":${quote(tool.api)},"method":${quote(method)}${member("url_template", path, max)},"token":"${tokenKind(credential)}"${member("aud", audienceOf(credential), max)}`,
    ),
  };
}

function tokenKind({ kind }: CredentialConfig): string {
  if (kind === "exchange") return "exchanged";
  return kind === "clientCredentials" ? "client_credentials" : kind;
}

function audienceOf(credential: CredentialConfig): string | undefined {
  if (credential.kind !== "exchange" && credential.kind !== "clientCredentials") return undefined;
  const all = [...credential.audience, ...credential.resource];
  return all.length === 0 ? undefined : all.join(" ");
}

/** A tool that nobody found: only what the caller called it is known. */
export function describeUnknownTool(name: string): string {
  return fit(400, (max) => `,"tool":{"name":${quote(name, Math.min(max, 128))}}`);
}

export function describeActor(principal: Principal, digest: Digest): string {
  const { sub, iss, clientId, scopes, claims, token, tokenHash } = principal;
  const fingerprint = token === undefined ? "" : `,"token_fp":"${digest(tokenHash)}"`;
  return fit(
    1_100,
    (max) =>
      `,"actor":{"sub":${quote(sub, max)}${member("iss", iss, max)}${member("client_id", clientId, max)}${describeChain(claims["act"], max)}${describeTexts("scopes", [...scopes], max)}${describeTexts("groups", claims["groups"], max)}${fingerprint},"auth":"${token === undefined ? "none" : "jwt"}"}`,
  );
}

function describeTexts(name: string, value: unknown, max: number): string {
  if (!Array.isArray(value) || value.length === 0) return name === "scopes" ? `,"scopes":[]` : "";
  const texts = value.filter((one) => typeof one === "string").slice(0, max / 4);
  return `,"${name}":[${texts.map((text) => quote(text, Math.min(max, 128))).join(",")}]`;
}

const maxActors = 4;

/** RFC 8693 §4.1: who acts for the subject, the current one first. */
function describeChain(act: JsonValue | undefined, max: number): string {
  const texts: string[] = [];
  let actor = act;
  while (isJsonObject(actor) && texts.length < maxActors) {
    const { sub, iss }: JsonObject = actor;
    const issuer = typeof iss === "string" ? member("iss", iss, max) : "";
    texts.push(`{"sub":${quote(typeof sub === "string" ? sub : "", max)}${issuer}}`);
    actor = actor["act"];
  }
  return texts.length === 0 ? "" : `,"act":[${texts.join(",")}]`;
}
