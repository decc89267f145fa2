import { createCache } from "../base/cache.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";

/** Of one issuer: a session has ended, or all of a person's. */
export interface Revocation {
  readonly iss: string;
  /** Of the event: each counts once. */
  readonly id: string;
  /** At least one of the two. A session alone leaves its person's other sessions as they are. */
  readonly sub: string | undefined;
  readonly sid: string | undefined;
  /** Tokens issued later are of a new login. Milliseconds since the epoch, like `endsAt`. */
  readonly issuedUntil: number;
  /** When no token from before can be good any more. */
  readonly endsAt: number;
}

/** Who was logged out while their tokens last. In memory; outlives a reload: one per gateway. */
export interface Revocations {
  /** @returns false: an event of this id is known. */
  readonly revoke: (revocation: Revocation) => boolean;
  readonly covers: (principal: Pick<Principal, "iss" | "sub" | "claims">) => boolean;
}

interface Mark {
  readonly issuedUntil: number;
  readonly endsAt: number;
}

/** Of one issuer. */
interface Marks {
  readonly sessions: Map<string, Mark>;
  /** By `sub`: all tokens of a person, and those that do not say of which session they are. */
  readonly people: Map<string, Mark>;
  readonly sessionless: Map<string, Mark>;
  everybody: Mark | undefined;
}

const defaultMaxMarks = 100_000;

/**
 * A store that is full forgets nobody: everyone of the issuer must log in again instead.
 *
 * @param maxMarks Sessions and people of all issuers together.
 */
export function createRevocations(
  { now, log }: Ports,
  maxMarks: number = defaultMaxMarks,
): Revocations {
  const issuers = new Map<string, Marks>();
  const ids = createCache<true>(maxMarks, now);
  let size = 0;

  const marksOf = (iss: string): Marks => {
    const known = issuers.get(iss);
    if (known !== undefined) return known;
    const made = {
      sessions: new Map(),
      people: new Map(),
      sessionless: new Map(),
      everybody: undefined,
    };
    issuers.set(iss, made);
    return made;
  };
  const makeRoom = (): void => {
    size = 0;
    for (const marks of issuers.values()) {
      for (const map of mapsOf(marks)) {
        for (const [name, { endsAt }] of map) if (endsAt <= now()) map.delete(name);
        size += map.size;
      }
    }
  };
  const put = (map: Map<string, Mark>, name: string, mark: Mark): void => {
    const before = map.get(name);
    if (before === undefined) size++;
    map.set(name, latest(before, mark));
  };
  const revokeEverybody = (iss: string, marks: Marks, mark: Mark): void => {
    for (const map of mapsOf(marks)) {
      for (const of of map.values()) marks.everybody = latest(marks.everybody, of);
      size -= map.size;
      map.clear();
    }
    marks.everybody = latest(marks.everybody, mark);
    log.error("revocations_full", { issuer: iss, entries: maxMarks });
  };

  return {
    revoke({ iss, id, sub, sid, issuedUntil, endsAt }) {
      const key = `${iss} ${id}`;
      if (ids.get(key)) return false;
      ids.set(key, true, endsAt);
      const marks = marksOf(iss);
      const mark = { issuedUntil, endsAt };
      if (size + 2 > maxMarks) makeRoom();
      if (size + 2 > maxMarks) {
        revokeEverybody(iss, marks, mark);
        return true;
      }
      if (sid !== undefined) put(marks.sessions, sid, mark);
      if (sub !== undefined) put(sid === undefined ? marks.people : marks.sessionless, sub, mark);
      return true;
    },
    covers({ iss, sub, claims }) {
      const marks = issuers.get(iss);
      if (marks === undefined) return false;
      const { sid, iat } = claims;
      const issuedAt = typeof iat === "number" ? iat * 1000 : Number.NEGATIVE_INFINITY;
      const isBefore = (mark: Mark | undefined): boolean =>
        mark !== undefined && issuedAt <= mark.issuedUntil && mark.endsAt > now();
      if (isBefore(marks.everybody) || isBefore(marks.people.get(sub))) return true;
      if (typeof sid !== "string") return isBefore(marks.sessionless.get(sub));
      const session = marks.sessions.get(sid);
      // A session that has ended never begins again.
      return session !== undefined && session.endsAt > now();
    },
  };
}

function mapsOf({ sessions, people, sessionless }: Marks): readonly Map<string, Mark>[] {
  return [sessions, people, sessionless];
}

function latest(a: Mark | undefined, b: Mark): Mark {
  return {
    issuedUntil: Math.max(a?.issuedUntil ?? Number.NEGATIVE_INFINITY, b.issuedUntil),
    endsAt: Math.max(a?.endsAt ?? Number.NEGATIVE_INFINITY, b.endsAt),
  };
}
