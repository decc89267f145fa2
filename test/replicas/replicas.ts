import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startProgram, type Program } from "../cli/program.ts";
import { startApi, type TestApi } from "../world/api.ts";
import { startIdp, type TestIdp } from "../world/idp.ts";
import { startProxy, type Backend } from "../world/proxy.ts";
import { freePort } from "../world/world.ts";

interface Replica {
  readonly name: string;
  readonly start: () => Promise<Program>;
  /** The process that runs now. */
  readonly running: () => Program;
  readonly auditText: () => Promise<string>;
}

/** Gateways of one configuration behind HAProxy. */
export interface Replicas {
  /** Of the MCP endpoint, at HAProxy. */
  readonly url: string;
  readonly all: readonly Replica[];
  readonly api: TestApi;
  readonly idp: TestIdp;
  readonly dir: string;
}

const spec = {
  openapi: "3.1.0",
  info: { title: "Shop", version: "1" },
  paths: {
    "/orders/{id}": {
      parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      get: { operationId: "get_order" },
      delete: { operationId: "cancel_order" },
    },
  },
};

export async function startReplicas(count: number): Promise<Replicas> {
  const ports = await Promise.all(
    Array.from({ length: count }, async () => ({
      port: await freePort(),
      admin: await freePort(),
    })),
  );
  const backends = ports.map(({ port, admin }): Backend => ({
    address: `127.0.0.1:${port}`,
    check: { path: "/readyz", port: admin },
  }));
  const front = await freePort();
  const origin = `http://127.0.0.1:${front}`;
  const [api, idp] = await Promise.all([startApi(), startIdp(`${origin}/mcp`)]);
  const dir = await mkdtemp(join(tmpdir(), "tollgate-replicas-"));
  await writeFile(join(dir, "spec.json"), JSON.stringify(spec));
  await writeFile(
    join(dir, "gateway.yaml"),
    `version: 1
server:
  url: "${origin}"
  listen: "127.0.0.1:\${PORT}"
  # Longer than HAProxy takes to notice.
  drain: {delay: 5s}
admin: {listen: "127.0.0.1:\${ADMIN}"}
auth:
  mode: oauth
  scopes: [mcp:tools]
  issuers: [{issuer: "${idp.url}"}]
  keysDir: "keys-\${NAME}"
  clients: {gateway: {issuer: "${idp.url}", id: gw, auth: client_secret_basic, secret: "\${CLIENT_SECRET}"}}
apis:
  shop:
    spec: spec.json
    url: ${api.url}
    credential: {exchange: {client: gateway, audience: api}}
    tools: [{match: {paths: ["/**"]}}]
audit: {sinks: [{file: {dir: "audit-\${NAME}"}}]}
`,
  );
  const all = ports.map(({ port, admin }, i): Replica => {
    const name = `r${i}`;
    let program: Program | undefined;
    onTestFinished(async () => {
      if (program === undefined || program.child.exitCode !== null) return;
      program.child.kill("SIGKILL");
      await once(program.child, "exit");
    });
    return {
      name,
      async start() {
        const env = {
          NAME: name,
          PORT: String(port),
          ADMIN: String(admin),
          CLIENT_SECRET: "client-secret",
        };
        program = startProgram(["serve"], { cwd: dir, env });
        await program.until("stderr", '"listening"');
        return program;
      },
      running() {
        if (program === undefined) throw new TypeError(`${name} was not started`);
        return program;
      },
      auditText: () => readFile(join(dir, `audit-${name}`, "audit.ndjson"), "utf8"),
    };
  });
  // Registered first, so that it happens last.
  onTestFinished(() => rm(dir, { recursive: true }));
  await Promise.all(all.map((replica) => replica.start()));
  await startProxy("haproxy", backends, front);
  onTestFinished(() => {
    api.close();
    idp.close();
  });
  return { url: `${origin}/mcp`, all, api, idp, dir };
}
