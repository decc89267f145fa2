import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { describeReason } from "../auth/refusal.ts";
import { AuthError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import { logoutPath } from "../config/url.ts";

/** A logout token is a few hundred bytes. */
const maxBytes = 16 * 1024;

/** Takes the body of a request to the back channel. @throws AuthError */
export type AcceptLogout = (body: string) => Promise<void>;

interface LogoutParts {
  /** undefined: no issuer has a back channel. */
  readonly service: () => { readonly logout: AcceptLogout | undefined };
  /** Told of every request whose token was not believed. */
  readonly onRefused: (reason: string, request: FastifyRequest) => void;
}

/** OpenID Connect Back-Channel Logout 1.0 §2.5 and §2.8: issuers post here; people never come. */
export function serveLogout(app: FastifyInstance, parts: LogoutParts, { log }: Ports): void {
  const refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    if (!(error instanceof AuthError)) throw error;
    const { reason, code } = error;
    parts.onRefused(reason, request);
    log.warn("logout_refused", { reason });
    // The issuer may try again; nothing is wrong with its token.
    if (code === "temporarily_unavailable") void reply.code(503).header("retry-after", "5");
    else void reply.code(400);
    void reply.send({ error: "invalid_request", error_description: describeReason(reason) });
  };
  // Only here is a form read; everywhere else it stays 415.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "application/x-www-form-urlencoded",
      { parseAs: "string", bodyLimit: maxBytes },
      (_, body, done) => done(null, body),
    );
    scope.post(logoutPath, async (request, reply) => {
      const { logout } = parts.service();
      if (logout === undefined) return reply.callNotFound();
      void reply.header("cache-control", "no-store");
      try {
        await logout(typeof request.body === "string" ? request.body : "");
      } catch (error) {
        refuse(error, request, reply);
        return reply;
      }
      return reply.code(200).send();
    });
  });
}
