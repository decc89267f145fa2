import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { runProgram } from "../cli/program.ts";
import { answerJson } from "../world/api.ts";
import { readRecords } from "../world/audit.ts";
import { freePort, leaksToken, world, type World } from "../world/world.ts";
import { startCollector } from "./collector.ts";
import { startSyslogServer } from "./syslog-server.ts";

vi.setConfig({ testTimeout: 90_000 });

const secrets = {
  argument: "canary-argument",
  apiText: "canary-api-text",
  inner: "canary-inner-token",
  hook: "canary-hook-secret",
  client: "client-secret",
} as const;

const text = { type: "string" };
const schema = {
  type: "object",
  properties: { note: text, password: text, phrase: { ...text, format: "password" } },
};
const spec = {
  paths: {
    "/orders/{id}": {
      put: {
        operationId: "change_order",
        parameters: [{ name: "id", in: "path", required: true, schema: text }],
        requestBody: { content: { "application/json": { schema } } },
      },
    },
  },
};

interface Place {
  readonly name: string;
  readonly text: () => string | Promise<string>;
}

/** Every place that what is known of a call goes to; one more is one more line. */
async function openPlaces(): Promise<{
  readonly yaml: { sinks: string; top: string };
  readonly of: (at: World) => readonly Place[];
}> {
  const [hook, otlp, spans] = [
    await startCollector(),
    await startCollector(),
    await startCollector(),
  ];
  const syslog = await startSyslogServer();
  const admin = `127.0.0.1:${await freePort()}`;
  const bodies = (collector: typeof hook): string =>
    collector.taken.map(({ body }) => body).join("\n");
  const sinks = [
    "{file: {dir: rotated, rotate: {size: 4000}}}",
    `{webhook: {url: "${hook.url}/in", secret: "\${HOOK_SECRET}"}}`,
    `{otlp: {endpoint: "${otlp.url}"}}`,
    `{syslog: {url: "tcp://127.0.0.1:${syslog.port}"}}`,
  ];
  const run = (at: World, ...args: readonly string[]): Promise<string> => {
    const files = readdirSync(join(at.dir, "audit"))
      .filter((name) => name.includes(".ndjson"))
      .toSorted()
      .map((name) => join("audit", name));
    return runProgram(["audit", ...args, ...files], { cwd: at.dir }).then(({ stdout }) => stdout);
  };
  return {
    yaml: {
      sinks: sinks.map((sink) => `, ${sink}`).join(""),
      top: `admin: {listen: "${admin}"}\ntelemetry: {otlp: {endpoint: "${spans.url}"}}`,
    },
    of: (at) => [
      { name: "files", text: () => readFiles(join(at.dir, "audit")) },
      { name: "rotated files", text: () => readFiles(join(at.dir, "rotated")) },
      { name: "webhook", text: () => bodies(hook) },
      { name: "OTLP logs", text: () => bodies(otlp) },
      { name: "syslog", text: () => syslog.messages.join("\n") },
      { name: "traces", text: () => bodies(spans) },
      { name: "logs", text: () => at.logs.join("\n") },
      ...["ocsf", "ecs", "cloudevents", "json"].map((format) => ({
        name: `export ${format}`,
        text: () => run(at, "export", "--format", format),
      })),
      { name: "csv", text: () => run(at, "query", "--format", "csv") },
      { name: "table", text: () => run(at, "query") },
    ],
  };
}

function readFiles(dir: string): string {
  return readdirSync(dir)
    .map((name) => {
      const bytes = readFileSync(join(dir, name));
      return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    })
    .join("\n");
}

test("no secret comes to any sink, export, trace or log, even where arguments are shown", async () => {
  const { yaml, of } = await openPlaces();
  const at = await world({
    spec,
    audit: "args: full, result: digest",
    extra: yaml,
    env: { HOOK_SECRET: secrets.hook },
  });
  at.idp.exchange = () => ({
    status: 200,
    body: { access_token: secrets.inner, token_type: "Bearer", expires_in: 300 },
  });
  at.api.answer = ({ path }, response) =>
    answerJson(response, { title: secrets.apiText }, path.endsWith("9") ? 500 : 200);
  const tokens: string[] = [];
  for (let i = 0; i < 12; i++) {
    const token = await at.idp.token({ sub: `person-${i}` });
    tokens.push(token);
    const jwt = `eyJhbGciOiJIUzI1NiJ9.${secrets.argument}.sig`;
    const body = {
      note: i % 2 === 0 ? jwt : `seen-${i}`,
      password: secrets.argument,
      phrase: secrets.argument,
    };
    const params = { name: i === 5 ? "no_tool" : "change_order", arguments: { id: `o${i}`, body } };
    const message = { jsonrpc: "2.0", id: i, method: "tools/call", params };
    const authorization = `Bearer ${i === 7 ? `${token}x` : token}`;
    await (await at.post(message, { authorization })).text();
  }
  await at.gateway.close();
  // Syslog has no answer to wait for.
  await vi.waitFor(() => expect(of(at)[4]?.text()).toContain("audit.checkpoint"), 10_000);
  const calls = readRecords(
    readFiles(join(at.dir, "audit")).replaceAll(/^\{"target.*$/gm, ""),
  ).filter(({ phase }) => phase === "result");
  expect(calls.length).toBeGreaterThan(8);
  for (const { name, text: read } of of(at)) {
    const found = await read();
    // The place met what the run is about.
    expect.soft(found, name).toContain(name === "logs" ? "jwks_loaded" : "change_order");
    for (const secret of Object.values(secrets)) expect.soft(found, name).not.toContain(secret);
    const leaked = tokens.filter((token) => leaksToken(found, token));
    expect.soft(leaked, name).toEqual([]);
  }
});
