import { createPrivateKey } from "node:crypto";
import { resolve } from "node:path";
import { Secret } from "../../base/secret.ts";
import type {
  ArgsMode,
  AuditConfig,
  Detector,
  Mask,
  RedactConfig,
  RotationConfig,
  SinkConfig,
} from "../types/audit.ts";
import {
  child,
  entriesOf,
  itemsOf,
  label,
  nameOf,
  textOf,
  textsOf,
  type YamlNode,
} from "../node.ts";
import type { Problems } from "../problems.ts";
import { endpointRules } from "../url.ts";
import { checkUrl, durationOf, type Scope, sizeOf } from "./scope.ts";
import { compileOtlp } from "./telemetry.ts";

export function compileAudit(scope: Scope): AuditConfig {
  const { root, problems } = scope;
  const audit = child(root, "audit");
  const seen = new Set<string>();
  const nodes = itemsOf(child(audit, "sinks"));
  const sinks = nodes.map((node): SinkConfig => {
    const sink = compileSink(scope, node);
    const key = targetOf(sink);
    if (seen.has(key)) {
      // Two writers of one file would break its chain of hashes.
      const message = "audit.sinks has the same sink twice";
      problems.error({ at: nameOf(node), code: "duplicate_item", message });
    }
    seen.add(key);
    return sink;
  });
  for (const [i, { kind }] of sinks.entries()) {
    const node = nodes[i];
    if (node === undefined || kind === "file" || kind === "stdout") continue;
    if (sinks.some((sink) => sink.kind === "file")) continue;
    problems.error({
      at: nameOf(node),
      code: "sink_needs_file",
      message: `audit.sinks: ${kind} sends what a file sink wrote, and there is none`,
      help: "add a file sink: from its files records are sent again after a failure or a restart",
    });
  }
  return {
    sinks,
    args: compileArgs(child(audit, "args")),
    result: textOf(child(audit, "result")) as AuditConfig["result"],
    redact: compileRedact(child(audit, "redact")),
    durability: textOf(child(audit, "durability")) as AuditConfig["durability"],
    onFailure: textOf(child(audit, "onFailure")) as AuditConfig["onFailure"],
    signingKey: signingKey({ problems }, child(audit, "signingKey")),
  };
}

function compileArgs(node: YamlNode | undefined): AuditConfig["args"] {
  if (node?.kind !== "mapping") return { default: modeOf(node), tools: [] };
  return {
    default: modeOf(child(node, "default")),
    tools: entriesOf(child(node, "tools")).map(([pattern, mode]) => ({
      pattern,
      mode: modeOf(mode),
    })),
  };
}

function modeOf(node: YamlNode | undefined): ArgsMode {
  if (node?.kind !== "mapping") return { kind: (textOf(node) ?? "digest") as "digest" };
  return {
    kind: "fields",
    fields: textsOf(child(node, "fields")),
    masks: new Map(
      entriesOf(child(node, "mask")).map(([name, mask]) => [name, textOf(mask) as Mask]),
    ),
  };
}

function compileRedact(node: YamlNode | undefined): RedactConfig {
  return {
    keys: textsOf(child(node, "keys")),
    detectors: textsOf(child(node, "detectors")) as readonly Detector[],
    schema: child(node, "schema")?.value === true,
  };
}

function compileSink({ directory, problems }: Scope, node: YamlNode): SinkConfig {
  const [file, syslog] = [child(node, "file"), child(node, "syslog")];
  const [webhook, otlp] = [child(node, "webhook"), child(node, "otlp")];
  if (file !== undefined) {
    const dir = resolve(directory, textOf(child(file, "dir")) ?? "");
    return { kind: "file", dir, rotation: compileRotation(child(file, "rotate"), problems) };
  }
  if (syslog !== undefined) {
    const [, scheme, host = "", port] =
      /^(tcp|tls):\/\/(.*):(\d+)$/.exec(textOf(child(syslog, "url")) ?? "") ?? [];
    return {
      kind: "syslog",
      host: host.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port ?? 0),
      tls: scheme === "tls",
      ca: textOf(child(syslog, "ca")),
    };
  }
  if (webhook !== undefined) {
    return {
      kind: "webhook",
      url: checkUrl(child(webhook, "url"), endpointRules, problems) ?? "",
      secret: new Secret(textOf(child(webhook, "secret")) ?? ""),
    };
  }
  return otlp === undefined ? { kind: "stdout" } : { kind: "otlp", ...compileOtlp(otlp, problems) };
}

function targetOf(sink: SinkConfig): string {
  switch (sink.kind) {
    case "file":
      return sink.dir;
    case "stdout":
      return "stdout";
    case "syslog":
      return `${sink.host}:${sink.port}`;
    case "webhook":
      return sink.url;
    case "otlp":
      return sink.endpoint;
  }
}

function compileRotation(
  node: YamlNode | undefined,
  problems: Problems,
): RotationConfig | undefined {
  if (node === undefined) return undefined;
  return {
    maxBytes: sizeOf(child(node, "size"), problems),
    everyMs: durationOf(child(node, "every"), { min: "1m", max: "8784h" }, problems),
    keep: Number(child(node, "keep")?.value ?? 0),
    compress: child(node, "compress")?.value === true,
  };
}

function signingKey(
  { problems }: Pick<Scope, "problems">,
  node: YamlNode | undefined,
): Secret | undefined {
  const text = textOf(node);
  if (node === undefined || text === undefined) return undefined;
  if (!isEd25519(text)) {
    problems.error({
      at: node,
      code: "invalid_key",
      message: `${label(node)} must be an unencrypted Ed25519 private key in PEM form (BEGIN PRIVATE KEY)`,
      help: "make one with: openssl genpkey -algorithm ed25519",
    });
  }
  return new Secret(text);
}

function isEd25519(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}
