import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { expect, onTestFinished, test, vi } from "vitest";
import { noRedis, startRedis } from "../broker/redis.ts";
import { readEnds } from "../world/audit.ts";
import { house, type House } from "./house.ts";

// Programs are started here, and a busy machine starts them slowly.
vi.setConfig({ testTimeout: 180_000 });

const require = createRequire(import.meta.url);
const mcpRemote = join(dirname(require.resolve("mcp-remote/package.json")), "dist/proxy.js");

/** Where mcp-remote keeps its logins, and the browser it opens: a program that logs alice in. */
interface Desk {
  readonly start: () => Promise<Client>;
  readonly logins: () => Promise<number>;
  /** Puts these in place of what it keeps, as if they had ended meanwhile. */
  readonly forget: (...names: readonly (keyof TokenFile)[]) => Promise<void>;
}

async function desk(
  { url, dir, guard }: House,
  protocol: "legacy" | "auto" = "legacy",
): Promise<Desk> {
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
import { setTimeout as sleep } from "node:timers/promises";
import { logIn } from ${JSON.stringify(library)};
appendFileSync(${JSON.stringify(visits)}, process.argv[2] + "\\n");
const back = await logIn(process.argv[2], "alice");
// It opens the browser before it listens for the answer: a person is slower than that.
const arrives = () => fetch(back).then(() => true, () => false);
for (let tries = 1; !(await arrives()) && tries < 100; tries++) await sleep(100);
`,
  );
  await chmod(browser, 0o755);
  let said = "";
  const tokenFiles = async (): Promise<readonly string[]> =>
    (await readdir(config, { recursive: true }))
      .filter((name) => name.endsWith("_tokens.json"))
      .map((name) => join(config, name));
  onTestFinished(async () => {
    for (const file of await tokenFiles()) {
      const tokens = JSON.parse(await readFile(file, "utf8")) as TokenFile;
      guard(tokens.access_token);
    }
  });
  return {
    async start() {
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [mcpRemote, url, "--protocol", protocol],
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
    async forget(...names) {
      for (const file of await tokenFiles()) {
        const tokens = JSON.parse(await readFile(file, "utf8")) as TokenFile;
        guard(tokens.access_token);
        const ended = Object.fromEntries(names.map((name) => [name, "ended"]));
        await writeFile(file, JSON.stringify({ ...tokens, ...ended }));
      }
    },
    logins: async () => (await readFile(visits, "utf8")).split("\n").length - 1,
  };
}

interface TokenFile {
  readonly access_token: string;
  readonly refresh_token: string;
}

const stores = [
  { name: "LMDB", store: async () => "lmdb: {dir: broker, encryptionKeys: ['${KEY}']}" },
  ...(noRedis === undefined
    ? [
        {
          name: "Redis",
          store: async () =>
            `redis: {url: ${(await startRedis()).url}, encryptionKeys: ['\${KEY}']}`,
        },
      ]
    : []),
];

test.each(stores)(
  "with $name mcp-remote logs in once: it refreshes, two at a time, and after the broker restarted",
  async ({ store }) => {
    const where = await store();
    const made = await house({
      env: { KEY: randomBytes(32).toString("base64") },
      edit: (yaml) => yaml.replace("upstream: dev", `upstream: dev\n  store: {${where}}`),
    });
    const { start, logins, forget } = await desk(made);
    const search = { name: "search_courses", arguments: { q: "data", limit: 1 } };
    const works = async (client: Client): Promise<void> => {
      expect((await client.callTool(search)).isError).toBeUndefined();
      await client.close();
    };

    await works(await start());
    await forget("access_token");
    await works(await start());
    expect(await logins()).toBe(1);

    await forget("access_token");
    const both = await Promise.all([start(), start()]);
    await Promise.all(both.map(works));
    expect(await logins()).toBe(1);

    await made.restart();
    await works(await start());
    await forget("access_token");
    await made.restart();
    await works(await start());
    expect(await logins()).toBe(1);
  },
);

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

test.each(["legacy", "auto"] as const)(
  "mcp-remote (%s) steps up, refreshes, and logs in anew when nothing is left",
  async (protocol) => {
    const made = await house();
    const { start, logins, forget } = await desk(made, protocol);
    const first = await start();
    const found = await first.callTool({
      name: "search_courses",
      arguments: { q: "data", limit: 1 },
    });
    const [course] = (found.structuredContent as { items: { id: string }[] }).items;
    const enrolled = await first.callTool({
      name: "enrol_in_course",
      arguments: { body: { courseId: course?.id } },
    });
    expect(enrolled.structuredContent).toMatchObject({ learnerId: "alice" });
    // One refusal names all that is needed; mcp-remote opens the browser for it twice.
    const audit = readEnds(await readFile(join(made.dir, "audit", "audit.ndjson"), "utf8"));
    expect(audit.filter(({ reason }) => reason === "insufficient_scope")).toHaveLength(1);
    const steppedUp = await logins();
    expect(steppedUp).toBeGreaterThan(1);
    await first.close();

    const list = async (): Promise<void> => {
      const client = await start();
      const goals = await client.callTool({ name: "list_goals", arguments: {} });
      expect(goals.isError).toBeUndefined();
      expect(made.seen.at(-1)?.path).toMatch(/alice/);
      await client.close();
    };
    await forget("access_token");
    await list();
    expect(await logins()).toBe(steppedUp);
    await forget("access_token", "refresh_token");
    await list();
    expect(await logins()).toBeGreaterThan(steppedUp);
  },
);
