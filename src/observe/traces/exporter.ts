import type { Tracer } from "@opentelemetry/api";
import { ConfigError } from "../../base/errors.ts";
import type { Ports } from "../../base/ports.ts";
import type { OtlpConfig } from "../../config/config.ts";
import { revealHeaders } from "../otlp-headers.ts";

export interface Exporter {
  readonly tracer: Tracer;
  /** Sends what is still here, for 3 s at most. */
  readonly close: () => Promise<void>;
}

const timeoutMs = 5_000;
const closeMs = 3_000;

/**
 * The SDK of OpenTelemetry and its exporter, which nobody else loads: spans go to
 * `endpoint/v1/traces` in batches, as OTLP over HTTP in JSON.
 *
 * @param current Asked for every batch: the headers may be others after a reload.
 * @throws ConfigError `telemetry_unavailable` when the packages are not installed.
 */
export async function loadExporter(
  current: () => OtlpConfig,
  version: string,
  ports: Ports,
): Promise<Exporter> {
  const { BasicTracerProvider, BatchSpanProcessor, OTLPTraceExporter, resourceFromAttributes } =
    await loadSdk();
  const exporter = new OTLPTraceExporter({
    url: `${current().endpoint}/v1/traces`,
    headers: async () => revealHeaders(current()),
    timeoutMillis: timeoutMs,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "tollgate", "service.version": version }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  return {
    tracer: provider.getTracer("tollgate", version),
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, closeMs);
      });
      const ended = provider.shutdown().catch((cause: unknown) => {
        ports.log.warn("traces_lost", {
          reason: cause instanceof Error ? cause.message : "unknown",
        });
      });
      await Promise.race([ended, late]);
      clearTimeout(timer);
    },
  };
}

async function loadSdk() {
  try {
    const [sdk, otlp, resources] = await Promise.all([
      import("@opentelemetry/sdk-trace-base"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
    ]);
    return { ...sdk, ...otlp, ...resources };
  } catch (cause) {
    throw new ConfigError(
      [
        {
          severity: "error",
          code: "telemetry_unavailable",
          message:
            "telemetry.otlp is configured and the packages that send traces are not installed",
          position: undefined,
          help: "install with optional dependencies, or remove telemetry.otlp",
        },
      ],
      { cause },
    );
  }
}
