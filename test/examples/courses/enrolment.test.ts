import { expect, test } from "vitest";
import { world, type Answer } from "./world.ts";

const courses = world();

async function enrol(sub: string, body: object, key?: string): Promise<Answer> {
  const { ask, as } = courses();
  return ask("enrol", {
    body: { learnerId: sub, ...body },
    authorization: await as(sub),
    ...(key !== undefined && { headers: { "idempotency-key": key } }),
  });
}

async function enrolledIn(sub: string): Promise<readonly unknown[]> {
  const { ask, as } = courses();
  const { body } = await ask("list_enrolments", {
    params: { learnerId: sub },
    authorization: await as(sub),
  });
  return body.items.map(({ courseId }) => courseId);
}

async function seatsLeft(courseId: string): Promise<readonly unknown[]> {
  const { body } = await courses().ask("list_sessions", { params: { courseId } });
  return body.items.map((session) => session["seatsLeft"]);
}

test("a seat is taken, shown, and given back", async () => {
  const { ask, as } = courses();
  const courseId = "building-with-language-models";
  const before = await seatsLeft(courseId);
  const { status, body } = await enrol("alice", {
    courseId,
    sessionId: `${courseId}-2027-03-22`,
    note: "For the assistant.",
  });
  expect(status).toBe(201);
  expect(body).toMatchObject({
    learnerId: "alice",
    courseTitle: "Building with language models",
    status: "booked",
    startsOn: "2027-03-22",
    percent: 0,
    note: "For the assistant.",
  });
  expect(await seatsLeft(courseId)).toEqual([before[0], Number(before[1]) - 1, before[2]]);
  expect(await enrolledIn("alice")).toContain(courseId);

  const params = { enrolmentId: String(body["id"]) };
  const others = await ask("cancel_enrolment", { params, authorization: await as("bob") });
  expect(others.status).toBe(404);
  expect((await ask("cancel_enrolment", { params })).status).toBe(204);
  expect((await ask("cancel_enrolment", { params })).status).toBe(404);
  expect(await seatsLeft(courseId)).toEqual(before);
  expect(await enrolledIn("alice")).not.toContain(courseId);
});

test("without a session the first one with a free seat is taken", async () => {
  const { body } = await enrol("carol", { courseId: "working-with-stakeholders" });
  expect(body).toMatchObject({ startsOn: "2027-05-06", status: "booked" });
});

test("a self-paced course needs no session", async () => {
  const { body } = await enrol("bob", { courseId: "writing-clearly" });
  expect(body).toMatchObject({ sessionId: null, startsOn: null, status: "active", note: null });
});

test.each([
  {
    why: "enrolled already",
    sub: "bob",
    courseId: "finance-for-everyone",
    kind: "already-enrolled",
  },
  {
    why: "not far enough",
    sub: "dave",
    courseId: "kubernetes-operations",
    kind: "prerequisites-missing",
  },
  {
    why: "the session is full",
    sub: "bob",
    courseId: "working-with-stakeholders",
    sessionId: "working-with-stakeholders-2027-02-18",
    kind: "no-seat-left",
  },
])("$sub is refused: $why", async ({ sub, kind, why: _, ...order }) => {
  const before = await enrolledIn(sub);
  const { status, body } = await enrol(sub, order);
  expect(status).toBe(409);
  expect(body["type"]).toBe(`https://courses.example/problems/${kind}`);
  expect(await enrolledIn(sub)).toEqual(before);
});

test("the last seat goes once, and the next session is offered instead", async () => {
  const courseId = "english-for-meetings";
  const sessionId = `${courseId}-2027-01-12`;
  expect(await seatsLeft(courseId)).toEqual([2, 8]);
  const answers = await Promise.all(
    ["alice", "carol", "dave"].map((sub) => enrol(sub, { courseId, sessionId })),
  );
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 409]);
  expect(await seatsLeft(courseId)).toEqual([0, 8]);
  const { body } = await courses().ask("get_course", { params: { courseId } });
  expect(body["nextStartOn"]).toBe("2027-09-07");
});

test.each([
  ["an unknown course", { courseId: "no-such-course" }, "/courseId"],
  [
    "a session of another course",
    { courseId: "api-design", sessionId: "sql-performance-2027-02-15" },
    "/sessionId",
  ],
  [
    "a session for a self-paced course",
    { courseId: "testing-strategies", sessionId: "x" },
    "/sessionId",
  ],
  ["no course", {}, "/courseId"],
  ["a number for a course", { courseId: 5 }, "/courseId"],
  ["null for a note", { courseId: "api-design", note: null }, "/note"],
  ["a note that is too long", { courseId: "api-design", note: "x".repeat(501) }, "/note"],
  ["an unknown member", { courseId: "api-design", "a/b": 1 }, "/a~1b"],
])("%s is refused with a pointer", async (_, order, pointer) => {
  const { status, body } = await enrol("dave", order);
  expect(status).toBe(422);
  expect(body["errors"]).toEqual([{ pointer, detail: expect.any(String) }]);
});

test("nobody enrols someone else", async () => {
  const body = { learnerId: "bob", courseId: "api-design" };
  const { status } = await courses().ask("enrol", { body });
  expect(status).toBe(403);
  expect(await enrolledIn("bob")).not.toContain("api-design");
});

test("a person without a record cannot enrol", async () => {
  expect((await enrol("erin", { courseId: "api-design" })).status).toBe(404);
});

test.each([
  { what: "broken JSON", body: '{"learnerId":', type: "application/json", status: 400 },
  { what: "an empty body", body: "", type: "application/json", status: 400 },
  { what: "a list", body: "[]", type: "application/json", status: 422 },
  { what: "null", body: "null", type: "application/json", status: 422 },
  { what: "a prototype", body: '{"__proto__":{}}', type: "application/json", status: 400 },
  { what: "text", body: "alice", type: "text/plain", status: 415 },
  {
    what: "a form",
    body: "learnerId=alice",
    type: "application/x-www-form-urlencoded",
    status: 415,
  },
  {
    what: "20 KiB",
    body: JSON.stringify("x".repeat(20_480)),
    type: "application/json",
    status: 413,
  },
])("a body of $what is answered with $status", async ({ body, type, status }) => {
  const answer = await courses().ask("enrol", { body, headers: { "content-type": type } });
  expect(answer.status).toBe(status);
});

test("no body at all is refused", async () => {
  expect((await courses().ask("enrol")).status).toBe(422);
});

test("the same key gets the same answer, once enrolled", async () => {
  const order = { courseId: "threat-modelling" };
  const first = await enrol("dave", order, "key-1");
  const again = await enrol("dave", order, "key-1");
  expect([first.status, again.status]).toEqual([201, 201]);
  expect(again.body).toEqual(first.body);
  expect((await enrolledIn("dave")).filter((id) => id === order.courseId)).toHaveLength(1);
});

test("a key belongs to one order of one learner", async () => {
  expect((await enrol("dave", { courseId: "responsible-ai" }, "key-2")).status).toBe(201);
  const other = await enrol("dave", { courseId: "agile-delivery" }, "key-2");
  expect([other.status, other.body["type"]]).toEqual([422, expect.stringMatching(/key-reused$/)]);
  const carols = await enrol("carol", { courseId: "agile-delivery" }, "key-2");
  expect(carols.body).toMatchObject({ learnerId: "carol", courseId: "agile-delivery" });
});

test("a refused order does not use up its key", async () => {
  const missing = await enrol("carol", { courseId: "no-such-course" }, "key-3");
  const second = await enrol("carol", { courseId: "facilitation" }, "key-3");
  expect([missing.status, second.status]).toEqual([422, 201]);
});

test("a key that is too long is refused as a parameter", async () => {
  const { status, body } = await enrol("carol", { courseId: "api-design" }, "k".repeat(129));
  expect(status).toBe(400);
  expect(body["errors"]).toEqual([{ parameter: "idempotency-key", detail: expect.any(String) }]);
});

const newCourse = {
  id: "new-course",
  title: "A new course",
  summary: "About something.",
  description: "More about it.",
  topics: ["data"],
  level: "advanced",
  language: "fr",
  hours: 3,
  provider: "Data Office",
  price: { amount: 10, currency: "EUR" },
  prerequisites: ["sql-fundamentals"],
  skills: [],
};

test.each([
  ["an id that is taken", { id: "api-design" }, 409],
  ["an unknown topic", { topics: ["cooking"] }, 422],
  ["an unknown prerequisite", { prerequisites: ["cooking"] }, 422],
  ["hours as text", { hours: "3" }, 422],
  ["an id in capitals", { id: "New" }, 422],
])("a course with %s is not added", async (_, change, status) => {
  const authorization = await courses().as("admin", "courses:admin");
  const answer = await courses().ask("create_course", {
    body: { ...newCourse, ...change },
    authorization,
  });
  expect(answer.status).toBe(status);
});

test("a course in use stays, one that nobody needs goes", async () => {
  const { ask, as } = courses();
  const authorization = await as("admin", "courses:admin");
  const remove = (courseId: string) =>
    ask("delete_course", { params: { courseId }, authorization });
  expect((await remove("threat-modelling")).status).toBe(409);
  expect((await remove("kubernetes-fundamentals")).status).toBe(409);
  expect((await remove("never-was")).status).toBe(404);
  const added = await ask("create_course", { body: newCourse, authorization });
  expect(added.headers.get("location")).toBe("/courses/new-course");
  expect(added.body).toMatchObject({ rating: null, delivery: "self-paced", nextStartOn: null });
  expect((await remove("new-course")).status).toBe(204);
});

test("every start begins with the same data", async () => {
  const { api, issuer } = courses();
  const { startCoursesApi } = await import("../../../examples/courses/server.ts");
  const fresh = await startCoursesApi({
    listen: { host: "127.0.0.1", port: 0 },
    tokens: { issuer: issuer.url, jwksUrl: issuer.jwksUrl, audience: "courses-api" },
  });
  try {
    expect(fresh.url).not.toBe(api.url);
    const authorization = `Bearer ${await issuer.token()}`;
    const response = await fetch(`${fresh.url}/learners/alice/enrolments`, {
      headers: { authorization },
    });
    expect(await response.json()).toMatchObject({
      items: [{ id: "enr-1001" }, { id: "enr-1002" }],
    });
  } finally {
    await fresh.close();
  }
});
