import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { loadConfig } from "../../src/config/load.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import type { ApiDocument } from "../../src/openapi/operation/operation.ts";
import { compileCatalog } from "../../src/tools/catalog.ts";

const packages = fileURLToPath(new URL("packages/node_modules", import.meta.url));

/** A published document, and how many operations it has at least. */
export interface Published {
  readonly name: string;
  readonly file: string;
  readonly operations: number;
}

/** A file of an installed package. */
export function packaged(file: string): string {
  const path = join(packages, file);
  if (existsSync(path)) return path;
  throw new Error(
    `${file} is not installed: run "npm run corpus:install" (npm ci in test/corpus/packages) once`,
  );
}

/** Tools whose document asks for what no value can be, in its own words. */
export const contradictory: ReadonlySet<string> = new Set([
  // Requires both members of a choice of one (ShipEngine).
  "calculate_rates",
  // Requires a property that its closed schema does not have (ShipEngine).
  "estimate_rates",
  // Both are made to be so (oas-examples, schema-types).
  "quirks_entirelyIncompatibleAllOf",
  "quirks_partiallyUsableIncompatibleAllOf",
]);

export function publishedDocuments(): readonly Published[] {
  const large = [
    { file: "@octokit/openapi/generated/api.github.com.json", operations: 1_200 },
    { file: "@blockfrost/openapi/openapi.yaml", operations: 120 },
    { file: "@directus/specs/dist/openapi.json", operations: 130 },
    { file: "rclone-openapi/openapi.json", operations: 100 },
    { file: "rclone-openapi/openapi.yaml", operations: 100 },
    { file: "shipengine-openapi/openapi.yaml", operations: 70 },
    { file: "@scalar/galaxy/dist/3.1.yaml", operations: 9 },
    { file: "@digdir/dialogporten-schema/swagger.verified.json", operations: 29 },
  ];
  return [...large, ...oasExamples()].map(({ file, operations }) => ({
    name: file,
    file: packaged(file),
    operations,
  }));
}

/** Every example of 2.0, 3.0 and 3.1, in folders too; some of them have no operation. */
function oasExamples(): readonly { readonly file: string; readonly operations: number }[] {
  return ["2.0", "3.0", "3.1"].flatMap((version) => {
    const folder = `@readme/oas-examples/${version}/json`;
    const names = readdirSync(packaged(folder), { recursive: true, encoding: "utf8" });
    const files = names.filter((name) => name.endsWith(".json")).toSorted();
    return files.map((name) => ({ file: `${folder}/${name}`, operations: 0 }));
  });
}

export interface Compiled extends ReturnType<typeof compileCatalog> {
  readonly document: ApiDocument;
}

/** With every operation selected, by a gateway.yaml that says so. */
export async function compilePublished(spec: string): Promise<Compiled> {
  const directory = await mkdtemp(join(tmpdir(), "corpus-"));
  try {
    const file = join(directory, "gateway.yaml");
    await writeFile(file, gatewayOf(spec));
    const [api] = (await loadConfig(file, {})).apis;
    if (api === undefined) throw new Error("a gateway without api");
    const document = await loadDocument({ file: api.spec, position: api.specPosition });
    return { document, ...compileCatalog([{ config: api, document }]) };
  } finally {
    await rm(directory, { recursive: true });
  }
}

function gatewayOf(spec: string): string {
  return `
version: 1
server: { url: "http://127.0.0.1:3000" }
auth: { mode: none }
apis:
  api:
    spec: ${JSON.stringify(spec)}
    url: http://api.test/base
    credential: none
    tools: [{ match: { paths: ["/**"] } }]
`;
}
