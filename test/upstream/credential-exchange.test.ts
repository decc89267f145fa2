import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createCancellation } from "../../src/base/cancel.ts";
import {
  type Answer,
  type Asked,
  bearerParts,
  exchange,
  obtain,
  person,
  type CredentialWorld,
  credentialWorld,
} from "./credential-world.ts";

const issued = "urn:ietf:params:oauth:token-type:access_token";
let counter = 0;

function sorted(fields: string[][]): string[] {
  return fields.map((field) => field.join("=")).toSorted((a, b) => a.localeCompare(b));
}

/** `inner-1`, `inner-2`, … for an hour each. */
function good(over: Record<string, string | number | null> = {}): Answer {
  counter += 1;
  return {
    body: {
      access_token: `inner-${counter}`,
      issued_token_type: issued,
      token_type: "Bearer",
      expires_in: 3600,
      ...over,
    },
  };
}

async function world(
  answer: (asked: Asked) => Answer | Promise<Answer> = () => good(),
  config = exchange,
): Promise<CredentialWorld> {
  counter = 0;
  return credentialWorld(answer, config);
}

describe("the request", () => {
  test("is RFC 8693 with the targets of gateway.yaml, each audience and resource on its own", async () => {
    const { server, credential } = await world(undefined, {
      ...exchange,
      audience: ["courses-api", "other & api"],
      resource: ["https://courses.test/v1"],
      scope: ["courses:read", "courses:write"],
    });
    expect(await credential.get(person("outer"), undefined)).toEqual(bearerParts("inner-1"));
    expect(server.asked).toHaveLength(1);
    const [{ method, path, headers, form }] = server.asked as [Asked];
    expect([method, path]).toEqual(["POST", "/token"]);
    expect(headers["content-type"]).toMatch(/^application\/x-www-form-urlencoded/);
    expect(headers.accept).toBe("application/json");
    expect(sorted([...form])).toEqual(
      sorted([
        ["audience", "courses-api"],
        ["audience", "other & api"],
        ["client_id", "tollgate"],
        ["client_secret", "s3cret-of-the-client"],
        ["grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"],
        ["requested_token_type", issued],
        ["resource", "https://courses.test/v1"],
        ["scope", "courses:read courses:write"],
        ["subject_token", "outer"],
        ["subject_token_type", issued],
      ]),
    );
  });

  test("has no scope when none is configured, and then the server's default is accepted", async () => {
    const { server, credential } = await world(() => good({ scope: "everything" }), {
      ...exchange,
      scope: [],
    });
    await credential.get(person("outer"), undefined);
    expect(server.asked[0]?.form.has("scope")).toBe(false);
  });

  test("is not made without a caller's token: the gateway runs without login", async () => {
    const { server, credential } = await world();
    const anonymous = person("", { iss: "", token: undefined, tokenHash: "", expiresAt: Infinity });
    await expect(credential.get(anonymous, undefined)).rejects.toMatchObject({
      name: "CallError",
      code: "credential_unavailable",
      message: expect.stringContaining("without login"),
    });
    expect(server.asked).toHaveLength(0);
  });
});

describe("the kept token", () => {
  test("comes back at once, without a promise", async () => {
    const { server, credential } = await world();
    await credential.get(person("outer"), undefined);
    expect(credential.get(person("outer"), undefined)).toEqual(bearerParts("inner-1"));
    expect(server.asked).toHaveLength(1);
  });

  const soon = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;
  const jwt = (exp: number): string =>
    `${btoa('{"alg":"ES256"}')}.${Buffer.from(JSON.stringify({ exp })).toString("base64url")}.c2ln`;

  test.each([
    { name: "30 s less than expires_in", reply: { expires_in: 100 }, kept: 69_000, gone: 71_000 },
    { name: "expires_in as text", reply: { expires_in: "100" }, kept: 69_000, gone: 71_000 },
    { name: "at most 10 minutes", reply: {}, kept: 599_000, gone: 601_000 },
    {
      name: "60 s when nothing says how long",
      reply: { expires_in: null },
      kept: 59_000,
      gone: 61_000,
    },
    {
      name: "60 s when expires_in is unreadable",
      reply: { expires_in: "soon" },
      kept: 59_000,
      gone: 61_000,
    },
    {
      name: "30 s less than the exp of a JWT",
      reply: { expires_in: null, access_token: jwt(soon(200)) },
      kept: 165_000,
      gone: 175_000,
    },
    {
      name: "the earlier of exp and expires_in",
      reply: { expires_in: 500, access_token: jwt(soon(200)) },
      kept: 165_000,
      gone: 175_000,
    },
  ])("F38: lives for: $name", async ({ reply, kept, gone }) => {
    const { server, ports, credential } = await world(() => good(reply));
    await credential.get(person("outer"), undefined);
    ports.forward(kept);
    await credential.get(person("outer"), undefined);
    expect(server.asked).toHaveLength(1);
    ports.forward(gone - kept);
    await credential.get(person("outer"), undefined);
    expect(server.asked).toHaveLength(2);
  });

  test.each([0, -5, 30])("is none when expires_in is %d, but the call gets it", async (seconds) => {
    const { server, credential } = await world(() => good({ expires_in: seconds }));
    expect(await credential.get(person("outer"), undefined)).toEqual(bearerParts("inner-1"));
    expect(await credential.get(person("outer"), undefined)).toEqual(bearerParts("inner-2"));
    expect(server.asked).toHaveLength(2);
  });

  test("ends with the caller's own token (O09)", async () => {
    const { server, ports, credential } = await world();
    const alice = person("outer", { expiresAt: ports.now() + 40_000 });
    await credential.get(alice, undefined);
    ports.forward(39_999);
    await credential.get(alice, undefined);
    expect(server.asked).toHaveLength(1);
    ports.forward(1);
    await credential.get(alice, undefined);
    expect(server.asked).toHaveLength(2);
  });

  test("S74: is never shared: other token, other issuer, other API with the same audience, other scope", async () => {
    const { server, room } = await world();
    const courses = room(exchange);
    const got = [
      await courses.get(person("narrow"), undefined),
      await courses.get(person("broad"), undefined),
      await courses.get(person("elsewhere", { iss: "https://other.test" }), undefined),
      await room(exchange, "billing").get(person("narrow"), undefined),
      await room({ ...exchange, scope: ["a", "b"] }).get(person("narrow"), undefined),
      await room({ ...exchange, scope: ["a b"] }).get(person("narrow"), undefined),
      await room({ ...exchange, audience: ["courses", "-api"] }).get(person("narrow"), undefined),
      await room({ ...exchange, audience: [], resource: exchange.audience }).get(
        person("narrow"),
        undefined,
      ),
    ];
    expect(new Set(got.map((parts) => parts.headers[1])).size).toBe(got.length);
    expect(server.asked).toHaveLength(got.length);
  });

  test("of a reload that asks otherwise is not served: another subject token, a check more", async () => {
    const login = { idp: "company", accessToken: "of-the-login", expiresAt: undefined };
    const { server, room } = await credentialWorld(() => good(), exchange, {
      readLogin: () => Promise.resolve(login),
    });
    const alice = person("outer");
    for (const change of [{ verifyAudience: false }, {}, { subject: "login" }] as const)
      await obtain(room({ ...exchange, ...change }), alice);
    expect(server.asked.map(({ form }) => form.get("subject_token"))).toEqual([
      "outer",
      "outer",
      "of-the-login",
    ]);
  });

  test("is shared by scopes in another order, and survives a reload", async () => {
    const { server, room } = await world();
    await room({ ...exchange, scope: ["a", "b"] }).get(person("outer"), undefined);
    const again = room({ ...exchange, scope: ["b", "a"] }).get(person("outer"), undefined);
    expect(again).toEqual(bearerParts("inner-1"));
    expect(server.asked).toHaveLength(1);
  });

  test("of one token is never served for another, whatever the order of calls", async () => {
    const { credential, ports } = await world(({ form }) => ({
      body: {
        access_token: `for-${Buffer.from(form.get("subject_token") ?? "").toString("hex")}`,
        token_type: "Bearer",
        expires_in: 60,
      },
    }));
    const token = fc.oneof(
      fc.constantFrom("a", "A", "a.b", "a.b.c", "ab", "a.", ".a"),
      fc.string({ minLength: 1, maxLength: 12 }),
    );
    const step = fc.record({
      token,
      forward: fc.constantFrom(0, 0, 0, 31_000),
      refused: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const calls = steps.map(async ({ token: text, forward, refused }) => {
          ports.forward(forward);
          const own = `Bearer for-${Buffer.from(text).toString("hex")}`;
          const parts = await credential.get(person(text), undefined);
          expect(parts.headers[1]).toBe(own);
          if (refused) credential.invalidate(person(text), parts);
        });
        const results = await Promise.allSettled(calls);
        const wrong = results.filter(
          (result) =>
            result.status === "rejected" && result.reason?.code !== "upstream_unauthorized",
        );
        expect(wrong).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("at the same time", () => {
  test("50 callers make one request, and one that leaves does not end it (O05)", async () => {
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { server, credential } = await world(async () => {
      await gate;
      return good();
    });
    const leaving = createCancellation();
    const first = credential.get(person("outer"), leaving);
    const others = Array.from({ length: 49 }, () =>
      obtain(credential, person("outer"), createCancellation()),
    );
    leaving.cancel();
    await expect(first).rejects.toMatchObject({ name: "CallError", code: "cancelled" });
    release?.();
    expect(await Promise.all(others)).toEqual(
      Array.from({ length: 49 }, () => bearerParts("inner-1")),
    );
    expect(server.asked).toHaveLength(1);
    expect(credential.get(person("outer"), undefined)).toEqual(bearerParts("inner-1"));
  });

  test("callers who wait for one failing request all hear of it, and the log once", async () => {
    const { server, ports, credential } = await world(() => ({ status: 500, body: "sorry" }));
    const calls = Array.from({ length: 20 }, () => obtain(credential, person("outer")));
    const results = await Promise.allSettled(calls);
    expect(results.map((result) => result.status === "rejected" && result.reason.code)).toEqual(
      Array.from({ length: 20 }, () => "temporarily_unavailable"),
    );
    expect(server.asked).toHaveLength(1);
    expect(ports.lines).toHaveLength(1);
  });
});

describe("after the API answered 401", () => {
  test("one fresh token is fetched, however many calls were refused with the old one", async () => {
    const { server, credential } = await world();
    const alice = person("outer");
    const old = await credential.get(alice, undefined);
    const worthTrying = Array.from({ length: 5 }, () => credential.invalidate(alice, old));
    expect(worthTrying).toEqual([true, true, true, true, true]);
    const fresh = await Promise.all([
      credential.get(alice, undefined),
      credential.get(alice, undefined),
    ]);
    expect(fresh).toEqual([bearerParts("inner-2"), bearerParts("inner-2")]);
    expect(credential.invalidate(alice, old)).toBe(true);
    expect(credential.get(alice, undefined)).toEqual(bearerParts("inner-2"));
    expect(server.asked).toHaveLength(2);
  });

  test("a second refusal keeps this person's token away from this API for 30 s, and no one else's", async () => {
    const { server, ports, credential, room } = await world();
    const [alice, bob] = [person("outer"), person("bob's", { sub: "bob" })];
    expect(credential.invalidate(alice, await credential.get(alice, undefined))).toBe(true);
    expect(credential.invalidate(alice, await credential.get(alice, undefined))).toBe(false);
    await expect(credential.get(alice, undefined)).rejects.toMatchObject({
      code: "upstream_unauthorized",
    });
    expect(server.asked).toHaveLength(2);
    expect(await credential.get(bob, undefined)).toEqual(bearerParts("inner-3"));
    expect(await room(exchange, "billing").get(alice, undefined)).toEqual(bearerParts("inner-4"));
    ports.forward(30_000);
    expect(await credential.get(alice, undefined)).toEqual(bearerParts("inner-5"));
  });

  test("a token that served for longer than that is refused for the first time again", async () => {
    const { ports, credential } = await world();
    const alice = person("outer");
    credential.invalidate(alice, await credential.get(alice, undefined));
    const second = await credential.get(alice, undefined);
    ports.forward(30_001);
    expect(credential.invalidate(alice, second)).toBe(true);
  });
});
