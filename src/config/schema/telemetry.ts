import type { JsonSchema } from "../../base/json.ts";
import { named, section, text } from "./shape.ts";
import { token } from "./units.ts";

/** Where an OpenTelemetry collector is. */
export function otlpSection(description: string): JsonSchema {
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
    },
  );
}
