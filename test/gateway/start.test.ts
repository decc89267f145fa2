import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createGateway } from "../../src/gateway.ts";

test("a gateway whose broker cannot open its store says so, and no start of it is recorded", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "gateway.yaml");
  await writeFile(
    file,
    `version: 1
server: {url: "http://localhost:3000"}
auth: {issuers: [{issuer: "http://localhost:4000"}]}
broker:
  issuer: http://localhost:4000
  listen: 127.0.0.1:4000
  upstream: dev
  store: {lmdb: {dir: spec.json/store, encryptionKeys: ["\${KEY}"]}}
apis: {api: {spec: spec.json, url: "http://127.0.0.1:1", credential: none, tools: [{match: {paths: ["/**"]}}]}}
audit: {sinks: [{file: {dir: audit}}]}
`,
  );
  const paths = { "/orders": { get: { operationId: "list_orders" } } };
  const document = { openapi: "3.1.0", info: { title: "test", version: "1" }, paths };
  await writeFile(join(dir, "spec.json"), JSON.stringify(document));
  const started = createGateway({
    file,
    env: { KEY: Buffer.alloc(32, 1).toString("base64") },
    info: { name: "tollgate", version: "0.0.0-test" },
    ports: { now: () => Date.now(), log: { debug() {}, info() {}, warn() {}, error() {} } },
    fetch: globalThis.fetch,
    writeAudit: async () => {},
    pressure: undefined,
  });
  await expect(started).rejects.toMatchObject({
    name: "ConfigError",
    issues: [{ code: "broker_store_unavailable" }],
  });
  expect(await readFile(join(dir, "audit", "audit.ndjson"), "utf8")).toBe("");
});
