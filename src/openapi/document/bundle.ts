import { ConfigError } from "../../base/errors.ts";
import type { Issue, Position } from "../../base/issue.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import { createWarnings, type Warn, warningOf } from "./finding.ts";
import type { Pointer } from "./node.ts";
import { documentName, others, withinDocument } from "./place.ts";
import type { Reach } from "./reach.ts";
import type { RefFailure } from "./reference.ts";
import type { Source } from "./source.ts";
import { withSubtypes } from "./subtypes.ts";
import { createSurvey, type Survey } from "./survey.ts";
import { type Dialect, type DialectAt, detectVersion, namesVersion } from "./version.ts";

/** A document and everything it refers to, under one root (see place.ts). */
export interface Bundle {
  readonly source: Source;
  readonly survey: Survey;
  /** Of the main document, as written. */
  readonly version: string;
  readonly dialectAt: DialectAt;
  /** Why a document is not here, by its URI. */
  readonly failures: ReadonlyMap<string, RefFailure>;
  /** What is wrong with the documents as such, and inside those that cannot be read. */
  readonly issues: readonly Issue[];
}

const maxDocuments = 2000;
const maxTotalBytes = 64 * 1024 * 1024;

/** One document, in the dialect it names itself, else in that of the one that refers to it. */
interface Part {
  readonly source: Source<JsonValue>;
  readonly at: Pointer;
  readonly dialect: Dialect;
}

/**
 * Reads what the main document refers to, over any number of steps, each document once: cycles end
 * by themselves. What cannot be read fails where it is used, not here.
 *
 * @throws ConfigError `not_openapi`, `unsupported_version`: of the main document.
 */
export async function readBundle(main: Source, reach: Reach): Promise<Bundle> {
  const survey = createSurvey();
  const failures = new Map<string, RefFailure>();
  const { issues, warn } = createWarnings(main);
  const { version, dialect } = detectVersion(main, warn);
  const added = new Map<string, Part>();
  const open: Part[] = [{ source: main, at: [], dialect }];
  let bytes = main.bytes;
  for (const { source, at, dialect: around } of open) {
    survey.add(source, at);
    for (const { uri, at: refAt } of survey.outgoing(at)) {
      if (survey.known(uri) || failures.has(uri)) continue;
      if (open.length >= maxDocuments || bytes >= maxTotalBytes) {
        failures.set(uri, tooMany);
        continue;
      }
      const place = source.positionOf(withinDocument(refAt));
      const read = async (): Promise<Omit<Part, "at"> | RefFailure> => {
        const found = await reach(uri, source, place);
        if ("reason" in found) return found;
        return { source: found, dialect: dialectOf(found, around, issues) };
      };
      const found = await readOther(read, place, issues);
      if ("reason" in found) {
        failures.set(uri, found);
        continue;
      }
      bytes += found.source.bytes;
      const name = nameBeside(main, found.source, added);
      const next = { ...found, at: [others, name] };
      added.set(name, next);
      open.push(next);
      survey.name(uri, next.at);
    }
  }
  return {
    source: joined({ source: main, at: [], dialect }, added),
    survey,
    version,
    dialectAt: (at) => added.get(documentName(at) ?? "")?.dialect ?? dialect,
    failures,
    issues,
  };
}

/** @throws ConfigError It names a version that is not known. */
function dialectOf(found: Source<JsonValue>, around: Dialect, issues: Issue[]): Dialect {
  const { root } = found;
  if (!isJsonObject(root) || !namesVersion({ ...found, root })) return around;
  const warn: Warn = (finding) => issues.push(warningOf({ ...found, root }, finding));
  return detectVersion({ ...found, root }, warn).dialect;
}

const tooMany: RefFailure = {
  code: "too_many_documents",
  reason: `leads to one document too many: at most ${maxDocuments} and 64 MiB are read`,
};

async function readOther(
  read: () => Promise<Omit<Part, "at"> | RefFailure>,
  place: Position,
  issues: Issue[],
): Promise<Omit<Part, "at"> | RefFailure> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // What stands inside the other document; the rest is told where the reference is used.
    for (const issue of error.issues)
      if (issue.position?.file !== place.file) issues.push({ ...issue, severity: "warning" });
    const told = error.issues[0]?.message ?? "it cannot be read";
    return { code: "unreadable_ref", reason: `leads to nothing usable: ${escapeText(told, 200)}` };
  }
}

/** Relative to the main document, so that names made of it are the same on every machine. */
function nameBeside(
  main: Source,
  other: Source<JsonValue>,
  taken: ReadonlyMap<string, Part>,
): string {
  const base = new URL(".", main.uri).href;
  const name = other.uri.startsWith(base) ? other.uri.slice(base.length) : other.uri;
  return taken.has(name) ? `${name} ${taken.size}` : name;
}

function joined(main: Part & { source: Source }, added: ReadonlyMap<string, Part>): Source {
  const { source, dialect } = main;
  const own = withSubtypes(source.root, dialect);
  if (added.size === 0) return { ...source, root: own };
  const roots = [...added].map(([name, part]) => [name, rootOf(part)]);
  const root = { ...own, [others]: Object.fromEntries(roots) as JsonObject };
  return {
    ...source,
    root,
    positionOf(at) {
      const part = added.get(documentName(at) ?? "")?.source ?? source;
      return part.positionOf(withinDocument(at));
    },
  };
}

function rootOf({ source: { root }, dialect }: Part): JsonValue {
  return isJsonObject(root) ? withSubtypes(root, dialect) : root;
}
