import { createHash } from "node:crypto";

import { type CopyStore, noCopyStore } from "./copy-store.ts";
import { type Fetched, fetchBytes, type Fetching, NotFetched } from "./remote.ts";

/** What one load fetched. The next load asks only whether it changed (RFC 9110 §13). */
export interface Copies {
  readonly copies: ReadonlyMap<string, Copy>;
  /**
   * Reads a document as it is now; while its host does not answer, as it was when it was last good.
   *
   * @throws NotFetched
   */
  readonly read: <T>(
    uri: string,
    fetching: Fetching,
    parse: (bytes: Uint8Array) => T,
  ) => Promise<T>;
  /** Documents that could not be asked for, and why: the end of a sentence that begins with the URL. */
  readonly stale: ReadonlyMap<string, string>;
  /** Asks every host again, of documents that were missing as well. */
  readonly haveChanged: () => Promise<boolean>;
  /** Differs when any of them says something else. */
  readonly digest: () => string;
  /** Called once they serve: what is good is there at the next start, and nothing else. */
  readonly keep: () => Promise<void>;
}

interface Copy {
  /** Undefined: nothing came. */
  readonly fetched: Fetched | undefined;
  readonly isGood: boolean;
  readonly rights: Omit<Fetching, "signal">;
}

const askTimeoutMs = 10_000;
const maxAsked = 8;

/**
 * @param earlier What a load before fetched.
 * @param store What a process before fetched.
 */
export function createCopies(earlier?: Copies, store: CopyStore = noCopyStore): Copies {
  const copies = new Map<string, Copy>();
  const stale = new Map<string, string>();
  // The documents alone: with what made them each load would keep all loads before it.
  const before = earlier?.copies;

  const fetch = async (uri: string, fetching: Fetching): Promise<Fetched> => {
    const known = before?.get(uri)?.fetched ?? (await store.read(uri));
    return (await fetchBytes(new URL(uri), fetching, known?.validators)) ?? (known as Fetched);
  };

  const fetchOrKeep = async (uri: string, fetching: Fetching): Promise<Fetched> => {
    try {
      return await fetch(uri, fetching);
    } catch (error) {
      // A refusal is an answer: only a host that gives none leaves its last word standing.
      if (!(error instanceof NotFetched) || !error.mayPass) throw error;
      const known = before?.get(uri);
      const last = known?.isGood === true ? known.fetched : await store.read(uri);
      if (last === undefined) throw error;
      stale.set(uri, error.message);
      return last;
    }
  };

  const hasChanged = async ([uri, copy]: readonly [string, Copy]): Promise<boolean> => {
    const signal = AbortSignal.timeout(askTimeoutMs);
    const { fetched, rights } = copy;
    try {
      const now = await fetchBytes(new URL(uri), { ...rights, signal }, fetched?.validators);
      stale.delete(uri);
      return now !== undefined && (fetched === undefined || !same(now.bytes, fetched.bytes));
    } catch (error) {
      if (!(error instanceof NotFetched)) throw error;
      if (fetched === undefined) return false;
      stale.set(uri, error.message);
      return !error.mayPass;
    }
  };

  return {
    copies,
    stale,
    async read(uri, fetching, parse) {
      const { signal: _signal, ...rights } = fetching;
      copies.set(uri, { fetched: undefined, isGood: false, rights });
      const fetched = await fetchOrKeep(uri, fetching);
      copies.set(uri, { fetched, isGood: false, rights });
      const parsed = parse(fetched.bytes);
      copies.set(uri, { fetched, isGood: true, rights });
      return parsed;
    },
    async haveChanged() {
      const all = [...copies];
      for (let from = 0; from < all.length; from += maxAsked) {
        const asked = await Promise.all(all.slice(from, from + maxAsked).map(hasChanged));
        if (asked.includes(true)) return true;
      }
      return false;
    },
    digest() {
      const hash = createHash("sha256");
      for (const [uri, { fetched }] of [...copies].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
        hash.update(`${uri}\0${fetched?.bytes.length ?? "none"}\0`);
        if (fetched !== undefined) hash.update(fetched.bytes);
      }
      return hash.digest("hex");
    },
    keep() {
      const good = [...copies].flatMap(([uri, { fetched, isGood }]) =>
        isGood && fetched !== undefined ? [[uri, fetched] as const] : [],
      );
      return store.keep(new Map(good));
    },
  };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
