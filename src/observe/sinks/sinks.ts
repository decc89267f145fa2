import { ConfigError } from "../../base/errors.ts";
import type { Issue } from "../../base/issue.ts";
import type { Ports } from "../../base/ports.ts";
import type { AuditConfig, SinkConfig } from "../../config/types/audit.ts";
import { openAuditFile, type AuditFile, type AuditFileOptions } from "./audit-file.ts";
import { createHousekeeping } from "./housekeeping.ts";
import type { RotatedFile } from "./log-dir.ts";
import { createOtlpLogs } from "./otlp-logs.ts";
import { createShipper, type Shipper, type ShipperStats, type Transport } from "./shipper.ts";
import { createStreamSink, type Sink } from "./sink.ts";
import { createSyslog } from "./syslog.ts";
import { createWebhook } from "./webhook.ts";

export interface SinkDeps {
  /** Version of the program. */
  readonly version: string;
  /** Where the `stdout` sink writes: in stdio mode that stream belongs to the protocol. */
  readonly stdout: (bytes: Uint8Array) => Promise<void>;
  /** For sinks that speak HTTP. */
  readonly fetch: typeof fetch;
}

interface SinkEvents extends Pick<AuditFileOptions, "onLost"> {
  /** @param head SHA-256 of the last line of a file that is about to be removed. */
  readonly onRemove: (file: RotatedFile, head: string) => void;
}

export interface OpenSinks {
  /** Written to, in this order; those of files among them. */
  readonly local: readonly (Sink & { readonly kind: string })[];
  readonly files: readonly AuditFile[];
  /** To be woken after each write. */
  readonly shippers: readonly Shipper[];
  readonly shipping: () => readonly ShippingStats[];
  /** Takes secrets and certificates of the same sinks as they are now configured. */
  readonly renew: (sinks: readonly SinkConfig[]) => void;
}

export interface ShippingStats extends ShipperStats {
  /** Kind, with a number behind it for the second of one kind. */
  readonly sink: string;
}

type LocalSink = Extract<SinkConfig, { kind: "file" | "stdout" }>;
type NetworkSink = Exclude<SinkConfig, LocalSink>;

/** @throws ConfigError `audit_unavailable` when a file cannot be opened. */
export function openSinks(
  config: AuditConfig,
  ports: Ports,
  deps: SinkDeps,
  events: SinkEvents,
): OpenSinks {
  const shippers: { readonly name: string; readonly shipper: Shipper }[] = [];
  const files: AuditFile[] = [];
  // Network sinks read the first file: what is in it was written before it is sent.
  const spool = config.sinks.find((sink) => sink.kind === "file")?.dir;
  const isRead = (dir: string, file: RotatedFile): boolean =>
    dir !== spool || shippers.every(({ shipper }) => shipper.isPast(file));

  let tidySpool = (): void => {};

  const openLocal = (sink: LocalSink): OpenSinks["local"][number] => {
    if (sink.kind === "stdout") return { kind: sink.kind, ...createStreamSink(deps.stdout, ports) };
    const { dir, rotation } = sink;
    const { onRemove, onLost } = events;
    const housekeeping =
      rotation &&
      createHousekeeping(dir, rotation, { isRead: (file) => isRead(dir, file), onRemove }, ports);
    const onRotated = (): void => housekeeping?.tidy();
    if (dir === spool) tidySpool = onRotated;
    const fsync = config.durability === "fsync";
    const file = openOrRefuse(dir, { fsync, rotation, onRotated, onLost }, ports);
    files.push(file);
    // What the last process left to do, once this one can write records about it.
    setImmediate(onRotated);
    const close = async (): Promise<void> => {
      await housekeeping?.close();
      await file.close();
    };
    return { kind: sink.kind, ...file, close };
  };
  const local = config.sinks.filter(isLocal).map(openLocal);
  let current = config.sinks;
  for (const [i, sink] of config.sinks.entries()) {
    if (isLocal(sink) || spool === undefined) continue;
    const same = shippers.filter(({ name }) => name.split("_")[0] === sink.kind).length;
    const name = same === 0 ? sink.kind : `${sink.kind}_${same + 1}`;
    const transport = createTransport(sink, () => current[i], { deps, ports });
    const shipper = createShipper(spool, transport, tidySpool, ports);
    shippers.push({ name, shipper });
  }
  return {
    local,
    files,
    shippers: shippers.map(({ shipper }) => shipper),
    shipping: () => shippers.map(({ name, shipper }) => ({ sink: name, ...shipper.stats() })),
    renew: (sinks) => (current = sinks),
  };
}

function isLocal(sink: SinkConfig): sink is LocalSink {
  return sink.kind === "file" || sink.kind === "stdout";
}

/** @param now The sink as it is configured now. */
function createTransport(
  sink: NetworkSink,
  now: () => SinkConfig | undefined,
  { deps: { fetch, version }, ports }: { readonly deps: SinkDeps; readonly ports: Ports },
): Transport {
  switch (sink.kind) {
    case "syslog":
      return createSyslog(latest(sink, now));
    case "webhook":
      return createWebhook(latest(sink, now), fetch, ports);
    case "otlp":
      return createOtlpLogs(latest(sink, now), version, fetch);
  }
}

/** A reload changes no kind: see `refuseRestart`. */
function latest<S extends NetworkSink>(first: S, now: () => SinkConfig | undefined): () => S {
  return () => {
    const sink = now();
    return sink?.kind === first.kind ? (sink as S) : first;
  };
}

function openOrRefuse(dir: string, options: AuditFileOptions, ports: Ports): AuditFile {
  try {
    return openAuditFile(dir, options, ports);
  } catch (cause) {
    const issue: Issue = {
      severity: "error",
      code: "audit_unavailable",
      message: `the audit log cannot be written: ${cause instanceof Error ? cause.message : dir}`,
      position: undefined,
      help: `let audit.sinks name a directory that ${whoWrites()} may write to`,
    };
    throw new ConfigError([issue], { cause });
  }
}

/** In a container the number is what a volume's owner is compared with. */
function whoWrites(): string {
  const uid = process.getuid?.();
  return uid === undefined ? "the gateway" : `user ${uid}`;
}
