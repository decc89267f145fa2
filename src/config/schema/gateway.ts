import type { JsonSchema } from "../../base/json.ts";
import { apisSchema } from "./apis.ts";
import { auditSchema } from "./audit.ts";
import { authSchema } from "./auth.ts";
import { connectionsSchema } from "./connections.ts";
import { endpointsSchema } from "./endpoints.ts";
import { brokerSchema } from "./broker.ts";
import { limitsSchema } from "./limits.ts";
import { replicasSchema } from "./replicas.ts";
import { adminSchema, metricsSchema, serverSchema } from "./server.ts";
import { choice, list, section, text } from "./shape.ts";
import { telemetrySchema } from "./telemetry.ts";

/**
 * gateway.yaml, version 1, as JSON Schema 2020-12: the one source of its keys and defaults. The
 * loader validates with it, schema/gateway.schema.json and docs/configuration.md are made of it.
 */
export const gatewaySchema: JsonSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Tollgate gateway.yaml, version 1",
  ...section(
    { description: "Everything Tollgate serves, to whom, and on whose behalf." },
    ["version", "server", "auth", "apis"],
    {
      version: {
        type: "integer",
        description: "Version of this file format.",
        const: 1,
        examples: [1],
      },
      server: serverSchema,
      admin: adminSchema,
      metrics: metricsSchema,
      auth: authSchema,
      broker: brokerSchema,
      connections: connectionsSchema,
      apis: apisSchema,
      trust: choice(
        {
          description:
            "Whether a tool that is new, gone or otherwise than before serves at once. `locked`: not before `tollgate tools lock` has written it to `tools.lock.json` beside gateway.yaml; until then the last good configuration serves on.",
          default: "auto",
          examples: ["locked"],
        },
        ["auto", "locked"],
      ),
      specsDir: text({
        description:
          "Directory, relative to gateway.yaml, that keeps the last good copy of every document that was fetched, so that a start while its host is down works. Made when there is one; nobody else may read it. Of one gateway alone.",
        default: "var/specs",
        examples: ["/var/lib/tollgate/specs"],
      }),
      endpoints: endpointsSchema,
      experimental: list(
        {
          description:
            "What is switched on although it may change or go in any version: `id-jag`, after a draft.",
          default: [],
          examples: [["id-jag"]],
        },
        { type: "string", enum: ["id-jag"] },
        { uniqueItems: true },
      ),
      limits: limitsSchema,
      replicas: replicasSchema,
      audit: auditSchema,
      telemetry: telemetrySchema,
    },
  ),
};
