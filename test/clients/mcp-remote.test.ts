import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { expect, onTestFinished, test, vi } from "vitest";
import { house, type House } from "./house.ts";

// Programs are started here, and a busy machine starts them slowly.
vi.setConfig({ testTimeout: 60_000 });

const require = createRequire(import.meta.url);
const mcpRemote = join(dirname(require.resolve("mcp-remote/package.json")), "dist/proxy.js");

/** Where mcp-remote keeps its logins, and the browser it opens: a program that logs alice in. */
interface Desk {
  readonly start: () => Promise<Client>;
  readonly logins: () => Promise<number>;
}

async function desk({ url, dir, guard }: House): Promise<Desk> {
  const config = join(dir, "mcp-remote");
  const browser = join(dir, "browser.mjs");
  const visits = join(dir, "visits");
  const library = pathToFileURL(resolve("dist-examples/demo/browser.js")).href;
  await mkdir(config);
  await writeFile(visits, "");
  await writeFile(
    browser,
    `#!${process.execPath}
import { appendFileSync } from "node:fs";
import { logIn } from ${JSON.stringify(library)};
appendFileSync(${JSON.stringify(visits)}, process.argv[2] + "\\n");
await fetch(await logIn(process.argv[2], "alice"));
`,
  );
  await chmod(browser, 0o755);
  let said = "";
  onTestFinished(async () => {
    for (const name of await readdir(config, { recursive: true })) {
      if (!name.endsWith("_tokens.json")) continue;
      const tokens = JSON.parse(await readFile(join(config, name), "utf8")) as TokenFile;
      guard(tokens.access_token);
    }
  });
  return {
    async start() {
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [mcpRemote, url],
        env: {
          PATH: process.env["PATH"] ?? "",
          HOME: dir,
          BROWSER: browser,
          MCP_REMOTE_CONFIG_DIR: config,
        },
        cwd: dir,
        stderr: "pipe",
      });
      transport.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const client = new Client({ name: "desktop", version: "1.0.0" });
      onTestFinished(() => client.close());
      try {
        await client.connect(transport);
      } catch (cause) {
        throw new Error(`mcp-remote did not connect\n${said}`, { cause });
      }
      return client;
    },
    logins: async () => (await readFile(visits, "utf8")).split("\n").length - 1,
  };
}

interface TokenFile {
  readonly access_token: string;
}

test("mcp-remote logs in once and serves a desktop client, also after a restart", async () => {
  const made = await house();
  const { start, logins } = await desk(made);

  const first = await start();
  const { tools } = await first.listTools();
  expect(tools.map(({ name }) => name)).toContain("search_courses");
  const found = await first.callTool({
    name: "search_courses",
    arguments: { q: "data", limit: 2 },
  });
  expect(found).toMatchObject({ structuredContent: { items: [{}, {}] } });
  expect(made.claims(made.seen.at(-1))).toMatchObject({ aud: "courses-api", sub: "alice" });
  expect(await logins()).toBe(1);
  await first.close();

  const second = await start();
  const goals = await second.callTool({ name: "list_goals", arguments: {} });
  expect(goals.isError).toBeUndefined();
  expect(made.seen.at(-1)?.path).toMatch(/alice/);
  expect(await logins()).toBe(1);
});
