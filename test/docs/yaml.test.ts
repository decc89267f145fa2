import { copyFile, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { environment } from "../examples/environment.ts";
import { validateFile } from "../examples/validate.ts";
import { blocksOf, readPage, readPages, root } from "./pages.ts";

const whole = readPages().flatMap((page) =>
  blocksOf(page, "yaml")
    .filter((text) => text.startsWith("version: 1\n"))
    .map((text) => ({ page: page.path, text })),
);

test("the pages show whole files", () => {
  expect(new Set(whole.map(({ page }) => page))).toContain("README.md");
  expect(whole.length).toBeGreaterThan(2);
});

test.each(whole)("a gateway.yaml of $page is one: $text", async ({ text }) => {
  const directory = await mkdtemp(join(tmpdir(), "tollgate-docs-"));
  const file = join(directory, "gateway.yaml");
  const secret = join(directory, "secret");
  await writeFile(secret, "canary-secret", { mode: 0o600 });
  await writeFile(file, text.replaceAll("/run/secrets/tollgate-client", secret));
  const document = blocksOf(readPage("docs/getting-started.md"), "yaml").find((block) =>
    block.startsWith("openapi:"),
  );
  // The page that shows a document means it; the others mean the one of the examples.
  if (text.includes("get_order") && document !== undefined)
    await writeFile(join(directory, "orders.yaml"), document);
  else await copyFile(join(root, "examples/specs/orders.yaml"), join(directory, "orders.yaml"));
  const { code, findings } = await validateFile(file, environment);
  expect(findings).toEqual([]);
  expect(code).toBe(0);
});

test("the one in the README has ten lines", () => {
  const [text = ""] = blocksOf(readPage("README.md"), "yaml");
  expect(text.trimEnd().split("\n")).toHaveLength(10);
});

test("the README has at most 200 lines", () => {
  expect(readPage("README.md").text.split("\n").length).toBeLessThanOrEqual(200);
});
