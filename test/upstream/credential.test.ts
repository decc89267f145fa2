import { describe, expect, test } from "vitest";

import { Secret } from "../../src/base/secret.ts";
import type { CredentialConfig } from "../../src/config/types/credential.ts";
import {
  type Answer,
  bearerParts,
  clientConfig,
  createRoom,
  createTestPorts,
  exchange,
  obtain,
  person,
  startServer,
} from "./credential-world.ts";

const bare = createRoom([], createTestPorts());
const alice = person("outer");
const nothing = { headers: [], query: "", cookie: "" };

test("none adds nothing, and there is nothing fresher to try", () => {
  const credential = bare({ kind: "none" });
  const parts = credential.get(alice, undefined);
  expect(parts).toEqual(nothing);
  expect(credential.invalidate(alice, nothing)).toBe(false);
});

describe("static", () => {
  const make = (
    where: "header" | "query" | "cookie",
    name: string,
    value: string,
  ): CredentialConfig => ({
    kind: "static",
    in: where,
    name,
    value: new Secret(value),
  });

  test.each([
    [make("header", "X-Api-Key", "k 1"), { ...nothing, headers: ["x-api-key", "k 1"] }],
    [
      make("header", "Authorization", "Basic YTpi"),
      { ...nothing, headers: ["authorization", "Basic YTpi"] },
    ],
    [make("query", "api key", "a&b=c#é"), { ...nothing, query: "api%20key=a%26b%3Dc%23%C3%A9" }],
    [make("cookie", "sid", "a=b/c"), { ...nothing, cookie: "sid=a=b/c" }],
  ])("is the same parts for everyone: %#", (config, parts) => {
    const credential = bare(config);
    expect(credential.get(alice, undefined)).toEqual(parts);
    expect(credential.get(person("other"), undefined)).toBe(credential.get(alice, undefined));
    expect(credential.invalidate(alice, nothing)).toBe(false);
  });

  test.each([
    make("header", "x-key", ""),
    make("header", "x-key", "sesame\r\nx-admin: 1"),
    make("header", "x-key", "sesame 日本"),
    make("header", "x key", "sesame"),
    make("query", "", "sesame"),
    make("query", "k", "sesame\u0000"),
    make("query", "k", "sesame\ud800"),
    make("cookie", "sid", "sesame; admin=1"),
    make("cookie", "sid", "sesame\n"),
    make("cookie", "s;d", "sesame"),
  ])("is refused at load when it cannot be sent, and not shown: %#", (config) => {
    let error: unknown;
    try {
      bare(config);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ name: "ConfigError", issues: [{ code: "invalid_credential" }] });
    expect(String(error)).not.toContain("sesame");
  });
});

test("a client that does not exist is found at load", () => {
  expect(() => bare(exchange)).toThrow(
    expect.objectContaining({ issues: [expect.objectContaining({ code: "unknown_client" })] }),
  );
});

describe("clientCredentials", () => {
  const config: CredentialConfig = {
    kind: "clientCredentials",
    client: "corp",
    audience: ["billing"],
    resource: ["https://billing.test"],
    scope: ["a", "b"],
  };

  async function world(answer?: () => Answer) {
    let counter = 0;
    const server = await startServer(
      answer ??
        (() => {
          counter += 1;
          return {
            body: { access_token: `own-${counter}`, token_type: "Bearer", expires_in: 130 },
          };
        }),
    );
    const ports = createTestPorts();
    return { server, ports, room: createRoom([clientConfig({ issuer: server.origin })], ports) };
  }

  test("sends the grant with its targets and no word about the caller", async () => {
    const { server, room } = await world();
    expect(await room(config).get(alice, undefined)).toEqual(bearerParts("own-1"));
    const asked = server.asked[0];
    expect(Object.fromEntries(asked?.form ?? [])).toEqual({
      grant_type: "client_credentials",
      audience: "billing",
      resource: "https://billing.test",
      scope: "a b",
      client_id: "tollgate",
      client_secret: "s3cret-of-the-client",
    });
    expect(asked?.body).not.toContain("outer");
  });

  test("is one token for all callers and for APIs that ask for the same, but for no others", async () => {
    const { server, room } = await world();
    const anonymous = person("", { token: undefined, tokenHash: "" });
    const first = room(config);
    await Promise.all(Array.from({ length: 50 }, () => obtain(first, alice)));
    expect(first.get(anonymous, undefined)).toEqual(bearerParts("own-1"));
    expect(room(config, "other").get(alice, undefined)).toEqual(bearerParts("own-1"));
    expect(server.asked).toHaveLength(1);
    expect(await room({ ...config, scope: ["a"] }).get(alice, undefined)).toEqual(
      bearerParts("own-2"),
    );
    expect(await room({ ...config, audience: [] }).get(alice, undefined)).toEqual(
      bearerParts("own-3"),
    );
  });

  test("is fetched anew before it ends, while the old one serves", async () => {
    const { server, ports, room } = await world();
    const credential = room(config);
    await credential.get(alice, undefined);
    ports.forward(79_000);
    expect(credential.get(alice, undefined)).toEqual(bearerParts("own-1"));
    expect(server.asked).toHaveLength(1);
    ports.forward(2_000);
    expect(credential.get(alice, undefined)).toEqual(bearerParts("own-1"));
    expect(credential.get(alice, undefined)).toEqual(bearerParts("own-1"));
    await expect
      .poll(() => credential.get(alice, undefined), { interval: 5 })
      .toEqual(bearerParts("own-2"));
    expect(server.asked).toHaveLength(2);
  });

  test("outlives a failed refresh until it ends", async () => {
    const answers: Answer[] = [
      { body: { access_token: "own", token_type: "Bearer", expires_in: 130 } },
    ];
    const { ports, room } = await world(() => answers.shift() ?? { status: 500, body: "" });
    const credential = room(config);
    await credential.get(alice, undefined);
    ports.forward(90_000);
    expect(credential.get(alice, undefined)).toEqual(bearerParts("own"));
    await expect.poll(() => ports.lines.length, { interval: 5 }).toBe(1);
    expect(credential.get(alice, undefined)).toEqual(bearerParts("own"));
    ports.forward(10_000);
    await expect(credential.get(alice, undefined)).rejects.toMatchObject({
      code: "temporarily_unavailable",
    });
  });

  test("is kept away only from the API that refused it twice", async () => {
    const { room } = await world();
    const [courses, billing] = [room(config), room(config, "billing")];
    expect(courses.invalidate(alice, await courses.get(alice, undefined))).toBe(true);
    expect(courses.invalidate(alice, await courses.get(alice, undefined))).toBe(false);
    await expect(courses.get(alice, undefined)).rejects.toMatchObject({
      code: "upstream_unauthorized",
    });
    expect(await billing.get(alice, undefined)).toEqual(bearerParts("own-3"));
  });
});
