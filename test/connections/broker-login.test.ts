import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { logIn } from "../../examples/demo/browser.ts";
import type { Principal } from "../../src/base/principal.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import { createTestPorts, person } from "../upstream/credential-world.ts";
import { createBrowser } from "../world/browser.ts";
import { startProvider } from "../world/provider.ts";
import { freePort } from "../world/world.ts";

interface Office {
  readonly gateway: Gateway;
  readonly dir: string;
  readonly alice: Principal;
  readonly authorizations: readonly URLSearchParams[];
}

/** A gateway with its own broker, at which people log in to connect an account. */
async function office(): Promise<Office> {
  const provider = await startProvider();
  const [port, brokerPort] = [await freePort(), await freePort()];
  const broker = `http://localhost:${brokerPort}`;
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  const document = {
    openapi: "3.1.0",
    info: { title: "test", version: "1" },
    paths: { "/issues": { get: { operationId: "list_issues" } } },
  };
  await writeFile(join(dir, "spec.json"), JSON.stringify(document));
  await writeFile(
    join(dir, "gateway.yaml"),
    `version: 1
server: {url: "http://localhost:${port}"}
auth:
  scopes: [mcp:tools]
  issuers: [{issuer: "${broker}"}]
  clients:
    local: {issuer: "${broker}", id: gateway, auth: private_key_jwt}
    tracker: {issuer: "${provider.url}", tokenUrl: "${provider.url}/token", id: at-tracker, secret: "\${SECRET}"}
broker: {issuer: "${broker}", upstream: dev}
connections:
  login: {client: local}
  providers: {tracker: {client: tracker, authorizationUrl: "${provider.url}/authorize"}}
apis:
  tracker:
    spec: spec.json
    url: http://127.0.0.1:1
    credential: {connection: {provider: tracker}}
    tools: [{match: {paths: ["/**"]}}]
audit: {sinks: [{file: {dir: audit}}]}
`,
  );
  const gateway = await createGateway({
    file: join(dir, "gateway.yaml"),
    env: { SECRET: "client-secret" },
    info: { name: "tollgate", version: "0.0.0-test" },
    ports: createTestPorts(),
    fetch: globalThis.fetch,
    pressure: undefined,
    writeAudit: async () => {},
  });
  await gateway.listen();
  onTestFinished(async () => {
    await gateway.close();
    provider.close();
    await rm(dir, { recursive: true });
  });
  const alice = person("a-token", { iss: broker, sub: "alice" });
  return { gateway, dir, alice, authorizations: provider.authorizations };
}

test("whoever logs in at the embedded broker is compared with whom the link was made for", async () => {
  const { gateway, alice, dir, authorizations } = await office();
  const link = (): string => gateway.snapshot.connections?.linkFor(alice, "tracker") ?? "";
  const open = async (sub: string) => {
    const browser = createBrowser();
    const login = new URL(await browser.peek(link()));
    expect(login.searchParams.get("redirect_uri")).toMatch(/\/login\/callback$/);
    return browser.open((await logIn(login, sub)).href);
  };
  const bobs = await open("bob");
  expect([bobs.status, bobs.text]).toEqual([403, expect.stringContaining("other_person")]);
  expect(authorizations).toEqual([]);
  const alices = await open("alice");
  expect([alices.status, alices.text]).toEqual([200, expect.stringContaining("is connected")]);
  expect(authorizations).toHaveLength(1);
  const audit = await readFile(join(dir, "audit", "audit.ndjson"), "utf8");
  expect(audit).toContain('"provider":"tracker","sub":"alice"');
});
