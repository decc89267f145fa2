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

/** Code for the schema is made for the keys that files had so far. */
test.each(shapes.filter((_, index) => index % 5 === 0))(
  "the first file of a process, and one with other keys than the first: $because",
  async ({ from, to }) => {
    const { file } = await makeWorld(goodWith(from, to).replace("¦", ""));
    const { file: small } = await makeWorld(smallest);
    const afterAll = await findingsOf(file, goodEnv);
    const read = await freshReader();
    expect(await read(file)).toEqual(afterAll);
    const readAgain = await freshReader();
    expect(await readAgain(small)).toEqual([]);
    expect(await readAgain(file)).toEqual(afterAll);
  },
);

const smallest = `version: 1
server: {url: "http://127.0.0.1:3000"}
auth: {mode: none}
apis: {other: {spec: specs/other.yaml, credential: none, tools: [{match: {paths: ["/**"]}}]}}
`;

/** As a process that has read no file yet. */
async function freshReader(): Promise<(file: string) => Promise<readonly Issue[]>> {
  vi.resetModules();
  const { loadConfig } = await import("../../src/config/load.ts");
  return (file) =>
    loadConfig(file, goodEnv).then(
      () => [],
      (error: { readonly issues: readonly Issue[] }) => error.issues,
    );
}
