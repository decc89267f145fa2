import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { createPerson, type Person } from "../../examples/demo/person.ts";
import { house, type House } from "./house.ts";

afterEach(() => {
  vi.useRealTimers();
});

interface Session {
  readonly client: Client;
  /** Tries, and when that wants a login, hands in what the browser came back with and tries again. */
  readonly afterLogin: <T>(attempt: () => Promise<T>) => Promise<T>;
}

async function connect({ url }: House, person: Person, mode: "legacy" | "auto"): Promise<Session> {
  const client = new Client({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode } });
  const transport = (): StreamableHTTPClientTransport =>
    new StreamableHTTPClientTransport(new URL(url), { authProvider: person.provider });
  const afterLogin: Session["afterLogin"] = async (attempt) => {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      await transport().finishAuth(person.callback());
      return attempt();
    }
  };
  await afterLogin(() => client.connect(transport()));
  onTestFinished(() => client.close());
  return { client, afterLogin };
}

const search = { name: "search_courses", arguments: { q: "data", limit: 1 } };

test.each(["legacy", "auto"] as const)(
  "an OAuth client (%s) registers, logs in, steps up and refreshes",
  async (mode) => {
    const made = await house();
    const alice = createPerson("alice");
    const tokens = async () => {
      const now = await alice.provider.tokens();
      made.guard(now?.access_token);
      made.guard(now?.refresh_token);
      return now;
    };

    const { client, afterLogin } = await connect(made, alice, mode);
    const registered = await alice.provider.clientInformation();
    expect(registered?.client_id).toEqual(expect.any(String));
    expect(alice.logins()).toBe(1);
    const first = await tokens();
    expect(first?.scope?.split(" ")).not.toContain("courses:write");
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("enrol_in_course");

    const found = await client.callTool(search);
    expect(found.isError).toBeFalsy();
    expect(made.claims(made.seen.at(-1))).toMatchObject({
      iss: made.broker,
      aud: "courses-api",
      sub: "alice",
      act: { sub: "tollgate" },
    });

    // Listed though its scope is missing; the 403 tells the client what to ask for.
    const before = made.seen.length;
    const enrolled = await afterLogin(() =>
      client.callTool({
        name: "enrol_in_course",
        arguments: { body: { courseId: courseOf(found.structuredContent) } },
      }),
    );
    expect(enrolled.structuredContent).toMatchObject({ learnerId: "alice" });
    expect(alice.logins()).toBe(2);
    const second = await tokens();
    expect(second?.scope?.split(" ")).toEqual(
      expect.arrayContaining(["mcp:tools", "courses:write"]),
    );
    expect(made.seen.slice(before)).toMatchObject([{ method: "POST", path: "/enrolments" }]);

    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 6 * 60_000);
    const later = await client.callTool(search);
    expect(later.isError, JSON.stringify(later.content)).toBeFalsy();
    expect(alice.logins()).toBe(2);
    const third = await tokens();
    expect(third?.access_token).not.toBe(second?.access_token);
    expect(third?.scope).toBe(second?.scope);
    expect(await alice.provider.clientInformation()).toEqual(registered);
  },
);

test("each person's calls reach the API under that person's name", async () => {
  const made = await house();
  const [alice, bob] = [createPerson("alice"), createPerson("bob")];
  const as = { alice: await connect(made, alice, "auto"), bob: await connect(made, bob, "auto") };
  for (const [who, { client }] of Object.entries(as)) {
    const goals = await client.callTool({ name: "list_goals", arguments: {} });
    expect(goals.isError).toBeFalsy();
    expect(made.seen.at(-1)?.path).toContain(who);
    expect(made.claims(made.seen.at(-1))).toMatchObject({ sub: who });
  }
  for (const { provider } of [alice, bob]) made.guard((await provider.tokens())?.access_token);
});

function courseOf(page: unknown): string | undefined {
  return (page as { readonly items: readonly { readonly id: string }[] }).items[0]?.id;
}
