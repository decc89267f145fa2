import { validate } from "@apidevtools/swagger-parser";
import { expect, test } from "vitest";
import * as request from "../../../examples/courses/request.ts";
import { world, type Ask } from "./world.ts";

const courses = world();

test("the document is valid OpenAPI 3.1 with nothing outside of it", async () => {
  const root = structuredClone(courses().document.root) as Parameters<typeof validate>[1];
  await expect(validate(root, { resolve: { external: false } })).resolves.toBeDefined();
});

test("every operation has an id, a tag, a summary and a description", () => {
  const { document } = courses();
  const ids =
    "cancel_enrolment create_course delete_course enrol get_course get_learner list_activity " +
    "list_enrolments list_goals list_history list_sessions list_topics search_courses";
  expect([...document.operations.keys()].toSorted().join(" ")).toBe(ids);
  for (const { pointer, tags } of document.operations.values()) {
    expect(tags.length).toBeGreaterThan(0);
    expect(document.at(`${pointer}/summary`)).toEqual(expect.any(String));
    expect(document.at(`${pointer}/description`)).toEqual(expect.any(String));
  }
});

const newCourse = {
  id: "reading-logs",
  title: "Reading logs",
  summary: "Find the line that matters.",
  description: "Two hours with real log files.",
  topics: ["software"],
  level: "beginner",
  language: "en",
  hours: 2,
  provider: "Engineering Guild",
  price: { amount: 0, currency: "EUR" },
  prerequisites: [],
  skills: ["debugging"],
};
const alice = { learnerId: "alice" };

test.each<{ operation: string; ask: Ask; status: number; scope?: string }>([
  { operation: "search_courses", ask: {}, status: 200 },
  { operation: "search_courses", ask: { query: "limit=50&sort=start" }, status: 200 },
  { operation: "search_courses", ask: { query: "limit=50&offset=50" }, status: 200 },
  { operation: "get_course", ask: { params: { courseId: "api-design" } }, status: 200 },
  { operation: "get_course", ask: { params: { courseId: "git-for-teams" } }, status: 200 },
  { operation: "list_topics", ask: {}, status: 200 },
  { operation: "list_sessions", ask: { params: { courseId: "api-design" } }, status: 200 },
  { operation: "get_learner", ask: { params: alice }, status: 200 },
  { operation: "list_goals", ask: { params: alice }, status: 200 },
  { operation: "list_activity", ask: { params: alice }, status: 200 },
  { operation: "list_history", ask: { params: alice }, status: 200 },
  { operation: "list_enrolments", ask: { params: alice }, status: 200 },
  { operation: "enrol", ask: { body: { ...alice, courseId: "sql-performance" } }, status: 201 },
  { operation: "cancel_enrolment", ask: { params: { enrolmentId: "enr-1001" } }, status: 204 },
  { operation: "create_course", ask: { body: newCourse }, status: 201, scope: "courses:admin" },
  { operation: "get_course", ask: { params: { courseId: "reading-logs" } }, status: 200 },
  {
    operation: "delete_course",
    ask: { params: { courseId: "reading-logs" } },
    status: 204,
    scope: "courses:admin",
  },
  { operation: "get_course", ask: { params: { courseId: "reading-logs" } }, status: 404 },
])("$operation answers $status as documented", async ({ operation, ask, status, scope }) => {
  const authorization = await courses().as("alice", scope);
  const answer = await courses().ask(operation, { ...ask, authorization });
  expect(answer.status).toBe(status);
});

test("every operation was answered with success at least once", () => {
  const answered = [...courses().answered].filter((entry) => / 20[014]$/.test(entry));
  const ids = new Set(answered.map((entry) => entry.split(" ")[0]));
  expect([...courses().document.operations.keys()].filter((id) => !ids.has(id))).toEqual([]);
});

test("what the server validates is what the document says", () => {
  const { document } = courses();
  for (const [schema, operation] of [
    [request.searchQuery, "search_courses"],
    [request.activityQuery, "list_activity"],
  ] as const) {
    const pointer = `${document.operations.get(operation)?.pointer}/parameters`;
    const inQuery = (inline(document.at, pointer) as readonly Documented[]).filter(
      (parameter) => parameter.in === "query",
    );
    const documented = inQuery.map((parameter) => [parameter.name, bare(parameter.schema)]);
    expect(bare((schema as Strict).properties)).toEqual(Object.fromEntries(documented));
  }
  for (const [schema, name] of [
    [request.enrolmentBody, "EnrolmentOrder"],
    [request.courseBody, "NewCourse"],
  ] as const) {
    const documented = inline(document.at, `/components/schemas/${name}`);
    expect(bare(schema)).toEqual(bare(documented));
  }
});

interface Documented {
  readonly name: string;
  readonly in: string;
  readonly schema: object;
}

interface Strict {
  readonly properties: object;
}

/** The value with every `$ref` replaced by its target. */
function inline(at: (pointer: string) => unknown, pointer: string): unknown {
  const value = at(pointer);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((_, i) => inline(at, `${pointer}/${i}`));
  const reference = "$ref" in value ? (inline(at, String(value.$ref).slice(1)) as object) : {};
  const own = Object.keys(value).filter((key) => key !== "$ref");
  const escaped = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");
  const entries = own.map((key) => [key, inline(at, `${pointer}/${escaped(key)}`)]);
  return { ...reference, ...Object.fromEntries(entries) };
}

/** Without what no validator looks at; an enum of strings needs no type. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, member]) =>
      !(key === "description" && typeof member === "string") &&
      !(key === "type" && "enum" in value),
  );
  return Object.fromEntries(kept.map(([key, member]) => [key, bare(member)]));
}
