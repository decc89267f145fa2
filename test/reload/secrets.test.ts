import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { ConfigError } from "../../src/base/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import { refuseRestart } from "../../src/gateway/restart.ts";
import { makeDir, makeKey } from "../observe/audit.ts";
import { type Collector, startCollector } from "../observe/collector.ts";
import { startSyslogServer } from "../observe/syslog-server.ts";
import { makeCertificate } from "../world/certificate.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

vi.setConfig({ testTimeout: 30_000 });
const soon = { timeout: 15_000, interval: 50 };

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

async function worldWith(
  sink: string,
  files: Readonly<Record<string, string>>,
  more: Partial<WorldOptions> = {},
): Promise<World> {
  return world({ spec, credential: "none", files, ...more, extra: { ...more.extra, sinks: sink } });
}

async function rotate({ dir, gateway }: World, name: string, text: string): Promise<unknown> {
  await writeFile(join(dir, name), text, { mode: 0o600 });
  return gateway.reload();
}

function isSignedWith(secret: string, { headers, body }: Collector["taken"][number]): boolean {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signature } = headers;
  const own = createHmac("sha256", secret).update([id, time, body].join("."));
  return signature === `v1,${own.digest("base64")}`;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

test("the signing secret of a webhook changes with its file, and no restart", async () => {
  const collector = await startCollector();
  const at = await worldWith(
    `, {webhook: {url: "${collector.url}", secret: "\${file:hook.txt}"}}`,
    { "hook.txt": "first-secret" },
  );
  const signedWith = (secret: string) => (): string[] =>
    collector.taken.map((one) => (isSignedWith(secret, one) ? "yes" : "no"));
  await at.call("list_orders");
  await expect.poll(signedWith("first-secret"), soon).toContain("yes");
  expect(signedWith("first-secret")()).not.toContain("no");
  expect(await rotate(at, "hook.txt", "second-secret")).toMatchObject({ outcome: "applied" });
  await at.call("list_orders");
  await expect.poll(signedWith("second-secret"), soon).toContain("yes");
  await at.gateway.close();
  // A batch that was under way has the old one, none after the first with the new one.
  const signatures = signedWith("second-secret")();
  expect(signatures).toEqual(signatures.toSorted(byText));
});

test("headers for a collector change with their file, for records and for spans", async () => {
  const [records, spans] = await Promise.all([startCollector(), startCollector()]);
  const header = `headers: {X-Key: "\${file:key.txt}"}`;
  const at = await worldWith(
    `, {otlp: {endpoint: "${records.url}", ${header}}}`,
    { "key.txt": "1st-key" },
    { extra: { top: `telemetry: {otlp: {endpoint: "${spans.url}", ${header}}}` } },
  );
  const keysOf = ({ taken }: Collector): string[] =>
    taken.map(({ headers }) => String(headers["x-key"]));
  await at.call("list_orders");
  await expect.poll(() => keysOf(records), soon).toContain("1st-key");
  expect(await rotate(at, "key.txt", "2nd-key")).toMatchObject({ outcome: "applied" });
  await at.call("list_orders");
  await expect.poll(() => keysOf(records), soon).toContain("2nd-key");
  await at.gateway.close();
  expect(keysOf(records)).toEqual(keysOf(records).toSorted(byText));
  // Spans travel every 5 s and at the end.
  expect(keysOf(spans).at(-1)).toBe("2nd-key");
  expect(keysOf(spans)).toEqual(keysOf(spans).toSorted(byText));
});

test("a syslog server with another certificate is trusted as soon as its file says so", async () => {
  const [first, second] = [makeCertificate("localhost"), makeCertificate("localhost")];
  const server = await startSyslogServer(second);
  const at = await worldWith(
    `, {syslog: {url: "tls://localhost:${server.port}", ca: "\${file:ca.pem}"}}`,
    { "ca.pem": first.certificate },
  );
  await vi.waitFor(() => expect(at.logs.join("\n")).toContain("audit_ship_failed"), soon);
  expect(server.messages).toEqual([]);
  expect(await rotate(at, "ca.pem", second.certificate)).toMatchObject({ outcome: "applied" });
  await vi.waitFor(() => expect(server.messages.length).toBeGreaterThan(0), soon);
});

test("another key for checkpoints needs a restart, and the reload says so", async () => {
  const at = await world({
    spec,
    credential: "none",
    audit: 'signingKey: "${file:own.pem}"',
    files: { "own.pem": makeKey().pem.reveal() },
  });
  expect(await rotate(at, "own.pem", makeKey().pem.reveal())).toMatchObject({
    outcome: "refused",
    issues: [{ code: "restart_required", message: /^audit changed/ }],
  });
});

test.each([
  { change: "a comment above everything", from: "version: 1", to: "# why\nversion: 1", says: [] },
  { change: "the password of a Redis", from: "first", to: "second", says: ["replicas"] },
  { change: "a provider's secret", from: "idp-1", to: "idp-2", says: ["broker"] },
])("$change: what needs a restart is named, and nothing else", async ({ from, to, says }) => {
  const dir = await makeDir();
  const file = join(dir, "gateway.yaml");
  const read = async (swap: (text: string) => string): ReturnType<typeof loadConfig> => {
    await writeFile(file, swap(fixed));
    return loadConfig(file, env(swap));
  };
  const before = await read((text) => text);
  const after = await read((text) => text.replace(from, to));
  const refused = (): readonly string[] => {
    try {
      refuseRestart(before, after);
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.issues.map(({ message }) => message.split(" ")[0] ?? "");
    }
  };
  expect(refused()).toEqual(says);
});

const fixed = `version: 1
server: {url: "https://mcp.acme.test", listen: "127.0.0.1:3000"}
auth:
  scopes: [mcp:tools]
  issuers: [{issuer: "https://auth.acme.test"}]
  clients:
    login:
      {issuer: "https://login.acme.test", id: tollgate, auth: client_secret_post, secret: "\${IDP}"}
broker:
  issuer: https://auth.acme.test
  listen: 127.0.0.1:4000
  upstream: {acme: {preset: generic, client: login}}
  store: {redis: {url: "redis://127.0.0.1:6379", encryptionKeys: ["\${KEY}"]}}
apis:
  orders: {spec: orders.yaml, url: "http://orders.test", credential: none, tools: [{match: {methods: [GET]}}]}
replicas: {redis: {url: "redis://127.0.0.1:6379", password: "\${PASSWORD}"}}
`;

function env(swap: (text: string) => string): Record<string, string> {
  return { IDP: swap("idp-1"), PASSWORD: swap("first"), KEY: Buffer.alloc(32).toString("base64") };
}
