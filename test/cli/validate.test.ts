import { mkdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { describe, expect, test } from "vitest";
import { sarifSchema } from "./sarif.ts";
import { site, type Site } from "./site.ts";

/** An unknown key in line 7 and a wrong type below it. */
async function brokenSite(): Promise<Site> {
  const at = await site({ auth: "none", admin: false });
  await at.edit("gateway.yaml", (text) =>
    text.replace("    spec: shop.yaml", "    timeout: soon\n    spce: shop.yaml"),
  );
  return at;
}

test("what is fine is 0, with nothing on standard output", async () => {
  const at = await site();
  const { code, stdout, stderr } = await at.run(["validate"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect(stderr).toContain("gateway.yaml: ok: 3 tools");
  expect(at.api.requests).toEqual([]);
});

test("each document is told: what was converted, and what was left out and why", async () => {
  const at = await site();
  await at.edit("shop.yaml", (text) =>
    text.replace("paths:\n", "paths:\n  /broken:\n    get: {parameters: [{in: query}]}\n"),
  );
  const { code, stderr } = await at.run(["validate"]);
  expect(code).toBe(0);
  const [, converted, all] =
    /^\w+: shop\.yaml \(OpenAPI 3\.\d\.\d\): (\d+) of (\d+) operations converted, 1 skipped, 3 tools$/m.exec(
      stderr,
    ) ?? [];
  expect(Number(converted)).toBeGreaterThanOrEqual(3);
  expect(Number(all)).toBe(Number(converted) + 1);
  expect(stderr).toMatch(/^shop\.yaml:\d+:\d+ {2}warning {2}bad_parameter/m);
});

test("what no rule exposes is counted for people and noted for programs, with its place", async () => {
  const at = await site();
  const odd = `paths:
  /odd/{a:
    post: {callbacks: {onDone: {}}}
  /heard: {get: {callbacks: {onA: {}, onB: {}}}}
`;
  await at.edit(
    "shop.yaml",
    (text) => `${text.replace("paths:\n", odd)}\nwebhooks: {w: {post: {}}}\n`,
  );
  const only = "tools:\n      - {operation: list_orders}";
  await at.edit("gateway.yaml", (text) => text.replace(/tools:[^]*?(?=\n\S)/, only));
  const pretty = await at.run(["validate"]);
  expect(pretty.code).toBe(0);
  expect(pretty.stderr).toContain(
    "1 skipped (1 that no rule exposes), 1 tool, 1 webhooks ignored, 3 callbacks ignored\n",
  );
  expect(pretty.stderr).not.toContain("bad_path");
  const note = {
    code: "bad_path",
    message: expect.stringMatching(
      /^POST \/odd\/\{a cannot be a tool: the path has a brace/,
    ) as string,
  };
  const json = await at.run(["validate", "--format", "json"]);
  expect(JSON.parse(json.stdout)).toContainEqual({
    ...note,
    severity: "note",
    file: "shop.yaml",
    line: 5,
    column: 5,
  });
  expect(json.stderr).toContain("gateway.yaml: ok: 1 tool,");
  const github = await at.run(["validate", "--format", "github"]);
  expect(github.stdout).toContain("::notice file=shop.yaml,line=5,col=5,title=bad_path::");
  const sarif = await at.run(["validate", "--format", "sarif"]);
  const { runs } = JSON.parse(sarif.stdout) as { runs: { results: unknown[] }[] };
  expect(runs[0]?.results).toContainEqual(
    expect.objectContaining({ ruleId: "bad_path", level: "note" }) as unknown,
  );
});

test("pretty shows every finding with its place, the line and what was meant", async () => {
  const at = await brokenSite();
  const { code, stdout, stderr } = await at.run(["validate"]);
  expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
  expect(stderr).toMatch(/^gateway\.yaml:7:14 {2}error {2}invalid_value/m);
  expect(stderr).toMatch(/^gateway\.yaml:8:5 {2}error {2}unknown_key/m);
  expect(stderr).toContain('= help: did you mean "spec"?');
  expect(stderr).toContain("    8 |     spce: shop.yaml\n      |     ^^^^\n");
});

test("json is a list of findings", async () => {
  const at = await brokenSite();
  const { code, stdout } = await at.run(["validate", "--format", "json"]);
  expect(code).toBe(78);
  expect(JSON.parse(stdout)).toContainEqual({
    severity: "error",
    code: "unknown_key",
    message: expect.stringContaining('"spce"') as string,
    file: "gateway.yaml",
    line: 8,
    column: 5,
    help: 'did you mean "spec"?',
  });
});

test("json of nothing is an empty list", async () => {
  const { code, stdout } = await (await site()).run(["validate", "--format", "json"]);
  expect({ code, found: JSON.parse(stdout) as unknown }).toEqual({ code: 0, found: [] });
});

test("github annotates the lines, whatever the names are", async () => {
  const at = await brokenSite();
  await mkdir(join(at.dir, "a,b:c%"));
  for (const file of ["gateway.yaml", "shop.yaml"]) {
    await rename(join(at.dir, file), join(at.dir, "a,b:c%", file));
  }
  const args = ["validate", "--format", "github", "-c", "a,b:c%/gateway.yaml"];
  const { code, stdout } = await at.run(args);
  expect(code).toBe(78);
  const lines = stdout.trimEnd().split("\n");
  for (const line of lines) {
    expect(line).toMatch(
      /^::(error|warning) file=a%2Cb%3Ac%25\/gateway\.yaml,line=\d+,col=\d+,title=[a-z_]+::\S/,
    );
  }
  expect(lines).toContainEqual(
    expect.stringMatching(/,line=8,col=5,title=unknown_key::.*did you mean "spec"\?\)$/),
  );
});

describe("sarif", () => {
  const ajv = new Ajv2020({ allErrors: true });
  formats.default(ajv);
  const check = ajv.compile(sarifSchema);

  interface Sarif {
    readonly runs: readonly {
      readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
      readonly results: readonly {
        readonly ruleId: string;
        readonly ruleIndex: number;
        readonly locations: readonly {
          readonly physicalLocation: { readonly artifactLocation: { readonly uri: string } };
        }[];
      }[];
    }[];
  }

  async function sarifOf(at: Site, file: string): Promise<Sarif> {
    const { stdout } = await at.run(["validate", "--format", "sarif", "-c", file]);
    const log = JSON.parse(stdout) as Sarif;
    expect(check(log), JSON.stringify(check.errors)).toBe(true);
    return log;
  }

  test("is a log of version 2.1.0 that names each rule once", async () => {
    const { runs } = await sarifOf(await brokenSite(), "gateway.yaml");
    const [run] = runs;
    expect(run?.results).toContainEqual({
      ruleId: "unknown_key",
      ruleIndex: expect.any(Number) as number,
      level: "error",
      message: { text: expect.stringContaining('"spce"') as string },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: "gateway.yaml" },
            region: { startLine: 8, startColumn: 5 },
          },
        },
      ],
    });
    for (const { ruleId, ruleIndex } of run?.results ?? []) {
      expect(run?.tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
    }
  });

  test("is valid without a finding and without a place", async () => {
    const at = await site();
    expect((await sarifOf(at, "gateway.yaml")).runs[0]?.results).toEqual([]);
    expect((await sarifOf(at, "nowhere.yaml")).runs[0]?.results).toHaveLength(1);
  });

  test("names files by URI", async () => {
    const at = await brokenSite();
    await rename(join(at.dir, "gateway.yaml"), join(at.dir, "my gate #1.yaml"));
    const uris = async (file: string): Promise<Set<string | undefined>> => {
      const { results } = (await sarifOf(at, file)).runs[0]!;
      return new Set(
        results.map(({ locations }) => locations[0]?.physicalLocation.artifactLocation.uri),
      );
    };
    expect(await uris("my gate #1.yaml")).toEqual(new Set(["my%20gate%20%231.yaml"]));
    await mkdir(join(at.dir, "elsewhere"));
    const outside = join(at.dir, "..", "tollgate-outside.yaml");
    await rename(join(at.dir, "my gate #1.yaml"), outside);
    expect([...(await uris(outside))][0]).toMatch(/^file:\/\/\/.*\/tollgate-outside\.yaml$/);
    await unlink(outside);
  });
});

describe("what keeps a gateway from starting", () => {
  test.each<{ name: string; file: string; change: (text: string) => string; says: RegExp }>([
    {
      name: "a duplicate tool name",
      file: "gateway.yaml",
      change: (text) =>
        text.replace(/ - operation: (add_item|delete_order)\n/g, "$&        name: change\n"),
      says: /^gateway\.yaml:\d+:\d+ {2}error {2}duplicate_tool_name/m,
    },
    {
      name: "a missing document",
      file: "gateway.yaml",
      change: (text) => text.replace("spec: shop.yaml", "spec: nowhere.yaml"),
      says: /^gateway\.yaml:\d+:11 {2}error {2}\w+ .*nowhere\.yaml/m,
    },
    {
      name: "a syntax error",
      file: "gateway.yaml",
      change: (text) => text.replace("apis:", "apis: ["),
      says: /^gateway\.yaml:\d+:\d+ {2}error/m,
    },
    {
      name: "a document that is none",
      file: "shop.yaml",
      change: () => "hello: world\n",
      says: /^shop\.yaml:1:1 {2}error/m,
    },
    {
      name: "a named operation that cannot be converted",
      file: "shop.yaml",
      change: (text) =>
        text.replace("- {name: expand", "- {$ref: '#/components/parameters/Nowhere'}\n        $&"),
      says: /^gateway\.yaml:\d+:\d+ {2}error.*[\s\S]*shop\.yaml:\d+/m,
    },
    {
      name: "a rule for an operation that is not there",
      file: "gateway.yaml",
      change: (text) => text.replace("operation: add_item", "operation: add_itme"),
      says: /^gateway\.yaml:\d+:\d+ {2}error[\s\S]*did you mean "?add_item/m,
    },
  ])("$name: position, 78, and serve opens nothing", async ({ file, change, says }) => {
    const at = await site();
    await at.edit(file, change);
    const checked = await at.run(["validate"]);
    expect({ code: checked.code, stdout: checked.stdout }).toEqual({ code: 78, stdout: "" });
    expect(checked.stderr).toMatch(says);
    const served = await at.run(["serve"]);
    expect({ code: served.code, stdout: served.stdout }).toEqual({ code: 78, stdout: "" });
    expect(served.stderr).toMatch(says);
    expect(await at.audit()).toEqual([]);
    await expect(fetch(at.url)).rejects.toThrow("fetch failed");
  });
});

test("an operation that cannot be converted is skipped and reported, the rest is served", async () => {
  const at = await site();
  await at.edit("shop.yaml", (text) =>
    text.replace(
      "  /orders/{orderId}:\n",
      `  /broken:
    get:
      operationId: broken
      parameters: [{$ref: '#/components/parameters/Nowhere'}]
      responses: {"200": {description: ok}}
$&`,
    ),
  );
  const { code, stderr } = await at.run(["validate"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^shop\.yaml:\d+:\d+ {2}warning .*Nowhere/m);
  expect(stderr).toContain("ok: 3 tools");
  const { stdout } = await at.run(["tools", "list"]);
  expect(stdout).not.toContain("broken");
});

test("a schema that refers to nowhere is a warning with its place, and serves", async () => {
  const at = await site();
  await at.edit("shop.yaml", (text) =>
    text.replace("schema: {type: integer}}", "schema: {$ref: '#/components/schemas/Nowhere'}}"),
  );
  const { code, stderr } = await at.run(["validate"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^shop\.yaml:\d+:\d+ {2}warning {2}unresolved_ref .*Nowhere/m);
  expect(stderr).toContain("ok: 3 tools");
});

test("a rule that matches nothing is a warning with its place", async () => {
  const at = await site();
  await at.edit("gateway.yaml", (text) =>
    text.replace("audit:", "      - match: {tags: [nobody]}\naudit:"),
  );
  const { code, stderr } = await at.run(["validate"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^gateway\.yaml:\d+:\d+ {2}warning/m);
});
