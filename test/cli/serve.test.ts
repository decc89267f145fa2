import { EventEmitter, once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { answerJson } from "../world/api.ts";
import type { Program } from "./program.ts";
import { readEnds } from "../world/audit.ts";
import { makeCertificate } from "../world/certificate.ts";
import { knock } from "../world/knock.ts";
import { site, type Site } from "./site.ts";

async function serve(at: Site, args: readonly string[] = []): Promise<Program> {
  const server = at.start(["serve", ...args]);
  await server.until("stderr", '"listening"');
  return server;
}

async function callTool(at: Site, name: string, token?: string): Promise<Response> {
  const params = { name, arguments: {} };
  return fetch(at.url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token ?? (await at.idp.token())}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  });
}

const lines = (text: string): object[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as object);

test("standard output is the audit log and nothing else, standard error the log", async () => {
  const at = await site({ auditToStdout: true });
  const server = await serve(at);
  expect((await callTool(at, "list_orders")).status).toBe(200);
  expect((await callTool(at, "list_orders", "a.b.c")).status).toBe(401);
  server.child.kill("SIGTERM");
  const { code, stdout, stderr } = await server.ended;
  expect(code).toBe(0);
  expect(readEnds(stdout)).toMatchObject([
    { event: "tool.call", outcome: "success", tool: { name: "list_orders" } },
    { event: "auth.deny", outcome: "denied", reason: "malformed_token" },
  ]);
  expect(stdout).toBe(await at.auditText());
  expect(lines(stderr)).toContainEqual(expect.objectContaining({ msg: "listening", tools: 3 }));
});

test("a taken port is told and is no crash", async () => {
  const at = await site();
  await serve(at);
  const second = await at.run(["serve"]);
  expect({ code: second.code, stdout: second.stdout }).toEqual({ code: 1, stdout: "" });
  expect(second.stderr).toMatch(/EADDRINUSE.*another process listens there: stop it, or write/);
});

describe("a signal", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s lets the call in flight end, refuses new ones, and is 0",
    async (signal) => {
      const at = await site();
      const gate = new EventEmitter();
      at.api.answer = async (_, response) => {
        await once(gate, "open");
        answerJson(response, { late: true });
      };
      const server = await serve(at);
      const answer = callTool(at, "list_orders");
      await vi.waitUntil(() => at.api.requests.length > 0, { timeout: 20_000 });
      server.child.kill(signal);
      await server.until("stderr", '"stopping"');
      const port = Number(new URL(at.url).port);
      await vi.waitUntil(async () => (await knock(port)) === "ECONNREFUSED", 20_000);
      expect(server.child.exitCode).toBeNull();
      gate.emit("open");
      expect(await (await answer).json()).toMatchObject({
        result: { structuredContent: { late: true } },
      });
      expect((await server.ended).code).toBe(0);
      expect(await at.audit()).toMatchObject([{ event: "tool.call", outcome: "success" }]);
    },
  );

  test("F56: a second one does not wait: 130", async () => {
    const at = await site();
    at.api.answer = () => {};
    const server = await serve(at);
    const answer = callTool(at, "list_orders").then(
      () => "answered",
      () => "cut",
    );
    await vi.waitUntil(() => at.api.requests.length > 0, { timeout: 20_000 });
    server.child.kill("SIGTERM");
    await server.until("stderr", '"stopping"');
    server.child.kill("SIGINT");
    expect((await server.ended).code).toBe(130);
    expect(await answer).toBe("cut");
    expect((await at.auditText()).trimEnd().split("\n").at(-1)).toContain(
      '"event":"server.stop","outcome":"failure","reason":"interrupted"',
    );
  });

  test("what takes longer than the drain is ended, and told with 1", async () => {
    const at = await site();
    await at.edit("gateway.yaml", (text) =>
      text.replace(/^server:.*$/m, (line) => line.replace("{", "{drain: {timeout: 200ms}, ")),
    );
    at.api.answer = () => {};
    const server = await serve(at);
    const answer = callTool(at, "list_orders");
    await vi.waitUntil(() => at.api.requests.length > 0, { timeout: 20_000 });
    server.child.kill("SIGTERM");
    expect(await (await answer).json()).toMatchObject({ result: { isError: true } });
    const { code, stderr } = await server.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('"calls_aborted"');
    expect(await at.audit()).toMatchObject([{ event: "tool.call", outcome: "cancelled" }]);
  });

  test("the gateway says that it stops before it refuses anybody", async () => {
    const at = await site();
    await at.edit("gateway.yaml", (text) =>
      text.replace(/^server:.*$/m, (line) => line.replace("{", "{drain: {delay: 20s}, ")),
    );
    const server = await serve(at);
    expect((await at.run(["healthcheck", "--ready"])).code).toBe(0);
    server.child.kill("SIGTERM");
    await server.until("stderr", '"stopping"');
    const ready = await at.run(["healthcheck", "--ready"]);
    expect({ code: ready.code, told: ready.stderr.includes("stopping") }).toEqual({
      code: 1,
      told: true,
    });
    expect((await callTool(at, "list_orders")).status).toBe(200);
    server.child.kill("SIGTERM");
    expect((await server.ended).code).toBe(130);
  });

  test("SIGHUP reloads: a good file is served, a broken one changes nothing and says where", async () => {
    const at = await site();
    const server = await serve(at, ["--no-watch"]);
    await at.edit("gateway.yaml", (text) =>
      text.replace("- operation: add_item", "$&\n        name: put_item"),
    );
    server.child.kill("SIGHUP");
    await server.until("stderr", '"config_reloaded"');
    await at.edit("gateway.yaml", (text) => text.replace("apis:", "apsi:"));
    server.child.kill("SIGHUP");
    await server.until("stderr", '"config_refused"');
    expect(server.output().stderr).toMatch(/gateway\.yaml:\d+:1.*did you mean \\"apis\\"\?/);
    expect((await callTool(at, "list_orders")).status).toBe(200);
    expect(await at.audit()).toMatchObject([
      { event: "config.reload", outcome: "success" },
      { event: "config.reload", outcome: "failure", reason: "unknown_key" },
      { event: "tool.call", outcome: "success" },
    ]);
  });
});

describe("healthcheck", () => {
  test("is 1 when nothing runs, 0 when it lives, and --ready asks for more than life", async () => {
    const at = await site();
    const down = await at.run(["healthcheck"]);
    expect({ code: down.code, stdout: down.stdout }).toEqual({ code: 1, stdout: "" });
    expect(down.stderr).toContain("does not answer");
    await serve(at);
    expect(await at.run(["healthcheck"])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
    const ready = await at.run(["healthcheck", "--ready"]);
    expect(ready).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
  });

  test("without an identity provider's keys the gateway lives and is not ready", async () => {
    const at = await site();
    at.idp.close();
    await serve(at);
    expect((await at.run(["healthcheck"])).code).toBe(0);
    const { code, stdout, stderr } = await at.run(["healthcheck", "--ready"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/\/readyz answered 503 .*no keys of http/);
  });

  test("without an admin listener any answer is life, and --ready is a usage error", async () => {
    const at = await site({ admin: false });
    await serve(at);
    expect(await at.run(["healthcheck"])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
    const { code, stdout, stderr } = await at.run(["healthcheck", "--ready"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("admin.listen");
  });

  test("without an admin listener a TLS handshake is life as well", async () => {
    const at = await site({ admin: false });
    const pair = makeCertificate("127.0.0.1");
    await writeFile(join(at.dir, "tls.crt"), pair.certificate);
    await writeFile(join(at.dir, "tls.key"), pair.key, { mode: 0o600 });
    await at.edit("gateway.yaml", (text) =>
      text.replace(
        /^server: \{url: "http:(.*)"\}$/m,
        'server: {url: "https:$1", tls: {certificate: "${file:tls.crt}", key: "${file:tls.key}"}}',
      ),
    );
    const down = await at.run(["healthcheck"]);
    expect(down.code).toBe(1);
    expect(down.stderr).toContain("does not answer");
    await serve(at);
    expect(await at.run(["healthcheck"])).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
  });
});

describe("audit tail", () => {
  test("before the first call is 1", async () => {
    const { code, stdout, stderr } = await (await site()).run(["audit", "tail"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("does not exist yet");
  });

  test("shows the last records, as lines for people or as they are, and follows", async () => {
    const at = await site();
    const server = await serve(at);
    await callTool(at, "list_orders");
    await callTool(at, "list_orders", "a.b.c");
    const records = await at.auditText();
    const asTheyAre = await at.run(["audit", "tail", "--json"]);
    expect(asTheyAre).toMatchObject({ code: 0, stderr: "" });
    expect(asTheyAre.stdout).toBe(records);
    const { stdout } = await at.run(["audit", "tail", "-n", "1"]);
    expect(stdout).toMatch(/^\S+Z auth\.deny +denied +- +- +- +- +malformed_token\n$/);

    const follower = at.start(["audit", "tail", "-f", "-n", "1"]);
    await follower.until("stdout", "malformed_token");
    await callTool(at, "list_orders", await at.idp.token({ sub: "bob\n\u001b[2J" }));
    await follower.until("stdout", "list_orders");
    follower.child.kill("SIGTERM");
    const followed = await follower.ended;
    expect(followed.code).toBe(0);
    const events = followed.stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ +/)[1]);
    expect(events).toEqual(["auth.deny", "token.exchange", "tool.call"]);
    expect(followed.stdout).not.toContain("\u001b");
    server.child.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
  });
});
