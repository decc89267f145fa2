import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { environment } from "./environment.ts";
import { validateFile } from "./validate.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const examples = join(root, "examples");

const files = [root, ...readdirSync(examples).map((name) => join(examples, name))]
  .map((directory) => join(directory, "gateway.yaml"))
  .filter((file) => existsSync(file));

test("the demonstration and the examples are found", () => {
  expect(files.length).toBeGreaterThan(4);
});

test.each(files.map((file) => ({ file, name: relative(root, file) })))(
  "$name validates and has tools",
  async ({ file }) => {
    const { code, findings, said } = await validateFile(file, environment);
    expect(findings).toEqual([]);
    expect(said).toMatch(/: ok: [1-9]\d* tools, 0 warnings\n$/);
    expect(code).toBe(0);
  },
);
