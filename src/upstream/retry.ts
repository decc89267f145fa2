import type { RetryConfig } from "../config/types/apis.ts";
import type { WireResponse } from "./request/message.ts";
import { parseRetryAfter } from "./retry-after.ts";
import type { SendError } from "./send-error.ts";

/** When a request is sent once more, and after how long. */
export interface Retry {
  /**
   * @param failures Of this request so far, this one included.
   * @param leftMs Of the time for all attempts.
   * @returns Milliseconds to wait; undefined: what happened is the answer.
   */
  readonly waitMs: (
    happened: WireResponse | SendError,
    failures: number,
    leftMs: number,
  ) => number | undefined;
  readonly onRetry: (reason: string) => void;
  /** Every request counts, so that retries stay a share of them. */
  readonly earn: () => void;
}

export interface RetryDeps {
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly budget: { readonly earn: () => void; readonly spend: () => boolean };
  readonly onRetry: (reason: string) => void;
  readonly onExhausted: () => void;
}

const idempotent = new Set(["GET", "HEAD", "OPTIONS", "QUERY"]);
/** Idempotent by RFC 9110 §9.2.2, but many APIs send mail or count on them: only when told so. */
const idempotentByContract = new Set(["PUT", "DELETE"]);
const statuses = new Set([408, 429, 502, 503, 504]);
const [minDelayMs, maxDelayMs] = [50, 500];
const maxRetryAfterMs = 5_000;

/** undefined: nothing is ever sent again. */
export function compileRetry(
  method: string,
  { attempts, unsafe, idempotencyKey }: RetryConfig,
  { now, random, budget, onRetry, onExhausted }: RetryDeps,
): Retry | undefined {
  if (attempts === 0) return undefined;
  const repeatable =
    idempotent.has(method) ||
    (unsafe && idempotentByContract.has(method)) ||
    idempotencyKey !== undefined;
  return {
    onRetry,
    earn: budget.earn,
    waitMs(happened, failures, leftMs) {
      if (failures > attempts || !isSafe(happened, repeatable)) return undefined;
      const header = "stage" in happened ? undefined : happened.headers.get("retry-after");
      const askedMs = (parseRetryAfter(header, now()) ?? 0) * 1_000;
      const jitterMs = minDelayMs + random() * (maxDelayMs - minDelayMs);
      const waitMs = Math.max(askedMs, jitterMs);
      // Whoever should come back later is told so; nobody waits here for them.
      if (waitMs > Math.min(maxRetryAfterMs, leftMs)) return undefined;
      if (budget.spend()) return waitMs;
      onExhausted();
      return undefined;
    },
  };
}

function isSafe(happened: WireResponse | SendError, repeatable: boolean): boolean {
  if (!("stage" in happened)) return repeatable && statuses.has(happened.status);
  if (happened.code !== "upstream_unreachable" || isHopeless(happened.cause)) return false;
  return happened.stage === "unsent" || (repeatable && happened.stage === "sent");
}

/** A name that cannot be resolved now will not be a moment later. */
function isHopeless(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOTFOUND";
}
