import { expect, test } from "vitest";
import { courses as all, topics } from "../../../examples/courses/catalog.ts";
import { learners } from "../../../examples/courses/learners.ts";
import { world } from "./world.ts";

const courses = world();
const byId = new Map(all.map((course) => [course.id, course]));

test("the catalogue has at least sixty courses with ids and titles of their own", () => {
  expect(all.length).toBeGreaterThanOrEqual(60);
  expect(byId.size).toBe(all.length);
  expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
});

test.each(all)("$id names only topics and courses that exist, and sessions of 2027", (course) => {
  const known = new Set(topics.map(({ id }) => id));
  expect(course.topics.filter((id) => !known.has(id))).toEqual([]);
  expect(course.prerequisites.filter((id) => !byId.has(id))).toEqual([]);
  const starts = course.sessions.map(({ startsOn }) => startsOn);
  expect(starts).toEqual([...new Set(starts)].toSorted());
  for (const { startsOn, endsOn, seats, taken } of course.sessions) {
    expect(startsOn).toMatch(/^2027-/);
    expect(endsOn >= startsOn && endsOn < "2028").toBe(true);
    expect(taken <= seats).toBe(true);
  }
});

test("no course is, over any number of steps, its own prerequisite", () => {
  const open = new Map(all.map(({ id, prerequisites }) => [id, prerequisites]));
  for (let before = -1; before !== open.size;) {
    before = open.size;
    for (const [id, needed] of open) if (!needed.some((other) => open.has(other))) open.delete(id);
  }
  expect([...open.keys()]).toEqual([]);
});

test.each([...learners.values()])(
  "what is kept about $profile.name fits the catalogue",
  (record) => {
    const { activity, history, enrolments, goals } = record;
    const named = [...activity, ...history, ...enrolments].flatMap((entry) =>
      "courseId" in entry ? [entry.courseId] : [],
    );
    expect(named.filter((id) => !byId.has(id))).toEqual([]);
    const taught = new Set(all.flatMap(({ skills }) => skills));
    expect(goals.flatMap(({ skills }) => skills).filter((skill) => !taught.has(skill))).toEqual([]);
    for (const { courseId, startsOn } of enrolments) {
      const starts = byId.get(courseId)?.sessions.map((session) => session.startsOn) ?? [];
      expect(startsOn === null ? starts.length === 0 : starts.includes(startsOn)).toBe(true);
    }
    for (const days of [history.map(({ on }) => on), activity.map(({ at }) => at)]) {
      expect(days).toEqual(days.toSorted().toReversed());
    }
  },
);

const idsOf = async (query: string): Promise<readonly unknown[]> =>
  (await courses().ask("search_courses", { query })).body.items.map(({ id }) => id);

test("pages put together are the whole catalogue, each course once", async () => {
  const ids: string[] = [];
  for (let offset: string | undefined = "0"; offset !== undefined;) {
    const { body } = await courses().ask("search_courses", { query: `limit=20&offset=${offset}` });
    expect(body["total"]).toBe(all.length);
    ids.push(...body.items.map(({ id }) => String(id)));
    offset = body["nextOffset"] === null ? undefined : String(Number(body["nextOffset"]));
  }
  expect(ids.toSorted()).toEqual([...byId.keys()].toSorted());
});

test("several topics mean any of them, one topic is a list too", async () => {
  const [ai, finance, both] = await Promise.all(
    ["topic=ai", "topic=finance", "topic=ai&topic=finance"].map((q) => idsOf(`${q}&limit=50`)),
  );
  const wanted = all.filter((course) =>
    course.topics.some((id) => id === "ai" || id === "finance"),
  );
  expect(both?.toSorted()).toEqual(wanted.map(({ id }) => id).toSorted());
  expect(new Set([...(ai ?? []), ...(finance ?? [])])).toEqual(new Set(both));
});

test("all filters must hold", async () => {
  const found = await courses().ask("search_courses", {
    query: "topic=software&level=beginner&language=en&maxHours=10&limit=50",
  });
  expect(found.body.items.length).toBeGreaterThan(0);
  for (const course of found.body.items) {
    expect(course).toMatchObject({ level: "beginner", language: "en" });
    expect(course["topics"]).toContain("software");
    expect(course["hours"]).toBeLessThanOrEqual(10);
  }
});

test.each([
  { query: "q=kubernetes", first: "kubernetes-fundamentals" },
  { query: "q=how+to+negotiate+contracts", first: "contracts-in-plain-words" },
  { query: "q=OAUTH%20tokens", first: "identity-and-access" },
  { query: "q=espa%C3%B1ol", first: "spanish-a1" },
  { query: "q=evaluating%20language%20models", first: "evaluating-language-models" },
])("$query finds $first first", async ({ query, first }) => {
  expect((await idsOf(query))[0]).toBe(first);
});

test("words that occur nowhere find nothing", async () => {
  const { body } = await courses().ask("search_courses", { query: "q=zzyzx" });
  expect(body).toMatchObject({ items: [], total: 0, nextOffset: null });
});

test.each([
  { sort: "hours", key: "hours", sign: 1 },
  { sort: "start", key: "nextStartOn", sign: 1 },
])("sort=$sort orders by $key", async ({ sort, key }) => {
  const { items } = (await courses().ask("search_courses", { query: `sort=${sort}&limit=50` }))
    .body;
  const values = items.map((course) => course[key] ?? "9999");
  const sorted = values.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
  expect(values).toEqual(sorted);
});

test("sort=rating puts the best first, sort=price the cheapest", async () => {
  const best = (await courses().ask("search_courses", { query: "sort=rating&limit=1" })).body.items;
  expect(best[0]).toMatchObject({ id: "incident-response" });
  const { items } = (await courses().ask("search_courses", { query: "sort=price&limit=50" })).body;
  const prices = items.map(({ price }) => (price as { amount: number }).amount);
  expect(prices).toEqual(prices.toSorted((a, b) => a - b));
});

test.each([
  ["limit=51", "limit"],
  ["limit=-1", "limit"],
  ["limit=1.5", "limit"],
  ["limit=1&limit=2", "limit"],
  ["offset=1e3", "offset"],
  ["level=expert", "level"],
  ["language=EN", "language"],
  ["maxHours=0", "maxHours"],
  ["sort=popular", "sort"],
  ["q=", "q"],
  [`q=${"x".repeat(201)}`, "q"],
  ["topic=Data+Science", "topic/0"],
  ["topic=ai&topic=ai", "topic"],
  ["page=2", "page"],
  ["__proto__=1", "__proto__"],
])("search refuses %s", async (query, parameter) => {
  const { status, body } = await courses().ask("search_courses", { query });
  expect(status).toBe(400);
  expect(body["errors"]).toEqual([{ parameter, detail: expect.any(String) }]);
});

test("the word 5 stays a word", async () => {
  expect((await courses().ask("search_courses", { query: "q=5" })).status).toBe(200);
});

test.each(["no-such-course", "../topics", "a%2Fb", "constructor", "x".repeat(96)])(
  "there is no course %j",
  async (courseId) => {
    for (const operation of ["get_course", "list_sessions"]) {
      expect((await courses().ask(operation, { params: { courseId } })).status).toBe(404);
    }
  },
);

test("an id longer than any is refused, not looked up", async () => {
  for (const length of [97, 101, 5000]) {
    const params = { courseId: "x".repeat(length) };
    expect((await courses().ask("get_course", { params })).status).toBe(400);
  }
});

test("topics count their courses", async () => {
  const { items } = (await courses().ask("list_topics")).body;
  expect(items).toContainEqual({
    id: "ai",
    title: "Artificial intelligence",
    courses: all.filter((course) => course.topics.includes("ai")).length,
  });
  expect(items.every((topic) => Number(topic["courses"]) >= 4)).toBe(true);
});

test("what the document does not name is not there, and its errors are problems too", async () => {
  const { api, seen } = courses();
  for (const [method, path, status] of [
    ["GET", "/health", 404],
    ["HEAD", "/courses", 404],
    ["PUT", "/courses/api-design", 404],
    ["GET", "/courses/%zz", 400],
  ] as const) {
    const response = await fetch(`${api.url}${path}`, { method });
    expect([path, response.status]).toEqual([path, status]);
    expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  }
  expect(seen.some(({ method, path }) => method === "PUT" && path === "/courses/api-design")).toBe(
    true,
  );
});
