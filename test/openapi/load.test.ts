import { execFileSync } from "node:child_process";
import { mkdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ConfigError } from "../../src/base/errors.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { lintDocument } from "../../src/openapi/lint.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import { document, loadText, named, newDir, refusal, writeSpec } from "./load-text.ts";

const fixtures = new URL("fixtures/", import.meta.url).pathname;

test.each(["library.yaml", "library.json"])("%s loads without a finding", async (name) => {
  const file = join(fixtures, name);
  const api = await loadDocument({ file, position: named });
  expect(api).toMatchObject({ source: file, files: [file], title: "Library", skipped: [] });
  expect(api.operations.map(({ id, method, path }) => [id, method, path])).toEqual([
    ["list_books", "GET", "/books"],
    ["add_book", "POST", "/books"],
    ["get_book", "GET", "/books/{isbn}"],
  ]);
  expect(api.schemas.get("Book")).toMatchObject({ type: "object", required: ["isbn", "title"] });
  expect(api.schemas.get("nothing")).toBeUndefined();
  expect([api.warnings, ...api.operations.map(({ warnings }) => warnings)].flat()).toEqual([]);
});

test.each([
  ["an empty file", "", "not_openapi"],
  ["a scalar", "root:x:0:0", "not_openapi"],
  ["a list", "- a", "not_openapi"],
  ["no version", "info: {}", "not_openapi"],
  ["version 1.2", "swagger: '1.2'", "unsupported_version"],
  ["version 4", "openapi: 4.0.0", "unsupported_version"],
  ["version 3.x in the old key", "swagger: 3.0.0", "unsupported_version"],
  ["broken YAML", "openapi: 3.1.0\npaths: [", "invalid_yaml"],
  ["broken JSON", '{"openapi": "3.1.0"', "invalid_yaml"],
  ["two documents", "openapi: 3.1.0\n---\na: 1", "invalid_yaml"],
  ["S57: a foreign tag", "openapi: 3.1.0\nx: !!js/function 'f'", "invalid_yaml"],
  ["S57: a repeated key", "openapi: 3.1.0\npaths: {}\npaths: {}", "duplicate_key"],
  ["a mapping as a key", "openapi: 3.1.0\n? {a: 1}\n: 2", "invalid_yaml"],
  ["an alias without an anchor", "openapi: *a", "bad_alias"],
  ["an alias inside its own value", "openapi: 3.1.0\nx: &a [*a]", "bad_alias"],
  ["deep flow nesting", `x: ${"[".repeat(200_000)}`, "too_deep"],
  ["deep block nesting", `${"- ".repeat(200_000)}x`, "too_deep"],
  ["deep keys", `${"? ".repeat(200_000)}x`, "too_deep"],
  ["deep JSON", `{"x": ${"[".repeat(300)}${"]".repeat(300)}}`, "too_deep"],
  ["not UTF-8", Buffer.from([0x6f, 0xff, 0xfe]), "not_utf8"],
])("%s is refused as a whole, at a position, without quoting it", async (_, text, code) => {
  const file = await writeSpec(text);
  const error = await refusal(loadDocument({ file, position: named }));
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.issues[0]).toMatchObject({ severity: "error", code });
  expect([file, named.file]).toContain(error.issues[0]?.position?.file);
  expect(error.message).not.toContain("root:x");
});

test("a syntax error has line and column", async () => {
  const error = await refusal(loadText("openapi: 3.1.0\ninfo:\n  title: T\n  bad: @x\n"));
  expect(error.issues[0]?.position).toMatchObject({ line: 4, column: 8 });
});

test("what is wrong with the file is reported where gateway.yaml names it", async () => {
  const dir = await newDir();
  const large = await writeSpec("openapi: 3.1.0");
  await truncate(large, 33 * 1024 * 1024);
  const pipe = join(dir, "pipe");
  execFileSync("mkfifo", [pipe]);
  for (const [file, code] of [
    [join(dir, "none.yaml"), "spec_not_found"],
    [dir, "spec_not_a_file"],
    [pipe, "spec_not_a_file"],
    [large, "spec_too_large"],
    ["/dev/zero", "spec_not_a_file"],
    [join(large, "x"), "spec_unreadable"],
  ] as const) {
    const error = await refusal(loadDocument({ file, position: named }));
    expect(error.issues).toMatchObject([{ code, position: named }]);
  }
});

test("S55: an alias bomb is refused", async () => {
  const lines = ["openapi: 3.1.0", "a0: &a0 [x, x]"];
  for (let i = 1; i < 30; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}x]`);
  const error = await refusal(loadText(lines.join("\n")));
  expect(error.issues).toMatchObject([{ code: "bad_alias" }]);
});

test.each([
  ["50 MB of YAML", `openapi: 3.1.0\nx: ${"a".repeat(50_000_000)}`, "spec_too_large"],
  ["50 MB of JSON", `{"openapi": "3.1.0", "x": "${"a".repeat(50_000_000)}"}`, "spec_too_large"],
  ["10,000 levels of JSON", `{"x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`, "too_deep"],
  ["10,000 levels of objects", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`, "too_deep"],
  ["10,000 levels of YAML", `x:\n  ${"- ".repeat(10_000)}x`, "too_deep"],
])("S15: %s are refused with little memory", async (_, text, code) => {
  const file = await writeSpec(text);
  const memory = process.memoryUsage().rss;
  const error = await refusal(loadDocument({ file, position: named }));
  expect(error.issues).toMatchObject([{ code, position: { line: expect.any(Number) as number } }]);
  expect(process.memoryUsage().rss - memory).toBeLessThan(64 * 1024 * 1024);
});

test("a chain of aliases is as deep as what it stands for", async () => {
  const lines = ["openapi: 3.1.0", "a0: &a0 [x]"];
  for (let i = 1; i < 300; i++) lines.push(`a${i}: &a${i} [*a${i - 1}]`);
  const error = await refusal(loadText(lines.join("\n")));
  expect(error.issues).toMatchObject([{ code: "too_deep" }]);
});

test("aliases, dates and words like `no` are what a reader expects", async () => {
  const api = await loadText(
    document(
      "/a: {get: {parameters: &p [{name: 2020-01-01, in: query, schema: {enum: [2020-01-01, no, 012]}}]}}\n/b: {get: {parameters: *p}}",
    ),
  );
  expect(api.operations.map((operation) => operation.parameters[0]?.schema["enum"])).toEqual([
    ["2020-01-01", "no", 12],
    ["2020-01-01", "no", 12],
  ]);
});

test("a key named __proto__ is a name like any other", async () => {
  const api = await loadText("openapi: 3.1.0\npaths: {/a: {get: {__proto__: {deprecated: true}}}}");
  expect(api.operations).toMatchObject([{ deprecated: false }]);
});

test("a byte order mark and CRLF are no obstacle", async () => {
  const api = await loadText("\uFEFFopenapi: 3.1.0\r\npaths:\r\n  /a:\r\n    get: {}\r\n");
  expect(api.operations).toMatchObject([{ position: { line: 4 } }]);
});

test("S14 S98: no reference reads another file", async () => {
  const dir = await newDir();
  await writeFile(join(dir, "secret.yaml"), "name: SECRET\nin: query\nschema: {type: string}\n");
  await symlink(join(dir, "secret.yaml"), join(dir, "link.yaml"));
  await mkdir(join(dir, "specs"));
  const file = join(dir, "specs", "api.yaml");
  const targets = [
    "../secret.yaml",
    "../link.yaml",
    join(dir, "secret.yaml"),
    `file://${dir}/secret.yaml`,
    "http://127.0.0.1:9/secret.yaml",
    "//127.0.0.1/secret.yaml",
    "../secret.yaml#/name",
    "",
  ];
  const paths = targets.map((ref, i) => `/p${i}: {get: {parameters: [{$ref: '${ref}'}]}}`);
  await writeFile(file, document([...paths, "/ok: {get: {}}"].join("\n")));
  const api = await loadDocument({ file, position: named });
  expect(api.operations.map(({ path }) => path)).toEqual(["/ok"]);
  expect(api.skipped).toHaveLength(targets.length);
  expect(api.files).toEqual([file]);
  expect(JSON.stringify(api)).not.toContain("SECRET");
});

test("S14: swagger-parser opens no reference: a file that exists is like one that does not", async () => {
  const dir = await newDir();
  await writeFile(join(dir, "there.yaml"), "name: SECRET\nin: nowhere\n");
  const findings = [];
  for (const ref of ["there.yaml", "none.yaml"]) {
    const file = join(dir, "api.yaml");
    await writeFile(
      file,
      document(`/a: {get: {parameters: [{$ref: ${join(dir, ref)}}], responses: {}}}`),
    );
    findings.push(await lintDocument({ file, position: named }));
  }
  expect(findings[0]).toEqual(findings[1]);
});

test("swagger-parser's findings are warnings with places, and a good document has none", async () => {
  expect(await lintDocument({ file: join(fixtures, "library.yaml"), position: named })).toEqual([]);
  const file = await writeSpec(
    "openapi: 3.0.0\ninfo: {title: T, version: '1'}\npaths:\n  /a:\n    get: {summary: 1}\n",
  );
  const findings = await lintDocument({ file, position: named });
  expect(findings.length).toBeGreaterThan(0);
  for (const finding of findings)
    expect(finding).toMatchObject({
      severity: "warning",
      code: "spec_invalid",
      position: { file },
    });
  expect(findings.some(({ position }) => (position?.line ?? 0) >= 5)).toBe(true);
});

test("3.2 is not known to swagger-parser and gets no findings", async () => {
  const file = await writeSpec("openapi: 3.2.0\npaths: {}");
  expect(await lintDocument({ file, position: named })).toEqual([]);
});

describe("S13: the servers of a document are compared with the host that is called", () => {
  const head = "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {}\n";
  const swagger = "swagger: '2.0'\ninfo: {title: T, version: '1'}\npaths: {}\n";
  const variables = "variables: {where: {default: eu, enum: [eu, us]}}";

  test.each([
    `${head}servers: [{url: "https://api.acme.test/v1"}]`,
    `${head}servers: [{url: "https://a.test"}, {url: "https://{where}.acme.test", ${variables}}]`,
    `${swagger}host: api.acme.test:444`,
  ])("one warning when all are elsewhere: %j", async (text) => {
    const file = await writeSpec(text);
    const findings = await lintDocument({ file, position: named }, "http://api.internal:8080/v1");
    expect(findings).toEqual([
      {
        severity: "warning",
        code: "server_elsewhere",
        message: expect.stringMatching(
          /^the document names (api\.acme\.test|a\.test, eu\.acme\.test), and url the host api\.internal$/,
        ) as string,
        position: { file, line: text.startsWith("openapi") ? 4 : 1, column: 1 },
        help: expect.stringContaining("the host of url is called") as string,
      },
    ]);
  });

  test.each([
    head,
    swagger,
    `${head}servers: []`,
    `${head}servers: [{url: /v1}]`,
    `${swagger}basePath: /v1`,
    `${head}servers: [{url: "https://api.acme.test"}, {url: /v1}]`,
    `${head}servers: [{url: "https://{tenant}.acme.test"}]`,
    `${head}servers: [{url: "https://api.acme.test"}, {url: "https://api.internal/other"}]`,
    `${head}servers: [{url: "https://api.{zone}", variables: {zone: {default: internal}}}]`,
    `${head}servers: [{url: "https://api.{zone}", variables: {zone: {default: test, enum: [test, internal]}}}]`,
  ])("none when one is there, or could be: %j", async (text) => {
    const file = await writeSpec(text);
    expect(await lintDocument({ file, position: named }, "http://api.internal:8080")).toEqual([]);
    expect(await lintDocument({ file, position: named })).toEqual([]);
  });
});

test("S15, S58: a million enum values and thousands of parts are no obstacle", async () => {
  const values = Array.from({ length: 1_000_000 }, (_, i) => i);
  const parts = Array.from({ length: 10_000 }, () => ({ $ref: "#/components/schemas/A" }));
  const text = JSON.stringify({
    openapi: "3.1.0",
    paths: {
      "/a": {
        post: { requestBody: { content: { "application/json": { schema: { allOf: parts } } } } },
      },
    },
    components: { schemas: { A: { enum: values }, B: { $ref: "other.yaml" } } },
  });
  const api = await loadText(text, "api.json");
  expect(api.operations).toHaveLength(1);
  expect(api.schemas.get("A")).toMatchObject({ enum: { length: 1_000_000 } });
});

test("a mutated document loads or is refused, nothing else", async () => {
  const text = await readFile(join(fixtures, "library.json"), "utf8");
  const file = await writeSpec(text, "api.json");
  const yaml = join(dirname(file), "api.yaml");
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(
      "#/components/schemas/Book",
      "#",
      "#/",
      "#/paths/~1books",
      "__proto__",
      -1,
      true,
      [],
    ),
    fc.constant({ $ref: "#/components/schemas/Page" }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(), fc.nat(), odd), { maxLength: 6 }),
      async (changes) => {
        const root = JSON.parse(text) as JsonObject;
        for (const [container, key, value] of changes) mutate(root, { container, key, value });
        expect(await attempt(file, JSON.stringify(root))).toBeUndefined();
      },
    ),
    { numRuns: 400 },
  );
  const source = await readFile(join(fixtures, "library.yaml"), "utf8");
  await fc.assert(
    fc.asyncProperty(
      fc.nat(source.length),
      fc.nat(20),
      fc.string({ unit: "binary", maxLength: 8 }),
      async (at, cut, put) => {
        const changed = source.slice(0, at) + put + source.slice(at + cut);
        expect(await attempt(yaml, changed)).toBeUndefined();
      },
    ),
    { numRuns: 200 },
  );
});

async function attempt(file: string, text: string): Promise<unknown> {
  await writeFile(file, text);
  try {
    const api = await loadDocument({ file, position: named });
    for (const name of ["Book", "Page", "Shelf"]) JSON.stringify(api.schemas.get(name));
    JSON.stringify(api.operations);
    return undefined;
  } catch (error) {
    return error instanceof ConfigError ? undefined : error;
  }
}

function mutate(
  root: JsonObject,
  change: { container: number; key: number; value: unknown },
): void {
  const containers: Record<string, unknown>[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    containers.push(value as Record<string, unknown>);
    for (const inner of Object.values(value)) collect(inner);
  };
  collect(root);
  const container = containers[change.container % containers.length] ?? {};
  const keys = Object.keys(container);
  const key = keys[change.key % Math.max(1, keys.length)] ?? "$ref";
  container[key] = structuredClone(change.value);
}
