import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { world, type World } from "../world/world.ts";

const spec = {
  paths: {
    "/orders": { get: { operationId: "list_orders" } },
    "/users/{id}": {
      get: {
        operationId: "get_user",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      },
    },
  },
};
const tools = `- operation: get_user
  scopes: [users:read]
  when: '"admin" in principal.roles'
- match: {paths: [/orders]}`;

async function names(at: World, claims: object): Promise<readonly string[]> {
  const authorization = `Bearer ${await at.idp.token({ ...claims })}`;
  const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
  const { result } = (await (await at.post(list, { authorization })).json()) as {
    readonly result: { readonly tools: readonly { readonly name: string }[] };
  };
  return result.tools.map(({ name }) => name);
}

const everything = { roles: ["admin"], department: "it", scope: "mcp:tools users:read" };

test("S70: a tool is listed and called only if gateway, API and rule agree", async () => {
  const at = await world({
    spec,
    tools,
    credential: "none",
    extra: {
      auth: "when: 'principal.sub != \"mallory\"',",
      api: 'when: principal.claims.department == "it"',
    },
  });
  expect(await names(at, everything)).toEqual(["get_user", "list_orders"]);
  expect(await names(at, { ...everything, roles: [] })).toEqual(["list_orders"]);
  expect(await names(at, { ...everything, department: "hr" })).toEqual([]);
  expect(await names(at, { ...everything, department: undefined })).toEqual([]);
  expect(await names(at, { ...everything, sub: "mallory" })).toEqual([]);
  const refused = at.call("get_user", { id: "7" }, { ...everything, sub: "mallory" });
  await expect(refused).rejects.toMatchObject({ message: { error: { code: -32602 } } });
  expect(at.api.requests).toEqual([]);
  await at.call("get_user", { id: "7" }, everything);
  expect(at.api.requests).toHaveLength(1);
});

test("a condition on arguments hides nothing, whatever its level, and refuses the call", async () => {
  const at = await world({
    spec,
    credential: "none",
    extra: { auth: "when: '!has(args.id) || args.id != \"7\"'," },
  });
  expect(await names(at, {})).toEqual(["get_user", "list_orders"]);
  expect(await at.call("get_user", { id: "7" })).toMatchObject({ isError: true });
  expect(at.api.requests).toEqual([]);
  expect(await at.call("get_user", { id: "8" })).not.toHaveProperty("isError");
});

test("a new condition is told to clients as a change of tools", async () => {
  const at = await world({ spec, credential: "none", extra: { auth: "when: 'true'," } });
  const file = join(at.dir, "gateway.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace("'true'", "'false'"));
  expect(await at.gateway.reload()).toMatchObject({ outcome: "applied", toolsChanged: true });
  expect(await names(at, {})).toEqual([]);
});

test.each([
  ["when: 'principal.sub ='", "invalid_condition"],
  ["when: 'nobody.sub == 1'", "invalid_condition"],
  ["when: '1 + 1'", "invalid_condition"],
])("a faulty condition is found at load, once, with its position: %s", async (when, code) => {
  await expect(
    world({ spec, credential: "none", extra: { auth: `${when},` } }),
  ).rejects.toMatchObject({ issues: [{ code, position: { line: 3 } }] });
});
