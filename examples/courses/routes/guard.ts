import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler } from "fastify";
import { Problem } from "../problem.ts";
import { requireScope, type Caller, type CheckToken } from "../token.ts";

/** The hook that lets only tokens with the scope through, before the body is read. */
export type Guard = (scope: string) => onRequestAsyncHookHandler;

export function createGuard(app: FastifyInstance, check: CheckToken): Guard {
  app.decorateRequest("caller", null);
  return (scope) => async (request) => {
    const caller = await check(request.headers.authorization);
    requireScope(caller, scope);
    request.setDecorator("caller", caller);
  };
}

/** @throws Problem `not-your-data`, the same whether or not the learner exists. */
export function requireSelf(request: FastifyRequest, learnerId: string): void {
  if (callerOf(request).sub === learnerId) return;
  throw new Problem("not-your-data", "The learner must be the subject of the access token.");
}

export function callerOf(request: FastifyRequest): Caller {
  return request.getDecorator<Caller>("caller");
}
