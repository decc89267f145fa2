import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../world/world.ts";

const run = promisify(execFile);
/** What every JWT looks like. */
const token = /eyJ[\w-]+\.[\w-]+/;

/** The root gateway.yaml on ports that nobody else has. */
async function demonstrationFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-demo-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  let yaml = await readFile("gateway.yaml", "utf8");
  for (const port of ["3000", "4000", "4010", "9091"]) {
    yaml = yaml.replaceAll(`:${port}`, `:${await freePort()}`);
  }
  yaml = yaml.replace("specs/courses.yaml", resolve("specs/courses.yaml"));
  await writeFile(join(dir, "gateway.yaml"), yaml);
  return dir;
}

test("the demonstration logs in, lists, calls, and shows what the API and the audit log saw", async () => {
  const cwd = await demonstrationFolder();
  // Rejects unless it exits with 0.
  const { stdout, stderr } = await run(process.execPath, [resolve("dist-examples/demo/demo.js")], {
    cwd,
    timeout: 60_000,
  });
  const said = stdout.split(/^\d\. .*\n-+\n/m).map((part) => part.trim());
  const [, login, list, call, enrol, api, audit] = said;
  expect(login).toMatch(/^connected with protocol 2026-07-28; scopes: mcp:tools$/);
  expect(list?.split("\n").map((line) => line.split(" ")[0])).toEqual(
    expect.arrayContaining(["search_courses", "get_course", "enrol_in_course"]),
  );
  expect(call).toMatch(/^\{\s*"items":\s*\[\s*\{\s*"id":/);
  expect(enrol).toMatch(/^consents given: 2; scopes: .*courses:write/m);
  expect(api).toMatch(/^GET \/courses\?q=data&limit=3$/m);
  expect(api).toMatch(/its own token: aud=courses-api sub=alice act=\{.*\} scope=.*courses:read/);
  expect(JSON.parse(audit ?? "")).toMatchObject({
    event: "tool.call",
    outcome: "success",
    actor: { sub: "alice" },
    tool: { name: "enrol_in_course", source: "courses" },
    upstream: { status: 201 },
  });
  const kept = await readFile(join(cwd, "var/audit/audit.ndjson"), "utf8");
  for (const text of [stdout, stderr, kept]) expect(text).not.toMatch(token);
}, 90_000);
