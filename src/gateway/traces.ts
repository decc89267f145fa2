import { Secret } from "../base/secret.ts";
import type { Ports } from "../base/ports.ts";
import type { Config } from "../config/config.ts";
import type { OtlpConfig, TracesConfig } from "../config/types/telemetry.ts";
import { createTracing, type Tracing } from "../observe/traces/tracing.ts";
import type { Env } from "./candidate.ts";

interface Traces {
  readonly tracing: Tracing | undefined;
  /** Takes the headers of a changed configuration. */
  readonly renew: (config: Config) => void;
  readonly close: () => Promise<void>;
}

/** Traces as gateway.yaml says, or as the variables of OpenTelemetry do. */
export async function openTraces(
  { telemetry }: Config,
  env: Env,
  { version, ports }: { readonly version: string; readonly ports: Ports },
): Promise<Traces> {
  const config = env["OTEL_SDK_DISABLED"] === "true" ? undefined : (telemetry.otlp ?? readEnv(env));
  if (config === undefined) {
    return { tracing: undefined, renew: () => {}, close: async () => {} };
  }
  let current: OtlpConfig = config;
  // Most gateways send none, and the SDK of OpenTelemetry takes time to load.
  const { createExporter } = await import("../observe/traces/exporter.ts");
  const { tracer, close } = createExporter(() => current, version, ports);
  const named = env["OTEL_PROPAGATORS"] ?? "tracecontext,baggage";
  const propagators = new Set(named.split(",").map((name) => name.trim()));
  const options = {
    ratio: config.ratio,
    propagates: propagators.has("tracecontext"),
    carries: propagators.has("baggage"),
  };
  return {
    tracing: createTracing(tracer, options, ports),
    renew: (changed) => (current = changed.telemetry.otlp ?? current),
    close,
  };
}

/** https://opentelemetry.io/docs/specs/otel/protocol/exporter/ */
function readEnv(env: Env): TracesConfig | undefined {
  const endpoint = env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (endpoint === undefined || endpoint === "") return undefined;
  const pairs = (env["OTEL_EXPORTER_OTLP_HEADERS"] ?? "").split(",").flatMap((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) return [];
    const value = new Secret(decoded(pair.slice(at + 1).trim()));
    return [[pair.slice(0, at).trim().toLowerCase(), value] as const];
  });
  return { endpoint: endpoint.replace(/\/$/, ""), headers: new Map(pairs), ratio: 1 };
}

/** Who did not know that values are percent-encoded meant what stands there. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
