import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";

import { expect, onTestFinished, test, vi } from "vitest";

import { createGateway, type Gateway } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/log.ts";
import { serveDocuments } from "./document-server.ts";
import { document, newDir } from "./load-text.ts";

/** A text, a status, or `hang up`. */
type Answer = string | number;

/** Documents that change, on a host that knows conditional requests or not. */
async function site(
  start: Readonly<Record<string, Answer>>,
  validator?: "etag" | "last-modified",
): Promise<{
  readonly answers: Record<string, Answer>;
  readonly statuses: number[];
  readonly gateway: Gateway;
  readonly log: readonly string[];
  readonly edit: (timeout: string) => Promise<void>;
  readonly clock: { ms: number };
}> {
  const answers: Record<string, Answer> = { ...start };
  const statuses: number[] = [];
  const answer = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const what = answers[path] ?? 404;
    if (what === "hang up") return void request.socket.destroy();
    const end = (status: number, headers: Record<string, string>, body = ""): void => {
      statuses.push(status);
      response.writeHead(status, headers).end(body);
    };
    if (typeof what === "number") return end(what, {});
    const mark = createHash("sha256").update(what).digest("hex");
    // A date that stands for the text, as a file's time does.
    const date = new Date(Number.parseInt(mark.slice(0, 8), 16) * 1000).toUTCString();
    const headers =
      validator === undefined ? {} : { [validator]: validator === "etag" ? `"${mark}"` : date };
    const asked = request.headers[validator === "etag" ? "if-none-match" : "if-modified-since"];
    if (validator !== undefined && asked === headers[validator]) return end(304, headers);
    end(200, headers, what);
  };
  const paths = Object.keys(start);
  const server = await serveDocuments(
    Object.fromEntries(
      paths.map((path): [string, RequestListener] => [
        path,
        (request, response) => answer(path, request, response),
      ]),
    ),
  );
  const dir = await newDir();
  const edit = async (timeout: string): Promise<void> =>
    writeFile(
      join(dir, "gateway.yaml"),
      `version: 1
server: {url: "http://localhost:3000", listen: 127.0.0.1:0}
auth: {mode: none}
apis:
  a:
    spec: http://127.0.0.1:${server.port}/api.yaml
    url: http://localhost:8080
    credential: none
    timeout: ${timeout}
    tools: [{match: {methods: [GET]}}]
audit: {sinks: [{stdout: {}}]}
`,
    );
  await edit("5s");
  const log: string[] = [];
  const clock = { ms: Date.now() };
  const gateway = await createGateway({
    file: join(dir, "gateway.yaml"),
    env: {},
    info: { name: "tollgate", version: "0" },
    ports: { now: () => clock.ms, log: createLog((line) => log.push(line), "warn") },
    fetch: globalThis.fetch,
    writeAudit: async () => {},
    pressure: undefined,
  });
  onTestFinished(() => gateway.close());
  return { answers, statuses, gateway, log, edit, clock };
}

const one = document("/a: {get: {operationId: one}}");
const two = document("/a: {get: {operationId: two}}");

function tools({ snapshot }: Gateway): string[] {
  return [...snapshot.catalog.tools.keys()];
}

test.each([
  ["etag", [200, 304, 304, 200, 200, 304]],
  ["last-modified", [200, 304, 304, 200, 200, 304]],
  [undefined, [200, 200, 200, 200, 200, 200]],
] as const)(
  "F43: a reload asks for a remote document again, by %s",
  async (validator, expected) => {
    const { answers, statuses, gateway } = await site({ "/api.yaml": one }, validator);
    expect((await gateway.reload()).outcome).toBe("unchanged");
    expect((await gateway.reload()).outcome).toBe("unchanged");
    const { generation } = gateway.snapshot;
    answers["/api.yaml"] = two;
    expect(await gateway.reload()).toMatchObject({ outcome: "applied", toolsChanged: true });
    expect(tools(gateway)).toEqual(["two"]);
    expect(gateway.snapshot.generation).not.toBe(generation);
    expect((await gateway.reload()).outcome).toBe("unchanged");
    expect(statuses).toEqual(expected);
  },
);

test.each([503, 429, "hang up"] as const)(
  "F43: while the host answers %s its last word stands, and other changes apply",
  async (down) => {
    const { answers, gateway, log, edit } = await site({ "/api.yaml": one }, "etag");
    answers["/api.yaml"] = down;
    expect((await gateway.reload()).outcome).toBe("unchanged");
    expect(log.join("\n")).toContain("document_not_fetched");
    await edit("7s");
    expect((await gateway.reload()).outcome).toBe("applied");
    expect(tools(gateway)).toEqual(["one"]);
    expect(gateway.snapshot.config.apis[0]?.timeouts.totalMs).toBe(7000);
    answers["/api.yaml"] = two;
    expect((await gateway.reload()).outcome).toBe("applied");
    expect(tools(gateway)).toEqual(["two"]);
  },
);

test.each([
  ["gone", 404, "spec_not_fetched"],
  ["broken", "openapi: 3.1.0\npaths: [", "invalid_yaml"],
] as const)(
  "F43: a document that is %s is refused once, and the last good serves on",
  async (...row) => {
    const [, answer, code] = row;
    const { answers, gateway } = await site({ "/api.yaml": one }, "etag");
    answers["/api.yaml"] = answer;
    expect(await gateway.reload()).toMatchObject({ outcome: "refused", issues: [{ code }] });
    expect((await gateway.reload()).outcome).toBe("unchanged");
    expect(tools(gateway)).toEqual(["one"]);
    // A host that is down says nothing new, and nothing broken is ever a last good copy.
    answers["/api.yaml"] = 503;
    expect((await gateway.reload()).outcome).toBe("unchanged");
    expect(tools(gateway)).toEqual(["one"]);
    answers["/api.yaml"] = two;
    expect((await gateway.reload()).outcome).toBe("applied");
  },
);

test("a document behind a reference is asked for again, also when it was missing", async () => {
  const main = document("/a: {get: {operationId: one}}\n/b: {$ref: b.yaml}");
  const { answers, gateway } = await site({ "/api.yaml": main, "/b.yaml": 404 }, "etag");
  expect(tools(gateway)).toEqual(["one"]);
  expect((await gateway.reload()).outcome).toBe("unchanged");
  answers["/b.yaml"] = "get: {operationId: b}";
  expect((await gateway.reload()).outcome).toBe("applied");
  expect(tools(gateway)).toEqual(["b", "one"]);
  answers["/b.yaml"] = "get: {operationId: c}";
  expect((await gateway.reload()).outcome).toBe("applied");
  expect(tools(gateway)).toEqual(["c", "one"]);
  answers["/b.yaml"] = 500;
  answers["/api.yaml"] = main.replace("one", "uno");
  expect((await gateway.reload()).outcome).toBe("applied");
  expect(tools(gateway)).toEqual(["c", "uno"]);
});

test("watching asks a host every five minutes at most", async () => {
  const { answers, statuses, gateway, edit, clock } = await site({ "/api.yaml": one }, "etag");
  const outcomes: string[] = [];
  gateway.watch(({ outcome }) => outcomes.push(outcome));
  answers["/api.yaml"] = two;
  clock.ms += 299_000;
  // The same bytes: a look that finds every file as it was.
  await edit("5s");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect([statuses, outcomes]).toEqual([[200], []]);
  clock.ms += 2_000;
  await edit("5s");
  await vi.waitFor(() => expect(outcomes).toEqual(["applied"]), { timeout: 10_000 });
  expect(tools(gateway)).toEqual(["two"]);
});
