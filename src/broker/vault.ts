import { setTimeout as wait } from "node:timers/promises";
import type { Tell } from "./event.ts";
import { IdpError, type Idp, type UpstreamTokens } from "./idp/idp.ts";
import type { Store } from "./store/store.ts";

/** What an identity provider gave for one grant. */
interface Vaulted {
  readonly idp: string;
  readonly sub: string;
  readonly tokens: UpstreamTokens;
}

type Login = Pick<Vaulted, "idp" | "tokens">;

interface Kept extends Vaulted {
  /** When the provider was asked last, ms since the epoch. */
  readonly checkedAt: number;
}

/** The tokens of identity providers, each kept with the grant it came for. */
export interface Vault {
  readonly keep: (grantId: string, vaulted: Vaulted) => Promise<void>;
  /**
   * Asks the provider whether the person of this grant still may enter, and keeps their new tokens.
   *
   * @throws IdpError; with `gone` or `not_allowed` the grant has ended.
   */
  readonly check: (grantId: string) => Promise<void>;
  /** When the provider's refresh token ends, where it says so: the grant cannot outlive it. */
  readonly endsAt: (grantId: string) => Promise<number | undefined>;
  /**
   * What the provider gave for this grant, renewed where that is due.
   *
   * @param refused An access token that an API does not take: if it is still the one, it is renewed.
   * @throws IdpError
   */
  readonly login: (grantId: string, refused?: string) => Promise<Login | undefined>;
}

export interface VaultDeps {
  readonly idps: readonly Idp[];
  /** Names of those that a refresh does not ask. */
  readonly unasked: ReadonlySet<string>;
  readonly store: Store;
  readonly tell: Tell;
  readonly now: () => number;
}

const keptFor = 90 * 86_400_000;
/** Two refreshes at once ask the provider once. */
const checkedFor = 10_000;
const lockFor = 15_000;
const pollMs = 50;
/** Before its end a token is renewed: what is sent with it takes its time. */
const earlyMs = 30_000;

export function createVault({ idps, unasked, store, tell, now }: VaultDeps): Vault {
  const { records } = store;
  const pending = new Map<string, Promise<UpstreamTokens>>();

  const write = (grantId: string, vaulted: Vaulted): Promise<void> => {
    const kept: Kept = { ...vaulted, checkedAt: now() };
    return records.put("vault", grantId, kept, now() + keptFor);
  };

  /** One process at a time: a provider that rotates refresh tokens takes the second for a thief. */
  const lock = async (grantId: string): Promise<Kept | undefined> => {
    for (let waited = 0; waited < lockFor; waited += pollMs) {
      const kept = await records.get<Kept>("vault", grantId);
      if (kept === undefined) throw new IdpError("gone", "there are no tokens of this grant");
      if (now() - kept.checkedAt < checkedFor && waited > 0) return undefined;
      if (await records.add("lock", grantId, {}, now() + lockFor)) return kept;
      await wait(pollMs);
    }
    throw new IdpError("idp_unavailable", "another request holds the tokens of this grant");
  };

  const renew = async (grantId: string): Promise<UpstreamTokens> => {
    const kept = await lock(grantId);
    // Somebody else renewed them while we waited.
    if (kept === undefined) return tokensOf(await records.get<Kept>("vault", grantId));
    try {
      const idp = idps.find(({ name }) => name === kept.idp);
      if (idp === undefined) throw new IdpError("gone", "its provider is not configured any more");
      const { account, tokens } = await idp.verify(kept.tokens, kept.sub);
      // Before anybody uses them: a crash in between must not lose a rotated refresh token.
      await write(grantId, { idp: kept.idp, sub: kept.sub, tokens });
      await store.rememberAccount(account);
      return tokens;
    } catch (error) {
      if (error instanceof IdpError && (error.code === "gone" || error.code === "not_allowed")) {
        await store.endGrant(grantId);
        const detail = `${error.code}: ${error.detail}`;
        const about = { sub: kept.sub, clientId: undefined, detail };
        tell({ event: "broker.revoke", outcome: "success", reason: undefined, ...about });
      }
      throw error;
    } finally {
      await records.delete("lock", grantId);
    }
  };

  const flight = (grantId: string): Promise<UpstreamTokens> => {
    const known = pending.get(grantId);
    if (known !== undefined) return known;
    const made = renew(grantId).finally(() => pending.delete(grantId));
    pending.set(grantId, made);
    return made;
  };

  return {
    keep: write,
    async check(grantId) {
      const kept = await records.get<Kept>("vault", grantId);
      if (kept === undefined || !unasked.has(kept.idp)) await flight(grantId);
    },
    async endsAt(grantId) {
      const kept = await records.get<Kept>("vault", grantId);
      // Whom nobody asks there does not end there.
      return kept === undefined || unasked.has(kept.idp) ? undefined : kept.tokens.refreshEndsAt;
    },
    async login(grantId, refused) {
      const kept = await records.get<Kept>("vault", grantId);
      if (kept === undefined) return undefined;
      const { idp, tokens } = kept;
      const { expiresAt = Infinity, accessToken } = tokens;
      const good = expiresAt - earlyMs > now() && accessToken !== refused;
      return { idp, tokens: good ? tokens : await flight(grantId) };
    },
  };
}

function tokensOf(kept: Kept | undefined): UpstreamTokens {
  if (kept === undefined) throw new IdpError("gone", "the grant has ended");
  return kept.tokens;
}
