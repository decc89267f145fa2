import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, onTestFinished, test, vi } from "vitest";

import { type Collector, startCollector } from "../observe/collector.ts";
import { startSyslogServer } from "../observe/syslog-server.ts";
import { answerJson } from "../world/api.ts";
import { freePort, leaksToken, world } from "../world/world.ts";

/** A small generator with a fixed seed: a failure can be repeated. */
function createRandom(seed: number): <T>(from: readonly T[]) => T {
  let state = seed;
  return (from) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const found = from[Math.floor((state / 2 ** 32) * from.length)];
    if (found === undefined) throw new RangeError("nothing to pick from");
    return found;
  };
}

const sentinels = {
  idpText: "SENTINEL-idp-text",
  inner: "SENTINEL-inner-token",
  argument: "SENTINEL-argument",
  apiText: "SENTINEL-api-text",
  claim: "SENTINEL-claim",
  // Of the gateway's own client, as `world` has it; and as it goes over the wire.
  secret: "client-secret",
  basic: Buffer.from("gw:client-secret").toString("base64"),
} as const;

const spec = {
  paths: {
    "/orders/{id}": {
      get: {
        operationId: "get_order",
        parameters: [
          { name: "id", in: "path", required: true, schema: { type: "string", maxLength: 40 } },
          { name: "X-Note", in: "header", schema: { type: "string" } },
          { name: "q", in: "query", schema: { type: "string" } },
        ],
      },
      post: {
        operationId: "change_order",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
        requestBody: {
          content: { "application/json": { schema: { type: "object", additionalProperties: {} } } },
        },
      },
    },
  },
};

const calls = 10_000;
const atOnce = 20;

/** A place where something about calls is kept or sent to. A new one is one more line. */
interface Sink {
  readonly name: string;
  readonly read: () => string | Promise<string>;
}

async function readFiles(dir: string): Promise<string> {
  const names = await readdir(dir);
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), "utf8")));
  return texts.join("\n");
}

/** Reading all that was sent takes a while, so it is not done all the time. */
const patience = { timeout: 60_000, interval: 1_000 };

const countCalls = (text: string): number => text.split("tool.call").length - 1;

test(
  `S81, O10: ${calls} generated calls leave no secret in any log, metric, audit record, error or console`,
  { timeout: 600_000 },
  async () => {
    const printed: string[] = [];
    for (const stream of [process.stdout, process.stderr]) {
      const spy = vi.spyOn(stream, "write").mockImplementation((chunk) => {
        printed.push(chunk.toString());
        return true;
      });
      onTestFinished(() => {
        spy.mockRestore();
      });
    }
    const admin = `127.0.0.1:${await freePort()}`;
    const [webhook, collector, traces] = [
      await startCollector(),
      await startCollector(),
      await startCollector(),
    ];
    const syslog = await startSyslogServer();
    const at = await world({
      spec,
      extra: {
        top: `admin: {listen: "${admin}"}\ntelemetry: {otlp: {endpoint: "${traces.url}"}}`,
        sinks: `, {webhook: {url: "${webhook.url}/in", secret: "\${CLIENT_SECRET}"}}, {otlp: {endpoint: "${collector.url}"}}, {syslog: {url: "tcp://127.0.0.1:${syslog.port}"}}`,
      },
    });
    const bodies = ({ taken, refused }: Collector): string =>
      [...taken, ...refused]
        .map(({ path, headers, body }) => `${path} ${JSON.stringify(headers)} ${body}`)
        .join("\n");
    const shipped: readonly Sink[] = [
      { name: "webhook", read: () => bodies(webhook) },
      { name: "OpenTelemetry collector", read: () => bodies(collector) },
      { name: "syslog", read: () => syslog.messages.join("\n") },
    ];
    const sinks: readonly Sink[] = [
      { name: "log", read: () => at.logs.join("\n") },
      { name: "standard output and error", read: () => printed.join("\n") },
      { name: "audit files", read: () => readFiles(join(at.dir, "audit")) },
      { name: "metrics", read: async () => (await fetch(`http://${admin}/metrics`)).text() },
      { name: "traces", read: () => bodies(traces) },
      ...shipped,
    ];
    const pick = createRandom(6);
    const oauthErrors =
      "invalid_grant invalid_target invalid_scope access_denied invalid_client consent_required";
    const idpFails = `${oauthErrors} ${sentinels.idpText} 500 429 html echo crlf`.split(" ");
    let count = 0;
    at.idp.exchange = (form) => {
      count += 1;
      const good = { access_token: `${sentinels.inner}-${count}`, token_type: "Bearer" };
      const fails = pick([...idpFails, ...Array.from({ length: 60 }, () => "")]);
      const text = `${sentinels.idpText} ${form.toString()}`;
      switch (fails) {
        case "":
          return { status: 200, body: { ...good, expires_in: pick([0, 31, 300]) } };
        case "500":
        case "429":
          return { status: Number(fails), body: text };
        case "html":
          return { status: 200, body: text };
        case "echo":
          return { status: 200, body: { ...good, access_token: form.get("subject_token") } };
        case "crlf":
          return { status: 200, body: { ...good, access_token: `${sentinels.inner}\r\nx: y` } };
        default:
          return { status: 400, body: { error: fails, error_description: text, error_uri: text } };
      }
    };
    at.api.answer = ({ path }, response) => {
      const status = pick([200, 200, 200, 200, 204, 302, 400, 401, 403, 404, 422, 500, 503]);
      const text = `${sentinels.apiText} ${path}`;
      response.setHeader("location", `https://elsewhere.test/${sentinels.apiText}`);
      response.setHeader("www-authenticate", `Bearer realm="${sentinels.apiText}"`);
      if (pick([true, false])) response.writeHead(status).end(status === 204 ? "" : text);
      else if (status === 204) response.writeHead(204).end();
      else answerJson(response, { title: text, detail: text, errors: [{ id: text }] }, status);
    };
    const tokens = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        at.idp.token({ sub: `person-${i}`, email: sentinels.claim, jti: `${sentinels.claim}${i}` }),
      ),
    );
    const unlisted = ["", sentinels.argument, "..", "a/b", "x".repeat(50)];
    const told: string[] = [];
    const one = async (): Promise<void> => {
      const token = pick(tokens);
      const broken = pick([...Array.from({ length: 15 }, () => token), `${token}x`, "opaque"]);
      const id = pick([...unlisted, `${sentinels.argument}-1`, "7", "8", "9"]);
      const note = pick(["", sentinels.argument, `${sentinels.argument}\r\nx: y`]);
      const args =
        pick(["get_order", "change_order"]) === "get_order"
          ? { id, "X-Note": note, q: note }
          : { id, body: { note, password: sentinels.argument } };
      const name = "X-Note" in args ? "get_order" : "change_order";
      const params = { name: pick([name, name, name, "no_tool"]), arguments: args };
      const response = await at.post(
        { jsonrpc: "2.0", id: 1, method: "tools/call", params },
        { authorization: `Bearer ${broken}` },
      );
      told.push(`${[...response.headers].join("\n")}\n${await response.text()}`);
    };
    for (let i = 0; i < calls; i += atOnce) await Promise.all(Array.from({ length: atOnce }, one));

    const audited = countCalls(await readFiles(join(at.dir, "audit")));
    for (const { name, read } of shipped)
      await expect
        .poll(async () => countCalls(await read()), { message: name, ...patience })
        .toBeGreaterThanOrEqual(audited);
    await expect.poll(() => bodies(traces).includes("get_order"), patience).toBe(true);
    const texts = await Promise.all(sinks.map(async ({ read }) => read()));
    const kept = texts.join("\n");
    const answers = told.join("\n");
    const received = at.api.requests.map((request) => JSON.stringify(request)).join("\n");
    const has = (text: string, words: readonly string[]): readonly string[] =>
      words.filter((word) => text.includes(word));

    // The run met what it is about.
    expect(told).toHaveLength(calls);
    expect(has(received, [sentinels.inner, sentinels.argument])).toHaveLength(2);
    expect(has(answers, [sentinels.apiText])).toHaveLength(1);
    expect(at.idp.tokenRequests.length).toBeGreaterThan(100);
    expect(
      new Set(at.logs.map((line) => (JSON.parse(line) as { code?: string }).code)).size,
    ).toBeGreaterThan(5);

    expect(audited).toBeGreaterThan(calls / 2);
    const silent = sinks.filter((_, i) => texts[i] === "").map(({ name }) => name);
    expect(silent).toEqual(["standard output and error"]);

    // Nothing is kept of any secret; callers hear of the API's words and their own only.
    for (const [i, { name }] of sinks.entries())
      expect(has(texts[i] ?? "", Object.values(sentinels)), name).toEqual([]);
    const { inner, idpText, secret, basic, claim } = sentinels;
    expect(has(received, [idpText, secret, basic, claim])).toEqual([]);
    expect(has(answers, [inner, idpText, secret, basic, claim])).toEqual([]);
    const leaked = tokens.filter((token) => leaksToken(kept + answers + received, token));
    expect(leaked).toEqual([]);
  },
);
