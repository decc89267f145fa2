import { AuthError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import type { IssuerConfig } from "../config/types/auth.ts";
import { KeysError, type Fetch, type KeyProblemCode } from "./document.ts";
import { createJwksSource, readJwks, type Jwks } from "./jwks.ts";
import type { VerificationKey } from "./key.ts";
import type { KeyStore } from "./key-store.ts";

/** Why an issuer's keys could not be had at the last attempt. */
export interface KeyProblem {
  readonly issuer: string;
  readonly code: KeyProblemCode;
  readonly message: string;
}

export interface KeySetState {
  readonly issuer: string;
  /** Whether serving waits for them. */
  readonly startup: "require" | "lazy";
  /**
   * `degraded`: the last attempt failed and older keys are in use. `unavailable`: no key is usable,
   * so no token of this issuer is accepted.
   */
  readonly status: "ready" | "degraded" | "unavailable";
  /** Number of usable keys. */
  readonly keys: number;
  /** Since they were fetched; infinite before that. */
  readonly ageMs: number;
  /** Attempts to fetch them since the start. */
  readonly fetched: { readonly success: number; readonly failure: number };
  readonly problem: KeyProblem | undefined;
}

/** The signing keys of one issuer, kept fresh by being used. */
export interface KeySet {
  /**
   * The only key that fits. Fetches when the keys are old, or when none fits and the last fetch is
   * long enough ago.
   *
   * @throws AuthError `temporarily_unavailable` while there are no keys to compare with.
   */
  readonly find: (alg: string, kid: string | undefined) => Promise<VerificationKey | undefined>;
  /** Whether a key that once verified a token is still published. Old keys refresh behind it. */
  readonly holds: (key: VerificationKey) => boolean;
  /** Makes an attempt unless keys are there or the last failure is too recent; see `state`. */
  readonly load: () => Promise<void>;
  readonly state: () => KeySetState;
}

/** Keys older than this are fetched again, so that a withdrawn one is noticed. */
const maxAgeMs = 10 * 60_000;
const maxBackOffMs = 60_000;

export function createKeySet(
  config: Pick<IssuerConfig, "issuer" | "jwksUrl" | "jwks">,
  deps: { readonly fetch: Fetch; readonly store: KeyStore },
  ports: Ports,
): KeySet {
  const { issuer, jwksUrl } = config;
  const { staleForMs, cooldownMs } = config.jwks;
  const fetchJwks = createJwksSource(config, deps.fetch);
  let keys: ReadonlyMap<string, VerificationKey> = new Map();
  let loadedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let problem: KeyProblem | undefined;
  let pending: Promise<void> | undefined;
  let warned = "";
  const fetched = { success: 0, failure: 0 };

  const age = (): number => ports.now() - loadedAt;
  const backOff = (): number =>
    failures === 0 ? 0 : Math.min(1_000 * 2 ** (failures - 1), maxBackOffMs);

  const accept = ({ keys: found, ignored }: Jwks): void => {
    fetched.success++;
    // A key that stays keeps its object, and with it the tokens that it has verified.
    keys = new Map(found.map((key) => [key.identity, keys.get(key.identity) ?? key]));
    loadedAt = ports.now();
    failures = 0;
    problem = undefined;
    ports.log.info("jwks_loaded", { issuer, keys: keys.size });
    const published = found.map((key) => key.published);
    void deps.store.write(issuer, { jwksUrl, loadedAt, keys: published });
    const reasons = ignored.join(", ");
    if (reasons !== "" && reasons !== warned)
      ports.log.warn("jwks_keys_ignored", { issuer, reasons });
    warned = reasons;
  };
  /** Keys of an earlier run, as old as they are. */
  const recall = async (): Promise<void> => {
    const stored = await deps.store.read(issuer);
    const now = ports.now();
    if (stored === undefined || stored.jwksUrl !== jwksUrl || stored.loadedAt > now) return;
    if (now - stored.loadedAt > staleForMs) return;
    keys = new Map(readJwks(stored.keys).keys.map((key) => [key.identity, key]));
    if (keys.size === 0) return;
    loadedAt = stored.loadedAt;
    ports.log.warn("jwks_recalled", { issuer, keys: keys.size, ageMs: now - loadedAt });
  };
  const refuse = async (error: unknown): Promise<void> => {
    if (!(error instanceof KeysError)) throw error;
    fetched.failure++;
    if (loadedAt === Number.NEGATIVE_INFINITY) await recall();
    failures += 1;
    problem = { issuer, code: error.code, message: error.message };
    ports.log.warn("jwks_refresh_failed", { ...problem, keys: keys.size, retryInMs: backOff() });
  };
  const fetchOnce = (): Promise<void> => {
    if (pending !== undefined) return pending;
    triedAt = ports.now();
    pending = fetchJwks()
      .then(accept, refuse)
      .finally(() => {
        pending = undefined;
      });
    return pending;
  };
  const refresh = async (): Promise<void> => {
    if (pending !== undefined || ports.now() >= triedAt + backOff()) await fetchOnce();
  };
  const select = (alg: string, kid: string | undefined): VerificationKey | undefined => {
    const fitting = [...keys.values()].filter(
      (key) => (kid === undefined || key.kid === kid) && key.fits(alg),
    );
    return fitting.length === 1 ? fitting[0] : undefined;
  };

  return {
    async find(alg, kid) {
      if (age() > maxAgeMs) await refresh();
      if (age() > staleForMs) throw new AuthError("temporarily_unavailable", "keys_unavailable");
      const found = select(alg, kid);
      if (found !== undefined) return found;
      if (pending === undefined && ports.now() < triedAt + cooldownMs) return undefined;
      await refresh();
      return select(alg, kid);
    },
    holds(key) {
      if (age() > maxAgeMs)
        refresh().catch((cause: unknown) =>
          ports.log.error("jwks_refresh_broken", { issuer }, cause),
        );
      return keys.get(key.identity) === key && age() <= staleForMs;
    },
    async load() {
      if (age() > staleForMs) await refresh();
    },
    state() {
      const status = age() > staleForMs ? "unavailable" : failures > 0 ? "degraded" : "ready";
      const { startup } = config.jwks;
      return { issuer, startup, status, keys: keys.size, ageMs: age(), fetched, problem };
    },
  };
}
