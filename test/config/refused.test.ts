import { expect, test, vi } from "vitest";
import type { Issue } from "../../src/base/issue.ts";
import { meanings } from "./refused/meaning.ts";
import { shapes } from "./refused/shape.ts";
import { texts } from "./refused/text.ts";
import { typos } from "./refused/typo.ts";
import { findings as findingsOf, goodEnv, goodWith, issuesOf, makeWorld } from "./world.ts";

const cases = [...typos, ...shapes, ...meanings, ...texts];

/** Where the mark stands; nothing to compare without one. */
function markOf(marked: string): { line?: number; column?: number } {
  if (!marked.includes("¦")) return {};
  const lines = marked.slice(0, marked.indexOf("¦")).split("\n");
  return { line: lines.length, column: (lines.at(-1) ?? "").length + 1 };
}

test.each(cases)("$because: $code", async ({ from, to, code, help, findings = 1 }) => {
  const marked = goodWith(from, to);
  const issues = await issuesOf(marked.replace("¦", ""));
  expect(issues).toHaveLength(findings);
  const position: unknown = expect.objectContaining(markOf(marked));
  expect(issues).toContainEqual(
    expect.objectContaining({ severity: "error", code, position, ...(help && { help }) }),
  );
  expect(JSON.stringify(issues)).not.toContain("canary-");
});

/** The first file of a process is checked by code for its own keys; later ones meet all of them. */
test.each(shapes.filter((_, index) => index % 5 === 0))(
  "the first file of a process: $because",
  async ({ from, to }) => {
    const { file } = await makeWorld(goodWith(from, to).replace("¦", ""));
    const later = await findingsOf(file, goodEnv);
    vi.resetModules();
    const { loadConfig } = await import("../../src/config/load.ts");
    const first = await loadConfig(file, goodEnv).then(
      () => [],
      (error: { readonly issues: readonly Issue[] }) => error.issues,
    );
    expect(first).toEqual(later);
  },
);
