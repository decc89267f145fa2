import type { FastifyInstance, FastifyRequest } from "fastify";
import { learners } from "../learners.ts";
import type { LearnerRecord } from "../model.ts";
import { Problem } from "../problem.ts";
import { activityQuery, learnerParams, noQuery } from "../request.ts";
import type { Store } from "../store.ts";
import { requireSelf, type Guard } from "./guard.ts";

interface ById {
  Params: { learnerId: string };
}

interface ActivityRequest extends ById {
  Querystring: { since?: string; limit: number };
}

/** What is known about a person, for that person only. */
export function addLearnerRoutes(app: FastifyInstance, store: Store, guard: Guard): void {
  const plain = {
    onRequest: guard("courses:read"),
    schema: { params: learnerParams, querystring: noQuery },
  };

  app.get<ById>("/learners/:learnerId", plain, async (request) => ownRecord(request).profile);

  app.get<ById>("/learners/:learnerId/goals", plain, async (request) => ({
    items: ownRecord(request).goals,
  }));

  app.get<ActivityRequest>(
    "/learners/:learnerId/activity",
    { ...plain, schema: { params: learnerParams, querystring: activityQuery } },
    async (request) => {
      const { since = "", limit } = request.query;
      // Moments and days are both written year first, so text order is time order.
      const recent = ownRecord(request).activity.filter(({ at }) => at >= since);
      return { items: recent.slice(0, limit).map(titled) };
    },
  );

  app.get<ById>("/learners/:learnerId/history", plain, async (request) => ({
    items: ownRecord(request).history.map(titled),
  }));

  app.get<ById>("/learners/:learnerId/enrolments", plain, async (request) => {
    const { profile } = ownRecord(request);
    return { items: store.enrolmentsOf(profile.id) };
  });

  /** The title spares the reader of a list one look-up for each entry. */
  function titled<Entry extends object>(entry: Entry): Entry | (Entry & { courseTitle: string }) {
    if (!("courseId" in entry) || typeof entry.courseId !== "string") return entry;
    return { ...entry, courseTitle: store.titleOf(entry.courseId) };
  }
}

function ownRecord(request: FastifyRequest<ById>): LearnerRecord {
  const { learnerId } = request.params;
  requireSelf(request, learnerId);
  const record = learners.get(learnerId);
  if (!record) throw new Problem("not-found", `There is no learner "${learnerId}".`);
  return record;
}
