import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { call, legacy, modern, send, usual } from "../mcp/wire.ts";
import { answerJson } from "../world/api.ts";
import { readRecords } from "../world/audit.ts";
import { site, type Site } from "./site.ts";

/** With these settings of `server.drain`. */
async function draining(drain: string): Promise<Site> {
  const at = await site();
  await at.edit("gateway.yaml", (text) =>
    text.replace(/^server: \{/m, `server: {drain: {${drain}}, `),
  );
  return at;
}

async function ask(at: Site): Promise<number> {
  const { body } = legacy("tools/call", call("list_orders"));
  const authorization = `Bearer ${await at.idp.token()}`;
  const response = await fetch(at.url, {
    method: "POST",
    headers: { ...usual, authorization },
    body: JSON.stringify(body),
  });
  await response.text();
  return response.status;
}

test("in Kubernetes it serves on for a while after SIGTERM, and says that it is not ready", async () => {
  const at = await site();
  const server = at.start(["serve"], { KUBERNETES_SERVICE_HOST: "10.0.0.1" });
  await server.until("stderr", '"listening"');
  server.child.kill("SIGTERM");
  await server.until("stderr", '"stopping"');
  const ready = await fetch(`${at.admin}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    503,
    { status: "unready", checks: { shutdown: "stopping" } },
  ]);
  expect(await ask(at)).toBe(200);
  expect((await server.ended).code).toBe(0);
});

test("a call that the SDK serves is answered in the drain, and so is what a busy connection asks next", async () => {
  const at = await draining("timeout: 20s");
  const answers: (() => void)[] = [];
  at.api.answer = (_, response) => {
    answers.push(() => answerJson(response, { ok: true }));
  };
  const server = at.start(["serve"]);
  await server.until("stderr", '"listening"');
  const authorization = `Bearer ${await at.idp.token()}`;
  const meta = { "io.modelcontextprotocol/clientCapabilities": { roots: { deep: { er: true } } } };
  const unusual = modern("tools/call", { ...call("list_orders"), _meta: meta });
  const inFlight = send(at.url, unusual.body, { ...unusual.headers, authorization });
  await vi.waitUntil(() => at.api.requests.length === 1, { timeout: 20_000 });
  const { hostname, port } = new URL(at.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  let read = "";
  socket.setEncoding("utf8").on("data", (text: string) => (read += text));
  const body = JSON.stringify(legacy("tools/call", call("list_orders")).body);
  const fields = { host: hostname, ...usual, authorization, "content-length": body.length };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const rest = `${head.join("")}\r\n${body}`;
  const line = "POST /mcp HTTP/1.1\r\n";
  // The next one has begun before the connection could be called idle.
  socket.write(line + rest + line);
  await vi.waitUntil(() => at.api.requests.length === 2, { timeout: 20_000 });
  server.child.kill("SIGTERM");
  await server.until("stderr", '"stopping"');
  await vi.waitFor(() => expect(ask(at)).rejects.toThrow("fetch failed"), { timeout: 20_000 });
  for (const answer of answers) answer();
  at.api.answer = (_, response) => answerJson(response, { ok: true });
  const result = { structuredContent: { ok: true } };
  expect((await inFlight).messages).toMatchObject([{ result }]);
  await vi.waitUntil(() => read.includes('"structuredContent":{"ok":true}'), { timeout: 20_000 });
  socket.write(rest);
  await once(socket, "close");
  expect(read.split("HTTP/1.1 200 OK").length - 1).toBe(2);
  expect(read.split('"structuredContent":{"ok":true}').length - 1).toBe(2);
  expect((await server.ended).code).toBe(0);
});

test("the last records are that it stopped, and a signed checkpoint", async () => {
  const at = await site();
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  await writeFile(join(at.dir, "audit.pem"), pem, { mode: 0o600 });
  await at.edit("gateway.yaml", (text) =>
    text.replace("audit: {", 'audit: {signingKey: "${file:audit.pem}", '),
  );
  const server = at.start(["serve"]);
  await server.until("stderr", '"listening"');
  expect(await ask(at)).toBe(200);
  server.child.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
  const text = await at.auditText();
  expect(readRecords(text).slice(-3)).toMatchObject([
    { event: "tool.call", outcome: "success" },
    { event: "server.stop", outcome: "success" },
    { event: "audit.checkpoint", sig: expect.any(String) as string },
  ]);
});

test("what does not end within the grace is cut, told with 1 and recorded", async () => {
  const at = await draining("delay: 0s, timeout: 100ms, grace: 300ms");
  const server = at.start(["serve"]);
  await server.until("stderr", '"listening"');
  const { hostname, port } = new URL(at.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  // Half a request keeps its connection, and the listener with it.
  socket.write("POST /mcp HTTP/1.1\r\nHost:");
  await once(socket, "connect");
  expect(await ask(at)).toBe(200);
  server.child.kill("SIGTERM");
  const { code, stderr } = await server.ended;
  expect({ code, told: stderr.includes('"stop_cut"') }).toEqual({ code: 1, told: true });
  expect(readRecords(await at.auditText()).at(-1)).toMatchObject({
    event: "server.stop",
    outcome: "failure",
    reason: "grace_exceeded",
  });
});

test("F58: when its input ends, a call under way on the pipe is answered before it ends with 0", async () => {
  const at = await site();
  let release = (): void => {};
  at.api.answer = (_, response) => {
    release = () => answerJson(response, { late: true });
  };
  const child = spawn(process.execPath, [resolve("dist/cli/main.js"), "serve", "--stdio"], {
    cwd: at.dir,
    env: { CLIENT_SECRET: "client-secret", TOLLGATE_TOKEN: await at.idp.token() },
    stdio: "pipe",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (written.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (written.stderr += chunk.toString()));
  const clientInfo = { name: "test", version: "1" };
  const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  const messages = [
    { id: 0, method: "initialize", params: hello },
    { method: "notifications/initialized" },
    { id: 1, method: "tools/call", params: call("list_orders") },
  ];
  child.stdin.end(
    messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join(""),
  );
  const ended = once(child, "close");
  await vi.waitUntil(() => at.api.requests.length > 0, { timeout: 20_000 });
  await vi.waitUntil(() => written.stderr.includes('"stopping"'), { timeout: 20_000 });
  release();
  expect(await ended).toEqual([0, null]);
  expect(written.stdout).toContain('"late":true');
  expect(await at.audit()).toMatchObject([{ event: "tool.call", outcome: "success" }]);
});
