import { CallError } from "../base/errors.ts";

/** Which limit refuses: a metric label. */
export type LimitName = "principal" | "client" | "tool" | "external" | "address";

/** Too many calls. `retryAfterMs` says when one more is let through. */
export class RateError extends CallError {
  readonly limit: LimitName;

  constructor(limit: LimitName, retryAfterMs: number) {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    const unit = seconds === 1 ? "second" : "seconds";
    super("rate_limited", `${texts[limit]} Try again after ${seconds} ${unit}.`, { retryAfterMs });
    this.limit = limit;
  }
}

const texts: Readonly<Record<LimitName, string>> = {
  principal: "You have made too many calls.",
  client: "This client has made too many calls.",
  tool: "You have called this tool too often.",
  external: "You have called tools that reach out of the company too often.",
  address: "Too many requests came from this address.",
};
