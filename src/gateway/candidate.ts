import { resolve } from "node:path";
import { ConfigError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";
import type { Ports } from "../base/ports.ts";
import type { Config } from "../config/config.ts";
import type { ApiConfig } from "../config/types/apis.ts";
import { loadConfig } from "../config/load.ts";
import { type CopyStore, createCopyStore, noCopyStore } from "../openapi/document/copy-store.ts";
import { type Copies, createCopies } from "../openapi/document/copies.ts";
import { type DocumentSource, loadDocument } from "../openapi/load.ts";
import type { ApiDocument } from "../openapi/operation/operation.ts";
import { type CheckLock, readLock } from "./lock.ts";
import { fingerprint } from "./watch.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** gateway.yaml, and what its `${…}` stand for. */
export interface Source {
  /** Path of gateway.yaml. */
  readonly file: string;
  readonly env: Env;
}

export interface Loaded {
  /** A hash of every file. */
  readonly fingerprint: string;
  readonly config: Config;
  readonly documents: ReadonlyMap<string, ApiDocument>;
  /** undefined: what documents say is what serves. */
  readonly checkLock: CheckLock | undefined;
}

type Draft = Omit<Loaded, "fingerprint">;

/** What files said, so that it can be told whether they still do. */
export interface Mark {
  readonly files: readonly string[];
  readonly hash: string;
}

/** One reading of gateway.yaml and everything that it names. */
export type Candidate = { readonly mark: Mark; readonly copies: Copies } & (
  | { readonly loaded: Draft }
  | { readonly error: ConfigError }
);

/**
 * Reads gateway.yaml and its documents.
 *
 * @param wanted Gets every file that the configuration names, also when one of them is broken.
 * @param open Gives what gets every remote document, once it is known where they are kept.
 * @throws ConfigError with the findings of all of them.
 */
async function load(
  { file, env }: Source,
  { wanted, open }: { readonly wanted: Set<string>; readonly open: (config: Config) => Copies },
): Promise<Draft> {
  wanted.add(resolve(file));
  const config = await loadConfig(file, env);
  const copies = open(config);
  const checkLock = await readLock(config, wanted);
  for (const name of config.files) wanted.add(name);
  const onFile = (name: string): void => void wanted.add(name);
  const issues: Issue[] = [];
  const documents = new Map<string, ApiDocument>();
  await Promise.all(
    config.apis.map(async (api) => {
      try {
        documents.set(api.id, await loadDocument({ ...documentSource(api), onFile, copies }));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        issues.push(...error.issues);
      }
    }),
  );
  if (issues.length > 0) throw new ConfigError([...config.warnings, ...issues]);
  return { config, documents, checkLock };
}

/** The document of an API as gateway.yaml names it. */
export function documentSource(api: ApiConfig): DocumentSource {
  const { spec: file, specPosition: position, overlays, refs, keepReadOnly } = api;
  return { file, position, overlays, refs, keepReadOnly };
}

/** Where the remote documents of this configuration outlive the process. */
export type OpenCopyStore = (config: Config) => CopyStore;

export const keepCopies =
  (ports: Ports): OpenCopyStore =>
  ({ specsDir }) =>
    createCopyStore(specsDir, (cause) =>
      ports.log.warn("documents_not_kept", { dir: specsDir, cause }),
    );

export const keepNoCopies: OpenCopyStore = () => noCopyStore;

/** The first reading, before anything serves. @throws ConfigError */
export async function readFirst(
  source: Source,
  openStore: OpenCopyStore,
): Promise<{ readonly mark: Mark; readonly copies: Copies; readonly loaded: Loaded }> {
  const wanted = new Set<string>();
  let copies = createCopies();
  const open = (config: Config): Copies => (copies = createCopies(undefined, openStore(config)));
  const draft = await load(source, { wanted, open });
  const mark = { files: [...wanted], hash: await fingerprint([...wanted]) };
  return { mark, copies, loaded: { ...draft, fingerprint: identify(mark, copies) } };
}

const maxReadings = 3;

/**
 * Reads a candidate, with a mark taken before: what changes while it is read is then seen as changed
 * at the next look. Only when the candidate names other files than `known` does that need a second
 * reading.
 */
export async function readCandidate(
  source: Source,
  {
    known,
    earlier,
    openStore,
  }: {
    readonly known: readonly string[];
    readonly earlier: Copies;
    readonly openStore: OpenCopyStore;
  },
): Promise<Candidate> {
  let files = known;
  for (let readings = 1; ; readings++) {
    const mark = { files, hash: await fingerprint(files) };
    const wanted = new Set<string>();
    let copies = createCopies(earlier);
    const open = (config: Config): Copies => (copies = createCopies(earlier, openStore(config)));
    const result = await load(source, { wanted, open }).then(
      (loaded) => ({ loaded }),
      (error: unknown) => {
        if (error instanceof ConfigError) return { error };
        throw error;
      },
    );
    const same = wanted.size === files.length && files.every((name) => wanted.has(name));
    if (same || readings === maxReadings) return { mark, copies, ...result };
    files = [...wanted];
  }
}

export function warnOfStale({ stale }: Copies, ports: Ports): void {
  for (const [url, reason] of stale) ports.log.warn("document_not_fetched", { url, reason });
}

/** Of everything a snapshot is made from. */
export function identify({ hash }: Mark, copies: Copies): string {
  return copies.copies.size === 0 ? hash : `${hash} ${copies.digest()}`;
}
