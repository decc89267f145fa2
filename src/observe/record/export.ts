import type { JsonObject, JsonValue } from "../../base/json.ts";
import { textAt, valueAt } from "./query.ts";

export type ExportFormat = "json" | "ocsf" | "ecs" | "cloudevents";

/** A record in the words of another system, which keeps all of it. */
export const exporters: Readonly<Record<ExportFormat, (record: JsonObject) => JsonObject>> = {
  json: (record) => record,
  ocsf: toOcsf,
  ecs: toEcs,
  cloudevents: toCloudEvent,
};

const at = (record: JsonObject, path: string): JsonValue | undefined =>
  valueAt(record, path.split("."));

/** Without the members that are not there, and without objects that would be empty. */
function prune(value: { readonly [name: string]: JsonValue | undefined }): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, JsonValue] =>
        entry[1] !== undefined && JSON.stringify(entry[1]) !== "{}",
    ),
  );
}

const activities = new Map([
  ["POST", 1],
  ["GET", 2],
  ["HEAD", 2],
  ["QUERY", 2],
  ["PUT", 3],
  ["PATCH", 3],
  ["DELETE", 4],
]);

/** OCSF 1.6.0, API Activity (6003). */
function toOcsf(record: JsonObject): JsonObject {
  const method = textAt(record, ["upstream", "method"]);
  const activity = activities.get(method) ?? 99;
  const success = record["outcome"] === "success";
  return prune({
    class_uid: 6003,
    category_uid: 6,
    activity_id: activity,
    type_uid: 600_300 + activity,
    time: Date.parse(textAt(record, ["time"])),
    severity_id: success ? 1 : 3,
    status_id: record["outcome"] === undefined ? 0 : success ? 1 : 2,
    status_detail: record["reason"],
    metadata: prune({
      version: "1.6.0",
      uid: record["id"],
      logged_time: Date.parse(textAt(record, ["time"])),
      sequence: record["seq"],
      product: prune({ name: "Tollgate", version: at(record, "gateway.version") }),
    }),
    actor: prune({
      user: prune({ uid: at(record, "actor.sub"), groups: groupsOf(record) }),
      app_name: at(record, "actor.client_id"),
    }),
    src_endpoint: prune({ ip: at(record, "client.ip") }),
    api: prune({
      operation: at(record, "tool.name"),
      service: prune({ name: at(record, "tool.source") }),
      request: prune({ uid: at(record, "mcp.request_id") }),
    }),
    dst_endpoint: prune({ name: at(record, "upstream.name") }),
    http_request: prune({
      http_method: at(record, "upstream.method"),
      url: prune({ path: at(record, "upstream.url_template") }),
      user_agent: at(record, "client.ua"),
    }),
    http_response: prune({ code: at(record, "upstream.status") }),
    unmapped: record,
  });
}

function groupsOf(record: JsonObject): JsonValue | undefined {
  const groups = at(record, "actor.groups");
  return Array.isArray(groups) ? groups.map((name: JsonValue) => ({ name })) : undefined;
}

/** Elastic Common Schema 8. */
function toEcs(record: JsonObject): JsonObject {
  const event = textAt(record, ["event"]);
  const iam = event.startsWith("auth.") || event === "policy.deny";
  const outcome = record["outcome"];
  return prune({
    "@timestamp": record["time"],
    ecs: { version: "8.17.0" },
    event: prune({
      id: record["id"],
      kind: "event",
      action: event,
      category: iam ? ["api", "iam"] : ["api"],
      type: outcome === "denied" ? ["denied"] : ["access"],
      outcome: outcome === undefined ? "unknown" : outcome === "success" ? "success" : "failure",
      reason: record["reason"],
      duration: typeof record["duration_ms"] === "number" ? record["duration_ms"] * 1e6 : undefined,
      sequence: record["seq"],
    }),
    user: prune({ id: at(record, "actor.sub"), roles: at(record, "actor.groups") }),
    client: prune({ ip: at(record, "client.ip") }),
    user_agent: prune({ original: at(record, "client.ua") }),
    service: prune({
      name: "tollgate",
      version: at(record, "gateway.version"),
      target: prune({ name: at(record, "upstream.name") }),
    }),
    http: prune({
      request: prune({ method: at(record, "upstream.method") }),
      response: prune({ status_code: at(record, "upstream.status") }),
    }),
    url: prune({ path: at(record, "upstream.url_template") }),
    labels: prune({ tool: at(record, "tool.name") }),
    tollgate: record,
  });
}

/** CloudEvents 1.0 in JSON. */
function toCloudEvent(record: JsonObject): JsonObject {
  return prune({
    specversion: "1.0",
    id: record["id"],
    source: `urn:tollgate:${textAt(record, ["gateway", "instance"])}`,
    type: `dev.tollgate.audit.${textAt(record, ["event"]).replaceAll(".", "_")}.v1`,
    subject: at(record, "actor.sub"),
    time: record["time"],
    datacontenttype: "application/json",
    data: record,
  });
}
