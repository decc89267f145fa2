import { ConfigError } from "../base/errors.ts";
import type { Issue, Position } from "../base/issue.ts";
import type { JsonObject } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import type { Pointer } from "./node.ts";
import { documentName, others, withinDocument } from "./place.ts";
import type { Reach } from "./reach.ts";
import type { RefFailure } from "./reference.ts";
import type { Source } from "./source.ts";
import { createSurvey, type Survey } from "./survey.ts";

/** A document and everything it refers to, under one root (see place.ts). */
export interface Bundle {
  readonly source: Source;
  readonly survey: Survey;
  /** Why a document is not here, by its URI. */
  readonly failures: ReadonlyMap<string, RefFailure>;
  /** What is wrong inside documents that are referred to and cannot be read. */
  readonly issues: readonly Issue[];
}

const maxDocuments = 2000;
const maxTotalBytes = 64 * 1024 * 1024;

/**
 * Reads what the main document refers to, over any number of steps, each document once: cycles end
 * by themselves. What cannot be read fails where it is used, not here.
 */
export async function readBundle(main: Source, reach: Reach): Promise<Bundle> {
  const survey = createSurvey();
  const failures = new Map<string, RefFailure>();
  const issues: Issue[] = [];
  const added = new Map<string, Source>();
  const open: { source: Source; at: Pointer }[] = [{ source: main, at: [] }];
  let bytes = main.bytes;
  for (const { source, at } of open) {
    survey.add(source, at);
    for (const { uri, at: refAt } of survey.outgoing(at)) {
      if (survey.known(uri) || failures.has(uri)) continue;
      if (open.length >= maxDocuments || bytes >= maxTotalBytes) {
        failures.set(uri, tooMany);
        continue;
      }
      const place = source.positionOf(withinDocument(refAt));
      const found = await readOther(() => reach(uri, source, place), place, issues);
      if ("reason" in found) {
        failures.set(uri, found);
        continue;
      }
      bytes += found.bytes;
      const name = nameBeside(main, found, added);
      added.set(name, found);
      const next = { source: found, at: [others, name] };
      open.push(next);
      survey.name(uri, next.at);
    }
  }
  return { source: joined(main, added), survey, failures, issues };
}

const tooMany: RefFailure = {
  code: "too_many_documents",
  reason: `leads to one document too many: at most ${maxDocuments} and 64 MiB are read`,
};

async function readOther(
  read: () => Promise<Source | RefFailure>,
  place: Position,
  issues: Issue[],
): Promise<Source | RefFailure> {
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
function nameBeside(main: Source, other: Source, taken: ReadonlyMap<string, Source>): string {
  const base = new URL(".", main.uri).href;
  const name = other.uri.startsWith(base) ? other.uri.slice(base.length) : other.uri;
  return taken.has(name) ? `${name} ${taken.size}` : name;
}

function joined(main: Source, added: ReadonlyMap<string, Source>): Source {
  if (added.size === 0) return main;
  const roots = [...added].map(([name, { root }]) => [name, root]);
  const root = { ...main.root, [others]: Object.fromEntries(roots) as JsonObject };
  return {
    ...main,
    root,
    positionOf(at) {
      const source = added.get(documentName(at) ?? "") ?? main;
      return source.positionOf(withinDocument(at));
    },
  };
}
