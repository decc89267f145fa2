import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import { runProgram } from "../cli/program.ts";
import { newDir } from "./load-text.ts";

const gatewayYaml = `version: 1
server: {url: "http://localhost:3000"}
auth: {mode: none}
apis:
  a: {spec: api.yaml, url: "http://localhost:8080", credential: none, tools: [{match: {methods: [GET]}}]}
audit: {sinks: [{stdout: {}}]}
`;

/** What each list of nothing takes of the bound: two brackets, a comma. */
const lexemesPerItem = 3;
const heapMiB = 800;

/** The densest YAML there is: three characters a value, and a container each. */
async function listTools(items: number): Promise<{ code: number | null; stderr: string }> {
  const dir = await newDir();
  await writeFile(join(dir, "gateway.yaml"), gatewayYaml);
  await writeFile(
    join(dir, "api.yaml"),
    `openapi: 3.1.0\npaths: {/a: {get: {operationId: a}}}\nx-dense: [${"[],".repeat(items)}]\n`,
  );
  const env = { NODE_OPTIONS: `--max-old-space-size=${heapMiB}` };
  return runProgram(["tools", "list"], { cwd: dir, env });
}

test("the densest YAML that is read fits in 800 MiB of heap", { timeout: 120_000 }, async () => {
  const { code, stderr } = await listTools(Math.floor(2_000_000 / lexemesPerItem) - 100);
  expect([code, stderr]).toEqual([0, ""]);
});

test("a denser YAML is refused with the way out", { timeout: 120_000 }, async () => {
  const { code, stderr } = await listTools(8_000_000);
  expect(code).toBe(78);
  expect(stderr).toContain("api.yaml:3:");
  expect(stderr).toContain("convert the document to JSON");
});
