import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { pathToFileURL } from "node:url";

import { ConfigError } from "../../base/errors.ts";
import type { Position } from "../../base/issue.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { parseJson } from "./json.ts";
import type { Pointer } from "./node.ts";
import { documentError } from "./parsed.ts";
import { absolute } from "./uri.ts";
import { parseYaml } from "./yaml.ts";

/** Of one document, wherever it comes from. */
export const maxBytes: number = 32 * 1024 * 1024;
const readTimeoutMs = 10_000;

/**
 * A parsed document that knows where in the text its values stand. A file that is only referred to
 * may be a list.
 */
export interface Source<Root extends JsonValue = JsonObject> {
  /** Absolute path or URL: what positions name. */
  readonly file: string;
  /** Where it was found (RFC 3986 §5.1.3): `file:` or `https:`. */
  readonly uri: string;
  /** What its references are relative to: `$self` of 3.2, else `uri`. */
  readonly base: string;
  readonly bytes: number;
  readonly root: Root;
  readonly positionOf: (at: Pointer) => Position;
}

/** The text of a document, before it is read. */
export interface DocumentText {
  readonly file: string;
  readonly uri: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads a text as YAML or JSON.
 *
 * @param named Where it is named: the position of every finding about the document itself.
 * @throws ConfigError No message quotes the content, which may not be a document at all.
 */
export function parseSource(
  { file, uri, bytes }: DocumentText,
  named: Position,
): Source<JsonValue> {
  const text = decode(bytes, file, named);
  // JSON is also YAML: what JSON.parse refuses gets the positions, or the leniency, of YAML.
  const json = /^\s*[[{]/.test(text) ? parseJson(text, file) : undefined;
  const { value, locate } = json ?? parseYaml(text, file);
  if (typeof value !== "object" || value === null) {
    throw documentError("not_openapi", `${file} is neither a mapping nor a list`, named);
  }
  const self = isJsonObject(value) ? value["$self"] : undefined;
  return {
    file,
    uri,
    base: (typeof self === "string" ? absolute(self, uri) : undefined) ?? uri,
    bytes: bytes.length,
    root: value,
    positionOf: (at) => ({ file, ...locate(at) }),
  };
}

/** @throws ConfigError `not_openapi` It is a list. */
export function mappingOf(source: Source<JsonValue>, named: Position): Source {
  const { root } = source;
  if (isJsonObject(root)) return { ...source, root };
  const message = `${source.file} is not an OpenAPI document: no mapping`;
  throw documentError("not_openapi", message, named);
}

/** @throws ConfigError */
export async function readFileSource(file: string, named: Position): Promise<Source> {
  const uri = pathToFileURL(file).href;
  const bytes = await readBytes(file, named);
  return mappingOf(parseSource({ file, uri, bytes }, named), named);
}

/**
 * The bytes of one regular file.
 *
 * @throws ConfigError `spec_not_found`, `spec_not_a_file`, `spec_too_large`, `spec_unreadable`.
 */
export async function readBytes(file: string, named: Position): Promise<Buffer> {
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
    if (code === "ENOENT") {
      const help = "correct the path: it starts at the directory of gateway.yaml";
      throw documentError("spec_not_found", `${file} does not exist`, named, help);
    }
    const help = "let the user that runs the gateway read it";
    throw documentError("spec_unreadable", `${file} cannot be read (${code})`, named, help);
  }
}

function decode(bytes: Uint8Array, file: string, named: Position): string {
  try {
    // Without `ignoreBOM` the decoder takes a byte order mark away.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw documentError("not_utf8", `${file} is not UTF-8 text`, named);
  }
}
