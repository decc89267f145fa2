import { lookup } from "node:dns";

import type { Issue } from "../base/issue.ts";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import { type Finding, warningOf } from "./document/finding.ts";
import type { Node } from "./document/node.ts";
import type { Source } from "./document/source.ts";
import { type Dialect, detectVersion } from "./document/version.ts";
import { elsewhere } from "./elsewhere.ts";
import { type DocumentSource, reachOf, readOverlaid } from "./load.ts";
import { documentServers } from "./operation/server.ts";

const maxFindings = 50;

/**
 * What only looking closer finds in a document, as warnings: many published documents have some and
 * work. swagger-parser's validator does not know 3.2.
 *
 * @param url Where the API is called; undefined: where the document says.
 * @throws ConfigError As `loadDocument`.
 */
export async function lintDocument(
  document: DocumentSource,
  url?: string,
): Promise<readonly Issue[]> {
  const { source } = await readOverlaid(reachOf(document, lookup), document);
  const found: Finding[] = [];
  const { dialect } = detectVersion(source, (finding) => found.push(finding));
  if (dialect.name !== "3.2") found.push(...(await validate(source.root)));
  const issues = found.slice(0, maxFindings).map((finding) => warningOf(source, finding));
  const foreign = url === undefined ? undefined : compareServers(source, dialect, url);
  if (foreign === undefined) return issues;
  const help =
    "the host of url is called, with its credential: nothing to do where that is the API behind the public address";
  return [...issues, { ...warningOf(source, foreign), help }];
}

function compareServers(source: Source, dialect: Dialect, url: string): Finding | undefined {
  const root: Node = { value: source.root, at: [] };
  // What is wrong with a server was said when the document was loaded.
  const servers = documentServers(root, dialect, { warn: () => {}, baseAt: () => undefined });
  return elsewhere(servers, url, [dialect.name === "2.0" ? "host" : "servers"]);
}

async function validate(root: JsonValue): Promise<readonly Finding[]> {
  // Only `tollgate validate` pays for loading it.
  const { default: SwaggerParser } = await import("@apidevtools/swagger-parser");
  // It edits what it is given.
  const copy = structuredClone(root) as never;
  try {
    await SwaggerParser.validate(copy, {
      // Each of its own resolvers would open what a `$ref` names.
      resolve: { external: false, http: false, file: false },
      dereference: { circular: "ignore" },
    });
    return [];
  } catch (error) {
    return findingsOf(error);
  }
}

function findingsOf(error: unknown): readonly Finding[] {
  const details: unknown =
    typeof error === "object" && error !== null && "details" in error ? error.details : undefined;
  if (Array.isArray(details) && details.length > 0) return details.map(findingOf);
  const message = error instanceof Error ? error.message : "the document is not valid";
  return [{ code: "spec_invalid", message: escapeText(message.split("\n", 1)[0] ?? ""), at: [] }];
}

function findingOf(detail: unknown): Finding {
  const { instancePath, message } = (isJsonObject(detail) ? detail : {}) as Record<string, unknown>;
  const at = typeof instancePath === "string" ? instancePath.split("/").slice(1) : [];
  const said = typeof message === "string" ? message : "is not valid";
  return {
    code: "spec_invalid",
    message: `swagger-parser: ${escapeText(said)}`,
    at: at.map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~")),
  };
}
