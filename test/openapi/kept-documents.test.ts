import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ConfigError } from "../../src/base/errors.ts";
import { createGateway, inspect, type Gateway, type GatewayOptions } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/log.ts";
import { freePort } from "../world/world.ts";
import { serveDocuments } from "./document-server.ts";
import { document, newDir } from "./load-text.ts";

interface Site {
  /** By path; undefined: the connection is cut. */
  readonly answers: Record<string, string | number | undefined>;
  /** Path and status of every answer. */
  readonly told: string[];
  /** A new process, as it were: it has nothing but the files. */
  readonly start: () => Promise<Gateway>;
  readonly options: GatewayOptions;
  readonly dir: string;
  readonly log: readonly string[];
  readonly admin: (path: string) => Promise<Response>;
  readonly point: (spec: string) => Promise<void>;
}

/** A host of documents that knows entity tags, and a gateway that is made of one of them. */
async function site(answers: Site["answers"]): Promise<Site> {
  const told: string[] = [];
  const listener = Object.keys(answers).map((path) => [
    path,
    (...[request, response]: Parameters<Parameters<typeof serveDocuments>[0][string] & object>) => {
      const answer = answers[path];
      if (answer === undefined) return void request.socket.destroy();
      const etag = `"${createHash("sha256").update(String(answer)).digest("hex")}"`;
      const known = request.headers["if-none-match"] === etag;
      const status = typeof answer === "number" ? answer : known ? 304 : 200;
      told.push(`${path} ${status}`);
      response.writeHead(status, { etag }).end(status === 200 ? answer : "");
    },
  ]);
  const server = await serveDocuments(Object.fromEntries(listener));
  const dir = await newDir();
  const port = await freePort();
  const point = (spec: string): Promise<void> =>
    writeFile(
      join(dir, "gateway.yaml"),
      `version: 1
server: {url: "http://localhost:3000", listen: 127.0.0.1:0}
admin: {listen: 127.0.0.1:${port}}
auth: {mode: none}
apis:
  a:
    spec: http://127.0.0.1:${server.port}${spec}
    url: http://localhost:8080
    credential: none
    tools: [{match: {methods: [GET]}}]
audit: {sinks: [{stdout: {}}]}
`,
    );
  await point("/api.yaml");
  const log: string[] = [];
  const options: GatewayOptions = {
    file: join(dir, "gateway.yaml"),
    env: {},
    info: { name: "tollgate", version: "0" },
    ports: { now: () => Date.now(), log: createLog((line) => log.push(line), "warn") },
    fetch: globalThis.fetch,
    writeAudit: async () => {},
    pressure: undefined,
  };
  const start = async (): Promise<Gateway> => {
    const gateway = await createGateway(options);
    onTestFinished(() => gateway.close());
    await gateway.listen();
    return gateway;
  };
  const admin = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
  return { answers, told, start, options, dir, log, admin, point };
}

async function startAndStop({ start }: Site): Promise<void> {
  await (await start()).close();
}

/** Codes of what keeps it from starting. */
async function refusedStart({ start }: Site): Promise<readonly string[]> {
  return start().then(
    () => [],
    (error: ConfigError) => error.issues.map(({ code }) => code),
  );
}

const one = document("/a: {get: {operationId: one}}");
const two = document("/a: {get: {operationId: two}}");

const tools = ({ snapshot }: Gateway): string[] => [...snapshot.catalog.tools.keys()];
const filesIn = ({ dir }: Site): Promise<string[]> => readdir(join(dir, "var/specs"));

test.each([503, 429, undefined])(
  "F43: a start while the host of a document answers %s serves its last good copy, and says so",
  async (down) => {
    const made = await site({ "/api.yaml": one });
    const before = await made.start();
    const { generation } = before.snapshot;
    await before.close();
    made.answers["/api.yaml"] = down;
    const gateway = await made.start();
    expect(tools(gateway)).toEqual(["one"]);
    expect(gateway.snapshot.generation).toBe(generation);
    expect(made.log.join("\n")).toContain("document_not_fetched");
    const ready = await made.admin("/readyz");
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({
      warnings: { documents: expect.stringMatching(/\/api\.yaml .*; the last good copy serves$/) },
    });
    expect(await (await made.admin("/config/status")).json()).toMatchObject({
      generation,
      stale_documents: [{ url: expect.stringContaining("/api.yaml"), reason: expect.any(String) }],
    });
    expect(await (await made.admin("/metrics")).text()).toContain("\ntollgate_stale_documents 1\n");
    made.answers["/api.yaml"] = two;
    expect((await gateway.reload()).outcome).toBe("applied");
    expect(tools(gateway)).toEqual(["two"]);
    expect(await (await made.admin("/readyz")).json()).not.toHaveProperty("warnings");
    expect(await (await made.admin("/metrics")).text()).toContain("\ntollgate_stale_documents 0\n");
  },
);

test("F43: a start asks whether the copy of the process before still holds", async () => {
  const made = await site({ "/api.yaml": one });
  await startAndStop(made);
  await startAndStop(made);
  made.answers["/api.yaml"] = two;
  expect(tools(await made.start())).toEqual(["two"]);
  expect(made.told).toEqual(["/api.yaml 200", "/api.yaml 304", "/api.yaml 200"]);
});

test("F43: documents behind references are kept too, and what no longer serves is not", async () => {
  const main = document("/a: {get: {operationId: one}}\n/b: {$ref: b.yaml}");
  const b = "get: {operationId: b}";
  const made = await site({ "/api.yaml": main, "/b.yaml": b, "/other.yaml": two });
  await startAndStop(made);
  made.answers["/api.yaml"] = undefined;
  made.answers["/b.yaml"] = undefined;
  // An operator's own, in the same directory.
  const foreign = join(made.dir, "var/specs/orders.copy.yaml");
  await writeFile(foreign, "mine");
  const gateway = await made.start();
  expect(tools(gateway)).toEqual(["b", "one"]);
  expect(await readFile(foreign, "utf8")).toBe("mine");
  await rm(foreign);
  expect(await filesIn(made)).toHaveLength(2);
  await made.point("/other.yaml");
  expect((await gateway.reload()).outcome).toBe("applied");
  expect(await filesIn(made)).toHaveLength(1);
  expect((await stat(join(made.dir, "var/specs"))).mode & 0o077).toBe(0);
  const [file = ""] = await filesIn(made);
  expect((await stat(join(made.dir, "var/specs", file))).mode & 0o077).toBe(0);
});

test("F43: what was refused is never the last good copy", async () => {
  const made = await site({ "/api.yaml": one });
  const gateway = await made.start();
  // A document that reads well and leaves no tool: the candidate is what is refused.
  await writeFile(
    made.options.file,
    (await readFile(made.options.file, "utf8")).replace(
      "{match: {methods: [GET]}}",
      "$&, {operation: one}",
    ),
  );
  expect((await gateway.reload()).outcome).toBe("applied");
  for (const bad of [two, "openapi: 3.1.0\npaths: ["]) {
    made.answers["/api.yaml"] = bad;
    expect((await gateway.reload()).outcome).toBe("refused");
  }
  await gateway.close();
  made.answers["/api.yaml"] = 503;
  expect(tools(await made.start())).toEqual(["one"]);
});

const spoil: Readonly<Record<string, (bytes: Buffer) => Uint8Array>> = {
  "with one byte changed": (bytes) =>
    Buffer.from(bytes.toString().replace("operationId: one", "operationId: two")),
  "cut off": (bytes) => bytes.subarray(0, -5),
  empty: () => new Uint8Array(),
  "of another document": (bytes) => Buffer.from(bytes.toString().replace("/api.yaml", "/ape.yaml")),
  "no text": () => new Uint8Array([0xff, 0x00, 0x0a, 0x7b]),
};

test.each(Object.entries(spoil))("F43: a copy that is %s serves nobody", async (_, change) => {
  const made = await site({ "/api.yaml": one });
  await startAndStop(made);
  const [name = ""] = await filesIn(made);
  const file = join(made.dir, "var/specs", name);
  await writeFile(file, change(await readFile(file)));
  made.answers["/api.yaml"] = 503;
  expect(await refusedStart(made)).toEqual(["spec_not_fetched"]);
  made.answers["/api.yaml"] = one;
  await startAndStop(made);
  made.answers["/api.yaml"] = 503;
  expect(tools(await made.start())).toEqual(["one"]);
});

test("F43: a host that says there is no such document is believed", async () => {
  const made = await site({ "/api.yaml": one });
  await startAndStop(made);
  made.answers["/api.yaml"] = 404;
  expect(await refusedStart(made)).toEqual(["spec_not_fetched"]);
});

test("F43: who only looks neither keeps a copy nor takes one for the document", async () => {
  const made = await site({ "/api.yaml": one });
  await inspect(made.options);
  await expect(filesIn(made)).rejects.toMatchObject({ code: "ENOENT" });
  await startAndStop(made);
  made.answers["/api.yaml"] = 503;
  await expect(inspect(made.options)).rejects.toMatchObject({
    issues: [{ code: "spec_not_fetched" }],
  });
});

test("F43: where nothing can be kept that is told, and keeps nobody from being served", async () => {
  const made = await site({ "/api.yaml": one });
  // A file where the directory should be: root is not stopped by permissions.
  await mkdir(join(made.dir, "var"));
  await writeFile(join(made.dir, "var/specs"), "");
  await chmod(join(made.dir, "var/specs"), 0o400);
  const gateway = await made.start();
  made.answers["/api.yaml"] = two;
  expect((await gateway.reload()).outcome).toBe("applied");
  expect(tools(gateway)).toEqual(["two"]);
  expect(made.log.join("\n")).toContain("documents_not_kept");
});
