import { realpath } from "node:fs/promises";
import type { LookupFunction } from "node:net";
import { dirname, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import type { Position } from "../../base/issue.ts";
import type { JsonValue } from "../../base/json.ts";
import { hostOf } from "../../config/url.ts";
import { isLoopback } from "../../config/units.ts";
import type { RefsConfig } from "../../config/types/apis.ts";
import type { AddressKind } from "./address.ts";
import type { Copies } from "./copies.ts";
import { documentError } from "./parsed.ts";
import type { RefFailure } from "./reference.ts";
import { NotFetched } from "./remote.ts";
import { mappingOf, parseSource, readBytes, readFileSource, type Source } from "./source.ts";

/**
 * Reads the document with this URI, if the one that refers to it may.
 *
 * @throws ConfigError It may be read and is no usable document.
 */
export type Reach = (
  uri: string,
  from: Source<JsonValue>,
  place: Position,
) => Promise<Source<JsonValue> | RefFailure>;

export interface ReachConfig {
  /** Path or URL of the main document. */
  readonly spec: string;
  readonly refs: RefsConfig;
  /** Told about every file that is looked for, also when it is not there. */
  readonly onFile: (file: string) => void;
  readonly lookup: LookupFunction;
  readonly copies: Copies;
}

const fetchTimeoutMs = 10_000;
/** Of all documents of one API together. */
const loadTimeoutMs = 60_000;

function isRemote(spec: string): boolean {
  return /^https?:\/\//.test(spec);
}

/** Reads the main document, wherever gateway.yaml says it is. @throws ConfigError */
export async function readMain(config: ReachConfig, named: Position): Promise<Source> {
  const { spec, lookup } = config;
  if (!isRemote(spec)) {
    config.onFile(spec);
    return readFileSource(spec, named);
  }
  const signal = AbortSignal.timeout(fetchTimeoutMs);
  const permits = permitsFor(new URL(spec), config.refs);
  try {
    const read = readerOf(spec, named);
    return mappingOf(await config.copies.read(spec, { lookup, permits, signal }, read), named);
  } catch (error) {
    if (!(error instanceof NotFetched)) throw error;
    throw documentError("spec_not_fetched", `${spec} ${error.message}`, named, error.advice);
  }
}

function readerOf(uri: string, named: Position): (bytes: Uint8Array) => Source<JsonValue> {
  return (bytes) => parseSource({ file: uri, uri, bytes }, named);
}

/**
 * What references may lead to: files of a file's directory and the configured ones, after every
 * link is followed; https documents of the configured hosts, and of a remote document's own origin.
 */
export function createReach(config: ReachConfig): Reach {
  const deadline = AbortSignal.timeout(loadTimeoutMs);
  const readFile = createFileReach(config);

  const fetchFor: Reach = async (uri, _from, place) => {
    const url = new URL(uri);
    const own = isRemote(config.spec) && new URL(config.spec).origin === url.origin;
    const listed = config.refs.allowHosts.includes(hostOf(url));
    if (!own && !listed) return hostNotAllowed;
    if (url.protocol !== "https:" && !isLoopback(hostOf(url))) return notSecure;
    if (url.username !== "" || url.password !== "") return hostNotAllowed;
    const signal = AbortSignal.any([deadline, AbortSignal.timeout(fetchTimeoutMs)]);
    const permits = permitsFor(url, config.refs);
    try {
      const fetching = { lookup: config.lookup, permits, signal };
      return await config.copies.read(uri, fetching, readerOf(uri, place));
    } catch (error) {
      if (!(error instanceof NotFetched)) throw error;
      return { code: "ref_not_fetched", reason: `leads to a document that ${error.message}` };
    }
  };

  return async (uri, from, place) => {
    if (isRemote(uri) && !isBeside(uri, from)) return fetchFor(uri, from, place);
    const wanted = isRemote(uri) ? besideOf(uri, from) : uri;
    if (!from.uri.startsWith("file:") || !wanted.startsWith("file:")) return otherScheme;
    return readFile(wanted, from, place);
  };
}

/**
 * A file that calls itself `https://…` in `$self` has its neighbours beside it, under the names that
 * they would have there.
 */
function isBeside(uri: string, { uri: at, base }: Source<JsonValue>): boolean {
  return at.startsWith("file:") && base !== at && uri.startsWith(new URL(".", base).href);
}

function besideOf(uri: string, { uri: at, base }: Source<JsonValue>): string {
  return new URL(uri.slice(new URL(".", base).href.length), at).href;
}

const hostNotAllowed: RefFailure = {
  code: "ref_host_not_allowed",
  reason: "leads to a host that refs.allowHosts does not list; it is not fetched",
};
const notSecure: RefFailure = {
  code: "ref_host_not_allowed",
  reason: "is not https; it is not fetched",
};
const otherScheme: RefFailure = {
  code: "external_ref",
  reason: "leads out of the document, to what is not read",
};
const outside: RefFailure = {
  code: "ref_outside_directory",
  reason: "leads out of the document's directory; it is not read",
};

/**
 * Public addresses are open to every allowed host. A loopback name that the operator wrote is its
 * own permission; other names get to private networks and this machine by `refs.privateHosts`.
 */
function permitsFor(url: URL, refs: RefsConfig): (kind: AddressKind) => boolean {
  const host = hostOf(url);
  const isPrivate = refs.privateHosts.includes(host);
  return (kind) =>
    kind === "public" ||
    (kind === "loopback" && (isPrivate || isLoopback(host))) ||
    (kind === "private" && isPrivate);
}

function createFileReach({ spec, refs, onFile }: ReachConfig): Reach {
  const named = isRemote(spec) ? [] : [dirname(spec), ...refs.roots];
  let real: Promise<readonly string[]> | undefined;
  const readRoots = (): Promise<readonly string[]> =>
    (real ??= Promise.all(named.map((root) => realpath(root).catch(() => root))));

  return async (uri, _from, place) => {
    const file = pathOf(uri);
    // Judged as written first: whether a file outside exists must not show.
    const roots = [...named, ...(await readRoots())];
    if (file === undefined || !isWithin(file, roots)) return outside;
    onFile(file);
    const target = await realpath(file).catch(() => undefined);
    if (target !== undefined && !isWithin(target, await readRoots())) return outside;
    const bytes = await readBytes(target ?? file, place);
    return parseSource({ file, uri: pathToFileURL(file).href, bytes }, place);
  };
}

function pathOf(uri: string): string | undefined {
  try {
    const file = fileURLToPath(uri);
    return file.includes("\0") ? undefined : file;
  } catch {
    return undefined; // an encoded slash, a host, another scheme
  }
}

function isWithin(file: string, roots: readonly string[]): boolean {
  return roots.some((root) => file.startsWith(root.endsWith(sep) ? root : root + sep));
}
