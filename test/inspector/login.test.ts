import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { createBrowser, logIn } from "../../examples/demo/browser.ts";
import { house, type House } from "../clients/house.ts";
import { freePort } from "../world/world.ts";

// Programs are started here, and a busy machine starts them slowly.
vi.setConfig({ testTimeout: 180_000 });

const program = resolve(
  "test/inspector/packages/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
);

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** How often it asked a person to log in. */
  readonly logins: number;
}

/** The inspector's command line with a home of its own; alice opens what it wants opened. */
async function inspector({ url, dir }: House): Promise<(...args: string[]) => Promise<Run>> {
  const callback = `http://127.0.0.1:${await freePort()}/oauth/callback`;
  const where = ["--cli", "--server-url", url, "--transport", "http", "--callback-url", callback];
  return async (...args) => {
    const child = spawn(process.execPath, [program, ...where, "--format", "json", ...args], {
      cwd: dir,
      env: {
        // Without a browser that it could open.
        PATH: dir,
        HOME: dir,
        MCP_STORAGE_DIR: join(dir, "inspector"),
        MCP_AUTO_OPEN_ENABLED: "true",
        MCP_INSPECTOR_SECRET_STORE: "file",
        MCP_INSPECTOR_SECRET_KEY: "a key of the test's own",
      },
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const output = { stdout: "", stderr: "" };
    const visits = new Map<string, Promise<unknown>>();
    child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => {
      output.stderr += chunk.toString();
      for (const [, address] of output.stderr.matchAll(/navigate to: (\S+)\n/g)) {
        if (address === undefined || visits.has(address)) continue;
        const back = logIn(new URL(address), "alice", createBrowser());
        visits.set(
          address,
          back.then((arrived) => fetch(arrived)),
        );
      }
    });
    const code = await new Promise<number | null>((done) => void child.once("close", done));
    await Promise.all(visits.values());
    return { code, ...output, logins: visits.size };
  };
}

test("the inspector's command line logs in, calls again in either era without a login, and logs in anew", async () => {
  const at = await house();
  const run = await inspector(at);
  const search = (era: string, ...more: readonly string[]): Promise<Run> =>
    run(
      "--protocol-era",
      era,
      "--method",
      "tools/call",
      "--tool-name",
      "search_courses",
      "--tool-args-json",
      '{"q":"data","limit":1}',
      ...more,
    );
  const first = await search("legacy");
  expect(first, first.stderr).toMatchObject({ code: 0, logins: 1 });
  expect(JSON.parse(first.stdout)).toMatchObject({
    result: { structuredContent: { items: [{ id: "data-modelling" }] } },
  });
  const again = await search("modern", "--stored-auth-only");
  expect(again, again.stderr).toMatchObject({ code: 0, logins: 0 });
  const anew = await search("modern", "--relogin");
  expect(anew, anew.stderr).toMatchObject({ code: 0, logins: 1 });
  expect(at.seen).toHaveLength(3);
  for (const request of at.seen)
    expect(at.claims(request)).toMatchObject({ sub: "alice", aud: "courses-api" });
});
