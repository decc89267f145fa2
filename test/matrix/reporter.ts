import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { attacks } from "./attacks.ts";
import { faults } from "./faults.ts";
import { renderPage } from "./page.ts";
import type { Ran, Results } from "./results.ts";
import { rowsIn, sentenceOf } from "./titles.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Writes both matrices from what a run of the tests saw. */
export function createMatrixReporter(): Reporter {
  return {
    onTestRunEnd(modules) {
      const results = collect(modules);
      const made = {
        commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], {
          cwd: root,
          encoding: "utf8",
        }).trim(),
        date: new Date().toISOString().slice(0, 10),
        node: process.versions.node,
      };
      for (const matrix of [attacks, faults]) {
        writeFileSync(join(root, matrix.page), renderPage(matrix, results, made));
      }
    },
  };
}

function collect(modules: readonly TestModule[]): Results {
  const results = new Map<string, Ran[]>();
  const sorted = modules.toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
  for (const test of sorted.flatMap((module) => [...module.children.allTests()])) {
    const titles = titlesOf(test);
    const rows = titles.flatMap(rowsIn);
    if (rows.length === 0) continue;
    const ran = read(test, titles);
    for (const row of new Set(rows)) results.set(row, [...(results.get(row) ?? []), ran]);
  }
  return results;
}

/** Of the groups around a test and of the test itself. */
function titlesOf(test: TestCase): readonly string[] {
  const titles = [test.name];
  for (
    let { parent } = test as { readonly parent: TestCase["parent"] };
    parent.type === "suite";
    { parent } = parent
  ) {
    titles.unshift(parent.name);
  }
  return titles;
}

function read(test: TestCase, titles: readonly string[]): Ran {
  const result = test.result();
  const state = result.state === "pending" ? "skipped" : result.state;
  return {
    file: relative(root, test.module.moduleId),
    sentence: titles.map(sentenceOf).join(": "),
    state,
    reason: result.state === "skipped" ? result.note : undefined,
    observed: test
      .annotations()
      .filter(({ type }) => type === "observed")
      .map(({ message }) => message),
  };
}
