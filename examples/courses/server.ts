import {
  fastify,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from "fastify";
import type { IncomingHttpHeaders } from "node:http";
import { toProblem } from "./fault.ts";
import { Problem } from "./problem.ts";
import { readQuery } from "./request.ts";
import { addCatalogRoutes } from "./routes/catalog.ts";
import { addEnrolmentRoutes } from "./routes/enrolment.ts";
import { createGuard } from "./routes/guard.ts";
import { addLearnerRoutes } from "./routes/learner.ts";
import { createStore } from "./store.ts";
import { createTokenCheck, type TokenTrust } from "./token.ts";

export interface CoursesApiOptions {
  /** Port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly tokens: TokenTrust;
  /** Told of every request before its token is checked, so the headers hold whatever was sent. */
  readonly onRequest?: (seen: SeenRequest) => void;
}

export interface SeenRequest {
  readonly method: string;
  /** As on the wire, with the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface CoursesApi {
  /** Origin, e.g. `http://127.0.0.1:4010`. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

/**
 * The course catalogue of specs/courses.yaml, on a port of its own and with its own idea of whose
 * tokens count. All data are in memory and start afresh.
 *
 * @throws Error of node:net when it cannot listen; TypeError when `jwksUrl` is not a URL.
 */
export async function startCoursesApi(options: CoursesApiOptions): Promise<CoursesApi> {
  const app = fastify(settings);
  const { onRequest } = options;
  if (onRequest) {
    app.addHook("onRequest", async ({ method, raw, headers }) => {
      onRequest({ method, path: raw.url ?? "", headers });
    });
  }
  app.removeContentTypeParser("text/plain");
  app.setErrorHandler(answerFault);
  app.setNotFoundHandler((_request, reply) => {
    answerProblem(new Problem("not-found", "This API has no such operation."), reply);
  });

  const guard = createGuard(app, createTokenCheck(options.tokens));
  const store = createStore();
  addCatalogRoutes(app, store, guard);
  addLearnerRoutes(app, store, guard);
  addEnrolmentRoutes(app, store, guard);

  const url = await app.listen(options.listen);
  return { url, close: () => app.close() };
}

const settings = {
  bodyLimit: 16 * 1024,
  requestTimeout: 10_000,
  forceCloseConnections: true,
  exposeHeadRoutes: false,
  routerOptions: { querystringParser: readQuery },
  // fastify's defaults would turn "5" into 5 and drop what it does not know.
  ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  frameworkErrors: answerFault,
} satisfies FastifyServerOptions;

function answerFault(
  error: FastifyError | Problem,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  answerProblem(toProblem(error), reply);
}

function answerProblem(problem: Problem, reply: FastifyReply): void {
  if (problem.challenge !== undefined) reply.header("www-authenticate", problem.challenge);
  void reply.code(problem.status).type("application/problem+json").send(JSON.stringify(problem));
}
