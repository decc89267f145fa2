import type { FastifyInstance } from "fastify";
import { learners } from "../learners.ts";
import { Problem } from "../problem.ts";
import { enrolmentBody, enrolmentHeaders, enrolmentParams, noQuery } from "../request.ts";
import type { Enrolment, EnrolmentOrder, Store } from "../store.ts";
import { callerOf, requireSelf, type Guard } from "./guard.ts";

interface Enrol {
  Body: EnrolmentOrder;
  Headers: { "idempotency-key"?: string };
}

export function addEnrolmentRoutes(app: FastifyInstance, store: Store, guard: Guard): void {
  const write = guard("courses:write");
  const once = createOnce();

  app.post<Enrol>(
    "/enrolments",
    {
      onRequest: write,
      schema: { body: enrolmentBody, headers: enrolmentHeaders, querystring: noQuery },
    },
    async (request, reply) => {
      const order = request.body;
      requireSelf(request, order.learnerId);
      if (!learners.has(order.learnerId)) {
        throw new Problem("not-found", `There is no learner "${order.learnerId}".`);
      }
      const key = request.headers["idempotency-key"];
      const enrolment = key === undefined ? store.enrol(order) : once(key, order, store.enrol);
      return reply.code(201).send(enrolment);
    },
  );

  app.delete<{ Params: { enrolmentId: string } }>(
    "/enrolments/:enrolmentId",
    { onRequest: write, schema: { params: enrolmentParams, querystring: noQuery } },
    async (request, reply) => {
      store.cancel(callerOf(request).sub, request.params.enrolmentId);
      return reply.code(204).send();
    },
  );
}

type Once = (
  key: string,
  order: EnrolmentOrder,
  enrol: (order: EnrolmentOrder) => Enrolment,
) => Enrolment;

/** Keys are remembered up to this number; the oldest goes first. */
const maxKeys = 1000;

/** A repeated request gets the first answer again, so a client may retry after a broken connection. */
function createOnce(): Once {
  const answers = new Map<string, { readonly request: string; readonly enrolment: Enrolment }>();
  return (key, order, enrol) => {
    const { learnerId, courseId, sessionId = null, note = null } = order;
    const request = JSON.stringify([learnerId, courseId, sessionId, note]);
    // A key is the client's own choice, so two learners may have chosen the same.
    const id = JSON.stringify([learnerId, key]);
    const known = answers.get(id);
    if (known) {
      if (known.request === request) return known.enrolment;
      throw new Problem("key-reused", "Use a new Idempotency-Key for another enrolment.");
    }
    const enrolment = enrol(order);
    answers.set(id, { request, enrolment });
    const [oldest] = answers.keys();
    if (answers.size > maxKeys && oldest !== undefined) answers.delete(oldest);
    return enrolment;
  };
}
