import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { readEnds, type AuditRecord } from "../world/audit.ts";
import type { World } from "../world/world.ts";
import { confirmWorld, connectPerson } from "./world.ts";

// Programs are started here, and a busy machine starts them slowly.
vi.setConfig({ testTimeout: 60_000 });

const can = [
  ["2026", "http"],
  ["2026", "stdio"],
  ["2025", "stdio"],
] as const;

const call = { name: "delete_patient", arguments: { id: "7", reason: "moved away" } };

async function recordsOf({ audit, dir }: World, transport: string): Promise<AuditRecord[]> {
  const all =
    transport === "http"
      ? await audit()
      : readEnds(await readFile(join(dir, "stdio", "audit", "audit.ndjson"), "utf8"));
  // Clients of the 2025 era try a GET as well.
  return all.filter(({ reason }) => reason !== "method_not_allowed");
}

test.each(can)(
  "S69: a client of %s over %s asks its person, and the call goes on when they agree",
  async (era, transport) => {
    const at = await confirmWorld();
    const { client, questions } = await connectPerson(at, era, transport, "accept");
    const result = await client.callTool(call);
    expect(result.isError).not.toBe(true);
    expect(questions).toMatchObject([
      {
        message: [
          "delete_patient (Forget a patient), DELETE /patients/{id} of api: may this call be made?",
          'id: "7"',
          'reason: "moved away"',
        ].join("\n"),
        requestedSchema: { type: "object", properties: {} },
      },
    ]);
    expect(at.api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "DELETE /patients/7?reason=moved%20away",
    ]);
    expect(await recordsOf(at, transport)).toMatchObject([
      { event: "tool.call", outcome: "failure", reason: "confirmation_required" },
      {
        event: "tool.call",
        outcome: "success",
        confirmation: { answer: "accept", by: "form" },
        upstream: { status: 204 },
      },
    ]);
  },
);

test.each(can.flatMap((kind) => [[...kind, "decline"] as const, [...kind, "cancel"] as const]))(
  "S69: a client of %s over %s whose person says %s gets an error, and nothing is sent",
  async (era, transport, answer) => {
    const at = await confirmWorld();
    const { client, questions } = await connectPerson(at, era, transport, answer);
    const result = await client.callTool(call);
    expect(result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/The person .*; nothing was sent\./) }],
    });
    expect(questions).toHaveLength(1);
    expect(at.api.requests).toEqual([]);
    expect(await recordsOf(at, transport)).toMatchObject([
      { event: "tool.call", outcome: "failure", reason: "confirmation_required" },
      {
        event: "policy.deny",
        outcome: "denied",
        reason: "confirmation_declined",
        confirmation: { answer, by: "form" },
        policy: { decision: "deny" },
      },
    ]);
  },
);

test.each([
  ["2026", "http", undefined],
  ["2026", "stdio", undefined],
  ["2025", "stdio", undefined],
  ["2025", "http", undefined],
  // It has forms, and there is no way to ask for one.
  ["2025", "http", "accept"],
] as const)(
  "S69: a client of %s over %s that cannot be asked is refused and told what to do (%s)",
  async (era, transport, answer) => {
    const at = await confirmWorld();
    const { client, questions } = await connectPerson(at, era, transport, answer);
    expect(await client.callTool(call)).toMatchObject({
      isError: true,
      content: [
        {
          text: "This tool needs the agreement of a person, and nobody can be asked here; nothing was sent. Let the person call it from a client that shows forms (elicitation): of MCP 2026-07-28, or of 2025-11-25 over stdio.",
        },
      ],
    });
    expect(questions).toEqual([]);
    expect(at.api.requests).toEqual([]);
    expect(await recordsOf(at, transport)).toMatchObject([
      { event: "policy.deny", outcome: "denied", reason: "confirmation_unavailable" },
    ]);
    // Others are not asked for.
    expect((await client.callTool({ name: "list_patients" })).isError).not.toBe(true);
  },
);

test.each([
  ["forged", (): string => "forged"],
  ["changed", (state: string): string => `${state.slice(0, -4)}AAAA`],
])("S78: over stdio a %s state is refused and recorded", async (_what, change) => {
  const at = await confirmWorld();
  const { client } = await connectPerson(at, "2026", "stdio", "accept");
  const ask = (more: object): Promise<Record<string, unknown>> =>
    client.request(
      { method: "tools/call", params: { ...call, ...more } },
      { allowInputRequired: true },
    );
  const { requestState } = await ask({});
  const inputResponses = { confirm: { action: "accept", content: {} } };
  const state = change(String(requestState));
  await expect(ask({ inputResponses, requestState: state })).rejects.toMatchObject({
    code: -32_602,
    message: expect.stringContaining("Invalid or expired requestState"),
  });
  expect(at.api.requests).toEqual([]);
  // The right one still is good, once.
  expect(await ask({ inputResponses, requestState })).not.toHaveProperty("isError");
  await expect(ask({ inputResponses, requestState })).rejects.toMatchObject({ code: -32_602 });
  expect(at.api.requests).toHaveLength(1);
  const reject = { event: "request.reject", outcome: "denied", reason: "invalid_request_state" };
  expect(await recordsOf(at, "stdio")).toMatchObject([
    { reason: "confirmation_required" },
    reject,
    { outcome: "success" },
    reject,
  ]);
});
