import type { Ports } from "../base/ports.ts";
import type { IssuerConfig } from "../config/types/auth.ts";
import type { Fetch } from "./document.ts";
import type { KeyStore } from "./key-store.ts";
import { createKeySet, type KeyProblem, type KeySet, type KeySetState } from "./keyset.ts";

/** The keys of every configured issuer. Owned by the gateway, because keys outlive a reload. */
export interface KeySets {
  /** undefined for an issuer that is not configured. */
  readonly of: (issuer: string) => KeySet | undefined;
  /**
   * Tries the issuers with `startup: require` that have no keys yet, all at once, and says which still
   * have none. Serving may start without one: its tokens get 503 and each of them tries again.
   */
  readonly load: () => Promise<readonly KeyProblem[]>;
  readonly states: () => readonly KeySetState[];
  /**
   * Takes the issuers of a new configuration. Keys stay where issuer and JWKS settings stay; an
   * `Authenticate` made before keeps the key sets it has.
   */
  readonly replace: (issuers: readonly IssuerConfig[]) => void;
}

export function createKeySets(
  issuers: readonly IssuerConfig[],
  deps: { readonly fetch: Fetch; readonly store: KeyStore },
  ports: Ports,
): KeySets {
  let sets: ReadonlyMap<string, Entry> = new Map();
  const replace = (wanted: readonly IssuerConfig[]): void => {
    sets = new Map(
      wanted.map((config) => {
        const { issuer } = config;
        const source = JSON.stringify([config.jwksUrl, config.jwks]);
        const kept = sets.get(issuer);
        const same = kept !== undefined && kept.source === source;
        return [issuer, same ? kept : { source, keySet: createKeySet(config, deps, ports) }];
      }),
    );
  };
  const states = (): readonly KeySetState[] => [...sets.values()].map((set) => set.keySet.state());
  replace(issuers);
  return {
    of: (issuer) => sets.get(issuer)?.keySet,
    async load() {
      const waited = [...sets.values()]
        .map(({ keySet }) => keySet)
        .filter((keySet) => keySet.state().startup === "require");
      await Promise.all(waited.map((keySet) => keySet.load()));
      return states().flatMap(({ startup, problem, status }) =>
        startup === "require" && problem !== undefined && status === "unavailable" ? [problem] : [],
      );
    },
    states,
    replace,
  };
}

interface Entry {
  /** Everything that decides where the keys are from. */
  readonly source: string;
  readonly keySet: KeySet;
}
