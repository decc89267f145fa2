import { startCoursesApi } from "./server.ts";

const { env } = process;
const issuer = env["COURSES_ISSUER"] ?? "http://localhost:4000";

const api = await startCoursesApi({
  listen: {
    host: env["COURSES_HOST"] ?? "127.0.0.1",
    port: Number(env["COURSES_PORT"] ?? 4010),
  },
  tokens: {
    issuer,
    jwksUrl: env["COURSES_JWKS_URL"] ?? `${issuer}/jwks.json`,
    audience: env["COURSES_AUDIENCE"] ?? "courses-api",
  },
});
console.log(`The course catalogue listens on ${api.url}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void api.close());
}
