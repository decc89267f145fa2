import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { OtlpConfig } from "../../config/types/telemetry.ts";
import { revealHeaders } from "../otlp-headers.ts";
import { textAt } from "../record/query.ts";
import { TooLarge, type ShippedRecord, type Transport } from "./shipper.ts";

/**
 * OTLP/HTTP in JSON, as log records: the line is the body, what queries need are attributes.
 *
 * @param current Asked for every batch: the headers may be others after a reload.
 */
export function createOtlpLogs(
  current: () => OtlpConfig,
  version: string,
  fetch: typeof globalThis.fetch,
): Transport {
  const url = `${current().endpoint}/v1/logs`;
  const scope = { name: "tollgate.audit", version };
  return {
    target: url,
    confirmMs: 0,
    onLost: () => {},
    close: () => {},
    async deliver(records, signal) {
      const logRecords = records.map(toLogRecord);
      const resource = { attributes: resourceOf(records[0], version) };
      const response = await fetch(url, {
        method: "POST",
        redirect: "manual",
        signal,
        headers: {
          ...revealHeaders(current()),
          "content-type": "application/json",
        },
        body: JSON.stringify({
          resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords }] }],
        }),
      });
      if (response.status === 413) throw new TooLarge("answered 413");
      if (!response.ok) throw new Error(`answered ${response.status}`);
      const rejected = rejectedIn(await response.text());
      if (rejected > 0) throw new Error(`refused ${rejected} records`);
    },
  };
}

/** A partial success is one that nobody must repeat; but an audit record may not be missing. */
function rejectedIn(text: string): number {
  try {
    const reply: unknown = JSON.parse(text);
    const partial = isJsonObject(reply) ? reply["partialSuccess"] : undefined;
    return isJsonObject(partial) ? Number(partial["rejectedLogRecords"] ?? 0) : 0;
  } catch {
    return 0;
  }
}

const attributePaths = [
  ["event.name", "event"],
  ["event.outcome", "outcome"],
  ["tollgate.audit.id", "id"],
  ["user.id", "actor.sub"],
  ["gen_ai.tool.name", "tool.name"],
  ["error.type", "reason"],
] as const;

/** INFO, and WARN for what did not succeed. */
const severities = { success: [9, "INFO"], other: [13, "WARN"] } as const;

function toLogRecord({ line, record }: ShippedRecord): JsonObject {
  const nanos = `${Date.parse(textAt(record, ["time"]))}000000`;
  const good = record["outcome"] === undefined || record["outcome"] === "success";
  const [severityNumber, severityText] = severities[good ? "success" : "other"];
  const [traceId, spanId] = [record["trace_id"], record["span_id"]];
  return {
    timeUnixNano: nanos,
    observedTimeUnixNano: nanos,
    severityNumber,
    severityText,
    body: { stringValue: line },
    attributes: attributePaths.flatMap(([key, path]) => {
      const value = textAt(record, path.split("."));
      return value === "" ? [] : [{ key, value: { stringValue: value } }];
    }),
    ...(traceId === undefined || spanId === undefined ? {} : { traceId, spanId }),
  };
}

function resourceOf(first: ShippedRecord | undefined, version: string): readonly JsonValue[] {
  return Object.entries({
    "service.name": "tollgate",
    "service.version": version,
    "service.instance.id": textAt(first?.record ?? {}, ["gateway", "instance"]),
  }).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}
