import { expect, test } from "vitest";
import { meanings } from "./refused/meaning.ts";
import { shapes } from "./refused/shape.ts";
import { texts } from "./refused/text.ts";
import { typos } from "./refused/typo.ts";
import { goodWith, issuesOf } from "./world.ts";

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
