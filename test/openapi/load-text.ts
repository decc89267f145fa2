import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll } from "vitest";

import type { ConfigError } from "../../src/base/errors.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import type { ApiDocument, Operation } from "../../src/openapi/operation/operation.ts";

export const named = { file: "/etc/tollgate/gateway.yaml", line: 7, column: 11 };

const dirs: string[] = [];

afterAll(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

export async function newDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "openapi-"));
  dirs.push(dir);
  return dir;
}

export async function writeSpec(text: string | Uint8Array, name = "api.yaml"): Promise<string> {
  const file = join(await newDir(), name);
  await writeFile(file, text);
  return file;
}

export async function loadText(text: string, name?: string): Promise<ApiDocument> {
  return loadDocument({ file: await writeSpec(text, name), position: named });
}

export async function refusal(promise: Promise<unknown>): Promise<ConfigError> {
  return promise.then(
    () => {
      throw new Error("the document was accepted");
    },
    (error: ConfigError) => error,
  );
}

/** A document around `paths` and `components`, both YAML at the margin. */
export function document(paths: string, components = "", version = "3.1.0"): string {
  return [
    `openapi: ${version}`,
    "info: {title: T, version: 1.0.0}",
    "paths:",
    indent(paths),
    ...(components === "" ? [] : ["components:", indent(components)]),
  ].join("\n");
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}

export function only(api: ApiDocument): Operation {
  const [operation] = api.operations;
  if (operation === undefined || api.operations.length !== 1)
    throw new Error(`not one operation: ${JSON.stringify(api.skipped)}`);
  return operation;
}

/** A schema as the only component `S` of a document, converted. */
export async function convertComponent(
  schema: object | boolean,
  { version = "3.1.0", others = {} }: { version?: string; others?: object } = {},
): Promise<{ schema: unknown; api: ApiDocument }> {
  const api = await loadText(
    JSON.stringify({
      openapi: version,
      info: { title: "T", version: "1" },
      paths: {},
      components: { schemas: { S: schema, ...others } },
    }),
    "api.json",
  );
  return { schema: api.schemas.get("S"), api };
}
