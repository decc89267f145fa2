import { randomBytes, randomInt } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { runProgram, startProgram, type Ended, type Program } from "../cli/program.ts";
import { freePort } from "../world/world.ts";
import { startRedis, type TestRedis } from "./redis.ts";

/** Gateways with their brokers as programs of their own, behind one address. */
export interface Plant {
  /** Where people and clients go. */
  readonly url: string;
  readonly dir: string;
  readonly redis: TestRedis | undefined;
  readonly nodes: readonly PlantNode[];
  readonly run: (args: readonly string[]) => Promise<Ended>;
}

interface PlantNode {
  /** Where the proxy finds it. */
  readonly origin: string;
  readonly start: () => Promise<void>;
  /** Without a farewell. */
  readonly kill: () => Promise<void>;
  /** Whether the proxy sends it requests. */
  readonly up: () => boolean;
  /** Its log, of this and earlier lives. */
  readonly said: () => string;
}

export interface PlantOptions {
  readonly store: "lmdb" | "redis";
  readonly nodes?: number;
}

export async function plant({ store, nodes: count = 1 }: PlantOptions): Promise<Plant> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-plant-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const redis = store === "redis" ? await startRedis() : undefined;
  const key = randomBytes(32).toString("base64");
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const nodes = await Promise.all(
    Array.from({ length: count }, async (_, i): Promise<PlantNode> => {
      const listen = `${ownAddress()}:${await freePort()}`;
      const file = join(dir, `gateway-${i}.yaml`);
      const where =
        redis === undefined
          ? `lmdb: {dir: ${join(dir, "broker")}, encryptionKeys: ["\${KEY}"]}`
          : `redis: {url: ${redis.url}, encryptionKeys: ["\${KEY}"]}`;
      await writeFile(file, yaml({ url, listen, where, audit: join(dir, `audit-${i}`) }));
      return createNode(["serve", "--no-watch", "-c", file], { dir, key, listen });
    }),
  );
  onTestFinished(async () => {
    await Promise.all(nodes.map((node) => node.kill()));
  });
  await Promise.all(nodes.map((node) => node.start()));
  await startProxy(port, nodes);
  return {
    url,
    dir,
    redis,
    nodes,
    run: (args) =>
      runProgram(args, {
        cwd: dir,
        env: { KEY: key, TOLLGATE_CONFIG: join(dir, "gateway-0.yaml") },
      }),
  };
}

/** While a node is dead nobody else may get its port, as they would on the address that all tests use. */
function ownAddress(): string {
  return `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}

function yaml(at: {
  readonly url: string;
  readonly listen: string;
  readonly where: string;
  readonly audit: string;
}): string {
  return `version: 1
server: {url: "${at.url}", listen: "${at.listen}"}
auth:
  scopes: [mcp:tools]
  keysDir: ${at.audit}
  issuers: [{issuer: "${at.url}"}]
broker:
  issuer: ${at.url}
  upstream: dev
  store: {${at.where}}
audit: {sinks: [{file: {dir: ${at.audit}}}]}
apis:
  courses:
    spec: ${resolve("specs/courses.yaml")}
    url: http://127.0.0.1:9
    credential: none
    tools: [{operation: search_courses}]
`;
}

function createNode(
  args: readonly string[],
  { dir, key, listen }: { readonly dir: string; readonly key: string; readonly listen: string },
): PlantNode {
  let program: Program | undefined;
  let up = false;
  let before = "";
  const origin = `http://${listen}`;
  return {
    origin,
    up: () => up,
    said: () => `${before}${program?.output().stderr ?? ""}`,
    async start() {
      program = startProgram(args, { cwd: dir, env: { KEY: key } });
      await answers(origin, program);
      up = true;
    },
    async kill() {
      before += program?.output().stderr ?? "";
      // A proxy goes on sending until it sees that nobody is there.
      if (program?.child.kill("SIGKILL") === true) await program.ended;
      up = false;
    },
  };
}

/** Until the node has an answer for who comes. */
async function answers(origin: string, { child, output }: Program): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`a node ended: ${output().stderr}`);
    const answer = await fetch(`${origin}/jwks.json`).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((done) => void setTimeout(done, 20));
  }
}

/** Each request to the next node that is up; a broken one is the client's to send again. */
async function startProxy(port: number, nodes: readonly PlantNode[]): Promise<Server> {
  let turn = 0;
  const server = createServer((req, res) => {
    const alive = nodes.filter((node) => node.up());
    const target = alive[turn++ % Math.max(1, alive.length)];
    if (target === undefined) return void res.destroy();
    const sent = httpRequest(
      new URL(req.url ?? "/", target.origin),
      { method: req.method, headers: req.headers },
      (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(res);
        answer.on("error", () => res.destroy());
      },
    );
    sent.on("error", () => res.destroy());
    req.pipe(sent);
  });
  await new Promise<void>((done) => void server.listen(port, "127.0.0.1", done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}
