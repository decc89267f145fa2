import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Issue } from "../../src/base/issue.ts";
import type { JsonObject, JsonSchema } from "../../src/base/json.ts";
import { loadConfig } from "../../src/config/load.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import { type Catalog, compileCatalog } from "../../src/tools/catalog.ts";
import type { Tool } from "../../src/tools/tool.ts";

interface Given {
  /** Each document's parts beside `openapi` and `info`, by api. */
  readonly apis: Readonly<Record<string, object>>;
  /** YAML of `tools`; the default is every operation. */
  readonly tools?: string;
  /** More YAML under each api. */
  readonly api?: string;
}

export interface CompiledTools {
  readonly catalog: Catalog;
  readonly issues: readonly Issue[];
  readonly tool: (name: string) => Tool;
  readonly names: readonly string[];
}

/** The tools of a gateway.yaml and its documents. */
export async function compileTools({ apis, tools, api = "" }: Given): Promise<CompiledTools> {
  const directory = await mkdtemp(join(tmpdir(), "tools-"));
  try {
    const parts = await Promise.all(
      Object.entries(apis).map(async ([id, spec]) => {
        const file = join(directory, `${id}.json`);
        const document = { openapi: "3.1.0", info: { title: id, version: "1" }, ...spec };
        await writeFile(file, JSON.stringify(document));
        return [
          `  ${id}:`,
          `    spec: ${id}.json`,
          "    url: http://api.test",
          "    credential: none",
          ...api.split("\n").map((line) => `    ${line}`),
          "    tools:",
          ...(tools ?? '- match: {paths: ["/**"]}').split("\n").map((line) => `      ${line}`),
        ].join("\n");
      }),
    );
    const file = join(directory, "gateway.yaml");
    const head = 'version: 1\nserver: {url: "http://127.0.0.1:3000"}\nauth: {mode: none}\napis:\n';
    await writeFile(file, head + parts.join("\n"));
    const config = await loadConfig(file, {});
    const loaded = await Promise.all(
      config.apis.map(async (own) => ({
        config: own,
        document: await loadDocument({ ...own, file: own.spec, position: own.specPosition }),
      })),
    );
    const { catalog, issues } = compileCatalog(loaded);
    const names = [...catalog.tools.keys()];
    return {
      catalog,
      issues,
      names,
      tool(name) {
        const found = catalog.tools.get(name);
        if (found === undefined) throw new Error(`no ${name} among ${names.join(", ")}`);
        return found;
      },
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

export function argumentsOf(schema: JsonSchema): JsonObject {
  return (schema["properties"] ?? {}) as JsonObject;
}

export function entryOf({ entry }: Tool): JsonObject {
  return JSON.parse(entry) as JsonObject;
}

/** One operation `op` at POST /things. */
export function operation(parts: object, path = "/things", method = "post"): object {
  return { paths: { [path]: { [method]: { operationId: "op", ...parts } } } };
}

export function jsonBody(schema: object, required = true): object {
  return { requestBody: { required, content: { "application/json": { schema } } } };
}
