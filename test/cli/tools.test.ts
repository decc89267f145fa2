import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { site, type Site } from "./site.ts";

/** What a client gets of `tools/list`, as text: one entry per tool. */
async function listOverHttp(at: Site, scope: string): Promise<readonly string[]> {
  const server = at.start(["serve", "--no-watch"]);
  await server.until("stderr", '"listening"');
  const response = await fetch(at.url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await at.idp.token({ scope })}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  });
  const { result } = (await response.json()) as { result: { tools: readonly object[] } };
  return result.tools.map((tool) => JSON.stringify(tool));
}

test("list --json and show --json are the bytes that a client gets", async () => {
  const at = await site();
  const entries = await listOverHttp(at, "mcp:tools");
  expect(entries).toHaveLength(3);
  const list = await at.run(["tools", "list", "--json"]);
  expect(list).toEqual({ code: 0, stdout: `[${entries.join(",")}]\n`, stderr: "" });
  for (const entry of entries) {
    const { name } = JSON.parse(entry) as { name: string };
    const shown = await at.run(["tools", "show", name, "--json"]);
    expect(shown).toEqual({ code: 0, stdout: `${entry}\n`, stderr: "" });
  }
});

test("list is a table of name, operation, scopes and size", async () => {
  const at = await site();
  const { code, stdout, stderr } = await at.run(["tools", "list"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  expect(rows).toEqual([
    ["NAME", "OPERATION", "SCOPES", "TOKENS"],
    ["add_item", "POST /orders/{orderId}/items", "-", expect.stringMatching(/^\d+$/)],
    ["delete_order", "DELETE /orders/{orderId}", "orders:write", expect.stringMatching(/^\d+$/)],
    ["list_orders", "GET /orders", "-", expect.stringMatching(/^\d+$/)],
  ]);
});

test("--as shows what somebody is shown: a tool whose condition refuses them is not there", async () => {
  const at = await site();
  await at.edit("gateway.yaml", (text) =>
    text.replace("operation: delete_order", '$&\n        when: principal.sub == "alice"'),
  );
  const names = async (who: string): Promise<readonly string[]> => {
    const { stdout } = await at.run(["tools", "list", "--json", "--as", who]);
    return (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
  };
  expect(await names("sub=alice")).toEqual(["add_item", "delete_order", "list_orders"]);
  expect(await names("sub=bob")).toEqual(["add_item", "list_orders"]);
  const hidden = await at.run(["tools", "show", "delete_order", "--as", "sub=bob"]);
  expect(hidden).toMatchObject({ code: 1, stdout: "" });
});

test("show tells where each argument goes, and from which line it comes", async () => {
  const at = await site();
  const { code, stdout, stderr } = await at.run(["tools", "show", "add_item"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const row of [
    /^operation +POST \/orders\/\{orderId\}\/items \(.*shop\.yaml:7:5\)$/m,
    /^orderId +model +path orderId \(simple\)$/m,
    /^filter +model +query filter \(deepObject\)$/m,
    /^query:page +3 +query page \(form\)$/m,
    /^X-Reason +model +header X-Reason \(simple\)$/m,
    /^flavour +model +cookie flavour \(form\)$/m,
    /^body +model +body \(application\/json\)$/m,
  ]) {
    expect(stdout).toMatch(row);
  }
});

test("an unknown tool is 1 with a suggestion", async () => {
  const { code, stdout, stderr } = await (await site()).run(["tools", "show", "add_itme"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("no tool add_itme; did you mean add_item?");
});

test("a lock makes what a document changes visible", async () => {
  const at = await site();
  const missing = await at.run(["tools", "lock", "--check"]);
  expect([missing.code, missing.stderr]).toEqual([
    2,
    expect.stringContaining("tollgate tools lock writes it"),
  ]);
  expect((await at.run(["tools", "lock"])).code).toBe(0);
  expect(await at.run(["tools", "lock", "--check"])).toEqual({ code: 0, stdout: "", stderr: "" });
  const written = await readFile(join(at.dir, "tools.lock.json"), "utf8");
  expect(JSON.parse(written)).toEqual({
    version: 1,
    tools: Object.fromEntries(
      [
        ["add_item", "POST /orders/{orderId}/items"],
        ["delete_order", "DELETE /orders/{orderId}"],
        ["list_orders", "GET /orders"],
      ].map(([tool, operation]) => [
        tool,
        {
          operation: `shop ${operation}`,
          hash: expect.stringMatching(/^sha256:[0-9a-f]{32}$/) as string,
        },
      ]),
    ),
  });

  await at.edit("shop.yaml", (text) =>
    text
      .replace("operationId: list_orders", "operationId: find_orders")
      .replace("sku: {type: string}", "sku: {type: integer}")
      .replace("  /orders:", "  /stock: {get: {operationId: read_stock}}\n  /orders:"),
  );
  await at.edit("gateway.yaml", (text) => text.replace(/ {6}- operation: delete_order\n.*\n/, ""));
  const { code, stdout } = await at.run(["tools", "lock", "--check"]);
  expect(code).toBe(1);
  expect(stdout.trimEnd().split("\n").toSorted()).toEqual([
    "changed  add_item",
    "gone  delete_order",
    "new  read_stock",
    "renamed  list_orders -> find_orders",
  ]);
  const json = await at.run(["tools", "lock", "--check", "--json"]);
  expect(JSON.parse(json.stdout)).toContainEqual({
    what: "renamed",
    tool: "find_orders",
    was: "list_orders",
  });
  expect(await readFile(join(at.dir, "tools.lock.json"), "utf8")).toBe(written);
  await at.edit("tools.lock.json", () => "{}");
  expect((await at.run(["tools", "lock", "--check"])).code).toBe(2);
});
