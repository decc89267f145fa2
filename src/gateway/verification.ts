import type { IncomingMessage } from "node:http";
import type { Authenticate } from "../auth/authenticate.ts";
import { AuthError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import { createLocalRates, type Rate } from "../limits/rate.ts";
import type { Verification } from "../observe/trace-context.ts";
import type { Tracing } from "../observe/traces/tracing.ts";

interface Watched {
  readonly authenticate: Authenticate;
  /** undefined: the token was known, so that there was nothing to wait for. */
  readonly verificationOf: (request: IncomingMessage) => Verification | undefined;
}

/** Strangers decide how many are refused: their spans must not take the room of the others. */
const refusals: Rate = { count: 50, periodMs: 1_000 };

/** Remembers with each request how long its caller took: whose trace that is stands in its body. */
export function watchAuthenticate(
  authenticate: Authenticate,
  tracing: Pick<Tracing, "refused">,
  { now }: Pick<Ports, "now">,
): Watched {
  const take = createLocalRates(now);
  const verifications = new WeakMap<readonly string[], Verification>();
  return {
    authenticate: Object.assign(
      async (...args: Parameters<Authenticate>): ReturnType<Authenticate> => {
        const startedAt = now();
        try {
          const principal = await authenticate(...args);
          verifications.set(args[0], { startedAt, endedAt: now() });
          return principal;
        } catch (error) {
          const reason = error instanceof AuthError ? error.reason : "internal_error";
          if (take("refused", refusals) === 0)
            tracing.refused(reason, { startedAt, endedAt: now() });
          throw error;
        }
      },
      { known: authenticate.known, authenticateToken: authenticate.authenticateToken },
    ),
    verificationOf: ({ rawHeaders }) => verifications.get(rawHeaders),
  };
}
