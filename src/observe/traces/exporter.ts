import type { Tracer } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { Ports } from "../../base/ports.ts";
import { within } from "../../base/within.ts";
import type { OtlpConfig } from "../../config/types/telemetry.ts";
import { revealHeaders } from "../otlp-headers.ts";

export interface Exporter {
  readonly tracer: Tracer;
  /** Sends what is still here, for 3 s at most. */
  readonly close: () => Promise<void>;
}

const timeoutMs = 5_000;
const closeMs = 3_000;

/**
 * The SDK of OpenTelemetry and its exporter: spans go to `endpoint/v1/traces` in batches, as OTLP
 * over HTTP in JSON.
 *
 * @param current Asked for every batch: the headers may be others after a reload.
 */
export function createExporter(current: () => OtlpConfig, version: string, ports: Ports): Exporter {
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
      const ended = provider.shutdown().catch((cause: unknown) => {
        ports.log.warn("traces_lost", {
          reason: cause instanceof Error ? cause.message : "unknown",
        });
      });
      await within(closeMs, ended, undefined);
    },
  };
}
