import { lookup } from "node:dns";

import type { Issue } from "../base/issue.ts";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import { type Finding, warningOf } from "./document/finding.ts";
import { type DocumentSource, reachOf, readOverlaid } from "./load.ts";
import { detectVersion } from "./document/version.ts";

const maxFindings = 50;

/**
 * What swagger-parser's validator says about a document, as warnings: many published documents fail
 * it and work. It does not know 3.2, which gets no findings.
 *
 * @throws ConfigError As `loadDocument`.
 */
export async function lintDocument(document: DocumentSource): Promise<readonly Issue[]> {
  const { source } = await readOverlaid(reachOf(document, lookup), document);
  const found: Finding[] = [];
  const { dialect } = detectVersion(source, (finding) => found.push(finding));
  if (dialect.name !== "3.2") found.push(...(await validate(source.root)));
  return found.slice(0, maxFindings).map((finding) => warningOf(source, finding));
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
