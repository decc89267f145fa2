import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { exporters } from "../../src/observe/record/export.ts";

const gateway = { version: "1.2.3", instance: "tollgate-7f9c" };
const head = {
  v: 1,
  seq: 48_121,
  chain: "tollgate-7f9c@2026-11-22T10:00:00.000Z-5be1",
  prev: `sha256:${"0b".repeat(32)}`,
  time: "2026-11-22T21:07:16.972Z",
};

const records: readonly JsonObject[] = [
  {
    ...head,
    id: "01KAYKG4R1NWEFZRC0N9NB7QG3",
    event: "tool.call",
    phase: "result",
    outcome: "failure",
    reason: "upstream_error",
    actor: {
      sub: "alice",
      iss: "https://idp",
      client_id: "cursor",
      act: [{ sub: "agent-42" }],
      scopes: ["orders:read"],
      groups: ["ops"],
    },
    client: { ip: "203.0.113.9", ua: "Cursor/2.1", name: "cursor", version: "2.1" },
    mcp: { transport: "http", protocol: "2026-07-28", method: "tools/call", request_id: "17" },
    tool: { name: "orders_getOrder", source: "orders", operation: "getOrder", risk: "read" },
    policy: { decision: "allow", rule: "gateway.yaml:61:9", generation: "a1b2c3" },
    args: { mode: "digest", digest: "hmac-sha256:x", bytes: 42 },
    upstream: {
      name: "orders",
      method: "GET",
      url_template: "/v1/orders/{id}",
      status: 502,
      attempts: 1,
      duration_ms: 12,
    },
    duration_ms: 14,
    gateway,
  },
  {
    ...head,
    id: "01KAYKG4R1NWEFZRC0N9NB7QG4",
    event: "auth.deny",
    outcome: "denied",
    reason: "expired",
    gateway,
  },
  { ...head, id: "01KAYKG4R1NWEFZRC0N9NB7QG5", event: "server.start", outcome: "success", gateway },
];

test.each(["ocsf", "ecs", "cloudevents"] as const)("records as %s", (format) => {
  const text = `${JSON.stringify(records.map(exporters[format]), undefined, 2)}\n`;
  const file = new URL(`../golden/audit/${format}.json`, import.meta.url);
  if (process.env["UPDATE_GOLDEN"]) writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, "utf8"));
});
