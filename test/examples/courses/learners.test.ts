import { expect, test } from "vitest";
import { world } from "./world.ts";

const courses = world();

const ownOnly = ["get_learner", "list_goals", "list_activity", "list_history", "list_enrolments"];

test.each(ownOnly)("%s answers the learner only", async (operation) => {
  const { ask, as } = courses();
  const params = { learnerId: "bob" };
  const own = await ask(operation, { params, authorization: await as("bob") });
  const others = await ask(operation, { params, authorization: await as("alice") });
  expect([own.status, others.status]).toEqual([200, 403]);
  expect(others.body["type"]).toMatch(/not-your-data$/);
});

test.each(ownOnly)("%s tells nobody whether another learner exists", async (operation) => {
  const [known, unknown] = await Promise.all(
    ["bob", "nobody"].map((learnerId) => courses().ask(operation, { params: { learnerId } })),
  );
  expect(unknown?.status).toBe(403);
  expect(unknown?.body).toEqual(known?.body);
});

test("a person without a record is not found", async () => {
  const authorization = await courses().as("erin");
  const answer = await courses().ask("get_learner", {
    params: { learnerId: "erin" },
    authorization,
  });
  expect(answer.status).toBe(404);
});

test.each(["alice", "bob", "carol", "dave"])("%s has enough for a recommendation", async (sub) => {
  const { ask, as } = courses();
  const wanted = { params: { learnerId: sub }, authorization: await as(sub) };
  for (const operation of ownOnly.filter((id) => id !== "get_learner")) {
    expect((await ask(operation, wanted)).body.items.length).toBeGreaterThan(0);
  }
  const goals = (await ask("list_goals", wanted)).body.items;
  const skills = goals.flatMap((goal) => goal["skills"] as readonly string[]);
  const found = await ask("search_courses", { query: `q=${encodeURIComponent(skills.join(" "))}` });
  expect(found.body["total"]).toBeGreaterThan(0);
});

test("activity starts at a day and is cut to a number, newest first", async () => {
  const ask = (query: string) =>
    courses().ask("list_activity", { params: { learnerId: "alice" }, query });
  const all = (await ask("")).body.items;
  const moments = all.map((entry) => String(entry["at"]));
  expect(moments).toEqual(moments.toSorted().toReversed());
  const since = (await ask("since=2026-11-19")).body.items;
  expect(since.length).toBe(all.filter((entry) => String(entry["at"]) > "2026-11-19").length);
  expect(since.length).toBeLessThan(all.length);
  expect((await ask("limit=2")).body.items).toEqual(all.slice(0, 2));
});

test.each([
  "since=yesterday",
  "since=2026-02-30",
  "limit=0",
  "limit=101",
  "limit=x",
  "until=2026-01-01",
])("activity refuses %s", async (query) => {
  const answer = await courses().ask("list_activity", { params: { learnerId: "alice" }, query });
  expect(answer.status).toBe(400);
  expect(answer.body["errors"]).toEqual([
    { parameter: query.split("=")[0], detail: expect.any(String) },
  ]);
});
