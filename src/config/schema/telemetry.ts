import type { JsonObject, JsonSchema } from "../../base/json.ts";
import { list, named, section, text } from "./shape.ts";
import { token } from "./units.ts";

/** Where an OpenTelemetry collector is. */
export function otlpSection(description: string, more: JsonObject = {}): JsonSchema {
  return section(
    { description, "x-default": "—", examples: [{ endpoint: "http://collector.internal:4318" }] },
    ["endpoint"],
    {
      endpoint: text({
        description: "Base URL of OTLP over HTTP, without `/v1/…`.",
        examples: ["http://collector.internal:4318"],
      }),
      headers: named(
        {
          description: "More headers of every request.",
          default: {},
          examples: [{ "x-api-key": "${OTLP_KEY}" }],
        },
        token,
        text({
          description: "Value of the header.",
          "x-secret": true,
          examples: ["${OTLP_KEY}"],
        }),
      ),
      ...more,
    },
  );
}

export const telemetrySchema: JsonSchema = section(
  {
    description: "Traces of calls for OpenTelemetry. Metrics are on the admin listener.",
    default: {},
    examples: [{ otlp: { endpoint: "http://collector.internal:4318" } }],
  },
  [],
  {
    otlp: otlpSection(
      "Send spans to an OpenTelemetry collector (OTLP/HTTP in JSON). Without it no span is made.",
      {
        ratio: {
          type: "number",
          description:
            "Share of traces that are recorded. A caller's own trace is recorded when the caller records it and this share has it.",
          default: 1,
          minimum: 0,
          maximum: 1,
          examples: [0.1],
        },
      },
    ),
    baggage: list(
      {
        description:
          "Names of `baggage` that callers may have passed on to APIs, in `params._meta`. All other is left out; takes traces, and no `OTEL_PROPAGATORS` without `baggage`.",
        default: [],
        examples: [["tenant"]],
      },
      text({ description: "A name.", examples: ["tenant"] }),
      { uniqueItems: true },
    ),
  },
);
