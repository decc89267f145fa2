import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { createGateway, type ReloadReport } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/log.ts";
import { world } from "../world/world.ts";
import { edit, exposeLatest, orders, withinMs } from "./orders.ts";

interface Layout {
  /** gateway.yaml as the gateway is told of it. */
  readonly file: string;
  /** Puts the next version of gateway.yaml in its place. */
  readonly replace: (change: (yaml: string) => string) => Promise<void>;
}

/** A directory of one version: gateway.yaml and spec.json. */
async function version(from: string, to: string, change = (yaml: string) => yaml): Promise<void> {
  await mkdir(to);
  await cp(join(from, "spec.json"), join(to, "spec.json"));
  await writeFile(
    join(to, "gateway.yaml"),
    change(await readFile(join(from, "gateway.yaml"), "utf8")),
  );
}

/** A link changes its target in one step when a new one is renamed over it. */
async function point(link: string, target: string): Promise<void> {
  await symlink(target, `${link}.new`);
  await rename(`${link}.new`, link);
}

const layouts: readonly {
  readonly what: string;
  readonly lay: (dir: string) => Promise<Layout>;
}[] = [
  {
    what: "an editor that renames a new file over the old",
    async lay(dir) {
      const file = join(dir, "gateway.yaml");
      return {
        file,
        async replace(change) {
          await writeFile(`${file}~`, change(await readFile(file, "utf8")));
          await rename(`${file}~`, file);
        },
      };
    },
  },
  {
    what: "a mounted ConfigMap, where ..data moves to a new directory",
    async lay(dir) {
      const mount = join(dir, "mount");
      await mkdir(mount);
      let current = join(mount, "..v1");
      await version(dir, current);
      await symlink("..v1", join(mount, "..data"));
      for (const name of ["gateway.yaml", "spec.json"]) {
        await symlink(`..data/${name}`, join(mount, name));
      }
      return {
        file: join(mount, "gateway.yaml"),
        async replace(change) {
          const [before, after] = [current, `${current}1`];
          await version(before, after, change);
          await point(join(mount, "..data"), after);
          await rm(before, { recursive: true });
          current = after;
        },
      };
    },
  },
  {
    what: "a deployment, where the directory is a link to a release",
    async lay(dir) {
      let current = join(dir, "release-1");
      await version(dir, current);
      const link = join(dir, "current");
      await symlink(current, link);
      return {
        file: join(link, "gateway.yaml"),
        async replace(change) {
          const after = `${current}1`;
          await version(current, after, change);
          await point(link, after);
          current = after;
        },
      };
    },
  },
  {
    what: "a deployment, where a directory further up is a link to a release",
    async lay(dir) {
      let current = join(dir, "release-1");
      await mkdir(current);
      await version(dir, join(current, "etc"));
      const link = join(dir, "current");
      await symlink(current, link);
      return {
        file: join(link, "etc", "gateway.yaml"),
        async replace(change) {
          const after = `${current}1`;
          await mkdir(after);
          await version(join(current, "etc"), join(after, "etc"), change);
          await point(link, after);
          current = after;
        },
      };
    },
  },
  {
    what: "a link to a file that is edited in its own place",
    async lay(dir) {
      const kept = join(dir, "kept");
      await version(dir, kept);
      const linked = join(dir, "linked");
      await mkdir(linked);
      for (const name of ["gateway.yaml", "spec.json"]) {
        await symlink(`../kept/${name}`, join(linked, name));
      }
      return {
        file: join(linked, "gateway.yaml"),
        replace: (change) => edit(kept, change),
      };
    },
  },
  {
    what: "a directory that is moved away and another put in its place",
    async lay(dir) {
      const current = join(dir, "current");
      await version(dir, current);
      return {
        file: join(current, "gateway.yaml"),
        async replace(change) {
          await version(current, join(dir, "next"), change);
          await rm(join(dir, "last"), { recursive: true, force: true });
          await rename(current, join(dir, "last"));
          await rename(join(dir, "next"), current);
        },
      };
    },
  },
];

/** A gateway that only compiles: no listener is needed to see what it would serve. */
async function compiled(lay: (dir: string) => Promise<Layout>): Promise<{
  readonly tools: () => readonly string[];
  readonly replace: Layout["replace"];
}> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  const document = { openapi: "3.1.0", info: { title: "test", version: "1" }, ...orders.spec };
  await writeFile(join(dir, "spec.json"), JSON.stringify(document));
  await writeFile(
    join(dir, "gateway.yaml"),
    `version: 1
server: {url: "http://127.0.0.1:3000"}
auth: {mode: none}
apis:
  api:
    spec: spec.json
    url: http://127.0.0.1:4010
    credential: none
    tools:
      ${orders.tools}
audit: {sinks: [{file: {dir: ${join(dir, "audit")}}}]}
`,
  );
  const { file, replace } = await lay(dir);
  const gateway = await createGateway({
    file,
    env: {},
    info: { name: "tollgate", version: "0.0.0-test" },
    ports: { now: () => Date.now(), log: createLog(() => {}, "error") },
    fetch: globalThis.fetch,
    writeAudit: async () => {},
    pressure: undefined,
  });
  gateway.watch(() => {});
  onTestFinished(async () => {
    await gateway.close();
    await rm(dir, { recursive: true });
  });
  return { tools: () => [...gateway.snapshot.catalog.tools.keys()].toSorted(), replace };
}

test.each(layouts)("F41: $what: seen within two seconds, and again", async ({ lay }) => {
  const { tools, replace } = await compiled(lay);
  expect(tools()).toEqual(["list_orders"]);
  await replace(exposeLatest);
  await vi.waitFor(() => expect(tools()).toEqual(["latest_order", "list_orders"]), withinMs);
  // Once more, because what is watched has changed with it.
  await replace((yaml) => yaml.replace("operation: latest_order", "$&\n        name: latest"));
  await vi.waitFor(() => expect(tools()).toEqual(["latest", "list_orders"]), withinMs);
});

test("a neighbour that is written all the time does not hold a reload up", async () => {
  const { dir, gateway } = await world(orders);
  gateway.watch(() => {});
  const write = (): void => void writeFile(join(dir, "app.log"), `${performance.now()}`);
  const neighbour = setInterval(write, 20);
  onTestFinished(() => clearInterval(neighbour));
  await edit(dir, exposeLatest);
  await vi.waitFor(() => expect(gateway.snapshot.catalog.tools.size).toBe(2), withinMs);
});

test("F42: reloads leave no file and no watch open behind them", async () => {
  const made = await world(orders);
  const reports: ReloadReport[] = [];
  made.gateway.watch((report) => reports.push(report));
  const turn = async (name: string): Promise<void> => {
    const before = reports.length;
    await edit(made.dir, (yaml) =>
      yaml.replace(
        /operation: list_orders(?:\n +name: .*)?/,
        `operation: list_orders\n        name: ${name}`,
      ),
    );
    await vi.waitFor(() => expect(reports).toHaveLength(before + 1), { timeout: 10_000 });
  };
  await turn("first");
  const before = await countOpen();
  for (const name of ["a", "b", "c", "d", "e"]) await turn(name);
  const after = await countOpen();
  expect(after.watches).toBe(before.watches);
  // Fewer when an idle connection was closed meanwhile.
  expect(after.files).toBeLessThanOrEqual(before.files);
  expect(reports.every(({ outcome }) => outcome === "applied")).toBe(true);
});

async function countOpen(): Promise<{ readonly files: number; readonly watches: number }> {
  // Linux has all watches in one file, which lists them; elsewhere each is a file of its own.
  const infos = await readdir("/proc/self/fdinfo").catch(() => []);
  let watches = 0;
  for (const name of infos) {
    const info = await readFile(join("/proc/self/fdinfo", name), "utf8").catch(() => "");
    watches += info.match(/^inotify /gm)?.length ?? 0;
  }
  return { files: (await readdir("/dev/fd")).length, watches };
}
