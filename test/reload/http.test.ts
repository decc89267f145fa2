import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { expect, onTestFinished, test, vi } from "vitest";
import type { ReloadReport } from "../../src/gateway.ts";
import { connectModern, type RealClient } from "../clients/clients.ts";
import { answerJson, startApi } from "../world/api.ts";
import { world, type World } from "../world/world.ts";
import { edit, exposeLatest, expectNewTool, lineOf, orders } from "./orders.ts";

interface Watched {
  readonly made: World;
  /** Listens for changes, as a client of 2026-07-28 does. */
  readonly client: RealClient;
  readonly reports: readonly ReloadReport[];
}

async function watched(): Promise<Watched> {
  const made = await world(orders);
  const reports: ReloadReport[] = [];
  made.gateway.watch((report) => reports.push(report));
  const client = await connectModern({ url: made.url, token: await made.idp.token() });
  expect(await client.list()).toEqual(["list_orders"]);
  return { made, client, reports };
}

test("a tool added to gateway.yaml is told and callable within two seconds", async () => {
  const { made, client, reports } = await watched();
  await expectNewTool(client, "latest_order", () => edit(made.dir, exposeLatest));
  expect(made.api.requests.map(({ path }) => path)).toEqual(["/orders/latest"]);
  expect(reports).toMatchObject([{ outcome: "applied", toolsChanged: true }]);
});

test("an operation added to a document is told and callable within two seconds", async () => {
  const { made, client } = await watched();
  await edit(made.dir, (yaml) =>
    yaml.replace("- operation: list_orders", "- match: {paths: ['/**']}"),
  );
  await vi.waitFor(async () => expect(await client.list()).toHaveLength(2), { timeout: 10_000 });
  await expectNewTool(client, "oldest_order", () =>
    edit(
      made.dir,
      (text) => {
        const spec = JSON.parse(text) as {
          paths: Record<string, { get: { operationId: string } }>;
        };
        const get = { ...spec.paths["/orders"]?.get, operationId: "oldest_order" };
        return JSON.stringify({ ...spec, paths: { ...spec.paths, "/orders/oldest": { get } } });
      },
      "spec.json",
    ),
  );
});

test("a change that leaves the tools as they are disturbs no client", async () => {
  const { made, client, reports } = await watched();
  await edit(made.dir, (yaml) => yaml.replace("spec: spec.json", "$&\n    timeout: 7s"));
  await vi.waitFor(
    () => expect(reports).toMatchObject([{ outcome: "applied", toolsChanged: false }]),
    { timeout: 10_000 },
  );
  await expectNewTool(client, "latest_order", () => edit(made.dir, exposeLatest));
  expect(client.changes()).toBe(1);
});

const broken = [
  {
    what: "a syntax error in gateway.yaml",
    file: "gateway.yaml",
    change: (text: string) => exposeLatest(text).replace("apis:\n", "apis: ]\n"),
    at: "apis: ]",
    column: 7,
  },
  {
    what: "an unknown key in gateway.yaml",
    file: "gateway.yaml",
    change: (text: string) => exposeLatest(text).replace("spec: spec", "specc: spec"),
    at: "    specc:",
    column: 5,
  },
  {
    what: "a syntax error in a document",
    file: "spec.json",
    change: (text: string) => text.replace('"paths":', '\n"paths" '),
    at: '"paths" ',
    column: 9,
  },
];

test.each(broken)("F41: $what changes nothing and is told with its place", async (row) => {
  const { made, client, reports } = await watched();
  const file = join(made.dir, row.file);
  const good = await readFile(file, "utf8");
  await edit(made.dir, row.change, row.file);
  await vi.waitFor(() => expect(reports).toHaveLength(1), { timeout: 10_000 });
  const line = await lineOf(file, row.at);
  const [report] = reports;
  expect(report).toMatchObject({ outcome: "refused", toolsChanged: false });
  expect(report?.issues.map(({ position }) => position)).toContainEqual(
    expect.objectContaining({ file, line, column: row.column }),
  );
  expect(await client.list()).toEqual(["list_orders"]);
  expect((await client.call("list_orders")).isError ?? false).toBe(false);
  expect(client.changes()).toBe(0);
  expect(await made.audit()).toContainEqual(
    expect.objectContaining({ event: "config.reload", outcome: "failure" }),
  );

  await writeFile(file, good);
  await expectNewTool(client, "latest_order", () => edit(made.dir, exposeLatest));
  expect(client.changes()).toBe(1);
});

test("a tool that was removed is unknown to a client that still knows it", async () => {
  const { made, client } = await watched();
  await expectNewTool(client, "latest_order", () =>
    edit(made.dir, (yaml) => yaml.replace("operation: list_orders", "operation: latest_order")),
  );
  await expect(client.call("list_orders")).rejects.toMatchObject({
    code: -32602,
    message: expect.stringContaining("list_orders"),
  });
});

test("a call in flight ends as it began, the next one is of the new configuration", async () => {
  const { made, client } = await watched();
  const other = await startApi();
  onTestFinished(() => other.close());
  other.answer = (_, response) => answerJson(response, { from: "the new API" });
  let release = (): void => {};
  made.api.answer = (_, response) => {
    release = () => answerJson(response, { from: "the old API" });
  };
  const running = client.call("list_orders");
  await vi.waitFor(() => expect(made.api.requests).toHaveLength(1));
  // Its tool goes and its API moves while it waits.
  await expectNewTool(client, "latest_order", () =>
    edit(made.dir, (yaml) =>
      yaml
        .replace("operation: list_orders", "operation: latest_order")
        .replace(made.api.url, other.url),
    ),
  );
  release();
  expect((await running).structuredContent).toEqual({ from: "the old API" });
  expect((await client.call("latest_order")).structuredContent).toEqual({ from: "the new API" });
  expect(made.api.requests).toHaveLength(1);
});

test("a listener is told of every reload and let go gracefully when the gateway stops", async () => {
  const { made } = await watched();
  const client = new Client(
    { name: "test", version: "1" },
    { versionNegotiation: { mode: "auto" } },
  );
  let told = 0;
  client.setNotificationHandler("notifications/tools/list_changed", () => void told++);
  const headers = { authorization: `Bearer ${await made.idp.token()}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(made.url), { requestInit: { headers } }),
  );
  const { honoredFilter, closed } = await client.listen({ toolsListChanged: true });
  expect(honoredFilter).toEqual({ toolsListChanged: true });
  for (const name of ["one", "two", "three"]) {
    const before = told;
    await edit(made.dir, (yaml) =>
      yaml.replace(
        /- operation: list_orders(?:\n +name: .*)?/,
        `- operation: list_orders\n        name: ${name}`,
      ),
    );
    await made.gateway.reload();
    await vi.waitFor(() => expect(told).toBe(before + 1));
  }
  await made.gateway.close();
  expect(await closed).toBe("graceful");
});
