import type { Principal } from "../base/principal.ts";
import { createBulkhead, type Bulkhead, type BulkheadSize } from "./bulkhead.ts";

/** One bulkhead for each person or machine, whatever tokens they come with. */
export interface Principals {
  /** undefined: nobody is known, so nobody can be told apart. */
  readonly of: (principal: Principal) => Bulkhead | undefined;
  readonly resize: (size: BulkheadSize) => void;
}

interface Kept {
  readonly bulkhead: Bulkhead;
  forgotten: boolean;
}

const maxKept = 10_000;

export function createPrincipals(initial: BulkheadSize): Principals {
  let size = initial;
  const kept = new Map<string, Kept>();
  /** The same token gives the same principal: most calls find theirs without making a key. */
  const known = new WeakMap<Principal, Kept>();

  const forgetIdle = (): void => {
    for (const [key, one] of kept) {
      if (kept.size < maxKept) return;
      if (!one.bulkhead.idle()) continue;
      one.forgotten = true;
      kept.delete(key);
    }
  };
  const find = (principal: Principal): Kept => {
    const key = identityOf(principal);
    let found = kept.get(key);
    if (found === undefined) {
      if (kept.size >= maxKept) forgetIdle();
      const busy =
        "You have too many calls under way. Wait for them to end, then try again in a few seconds.";
      found = { bulkhead: createBulkhead(size, busy), forgotten: false };
      kept.set(key, found);
    }
    known.set(principal, found);
    return found;
  };
  return {
    of(principal) {
      if (principal.iss === "") return undefined;
      const last = known.get(principal);
      return (last === undefined || last.forgotten ? find(principal) : last).bulkhead;
    },
    resize(next) {
      size = next;
      for (const { bulkhead } of kept.values()) bulkhead.resize(next);
    },
  };
}

/** Two issuers may have the same `sub`; a line feed is in no issuer, which is a URL. */
export function identityOf({ iss, sub }: Principal): string {
  return `${iss}\n${sub}`;
}
