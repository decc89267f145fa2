import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/**
 * Makes what is published and what the tests start: the program and the library with every package
 * they use, in few files, because finding and reading 300 of them takes longer than running them.
 * Decision 9 in docs/adr says more.
 */

const root = join(import.meta.dirname, "..");
const out = join(root, "dist");

rmSync(out, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { "cli/main": "src/cli/main.ts", index: "src/index.ts" },
  outdir: out,
  // As deep as an entry: what is found relative to a file is found from both.
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  // Native code, loaded where `broker.store.lmdb` is configured.
  external: ["lmdb"],
  // Packages in CommonJS ask for modules of Node that way.
  banner: {
    js: 'import{createRequire as createRequireOfBundle}from"node:module";const require=createRequireOfBundle(import.meta.url);',
  },
  // Spaces alone: names stay, so stacks read the same without the maps, and packages that tell their
  // classes apart by them can. To keep each name by a call (`keepNames`) takes longer to start.
  minifyWhitespace: true,
  sourcemap: "linked",
  sourcesContent: false,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});
writeFileSync(join(out, "THIRD_PARTY_LICENSES.txt"), licencesOf(metafile));

/** The licence of every package that has code in the files. */
function licencesOf({ outputs }) {
  const inputs = Object.values(outputs).flatMap((output) => Object.keys(output.inputs));
  const folders = new Set(inputs.flatMap((input) => folderOf(input) ?? []));
  const parts = [...folders].map((folder) => licenceOf(join(root, folder)));
  return parts.toSorted().join(`\n${"-".repeat(80)}\n\n`);
}

/** `node_modules/a/node_modules/@b/c/lib/d.js` → `node_modules/a/node_modules/@b/c` */
function folderOf(input) {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
}

function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  const texts = readdirSync(folder)
    .filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
    .toSorted()
    .map((file) => readFileSync(join(folder, file), "utf8").trim());
  if (texts.length === 0 && typeof license !== "string")
    throw new Error(`${name} has neither a licence file nor the name of a licence`);
  const holder = (typeof author === "string" ? author : author?.name) ?? `the authors of ${name}`;
  const head = `${name} ${version}: ${license}`;
  return `${[head, ...(texts.length === 0 ? [`Copyright ${holder}`] : texts)].join("\n\n")}\n`;
}
