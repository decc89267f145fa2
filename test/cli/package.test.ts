import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startCollector } from "../observe/collector.ts";
import { freePort } from "../world/world.ts";
import { runProgram, startProgram } from "./program.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const run = promisify(execFile);

/** What `npm publish` would send, unpacked where no package is beside it. */
let directory: string;
let program: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tollgate-package-"));
  const args = ["pack", "--ignore-scripts", "--silent", "--pack-destination", directory];
  const { stdout } = await run("npm", args);
  await run("tar", ["-xzf", stdout.trim()], { cwd: directory });
  program = join(directory, "package/dist/cli/main.js");
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

test("it runs without another package: login, conditions, selections and traces, and validate", async () => {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const collector = await startCollector();
  const spec = {
    openapi: "3.1.0",
    info: { title: "Shop", version: "1" },
    paths: { "/orders": { get: { operationId: "list_orders", summary: "List orders" } } },
  };
  await writeFile(join(directory, "shop.json"), JSON.stringify(spec));
  await writeFile(
    join(directory, "gateway.yaml"),
    `version: 1
server: {url: "${origin}"}
auth:
  mode: oauth
  scopes: [mcp:tools]
  issuers: [{issuer: "${origin}"}]
  when: principal.claims.sub.matches("^a")
broker: {issuer: "${origin}", upstream: dev}
apis:
  shop:
    spec: shop.json
    url: http://127.0.0.1:9
    credential: none
    tools: [{operation: list_orders, response: {select: "[].id"}}]
telemetry: {otlp: {endpoint: "${collector.url}"}}
`,
  );
  const place = { cwd: directory, program };
  const validated = await runProgram(["validate"], place);
  expect(validated).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("1 of 1 operations"),
  });

  const served = startProgram(["serve"], place);
  try {
    await served.until("stderr", '"listening"');
    const metadata = await fetch(`${origin}/.well-known/oauth-authorization-server`);
    expect(await metadata.json()).toMatchObject({ issuer: origin });
    const refused = await fetch(`${origin}/mcp`, { method: "POST", body: "{}" });
    expect(refused.status).toBe(401);
  } finally {
    served.child.kill("SIGTERM");
  }
  expect((await served.ended).code).toBe(0);
});

test("the library is there too", async () => {
  const library = pathToFileURL(join(directory, "package/dist/index.js")).href;
  const script = `import * as names from ${JSON.stringify(library)}; console.log(Object.keys(names));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script]);
  expect(stdout.trim()).toBe("[ 'ConfigError', 'createGateway' ]");
});

test("the licence of every package inside is told", async () => {
  const text = await readFile(join(directory, "package/dist/THIRD_PARTY_LICENSES.txt"), "utf8");
  for (const name of ["fastify", "undici", "oidc-provider", "@opentelemetry/sdk-trace-base"]) {
    expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: `, "m"));
  }
  expect(text).not.toContain("undefined");
});
