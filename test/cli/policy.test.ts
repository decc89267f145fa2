import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { site, type Site } from "./site.ts";

async function withCases(text: string): Promise<Site> {
  const at = await site();
  await at.edit("gateway.yaml", (yaml) =>
    yaml.replace(
      "      - operation: delete_order\n",
      '      - operation: delete_order\n        when: principal.sub != "mallory" && args.orderId != "1"\n',
    ),
  );
  await writeFile(join(at.dir, "cases.yaml"), text);
  return at;
}

const cases = `- {caller: {sub: alice}, tool: list_orders, expect: allowed}
- {caller: {sub: alice}, tool: delete_order, expect: needs_scopes}
- name: alice may delete
  caller: {sub: alice, scopes: [orders:write], roles: [staff], claims: {a: 1}}
  tool: delete_order
  args: {orderId: "2"}
  expect: allowed
- {caller: {sub: alice, scopes: orders:write}, tool: delete_order, args: {orderId: "1"}, expect: denied}
- {caller: {sub: mallory, scopes: [orders:write]}, tool: delete_order, args: {orderId: "2"}, expect: denied}
`;

test("policy test says how many cases hold, and asks nobody", async () => {
  const { run, idp, api } = await withCases(cases);
  expect(await run(["policy", "test", "cases.yaml"])).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "5 of 5 cases hold\n",
  });
  expect([...idp.tokenRequests, ...api.requests]).toEqual([]);
});

test("a case that does not hold is shown with its line", async () => {
  const { run } = await withCases(cases.replace("expect: needs_scopes", "expect: allowed"));
  const { code, stdout, stderr } = await run(["policy", "test", "cases.yaml"]);
  expect([code, stderr]).toEqual([1, "4 of 5 cases hold\n"]);
  expect(stdout).toBe("cases.yaml:2 alice, delete_order: expected allowed, got needs_scopes\n");
  const json = await run(["policy", "test", "cases.yaml", "--json"]);
  expect((JSON.parse(json.stdout) as { ok: boolean }[]).map(({ ok }) => ok)).toEqual([
    true,
    false,
    true,
    true,
    true,
  ]);
});

test.each([
  ["caller: {}", "a table of policy cases is a list"],
  ["- {caller: {subject: a}, tool: x, expect: allowed}", "unknown key"],
  ["- {tool: x, expect: perhaps}", "expect"],
  ["- {tool: x, expect: allowed", "error"],
])("a table that cannot be meant is refused: %s", async (text, words) => {
  const { run } = await withCases(text);
  const { code, stdout, stderr } = await run(["policy", "test", "cases.yaml"]);
  expect([code, stdout]).toEqual([78, ""]);
  expect(stderr).toContain(words);
});
