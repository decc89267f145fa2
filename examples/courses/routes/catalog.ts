import type { FastifyInstance } from "fastify";
import { detailsOf, summaryOf } from "../answer.ts";
import { topics } from "../catalog.ts";
import type { Course } from "../model.ts";
import { courseBody, courseParams, noQuery, searchQuery } from "../request.ts";
import { searchOffers, type CourseQuery } from "../search.ts";
import type { Store } from "../store.ts";
import type { Guard } from "./guard.ts";

interface ById {
  Params: { courseId: string };
}

interface Search {
  Querystring: CourseQuery & { limit: number; offset: number };
}

/** Everyone with `courses:read` may look; only `courses:admin` changes the catalogue. */
export function addCatalogRoutes(app: FastifyInstance, store: Store, guard: Guard): void {
  const read = guard("courses:read");
  const admin = guard("courses:admin");

  app.get<Search>(
    "/courses",
    { onRequest: read, schema: { querystring: searchQuery } },
    async ({ query: { limit, offset, ...query } }) => {
      const found = searchOffers(store.offers(), query);
      const end = offset + limit;
      return {
        items: found.slice(offset, end).map(summaryOf),
        total: found.length,
        limit,
        offset,
        nextOffset: end < found.length ? end : null,
      };
    },
  );

  app.get<ById>(
    "/courses/:courseId",
    { onRequest: read, schema: { params: courseParams, querystring: noQuery } },
    async ({ params }) => detailsOf(store.offer(params.courseId)),
  );

  app.get<ById>(
    "/courses/:courseId/sessions",
    { onRequest: read, schema: { params: courseParams, querystring: noQuery } },
    async ({ params }) => ({ items: store.sessions(params.courseId) }),
  );

  app.get("/topics", { onRequest: read, schema: { querystring: noQuery } }, async () => {
    const ids = store.offers().flatMap(({ course }) => course.topics);
    return {
      items: topics.map((topic) => ({
        ...topic,
        courses: ids.filter((id) => id === topic.id).length,
      })),
    };
  });

  app.post<{ Body: Omit<Course, "rating" | "sessions"> }>(
    "/courses",
    { onRequest: admin, schema: { body: courseBody, querystring: noQuery } },
    async ({ body }, reply) => {
      store.addCourse({ ...body, rating: null, sessions: [] });
      reply.code(201).header("location", `/courses/${body.id}`);
      return detailsOf(store.offer(body.id));
    },
  );

  app.delete<ById>(
    "/courses/:courseId",
    { onRequest: admin, schema: { params: courseParams, querystring: noQuery } },
    async ({ params }, reply) => {
      store.removeCourse(params.courseId);
      return reply.code(204).send();
    },
  );
}
