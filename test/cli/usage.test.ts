import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { runAnywhere, site } from "./site.ts";

test.each([
  { args: [], says: "Usage: tollgate" },
  { args: ["srve"], says: "Did you mean serve?" },
  { args: ["serve", "--bogus"], says: "unknown option '--bogus'" },
  { args: ["serve", "--log-level", "loud"], says: "Allowed choices" },
  { args: ["validate", "--format", "xml"], says: "Allowed choices" },
  { args: ["tools"], says: "Usage: tollgate tools" },
  { args: ["tools", "show"], says: "missing required argument 'name'" },
  { args: ["call"], says: "missing required argument 'name'" },
  { args: ["audit", "tail", "-n", "0"], says: "not a count" },
  { args: ["audit", "tail", "-n", "x"], says: "not a count" },
])("$args is 2 and explained on standard error", async ({ args, says }) => {
  const { code, stdout, stderr } = await runAnywhere(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(says);
});

test.each([
  { args: ["add_item", "sku"], says: "sku is not name=value" },
  { args: ["add_item", "=1"], says: "=1 is not name=value" },
  { args: ["add_item", "--args", "[]"], says: "--args must be a JSON object" },
  { args: ["add_item", "--args", "{"], says: "--args must be a JSON object" },
  { args: ["add_item", "--args", "@nowhere.json"], says: "cannot read nowhere.json" },
  { args: ["list_orders", "--as", "alice"], says: "name=value pairs" },
  { args: ["list_orders", "--token", "x"], says: "--token is for real calls" },
])("call --dry-run $args is 2", async ({ args, says }) => {
  const at = await site();
  const who = args.includes("--as") || args.includes("--token") ? [] : ["--as", "sub=alice"];
  const { code, stdout, stderr } = await at.run(["call", "--dry-run", ...args, ...who]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(says);
});

test.each([
  { args: [], says: "an access token is needed" },
  { args: ["--as", "sub=alice"], says: "--as is only for --dry-run" },
])("a real call with $args is 2 where login is required", async ({ args, says }) => {
  const at = await site();
  const { code, stdout, stderr } = await at.run(["call", "list_orders", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(says);
  expect(at.api.requests).toEqual([]);
});

const readers = [
  ["serve"],
  ["validate"],
  ["tools", "list"],
  ["tools", "show", "x"],
  ["call", "x"],
  ["healthcheck"],
  ["audit", "tail"],
  ["audit", "verify"],
];

test.each(readers)("without gateway.yaml %s %s is 78", async (...args) => {
  const { code, stdout, stderr } = await runAnywhere([...args, "-c", "no-such.yaml"]);
  expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
  expect(stderr).toContain("no-such.yaml");
});

test("the file can be named in the environment, and the command line wins", async () => {
  const at = await site();
  const named = { TOLLGATE_CONFIG: "nowhere.yaml" };
  expect(await at.run(["tools", "list"], named)).toMatchObject({ code: 78 });
  expect(await at.run(["tools", "list", "-c", "gateway.yaml"], named)).toMatchObject({ code: 0 });
});

test("help is a payload", async () => {
  const { code, stdout, stderr } = await runAnywhere(["--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const verb of ["serve", "validate", "tools", "call", "audit", "healthcheck", "schema"]) {
    expect(stdout).toContain(`  ${verb}`);
  }
});

test("version is that of the package", async () => {
  const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
  expect(await runAnywhere(["version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  const { stdout } = await runAnywhere(["version", "--json"]);
  expect(JSON.parse(stdout)).toEqual({ name: "tollgate", version, node: process.version });
});

test("schema is the file that the package ships", async () => {
  const { code, stdout, stderr } = await runAnywhere(["schema"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const shipped: unknown = JSON.parse(await readFile("schema/gateway.schema.json", "utf8"));
  expect(JSON.parse(stdout)).toEqual(shipped);
});
