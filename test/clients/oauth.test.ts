import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { UnauthorizedError as UnauthorizedError1 } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { createPerson, type Person } from "../../examples/demo/person.ts";
import { house, type House } from "./house.ts";

afterEach(() => {
  vi.useRealTimers();
});

type Mode = "legacy" | "auto" | "sdk1";

interface Result {
  readonly content?: unknown;
  readonly structuredContent?: unknown;
  readonly isError?: unknown;
}

/** What these tests ask of a client of either SDK. */
interface Session {
  readonly client: {
    readonly callTool: (call: {
      readonly name: string;
      readonly arguments: Record<string, unknown>;
    }) => Promise<Result>;
    readonly listTools: () => Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  };
  /** Tries, and when that wants a login, hands in what the browser came back with and tries again. */
  readonly afterLogin: <T>(attempt: () => Promise<T>) => Promise<T>;
}

/** The SDK before, which speaks the 2025 era only. */
async function connect1({ url }: House, person: Person): Promise<Session> {
  const client = new Client1({ name: "test", version: "1.0.0" });
  // The two declare the same memory of a client in types of their own.
  const authProvider = person.provider as unknown as NonNullable<
    ConstructorParameters<typeof Transport1>[1]
  >["authProvider"];
  const transport = (): Transport1 =>
    new Transport1(new URL(url), authProvider === undefined ? {} : { authProvider });
  const afterLogin: Session["afterLogin"] = async (attempt) => {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UnauthorizedError1)) throw error;
      await transport().finishAuth(person.callback().get("code") ?? "");
      return attempt();
    }
  };
  await afterLogin(() => client.connect(transport() as Parameters<Client1["connect"]>[0]));
  onTestFinished(() => client.close());
  return {
    client: {
      callTool: async (call) => (await client.callTool(call)) as Result,
      listTools: async () => client.listTools(),
    },
    afterLogin,
  };
}

async function connect(made: House, person: Person, mode: Mode): Promise<Session> {
  if (mode === "sdk1") return connect1(made, person);
  const { url } = made;
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

test.each(["legacy", "auto", "sdk1"] as const)(
  "an OAuth client (%s) registers, logs in, steps up, refreshes and logs in anew",
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

    // With a refresh token the first SDK refreshes instead of asking for more scopes.
    if (mode === "sdk1" && first !== undefined) {
      const { refresh_token: _, ...rest } = first;
      await alice.provider.saveTokens(rest);
    }
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

    // Nothing that it keeps is good any more: it asks the person, and calls as before.
    if (third === undefined) throw new TypeError("no tokens");
    const ended = { ...third, access_token: "ended", refresh_token: "ended" };
    await alice.provider.saveTokens(ended);
    const anew = await afterLogin(() => client.callTool(search));
    expect(anew.isError).toBeFalsy();
    expect(alice.logins()).toBe(3);
    expect((await tokens())?.access_token).not.toBe(third.access_token);
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
