import { ConfigError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";
import type { Ports } from "../base/ports.ts";
import { nobody } from "../observe/record/event.ts";
import type { Copies } from "../openapi/document/copies.ts";
import {
  identify,
  keepCopies,
  type Loaded,
  type Mark,
  readCandidate,
  type Source,
  warnOfStale,
} from "./candidate.ts";
import type { Config } from "../config/config.ts";
import type { Lasting } from "./lasting.ts";
import type { Move } from "./place.ts";
import { refuseRestart } from "./restart.ts";
import { compileSnapshot, type Snapshot } from "./snapshot.ts";
import { fingerprint } from "./watch.ts";

export interface ReloadReport {
  /** `refused`: the last good configuration goes on serving. */
  readonly outcome: "applied" | "unchanged" | "refused";
  readonly issues: readonly Issue[];
  readonly toolsChanged: boolean;
}

/** A candidate that was refused, and why. */
interface RefusedCandidate {
  readonly findings: string;
  readonly mark: Mark;
  /** ms since epoch */
  readonly at: number;
}

/** The one snapshot that serves, and how another takes its place. */
export interface Serving {
  /** Of this moment; a call keeps the one it started with. */
  readonly snapshot: Snapshot;
  /** What the snapshot was made from. */
  readonly applied: Mark;
  /** ms since epoch */
  readonly appliedAt: number;
  /** Remote documents whose last good copy serves, and why: the end of a sentence. */
  readonly stale: ReadonlyMap<string, string>;
  /** The candidate that was refused last, until one is applied. */
  readonly refused: RefusedCandidate | undefined;
  /** Builds a whole new snapshot and swaps it in, or changes nothing. Calls are taken in turn. */
  readonly reload: (asksHosts: boolean) => Promise<ReloadReport>;
  /** Does what must not meet a reload. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** When the hosts of remote documents were last asked, ms since epoch. */
  readonly askedAt: number;
  /** Ends when no reload is under way. */
  readonly idle: () => Promise<void>;
}

interface First {
  readonly mark: Mark;
  readonly copies: Copies;
  readonly loaded: Loaded;
}

interface ServingDeps {
  readonly lasting: Lasting;
  readonly ports: Ports;
  readonly onToolsChanged: () => void;
  /** Opens what this configuration listens on and the present one does not. @throws ConfigError */
  readonly prepareMove: (config: Config) => Promise<Move>;
}

/** @throws ConfigError when the first candidate cannot serve */
export async function createServing(
  source: Source,
  first: First,
  { lasting, ports, onToolsChanged, prepareMove }: ServingDeps,
): Promise<Serving> {
  let snapshot = await compileSnapshot(first.loaded, lasting, ports);
  let applied = first.mark;
  let { copies } = first;
  let appliedAt = ports.now();
  let refused: RefusedCandidate | undefined;
  let askedAt = ports.now();
  let turn: Promise<unknown> = copies.keep();
  const openStore = keepCopies(ports);
  warnOfStale(copies, ports);

  const isSame = async (asksHosts: boolean): Promise<boolean> => {
    if ((await fingerprint(applied.files)) !== applied.hash) return false;
    if (!asksHosts) return true;
    askedAt = ports.now();
    const changed = await copies.haveChanged();
    warnOfStale(copies, ports);
    return !changed;
  };

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  };

  const compile = async (loaded: Loaded): Promise<{ made: Snapshot; take: () => void }> => {
    let move: Move | undefined;
    try {
      const made = await compileSnapshot(loaded, lasting, ports, async (config) => {
        move = await prepareMove(config);
      });
      return { made, take: () => move?.take() };
    } catch (error) {
      // After an address was bound only a bug comes here, and it must not stay bound.
      await move?.undo();
      throw error;
    }
  };

  const swap = async (asksHosts: boolean): Promise<ReloadReport> => {
    if (await isSame(asksHosts)) {
      // What a host said is still refused until the host is asked again.
      if (asksHosts || refused?.mark.hash !== applied.hash) refused = undefined;
      return unchanged;
    }
    const from = { known: applied.files, earlier: copies, openStore };
    const candidate = await readCandidate(source, from);
    warnOfStale(candidate.copies, ports);
    try {
      if ("error" in candidate) throw candidate.error;
      refuseRestart(snapshot.config, candidate.loaded.config);
      const loaded = {
        ...candidate.loaded,
        fingerprint: identify(candidate.mark, candidate.copies),
      };
      const { made, take } = await compile(loaded);
      const toolsChanged = digestOf(made) !== digestOf(snapshot);
      snapshot = made;
      take();
      applied = candidate.mark;
      ({ copies } = candidate);
      appliedAt = ports.now();
      refused = undefined;
      void lasting.keys.load();
      void made.connections?.rekey();
      if (toolsChanged) onToolsChanged();
      recordReload(lasting, undefined, snapshot.generation);
      await copies.keep();
      return { outcome: "applied", issues: made.warnings, toolsChanged };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { mark } = candidate;
      const findings = error.message;
      // One record and one report per broken content, however often it is read.
      const same = refused?.mark.hash === mark.hash && refused.findings === findings;
      if (same) return unchanged;
      refused = { findings, mark, at: ports.now() };
      const fault = error.issues.find(({ severity }) => severity === "error");
      recordReload(lasting, fault?.code ?? "invalid", snapshot.generation);
      return { outcome: "refused", issues: error.issues, toolsChanged: false };
    }
  };

  return {
    get snapshot() {
      return snapshot;
    },
    get applied() {
      return applied;
    },
    get appliedAt() {
      return appliedAt;
    },
    get stale() {
      return copies.stale;
    },
    get refused() {
      return refused;
    },
    get askedAt() {
      return askedAt;
    },
    reload: (asksHosts) => inTurn(() => swap(asksHosts)),
    inTurn,
    idle: async () => void (await turn),
  };
}

const unchanged: ReloadReport = { outcome: "unchanged", issues: [], toolsChanged: false };

/** Of everything that clients of any endpoint see. */
function digestOf({ endpoints, config }: Snapshot): string {
  const conditions = [config.when, ...config.apis.map(({ when }) => when)];
  return JSON.stringify([
    ...endpoints.map(({ path, catalog }) => [path, catalog.digest]),
    ...conditions.map((when) => when?.expression),
  ]);
}

/** @param generation The one that serves now. */
function recordReload({ recorder }: Lasting, reason: string | undefined, generation: string): void {
  recorder.note({
    ...nobody,
    event: "config.reload",
    outcome: reason === undefined ? "success" : "failure",
    reason,
    detail: { config: { generation } },
  });
}
