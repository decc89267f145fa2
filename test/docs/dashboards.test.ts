import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { readSources } from "../architecture/sources.ts";

const run = promisify(execFile);
const program = "/usr/bin/promtool";
const missing = "promtool is not installed (Debian package prometheus)";
const rules = readFileSync("deploy/prometheus/rules.yaml", "utf8");
const dashboard = readFileSync("deploy/grafana/tollgate.json", "utf8");

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

const { panels } = JSON.parse(dashboard) as { readonly panels: readonly Panel[] };

/** Every metric that the source registers, with what a histogram adds to its name. */
function registered(): ReadonlySet<string> {
  const names = readSources().flatMap(({ path, text }) =>
    path.startsWith("observe/")
      ? [...text.matchAll(/"((?:mcp|http|tollgate|nodejs|process)_[a-z_]+)"/g)].map(
          ([, name]) => name ?? "",
        )
      : [],
  );
  return new Set(names.flatMap((name) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]));
}

test("rules and panels ask only for metrics that there are", () => {
  const known = registered();
  const asked = `${rules}\n${panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join("\n")}`;
  const names = [...asked.matchAll(/\b(?:mcp|http|tollgate|nodejs|process)_[a-z_]+(?=[{[)\s])/g)];
  expect(names.length).toBeGreaterThan(40);
  const labels = new Set(["http_response_status_code"]);
  expect(
    names.map(([name]) => name).filter((name) => !known.has(name) && !labels.has(name)),
  ).toEqual([]);
});

test("every metric is in the manual, and none twice in its table", () => {
  const manual = readFileSync("docs/operations.md", "utf8");
  const named = (name: string): boolean => manual.includes(`\`${name}\``);
  const parts = /_(?:bucket|count|sum)$/;
  expect([...registered()].filter((name) => !parts.test(name) && !named(name))).toEqual([]);
  const [, table = ""] = manual.split(/^\| Metric .*$/m);
  const rows = table.split("\n\n", 1)[0]!.matchAll(/`((?:mcp|http|tollgate|nodejs|process)_\w+)`/g);
  const listed = [...rows].flatMap(([, name]) => (registered().has(name!) ? [name] : []));
  expect(listed.length).toBeGreaterThan(30);
  expect(listed).toEqual([...new Set(listed)]);
});

test("promtool accepts the rules and they fire when they should", async ({ skip }) => {
  if (!existsSync(program)) skip(missing);
  expect((await run(program, ["check", "rules", "deploy/prometheus/rules.yaml"])).stdout).toContain(
    "SUCCESS: 12 rules found",
  );
  const { stdout } = await run(program, ["test", "rules", "deploy/prometheus/rules.test.yaml"]);
  expect(stdout).toContain("SUCCESS");
});

test("every panel's question is PromQL", async ({ skip }) => {
  if (!existsSync(program)) skip(missing);
  const dir = await mkdtemp(join(tmpdir(), "tollgate-rules-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const records = panels.flatMap(({ targets }, i) =>
    targets.map(({ expr }, n) => ({ record: `panel:${i}:${n}`, expr })),
  );
  const file = join(dir, "panels.yaml");
  await writeFile(file, JSON.stringify({ groups: [{ name: "panels", rules: records }] }));
  const { stdout } = await run(program, ["check", "rules", file]);
  expect(stdout).toContain(`SUCCESS: ${records.length} rules found`);
});
