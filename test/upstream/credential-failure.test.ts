import { createServer } from "node:net";
import { inspect } from "node:util";

import { afterEach, describe, expect, test, vi } from "vitest";

import type { Principal } from "../../src/base/principal.ts";
import type { Credential } from "../../src/upstream/credential/credential-parts.ts";
import {
  type Answer,
  type Asked,
  bearerParts,
  clientConfig,
  createRoom,
  createTestPorts,
  exchange,
  person,
  startServer,
  credentialWorld,
} from "./credential-world.ts";

afterEach(() => {
  vi.useRealTimers();
});

const token = (over: Record<string, unknown> = {}): Answer => ({
  body: JSON.stringify({ access_token: "inner", token_type: "Bearer", expires_in: 60, ...over }),
});

const refusal = (error: string, status = 400): Answer => ({
  status,
  body: { error, error_description: "LEAK: text of the login service" },
});

async function failure(credential: Credential, principal: Principal): Promise<unknown> {
  return Promise.resolve(credential.get(principal, undefined)).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("an answer that is not to be believed (O02, O03, H10)", () => {
  test.each([
    ["the subject token itself", { access_token: "outer" }, "exchange_echo"],
    [
      "another kind of token",
      { issued_token_type: "urn:ietf:params:oauth:token-type:id_token" },
      "wrong_issued_token_type",
    ],
    ["a kind that is no text", { issued_token_type: 7 }, "malformed_reply"],
    ["token_type mac", { token_type: "mac" }, "wrong_token_type"],
    ["token_type DPoP without a proof", { token_type: "DPoP" }, "wrong_token_type"],
    ["no token_type", { token_type: undefined }, "wrong_token_type"],
    ["a wider scope", { scope: "courses:read courses:write" }, "scope_widened"],
    ["a token that would start a header", { access_token: "a\r\nx-admin: 1" }, "unsafe_token"],
    ["a token with a space", { access_token: "a b" }, "unsafe_token"],
    ["no token", { access_token: undefined }, "malformed_reply"],
    ["an empty token", { access_token: "" }, "malformed_reply"],
    ["a token that is a list", { access_token: ["inner"] }, "malformed_reply"],
  ])("%s is refused and not kept", async (_name, over, code) => {
    const { server, ports, credential } = await credentialWorld(() => token(over));
    const error = await failure(credential, person("outer"));
    expect(error).toMatchObject({
      name: "CallError",
      code: code === "malformed_reply" ? "temporarily_unavailable" : "gateway_misconfigured",
    });
    expect(ports.lines.map(({ fields }) => fields?.["code"])).toEqual([code]);
    await failure(credential, person("outer"));
    expect(server.asked).toHaveLength(2);
  });

  test.each([
    ["without issued_token_type", {}],
    ["with null for it", { issued_token_type: null }],
    ["with token_type N_A", { token_type: "N_A" }],
    ["with bearer in lower case", { token_type: "bearer" }],
    ["with a narrower scope", { scope: "" }],
    ["with an ID token beside it", { id_token: "not.checked.here" }],
  ])("a token %s is accepted", async (_name, over) => {
    const { credential } = await credentialWorld(() => token(over));
    expect(await credential.get(person("outer"), undefined)).toEqual(bearerParts("inner"));
  });
});

describe("a refusal", () => {
  test.each([
    { error: "invalid_scope", code: "gateway_misconfigured", kept: true },
    { error: "invalid_target", code: "gateway_misconfigured", kept: true },
    { error: "unauthorized_client", code: "gateway_misconfigured", kept: true },
    { error: "access_denied", code: "not_permitted", kept: true },
    { error: "invalid_client", code: "gateway_misconfigured", kept: false },
    { error: "invalid_request", code: "gateway_misconfigured", kept: false },
    { error: "interaction_required", code: "credential_unavailable", kept: false },
    { error: "temporarily_unavailable", code: "temporarily_unavailable", kept: false },
    { error: "LEAK_of_its_own", code: "gateway_misconfigured", kept: false },
  ])("$error becomes $code; kept for 5 s: $kept (O06)", async ({ error, code, kept }) => {
    const { server, ports, credential } = await credentialWorld(() => refusal(error));
    for (let i = 0; i < 3; i++) {
      expect(await failure(credential, person("outer"))).toMatchObject({ name: "CallError", code });
      ports.forward(1_600);
    }
    expect(server.asked).toHaveLength(kept ? 1 : 3);
    ports.forward(300);
    await failure(credential, person("outer"));
    expect(server.asked).toHaveLength(kept ? 2 : 4);
  });

  test("with status 401 is about the client even without a body", async () => {
    const { ports, credential } = await credentialWorld(() => ({ status: 401, body: "" }));
    await failure(credential, person("outer"));
    expect(ports.lines[0]?.fields).toMatchObject({ code: "invalid_client", client: "corp" });
  });

  test("of one token is not kept for another", async () => {
    const { credential } = await credentialWorld(({ form }) =>
      form.get("subject_token") === "dead" ? refusal("invalid_target") : token(),
    );
    await failure(credential, person("dead"));
    expect(await credential.get(person("alive"), undefined)).toEqual(bearerParts("inner"));
  });
});

describe("invalid_grant (O07)", () => {
  test("sends a person to log in again once; if that does not help it is a tool error", async () => {
    const { server, ports, credential } = await credentialWorld(() => refusal("invalid_grant"));
    const first = await Promise.all([
      failure(credential, person("dead")),
      failure(credential, person("dead")),
    ]);
    for (const error of first)
      expect(error).toMatchObject({ name: "AuthError", code: "invalid_token", status: 401 });
    const refused = { name: "CallError", code: "credential_unavailable" };
    expect(await failure(credential, person("dead"))).toMatchObject(refused);
    ports.forward(5_000);
    expect(await failure(credential, person("dead"))).toMatchObject(refused);
    expect(server.asked).toHaveLength(2);
    expect(await failure(credential, person("new login"))).toMatchObject(refused);
    expect(await failure(credential, person("bob's", { sub: "bob" }))).toMatchObject({
      name: "AuthError",
    });
  });

  test("may send the same person again after an exchange that worked", async () => {
    const { credential } = await credentialWorld(({ form }) =>
      form.get("subject_token")?.startsWith("dead") ? refusal("invalid_grant") : token(),
    );
    expect(await failure(credential, person("dead 1"))).toMatchObject({ name: "AuthError" });
    await credential.get(person("alive"), undefined);
    expect(await failure(credential, person("dead 2"))).toMatchObject({ name: "AuthError" });
  });

  test("of many people does not open the circuit", async () => {
    const { server, credential } = await credentialWorld(({ form }) =>
      form.get("subject_token")?.startsWith("dead") ? refusal("invalid_grant") : token(),
    );
    for (let i = 0; i < 8; i++) await failure(credential, person(`dead ${i}`, { sub: `p${i}` }));
    expect(await credential.get(person("alive"), undefined)).toEqual(bearerParts("inner"));
    expect(server.asked).toHaveLength(9);
  });
});

test("what a login service thinks of one person closes it to nobody else", async () => {
  const { server, ports, credential } = await credentialWorld(({ form }) =>
    form.get("subject_token") === "mallory"
      ? { status: 403, body: { error: "mfa_required_LEAK" } }
      : token(),
  );
  for (let i = 0; i < 6; i++)
    expect(await failure(credential, person("mallory", { sub: "mallory" }))).toMatchObject({
      code: "gateway_misconfigured",
      message: expect.not.stringContaining("LEAK"),
    });
  expect(await credential.get(person("alice"), undefined)).toEqual(bearerParts("inner"));
  expect(server.asked).toHaveLength(7);
  expect(new Set(ports.lines.map(({ fields }) => fields?.["code"]))).toEqual(
    new Set(["unknown_error"]),
  );
});

describe("a login service in trouble", () => {
  test.each([
    ["500", { status: 500, body: "<h1>LEAK</h1>" }, "server_error"],
    ["500 with an OAuth error", refusal("invalid_grant", 500), "server_error"],
    ["429", { status: 429, body: "" }, "rate_limited"],
    ["HTML instead of JSON", { body: "<html>LEAK</html>" }, "malformed_reply"],
    ["a JSON list", { body: "[1]" }, "malformed_reply"],
    ["more than 64 KiB", { body: `{"access_token":"${"a".repeat(66_000)}"}` }, "reply_too_large"],
    ["404", { status: 404, body: "" }, "unexpected_status"],
    ["204", { status: 204 }, "unexpected_status"],
  ])("%s is never kept", async (_name, answer, code) => {
    const { server, ports, credential } = await credentialWorld(() => answer);
    await failure(credential, person("outer"));
    await failure(credential, person("outer"));
    expect(server.asked).toHaveLength(2);
    expect(ports.lines.map(({ fields }) => fields?.["code"])).toEqual([code, code]);
  });

  test.each([307, 308, 302])("a redirect (%d) is not followed (O11)", async (status) => {
    const thief = await startServer(() => token());
    const { credential } = await credentialWorld(() => ({
      status,
      headers: { location: `${thief.origin}/token` },
      body: "",
    }));
    expect(await failure(credential, person("outer"))).toMatchObject({
      code: "gateway_misconfigured",
    });
    expect(thief.asked).toHaveLength(0);
  });

  test("Retry-After is obeyed and told", async () => {
    const answers: Answer[] = [{ status: 429, headers: { "retry-after": "7" }, body: "" }, token()];
    const { server, ports, credential } = await credentialWorld(() => answers.shift() ?? token());
    const waits = { code: "temporarily_unavailable", retryAfterMs: 7_000 };
    expect(await failure(credential, person("outer"))).toMatchObject(waits);
    expect(await failure(credential, person("other"))).toMatchObject({
      ...waits,
      message: expect.stringContaining("in 7 s"),
    });
    expect(server.asked).toHaveLength(1);
    ports.forward(7_000);
    expect(await credential.get(person("outer"), undefined)).toEqual(bearerParts("inner"));
  });

  test("Retry-After of a day holds for a minute", async () => {
    const answers: Answer[] = [{ status: 503, headers: { "retry-after": "86400" }, body: "" }];
    const { ports, credential } = await credentialWorld(() => answers.shift() ?? token());
    await failure(credential, person("outer"));
    ports.forward(60_000);
    expect(await credential.get(person("outer"), undefined)).toEqual(bearerParts("inner"));
  });

  test("five failures in a row open the circuit for 10 s, then one caller probes", async () => {
    let healthy = false;
    const { server, ports, credential } = await credentialWorld(() =>
      healthy ? token() : { status: 500, body: "" },
    );
    for (let i = 0; i < 7; i++) await failure(credential, person(`outer ${i}`));
    expect(server.asked).toHaveLength(5);
    expect(await failure(credential, person("outer"))).toMatchObject({
      code: "temporarily_unavailable",
      retryAfterMs: 10_000,
    });
    ports.forward(10_000);
    await Promise.all([1, 2, 3].map((i) => failure(credential, person(`probe ${i}`))));
    expect(server.asked).toHaveLength(6);
    healthy = true;
    ports.forward(10_000);
    await credential.get(person("outer"), undefined);
    await credential.get(person("other"), undefined);
    expect(server.asked).toHaveLength(8);
  });

  test("silence ends after 5 s", async () => {
    const { server, ports, credential } = await credentialWorld(() => ({}));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const failed = failure(credential, person("outer"));
    await vi.waitUntil(() => server.asked.length === 1, { interval: 5 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await failed).toMatchObject({ code: "temporarily_unavailable" });
    expect(ports.lines[0]?.fields).toMatchObject({ code: "timeout" });
  });

  test("a peer that does not speak TLS gets no byte of the request", async () => {
    const heard: string[] = [];
    const plain = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        heard.push(bytes.toString("latin1"));
        socket.end("HTTP/1.1 200 OK\r\n\r\n");
      });
    });
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const address = plain.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const ports = createTestPorts();
    const client = clientConfig({ issuer: `https://127.0.0.1:${port}` });
    const credential = createRoom([client], ports)(exchange);
    expect(await failure(credential, person("outer"))).toMatchObject({
      code: "temporarily_unavailable",
    });
    expect(heard.join("")).not.toContain("outer");
    plain.close();
  });

  test("a closed port is named by its error code in the log only", async () => {
    const { server, ports, credential } = await credentialWorld(() => token());
    await server.close();
    const error = await failure(credential, person("outer"));
    expect(error).toMatchObject({ code: "temporarily_unavailable" });
    expect(String(error)).not.toContain("127.0.0.1");
    expect(ports.lines[0]?.fields).toEqual({
      api: "courses",
      client: "corp",
      code: "unreachable",
      system: "ECONNREFUSED",
    });
  });

  test("plain http off loopback is refused before anything is sent", async () => {
    const ports = createTestPorts();
    const sent: unknown[] = [];
    const client = clientConfig({ issuer: "http://sso.acme.test" });
    const credential = createRoom([client], ports, {
      fetch: (input) => {
        sent.push(input);
        return Promise.reject(new TypeError("no network"));
      },
    })(exchange);
    expect(await failure(credential, person("outer"))).toMatchObject({
      code: "gateway_misconfigured",
    });
    expect(sent).toEqual([]);
  });
});

test("no secret and no word of the login service reaches an error or the log (O10)", async () => {
  const echo = (asked: Asked): string => `LEAK ${asked.body} ${asked.headers.authorization}`;
  const answers: ((asked: Asked) => Answer)[] = [
    (asked) => ({ status: 400, body: { error: "invalid_grant", error_description: echo(asked) } }),
    (asked) => ({ status: 400, body: { error: echo(asked) } }),
    (asked) => ({ status: 500, body: echo(asked) }),
    (asked) => ({ status: 200, body: echo(asked) }),
    (asked) => ({
      status: 401,
      headers: { "www-authenticate": 'Basic realm="LEAK"' },
      body: echo(asked),
    }),
    () => token({ access_token: "inner-LEAK outer" }),
    () => token({ access_token: "outer-sentinel" }),
    () => token({ scope: "LEAK" }),
  ];
  for (const answer of answers) {
    const { ports, credential } = await credentialWorld(answer);
    const error = await failure(credential, person("outer-sentinel"));
    expect(error).toBeInstanceOf(Error);
    const seen = inspect([error, ports.lines], { depth: 10, showHidden: true });
    for (const secret of ["LEAK", "outer", "inner", "s3cret"]) expect(seen).not.toContain(secret);
  }
});
