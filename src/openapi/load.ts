import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";

import type { Issue, Position } from "../base/issue.ts";
import { escapeText } from "../base/text.ts";
import type { OverlayFile, RefsConfig } from "../config/types/apis.ts";
import { type Bundle, readBundle } from "./document/bundle.ts";
import { type Copies, createCopies } from "./document/copies.ts";
import { createWarnings } from "./document/finding.ts";
import type { Model } from "./operation/model.ts";
import { child, children, type Node, textOf } from "./document/node.ts";
import type { ApiDocument, Operation } from "./operation/operation.ts";
import type { Overlaid } from "./document/overlay.ts";
import { readOperations } from "./operation/paths.ts";
import { createReach, type ReachConfig, readMain } from "./document/reach.ts";
import { createReferences } from "./document/reference.ts";
import { createSchemas, type Schemas } from "./schema/pool.ts";
import { readSecuritySchemes } from "./operation/security.ts";
import { documentServers } from "./operation/server.ts";
import { readFileSource, type Source } from "./document/source.ts";
import { cleanText } from "./text.ts";

/** A document that gateway.yaml names. */
export interface DocumentSource {
  /** Absolute path, or URL. */
  readonly file: string;
  /** Where gateway.yaml names it: the position of findings about the file itself. */
  readonly position: Position;
  /** OpenAPI Overlay documents, in the order they are applied. */
  readonly overlays?: readonly OverlayFile[];
  /** What its references may lead to; none: files below its own directory. */
  readonly refs?: RefsConfig;
  /** Told about every file that is looked for, so that a reload watches for it. */
  readonly onFile?: (file: string) => void;
  /** A PUT replaces the whole of what it names, with what is read-only as it was. */
  readonly keepReadOnly?: boolean;
  /** Of remote documents; none: everything is fetched. */
  readonly copies?: Copies;
}

/**
 * Reads one OpenAPI document and what it refers to, as far as `refs` allows. What is wrong with an
 * operation skips that operation only. Named schemas are converted on first access, and `warnings`
 * grows by what that finds.
 *
 * @param resolver The system's, unless a test brings its own.
 * @throws ConfigError The document cannot be read, is no YAML or JSON, or is no OpenAPI of a known
 *   version.
 */
export async function loadDocument(
  source: DocumentSource,
  resolver: LookupFunction = lookup,
): Promise<ApiDocument> {
  const files: string[] = [];
  const onFile = (file: string): void => {
    files.push(file);
    source.onFile?.(file);
  };
  const reach = reachOf({ ...source, onFile }, resolver);
  const { source: main, warnings } = await readOverlaid(reach, source);
  const bundle = await readBundle(main, createReach(reach));
  const { keepReadOnly = false } = source;
  const issues = [...warnings, ...bundle.issues];
  return compileDocument({ ...bundle, issues }, { files, keepReadOnly });
}

/** The main document as its overlays leave it. */
export async function readOverlaid(
  reach: ReachConfig,
  { position, overlays = [] }: DocumentSource,
): Promise<Overlaid> {
  const main = await readMain(reach, position);
  if (overlays.length === 0) return { source: main, warnings: [] };
  const read: Source[] = [];
  for (const overlay of overlays) {
    reach.onFile(overlay.file);
    read.push(await readFileSource(overlay.file, overlay.position));
  }
  // Most documents have none, and what reads their JSON paths takes time and memory.
  const { applyOverlays } = await import("./document/overlay.ts");
  return applyOverlays(main, read);
}

const readsNothingElse: RefsConfig = { roots: [], allowHosts: [], privateHosts: [] };

export function reachOf(source: DocumentSource, resolver: LookupFunction): ReachConfig {
  const { file: spec, refs = readsNothingElse, onFile = () => {} } = source;
  const { copies = createCopies() } = source;
  return { spec, refs, onFile, lookup: resolver, copies };
}

function compileDocument(
  bundle: Bundle,
  { files, keepReadOnly }: { readonly files: readonly string[]; readonly keepReadOnly: boolean },
): ApiDocument {
  const { source, version, survey, dialectAt, failures } = bundle;
  const { issues: warnings, warn } = createWarnings(source);
  warnings.push(...bundle.issues);
  const root: Node = { value: source.root, at: [] };
  const references = createReferences(root, survey, failures);
  const around = { source, dialectAt, references, survey };
  const schemas = createSchemas({ ...around, hides: "readOnly" }, warn);
  let answers: Schemas | undefined;
  const answerSchemas = (): Schemas =>
    // What is wrong with a schema was said about the requests, or does not concern them.
    (answers ??= createSchemas({ ...around, hides: "writeOnly" }, () => {}));
  const whole = keepReadOnly ? createSchemas({ ...around, hides: "nothing" }, warn) : schemas;
  const securitySchemes = readSecuritySchemes(root, { dialectAt, references, warn });
  const baseAt: Model["baseAt"] = (at) => {
    const base = survey.baseAt(at);
    return base?.startsWith("http") === true ? base : undefined;
  };
  const servers = documentServers(root, dialectAt(root.at), { warn, baseAt });
  const model: Model = {
    root,
    dialectAt,
    references,
    schemas,
    answerSchemas,
    schemasOf: (method) => (method === "PUT" ? whole : schemas),
    securitySchemes,
    servers,
    baseAt,
  };
  const { operations, skipped, callbacks } = readOperations(model, source, warn);
  warnings.push(...repeatedIds(operations));
  return {
    source: source.file,
    files: [...new Set(files)],
    title: cleanText(textOf(child(root, "info"), "title") ?? ""),
    version,
    operations,
    servers,
    schemas: schemas.pool,
    securitySchemes,
    warnings,
    skipped,
    ignored: { webhooks: children(child(root, "webhooks")).length, callbacks },
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
