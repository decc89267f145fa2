import { expect, test } from "vitest";
import { startCoursesApi } from "../../../examples/courses/server.ts";
import type { Claims, TokenHeader } from "./issuer.ts";
import { world } from "./world.ts";

const courses = world();
const past = Math.floor(Date.now() / 1000) - 60;

test.each<{ fault: string; claims?: Claims; header?: TokenHeader }>([
  { fault: "for another audience", claims: { aud: "orders-api" } },
  { fault: "for the gateway", claims: { aud: "http://localhost:3000/mcp" } },
  { fault: "for a second audience too", claims: { aud: ["courses-api", "orders-api"] } },
  { fault: "for an audience that only begins alike", claims: { aud: "courses-api/" } },
  { fault: "without an audience", claims: { aud: undefined } },
  { fault: "that has expired", claims: { exp: past } },
  { fault: "without an expiry", claims: { exp: undefined } },
  { fault: "from another issuer", claims: { iss: "https://elsewhere.example" } },
  { fault: "without a subject", claims: { sub: undefined } },
  { fault: "with an empty subject", claims: { sub: "" } },
  { fault: "that is an ID token", header: { typ: "JWT" } },
  { fault: "signed by someone else", header: { stranger: true } },
])("a token $fault is refused", async ({ claims, header }) => {
  const token = await courses().issuer.token(claims, header);
  const answer = await courses().ask("list_topics", { authorization: `Bearer ${token}` });
  expect(answer.status).toBe(401);
  expect(answer.body["type"]).toMatch(/invalid-token$/);
  expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
  expect(JSON.stringify(answer.body)).not.toContain(token);
});

test.each([null, "", "Basic YWxpY2U6eA==", "Bearer", "Bearer a b"])(
  "%j is no token at all, so the challenge names no error",
  async (authorization) => {
    const answer = await courses().ask("list_topics", { authorization });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="courses"');
  },
);

test.each(["Bearer not.a.token", "Bearer e30.e30.", "Bearer x"])(
  "%j is refused as a token",
  async (authorization) => {
    const answer = await courses().ask("list_topics", { authorization });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain("invalid_token");
  },
);

test("a token in the query is not read", async () => {
  const query = `access_token=${await courses().issuer.token()}`;
  const answer = await courses().ask("list_topics", { query, authorization: null });
  expect(answer.status).toBe(401);
});

test("an audience list of exactly this API is accepted, whatever the scheme's case", async () => {
  const token = await courses().issuer.token({ aud: ["courses-api"] });
  const answer = await courses().ask("list_topics", { authorization: `bEARER ${token}` });
  expect(answer.status).toBe(200);
});

const needs: Readonly<Record<string, string>> = {
  enrol: "courses:write",
  cancel_enrolment: "courses:write",
  create_course: "courses:admin",
  delete_course: "courses:admin",
};

test("every operation needs a token, and its own scope before anything else is looked at", async () => {
  const { ask, as, document } = courses();
  for (const operation of document.operations.keys()) {
    const scope = needs[operation] ?? "courses:read";
    const others = ["courses:read", "courses:write", "courses:admin"].filter((s) => s !== scope);
    const params = { courseId: "none", learnerId: "bob", enrolmentId: "none" };
    const none = await ask(operation, { params, authorization: null });
    const lacking = await ask(operation, {
      params,
      authorization: await as("alice", others.join(" ")),
    });
    expect([operation, none.status, lacking.status]).toEqual([operation, 401, 403]);
    expect(lacking.headers.get("www-authenticate")).toBe(
      `Bearer realm="courses", error="insufficient_scope", scope="${scope}"`,
    );
    expect(document.at(`${document.operations.get(operation)?.pointer}/security`)).toEqual(
      scope === "courses:read" ? undefined : [{ accessToken: [scope] }],
    );
  }
});

test("a token without any scope may do nothing", async () => {
  const authorization = `Bearer ${await courses().issuer.token({ scope: undefined })}`;
  expect((await courses().ask("list_topics", { authorization })).status).toBe(403);
});

test("keys that cannot be fetched are this side's fault, not the token's", async () => {
  const { issuer } = courses();
  const api = await startCoursesApi({
    listen: { host: "127.0.0.1", port: 0 },
    tokens: {
      issuer: issuer.url,
      jwksUrl: "http://127.0.0.1:1/jwks.json",
      audience: "courses-api",
    },
  });
  try {
    const authorization = `Bearer ${await issuer.token()}`;
    const response = await fetch(`${api.url}/topics`, { headers: { authorization } });
    expect(response.status).toBe(503);
    expect(response.headers.get("www-authenticate")).toBeNull();
    expect(await response.json()).toMatchObject({ status: 503 });
  } finally {
    await api.close();
  }
});
