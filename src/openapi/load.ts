import type { Issue, Position } from "../base/issue.ts";
import { escapeText } from "../base/text.ts";
import { createWarnings } from "./finding.ts";
import type { Model } from "./model.ts";
import { child, type Node, textOf } from "./node.ts";
import type { ApiDocument, Operation } from "./operation.ts";
import { readOperations } from "./paths.ts";
import { createReferences } from "./reference.ts";
import { createSchemas } from "./schema/pool.ts";
import { readSecuritySchemes } from "./security.ts";
import { readSource, type Source } from "./source.ts";
import { surveyDocument } from "./survey.ts";
import { cleanText } from "./text.ts";
import { detectVersion } from "./version.ts";

/** A document that gateway.yaml names. */
export interface DocumentSource {
  /** Absolute path. */
  readonly file: string;
  /** Where gateway.yaml names it: the position of findings about the file itself. */
  readonly position: Position;
}

/**
 * Reads one OpenAPI document; no other file is opened, whatever it refers to. What is wrong with an
 * operation skips that operation only. Named schemas are converted on first access, and `warnings`
 * grows by what that finds.
 *
 * @throws ConfigError The file cannot be read, is no YAML or JSON, or is no OpenAPI of a known version.
 */
export async function loadDocument(source: DocumentSource): Promise<ApiDocument> {
  return compileDocument(await readSource(source.file, source.position));
}

function compileDocument(source: Source): ApiDocument {
  const { issues: warnings, warn } = createWarnings(source);
  const { version, dialect } = detectVersion(source, warn);
  const root: Node = { value: source.root, at: [] };
  const survey = surveyDocument(source.root);
  const references = createReferences(source.root, survey);
  const schemas = createSchemas({ source, dialect, references, survey }, warn);
  const securitySchemes = readSecuritySchemes(root, { dialect, references, warn });
  const model: Model = { root, dialect, references, schemas, securitySchemes };
  const { operations, skipped } = readOperations(model, source, warn);
  warnings.push(...repeatedIds(operations));
  return {
    source: source.file,
    files: [source.file],
    title: cleanText(textOf(child(root, "info"), "title") ?? ""),
    version,
    operations,
    schemas: schemas.pool,
    securitySchemes,
    warnings,
    skipped,
  };
}

/** Two operations of one id cannot be told apart by a rule. */
function repeatedIds(operations: readonly Operation[]): readonly Issue[] {
  const seen = new Set<string>();
  return operations.flatMap(({ id, position }): Issue[] => {
    if (id === undefined || !seen.has(id)) {
      if (id !== undefined) seen.add(id);
      return [];
    }
    const message = `the operationId "${escapeText(id, 100)}" is used more than once`;
    const help = "name one of them by method and path";
    return [{ severity: "warning", code: "repeated_operation_id", message, position, help }];
  });
}
