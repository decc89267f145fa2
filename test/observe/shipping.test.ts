import { createHmac } from "node:crypto";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Secret } from "../../src/base/secret.ts";
import type { AuditConfig, SinkConfig } from "../../src/config/types/audit.ts";
import type { Audit } from "../../src/observe/audit.ts";
import { listRotated } from "../../src/observe/sinks/log-dir.ts";
import { readRecords, type AuditRecord } from "../world/audit.ts";
import { makeCertificate } from "../world/certificate.ts";
import { freePort } from "../world/world.ts";
import { callOf, makeDir, openAudit, readWholeLog, success, traceOf } from "./audit.ts";
import { startCollector, type Collector } from "./collector.ts";
import { startSyslogServer } from "./syslog-server.ts";

vi.setConfig({ testTimeout: 40_000 });
const soon = { timeout: 15_000, interval: 50 };

function withSink(dir: string, ...sinks: readonly SinkConfig[]): Partial<AuditConfig> {
  return { sinks: [{ kind: "file", dir, rotation: undefined }, ...sinks] };
}

function webhookTo({ url }: Pick<Collector, "url">): SinkConfig {
  return { kind: "webhook", url: `${url}/in`, secret: new Secret("hook-secret") };
}

async function callTimes(audit: Audit, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    expect(await audit.call(callOf({ args: { i } }), success, traceOf())).toBe(true);
  }
}

function idsOf(records: readonly AuditRecord[]): readonly unknown[] {
  return records.map(({ id }) => id);
}

function hooked({ taken }: Collector): readonly AuditRecord[] {
  return taken.flatMap(({ body }) => JSON.parse(body) as readonly AuditRecord[]);
}

describe("webhook", () => {
  test("gets every record in order, in batches that are signed", async () => {
    const collector = await startCollector();
    const dir = await makeDir();
    const audit = openAudit(dir, withSink(dir, webhookTo(collector)));
    audit.start({});
    await callTimes(audit, 30);
    await audit.close();
    expect(idsOf(hooked(collector))).toEqual(idsOf(readRecords(readWholeLog(dir))));
    expect(collector.taken.length).toBeLessThan(10);
    for (const { headers, body, path } of collector.taken) {
      const {
        "webhook-id": id,
        "webhook-timestamp": time,
        "webhook-signature": signature,
      } = headers;
      const expected = createHmac("sha256", "hook-secret").update([id, time, body].join("."));
      expect(signature).toBe(`v1,${expected.digest("base64")}`);
      expect(path).toBe("/in");
    }
  });

  test("F53: what is refused is sent again, later and in order, and calls do not wait", async () => {
    const collector = await startCollector();
    const statuses = [503, 429, 302, 404];
    collector.status = () => statuses.shift() ?? 200;
    const dir = await makeDir();
    const audit = openAudit(dir, withSink(dir, webhookTo(collector)));
    audit.start({});
    await vi.waitFor(() => {
      expect(audit.stats().shipping).toMatchObject([
        { sink: "webhook", shipped: 0, problem: "answered 503" },
      ]);
    }, soon);
    expect(audit.problem()).toBeUndefined();
    await callTimes(audit, 5);
    await vi.waitFor(() => expect(hooked(collector)).toHaveLength(6), soon);
    await vi.waitFor(() => {
      expect(audit.stats().shipping).toMatchObject([
        { failed: 4, problem: undefined, behindBytes: 0, lagMs: 0 },
      ]);
    }, soon);
    await audit.close();
    expect(idsOf(hooked(collector))).toEqual(idsOf(readRecords(readWholeLog(dir))));
    const ids = collector.refused.map(({ headers }) => headers["webhook-id"]);
    expect(new Set(ids)).toEqual(new Set([collector.taken[0]?.headers["webhook-id"]]));
  });

  test("F53: a process that was killed loses nothing and the next one goes on from where it was", async () => {
    const collector = await startCollector();
    const dir = await makeDir();
    const config = withSink(dir, webhookTo(collector));
    const killed = openAudit(dir, config);
    killed.start({});
    await callTimes(killed, 5);
    await vi.waitFor(() => expect(hooked(collector)).toHaveLength(6), soon);
    collector.status = () => 503;
    await callTimes(killed, 5);
    await vi.waitFor(() => expect(collector.refused.length).toBeGreaterThan(0), soon);
    // The first goes on trying and must not be told apart from none.
    collector.status = ({ headers }) => (headers["x-second"] === "1" ? 200 : 503);
    const send: typeof fetch = (url, init) =>
      fetch(url, { ...init, headers: { ...(init?.headers as object), "x-second": "1" } });
    const second = openAudit(dir, config, { send });
    second.start({});
    await callTimes(second, 2);
    await second.close();
    const written = readRecords(readWholeLog(dir));
    expect(idsOf(hooked(collector))).toEqual(idsOf(written));
    await killed.close();
  });

  test("without its cursor it starts again with the oldest line: twice is better than never", async () => {
    const collector = await startCollector();
    const dir = await makeDir();
    const first = openAudit(dir, withSink(dir, webhookTo(collector)));
    first.start({});
    await first.close();
    expect(hooked(collector)).toHaveLength(3);
    const cursor = readdirSync(dir).find((name) => name.endsWith(".cursor"));
    writeFileSync(join(dir, cursor ?? ""), "{ not json");
    const second = openAudit(dir, withSink(dir, webhookTo(collector)));
    second.start({});
    await second.close();
    expect(hooked(collector)).toHaveLength(9);
  });

  test("a receiver that takes less at once gets smaller batches", async () => {
    const collector = await startCollector();
    collector.status = ({ body }) => (body.length > 5_000 ? 413 : 200);
    const dir = await makeDir();
    const audit = openAudit(dir, withSink(dir, webhookTo(collector)));
    audit.start({});
    await callTimes(audit, 60);
    await vi.waitFor(() => expect(hooked(collector)).toHaveLength(61), { timeout: 30_000 });
    await audit.close();
    expect(collector.refused.length).toBeGreaterThan(0);
    expect(idsOf(hooked(collector))).toEqual(idsOf(readRecords(readWholeLog(dir))));
  });

  test("full files wait for it: none is compressed or removed before it has them", async () => {
    const collector = await startCollector();
    collector.status = () => 503;
    const dir = await makeDir();
    const rotation = { maxBytes: 3_000, everyMs: 86_400_000, keep: 2, compress: true };
    const config = { sinks: [{ kind: "file", dir, rotation }, webhookTo(collector)] } as const;
    const audit = openAudit(dir, config);
    audit.start({});
    await callTimes(audit, 30);
    await vi.waitFor(() => expect(collector.refused.length).toBeGreaterThan(1), soon);
    const waiting = listRotated(dir);
    expect(waiting.length).toBeGreaterThan(5);
    expect(waiting.filter(({ compressed }) => compressed)).toEqual([]);
    collector.status = () => 200;
    await vi.waitFor(() => expect(hooked(collector).length).toBeGreaterThan(30), soon);
    await callTimes(audit, 20);
    await vi.waitFor(() => expect(listRotated(dir).length).toBeLessThanOrEqual(2), soon);
    await audit.close();
    const calls = hooked(collector).filter(({ event }) => event === "tool.call");
    expect(calls).toHaveLength(50);
    expect(new Set(idsOf(calls)).size).toBe(50);
  });

  test("F53: one that never answers holds up nothing, not even the end", async () => {
    const collector = await startCollector();
    collector.status = () => undefined;
    const dir = await makeDir();
    const audit = openAudit(dir, withSink(dir, webhookTo(collector)));
    audit.start({});
    await callTimes(audit, 50);
    await audit.close();
    expect(readRecords(readWholeLog(dir))).toHaveLength(53);
    collector.status = () => 200;
    const next = openAudit(dir, withSink(dir, webhookTo(collector)));
    next.start({});
    await next.close();
    expect(idsOf(hooked(collector))).toEqual(idsOf(readRecords(readWholeLog(dir))));
  });
});

describe("OTLP logs", () => {
  test("are log records as a collector reads them", async () => {
    const collector = await startCollector();
    const dir = await makeDir();
    const headers = new Map([["x-api-key", new Secret("otlp-secret")]]);
    const sink: SinkConfig = { kind: "otlp", endpoint: collector.url, headers };
    const audit = openAudit(dir, withSink(dir, sink));
    audit.start({});
    await audit.call(callOf(), success, traceOf());
    const denied = { event: "policy.deny", outcome: "denied", reason: "unknown_tool" } as const;
    await audit.call(callOf(), denied, traceOf({ tool: undefined }));
    await audit.close();
    const [first] = collector.taken;
    expect(first).toMatchObject({ path: "/v1/logs", headers: { "x-api-key": "otlp-secret" } });
    expect(first?.headers["content-type"]).toBe("application/json");
    const { resourceLogs } = JSON.parse(first?.body ?? "") as OtlpLogs;
    expect(attributesOf(resourceLogs[0]?.resource.attributes)).toMatchObject({
      "service.name": "tollgate",
      "service.version": "1.2.3",
    });
    const records = collector.taken.flatMap(({ body }) =>
      (JSON.parse(body) as OtlpLogs).resourceLogs.flatMap(({ scopeLogs }) =>
        scopeLogs.flatMap(({ logRecords }) => logRecords),
      ),
    );
    expect(records.map(({ body }) => body.stringValue)).toEqual(
      readWholeLog(dir).split("\n").slice(0, -1),
    );
    expect(records[1]).toMatchObject({ severityNumber: 9, severityText: "INFO" });
    expect(records[1]?.timeUnixNano).toMatch(/^\d{19}$/);
    expect(attributesOf(records[2]?.attributes)).toEqual({
      "event.name": "policy.deny",
      "event.outcome": "denied",
      "error.type": "unknown_tool",
      "user.id": "alice",
      "gen_ai.tool.name": "get_order",
      "tollgate.audit.id": expect.stringMatching(/^[0-9A-Z]{26}$/),
    });
    expect(records[2]).toMatchObject({ severityNumber: 13 });
  });

  test("what a collector takes only in part is sent again", async () => {
    const collector = await startCollector();
    collector.answer = '{"partialSuccess":{"rejectedLogRecords":"1"}}';
    const dir = await makeDir();
    const sink: SinkConfig = { kind: "otlp", endpoint: collector.url, headers: new Map() };
    const audit = openAudit(dir, withSink(dir, sink));
    audit.start({});
    await vi.waitFor(() => {
      expect(audit.stats().shipping).toMatchObject([{ problem: "refused 1 records" }]);
    }, soon);
    collector.answer = "{}";
    await vi.waitFor(() => expect(audit.stats().shipping).toMatchObject([{ shipped: 1 }]), soon);
    await audit.close();
  });
});

interface OtlpLogs {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: Attributes };
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly timeUnixNano: string;
        readonly body: { readonly stringValue: string };
        readonly attributes: Attributes;
      }[];
    }[];
  }[];
}

type Attributes = readonly {
  readonly key: string;
  readonly value: { readonly stringValue: string };
}[];

function attributesOf(attributes: Attributes = []): Readonly<Record<string, string>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));
}

/** RFC 5424 §6. */
const message =
  /^<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S{1,255}) tollgate (\d+) (\S{1,32}) - (\{.*\})$/;

describe("syslog", () => {
  test("messages are RFC 5424, and all arrive in order", async () => {
    const server = await startSyslogServer();
    const dir = await makeDir();
    const audit = openAudit(dir, withSink(dir, tcp(server.port)));
    audit.start({});
    await audit.call(callOf({ tool: "größe\u2028" }), success, traceOf({ tool: undefined }));
    const denied = { event: "policy.deny", outcome: "denied", reason: "unknown_tool" } as const;
    await audit.call(callOf(), denied, traceOf({ tool: undefined }));
    await audit.close();
    await vi.waitFor(() => expect(server.messages).toHaveLength(5), soon);
    const parts = server.messages.map((text) => message.exec(text) ?? []);
    expect(parts.map(([, priority, , , , event]) => [priority, event])).toEqual([
      ["110", "server.start"],
      ["110", "tool.call"],
      ["109", "policy.deny"],
      ["110", "server.stop"],
      ["110", "audit.checkpoint"],
    ]);
    expect(parts.map(([, , , , , , line]) => line)).toEqual(
      readWholeLog(dir).split("\n").slice(0, -1),
    );
  });

  test("F53: what was under way when a connection broke is sent again", async () => {
    const server = await startSyslogServer();
    const dir = await makeDir();
    const audit = openAudit(dir, withSink(dir, tcp(server.port)));
    audit.start({});
    await vi.waitFor(() => expect(server.messages).toHaveLength(1), soon);
    server.deaf = true;
    await callTimes(audit, 10);
    await vi.waitFor(() => expect(audit.stats().shipping).toMatchObject([{ shipped: 11 }]), soon);
    server.deaf = false;
    server.cut();
    const ids = (): readonly unknown[] => [
      ...new Set(
        server.messages.map((text) => idsOf(readRecords(message.exec(text)?.[6] ?? ""))[0]),
      ),
    ];
    await vi.waitFor(() => expect(ids()).toHaveLength(11), soon);
    await audit.close();
    await vi.waitFor(() => expect(ids()).toEqual(idsOf(readRecords(readWholeLog(dir)))), soon);
  });

  test("over TLS only a server whose certificate is trusted gets anything", async () => {
    const made = makeCertificate("localhost");
    const server = await startSyslogServer(made);
    const dir = await makeDir();
    const sink = { kind: "syslog", host: "localhost", port: server.port, tls: true } as const;
    const trusting = openAudit(dir, withSink(dir, { ...sink, ca: made.certificate }));
    trusting.start({});
    await vi.waitFor(() => expect(server.messages).toHaveLength(1), soon);
    await trusting.close();
    await vi.waitFor(() => expect(server.messages).toHaveLength(3), soon);
    const other = await makeDir();
    const strict = openAudit(other, withSink(other, { ...sink, ca: undefined }));
    strict.start({});
    await vi.waitFor(() => {
      expect(strict.stats().shipping).toMatchObject([{ problem: /self-signed/ }]);
    }, soon);
    await strict.close();
    expect(server.messages).toHaveLength(3);
  });

  test("rsyslog takes them", async ({ skip }) => {
    const program = "/usr/sbin/rsyslogd";
    if (!existsSync(program)) skip("rsyslogd is not installed (Debian package rsyslog)");
    const dir = await makeDir();
    const port = await freePort();
    const out = join(dir, "out.log");
    const conf = join(dir, "rsyslog.conf");
    writeFileSync(
      conf,
      `module(load="imtcp")
input(type="imtcp" port="${port}" address="127.0.0.1")
template(name="t" type="string" string="%app-name% %msgid% %pri% %msg%\\n")
action(type="omfile" file="${out}" template="t")
`,
    );
    const args = ["-n", "-f", conf, "-i", join(dir, "pid")];
    const child = spawn(program, args, { stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    const audit = openAudit(dir, withSink(dir, tcp(port)));
    audit.start({});
    await callTimes(audit, 20);
    const lines = (): readonly string[] =>
      existsSync(out) ? readFileSync(out, "utf8").split("\n").slice(0, -1) : [];
    await vi.waitFor(() => expect(lines()).toHaveLength(21), { timeout: 30_000, interval: 100 });
    const records = lines().map((line) => line.replace(/^tollgate \S+ \d+ ?/, ""));
    expect(records).toEqual(readWholeLog(dir).split("\n").slice(0, 21));
    expect(lines()[1]).toMatch(/^tollgate tool\.call 110 /);
    await audit.close();
  });
});

function tcp(port: number): SinkConfig {
  return { kind: "syslog", host: "127.0.0.1", port, tls: false, ca: undefined };
}
