import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { verifyText } from "../observe/audit.ts";
import { answerJson } from "../world/api.ts";
import { readRecords } from "../world/audit.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

const id = { name: "id", in: "path", required: true, schema: { type: "integer" } };
const spec = {
  paths: {
    "/orders/{id}": {
      get: { operationId: "get_order", parameters: [id] },
      delete: { operationId: "cancel_order", parameters: [id] },
    },
  },
};

/** The directory of the audit log becomes a file, so that nothing can be written any more. */
async function breakAudit({ dir, gateway }: World): Promise<() => Promise<void>> {
  const audit = join(dir, "audit");
  rmSync(audit, { recursive: true });
  writeFileSync(audit, "");
  await vi.waitFor(() => expect(gateway.auditProblem()).toBeDefined());
  return async () => {
    rmSync(audit);
    await mkdir(audit);
    await vi.waitFor(() => expect(gateway.auditProblem()).toBeUndefined());
  };
}

function broken(onFailure: "deny" | "allow" | "deny-unsafe", durability = "flushed"): WorldOptions {
  return { spec, audit: `onFailure: ${onFailure}, durability: ${durability}` };
}

test("what may change something is announced before it is sent", async () => {
  const at = await world({ spec });
  let before = "";
  at.api.answer = (_, response) => {
    before = readFileSync(join(at.dir, "audit/audit.ndjson"), "utf8");
    answerJson(response, { ok: true });
  };
  await at.call("cancel_order", { id: 7 });
  const intent = readRecords(before).find(({ phase }) => phase === "intent");
  expect(intent).toMatchObject({
    event: "tool.call",
    actor: { sub: "alice" },
    tool: { name: "cancel_order", risk: "delete" },
    upstream: { method: "DELETE", url_template: "/orders/{id}", token: "exchanged", aud: "api" },
  });
  expect(intent).not.toHaveProperty("outcome");
  expect(await at.audit()).toMatchObject([
    { phase: "result", outcome: "success", intent: intent?.["id"], upstream: { status: 200 } },
  ]);
  await at.call("get_order", { id: 7 });
  expect(readRecords(await at.auditText()).filter(({ phase }) => phase === "intent")).toHaveLength(
    1,
  );
  expect(verifyText(await at.auditText())).toMatchObject({ findings: [], withoutResult: [] });
});

test("a record names the rule that let the caller in, the configuration and the answer", async () => {
  const at = await world({ spec });
  at.api.answer = (_, response) => answerJson(response, { id: 7 });
  await at.call("get_order", { id: 7 });
  expect(await at.audit()).toMatchObject([
    {
      policy: {
        decision: "allow",
        rule: expect.stringMatching(/gateway\.yaml:\d+:\d+$/),
        generation: at.gateway.snapshot.generation,
      },
      client: { ip: "127.0.0.1", ua: "node" },
      mcp: { transport: "http", method: "tools/call", request_id: "1" },
      upstream: { status: 200, attempts: 1 },
      response: { bytes: 8, is_error: false },
    },
  ]);
  expect(readRecords(await at.auditText())[0]).toMatchObject({
    event: "server.start",
    config: { generation: at.gateway.snapshot.generation },
  });
});

test.each(["flushed", "fsync"])(
  "%s: the record is in the file before the answer comes",
  async (durability) => {
    const at = await world({ spec, audit: `durability: ${durability}` });
    for (let i = 1; i <= 5; i++) {
      await at.call("get_order", { id: i });
      expect(await at.audit()).toHaveLength(i);
    }
  },
);

test.each([
  { onFailure: "deny", tool: "get_order", sent: 0 },
  { onFailure: "deny", tool: "cancel_order", sent: 0 },
  { onFailure: "deny-unsafe", tool: "get_order", sent: 1 },
  { onFailure: "deny-unsafe", tool: "cancel_order", sent: 0 },
  { onFailure: "allow", tool: "get_order", sent: 1 },
  { onFailure: "allow", tool: "cancel_order", sent: 1 },
] as const)("without a log, $onFailure sends $sent of $tool", async ({ onFailure, tool, sent }) => {
  const at = await world(broken(onFailure));
  at.api.answer = (_, response) => answerJson(response, { id: 7 });
  const repair = await breakAudit(at);
  const result = await at.call(tool, { id: 7 });
  expect(at.api.requests).toHaveLength(sent);
  expect(result).toMatchObject(sent === 0 ? { isError: true } : { structuredContent: { id: 7 } });
  await repair();
  expect(await at.call(tool, { id: 8 })).toMatchObject({ structuredContent: { id: 7 } });
  // What waited was written: every call has its end, in order, and the chain is whole from there.
  expect(await at.audit()).toMatchObject([
    sent === 0
      ? { outcome: "failure", reason: "audit_unavailable" }
      : { outcome: "success", tool: { name: tool } },
    { outcome: "success", tool: { name: tool } },
  ]);
});

test("arguments are shown as `audit.args` says, and of an answer its digest", async () => {
  const password = { type: "string", format: "password" };
  const properties = { id: { type: "integer" }, phrase: password, note: { type: "string" } };
  const body = { content: { "application/json": { schema: { type: "object", properties } } } };
  const at = await world({
    spec: { paths: { "/logins": { post: { operationId: "add_login", requestBody: body } } } },
    audit: 'result: digest, args: {tools: {"add_*": {fields: [body]}}}',
  });
  at.api.answer = (_, response) => answerJson(response, { done: true });
  const note = "line\u2028\u001B[2J";
  await at.call("add_login", { body: { id: 7, phrase: "canary", note } });
  const text = await at.auditText();
  expect(text).not.toContain("canary");
  const [record] = await at.audit();
  expect(record).toMatchObject({
    args: {
      mode: "fields",
      fields: { body: { id: 7, phrase: "***", note: "line\\u2028\\u001b[2J" } },
      redacted: ["body.phrase"],
      digest: expect.stringMatching(/^hmac-sha256:/),
    },
    response: { bytes: 13, digest: expect.stringMatching(/^hmac-sha256:/) },
  });
});
