import { constants } from "node:fs";
import { open } from "node:fs/promises";

import { ConfigError } from "../base/errors.ts";
import type { Position } from "../base/issue.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { parseJson } from "./json.ts";
import type { Pointer } from "./node.ts";
import { documentError } from "./parsed.ts";
import { parseYaml } from "./yaml.ts";

const maxBytes = 32 * 1024 * 1024;
const readTimeoutMs = 10_000;

/** A parsed document that knows where in the text its values stand. */
export interface Source {
  readonly file: string;
  readonly root: JsonObject;
  readonly positionOf: (at: Pointer) => Position;
}

/**
 * Reads one YAML or JSON file and nothing else.
 *
 * @param named Where gateway.yaml names the file: the position of every finding about the file itself.
 * @throws ConfigError No message quotes the file's content, which may not be a document at all.
 */
export async function readSource(file: string, named: Position): Promise<Source> {
  const text = decode(await readBytes(file, named), file, named);
  // JSON is also YAML: what JSON.parse refuses gets the positions, or the leniency, of YAML.
  const json = /^\s*\{/.test(text) ? parseJson(text, file) : undefined;
  const { value, locate } = json ?? parseYaml(text, file);
  if (!isJsonObject(value)) {
    throw documentError("not_openapi", `${file} is not an OpenAPI document: no mapping`, named);
  }
  return { file, root: value, positionOf: (at) => ({ file, ...locate(at) }) };
}

async function readBytes(file: string, named: Position): Promise<Buffer> {
  try {
    // Non-blocking, so that a pipe without a writer is seen as what it is instead of waited for.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw documentError("spec_not_a_file", `${file} is not a file`, named);
      if (stat.size > maxBytes)
        throw documentError("spec_too_large", `${file} is larger than 32 MiB`, named);
      return await handle.readFile({ signal: AbortSignal.timeout(readTimeoutMs) });
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    if (code === "ENOENT") throw documentError("spec_not_found", `${file} does not exist`, named);
    throw documentError("spec_unreadable", `${file} cannot be read (${code})`, named);
  }
}

function decode(bytes: Buffer, file: string, named: Position): string {
  try {
    // Without `ignoreBOM` the decoder takes a byte order mark away.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw documentError("not_utf8", `${file} is not UTF-8 text`, named);
  }
}
