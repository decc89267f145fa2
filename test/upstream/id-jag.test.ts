import { describe, expect, test } from "vitest";

import { answerJson, startApi } from "../world/api.ts";
import { world, type World } from "../world/world.ts";
import {
  type Answer,
  type Asked,
  bearerParts,
  clientConfig,
  createRoom,
  createTestPorts,
  obtain,
  person,
  secretAuth,
  startServer,
} from "./credential-world.ts";

const jagType = "urn:ietf:params:oauth:token-type:id-jag";
const jwt = (claims: object): string =>
  ["{}", JSON.stringify(claims), "sig"]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".");

interface Two {
  /** Answers of the company's server and of the API's. */
  readonly company?: (asked: Asked) => Answer;
  readonly other?: (asked: Asked) => Answer;
}

async function start({ company, other }: Two = {}) {
  const at = await startServer((asked) =>
    other === undefined
      ? { body: { access_token: "inner", token_type: "Bearer", expires_in: 300 } }
      : other(asked),
  );
  const jag = (): string => jwt({ aud: at.origin, client_id: "at-tracker" });
  const corp = await startServer((asked) =>
    company === undefined
      ? { body: { access_token: jag(), issued_token_type: jagType, token_type: "N_A" } }
      : company(asked),
  );
  const clients = [
    clientConfig({ issuer: corp.origin }),
    clientConfig({
      name: "tracker",
      issuer: at.origin,
      id: "at-tracker",
      auth: secretAuth("client_secret_post", "secret-there"),
    }),
  ];
  const ports = createTestPorts();
  const credential = createRoom(
    clients,
    ports,
  )({
    kind: "idJag",
    client: "corp",
    at: "tracker",
    resource: ["https://api.tracker.test"],
    scope: ["issues:read"],
    subjectTokenType: "urn:ietf:params:oauth:token-type:access_token",
  });
  return { corp, at, credential, ports, jag };
}

test("the company's server is asked for an assertion, the API's for a token; each with its own client", async () => {
  const { corp, at, credential, jag } = await start();
  expect(await obtain(credential, person("alice-token"))).toEqual(bearerParts("inner"));
  expect(corp.asked.map(({ form }) => Object.fromEntries(form))).toEqual([
    {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: "alice-token",
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      requested_token_type: jagType,
      resource: "https://api.tracker.test",
      audience: at.origin,
      scope: "issues:read",
      client_id: "tollgate",
      client_secret: "s3cret-of-the-client",
    },
  ]);
  expect(at.asked.map(({ form }) => Object.fromEntries(form))).toEqual([
    {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: jag(),
      client_id: "at-tracker",
      client_secret: "secret-there",
    },
  ]);
});

test("50 calls at once ask each server once, and the token is kept per caller's token", async () => {
  const { corp, at, credential } = await start();
  await Promise.all(Array.from({ length: 50 }, () => obtain(credential, person("alice-token"))));
  await obtain(credential, person("alice-token"));
  expect([corp.asked.length, at.asked.length]).toEqual([1, 1]);
  await obtain(credential, person("another-token"));
  expect([corp.asked.length, at.asked.length]).toEqual([2, 2]);
});

const good = { issued_token_type: jagType, token_type: "N_A" };

test.each([
  [
    "an access token in its place",
    {
      access_token: "x",
      token_type: "Bearer",
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
    },
    "wrong_issued_token_type",
  ],
  [
    "one for another server",
    { ...good, access_token: jwt({ aud: "https://attacker.test" }) },
    "wrong_audience",
  ],
  ["the caller's own token", { ...good, access_token: "alice-token" }, "exchange_echo"],
  [
    "a wider scope",
    { ...good, access_token: "x.y.z", scope: "issues:read admin" },
    "scope_widened",
  ],
])("an answer with %s goes nowhere", async (_what, body, code) => {
  const { at, credential, ports } = await start({ company: () => ({ body }) });
  await expect(obtain(credential, person("alice-token"))).rejects.toMatchObject({
    code: "gateway_misconfigured",
  });
  expect(at.asked).toEqual([]);
  expect(ports.lines.map(({ fields }) => fields?.["code"])).toEqual([code]);
});

describe("what each server refuses", () => {
  test("invalid_grant of the company's server is about the caller's login", async () => {
    const { credential } = await start({
      company: () => ({ status: 400, body: { error: "invalid_grant" } }),
    });
    await expect(obtain(credential, person("alice-token"))).rejects.toMatchObject({
      name: "AuthError",
      code: "invalid_token",
    });
  });

  test("of the API's server it is not: no login would help", async () => {
    const { at, credential, ports } = await start({
      other: () => ({ status: 400, body: { error: "invalid_grant", error_description: "LEAK" } }),
    });
    for (let i = 0; i < 2; i++)
      await expect(obtain(credential, person("alice-token"))).rejects.toMatchObject({
        name: "CallError",
        code: "credential_unavailable",
        message: expect.not.stringContaining("LEAK"),
      });
    expect(at.asked).toHaveLength(1);
    expect(ports.lines.map(({ fields }) => fields?.["code"])).toEqual(["assertion_refused"]);
  });

  test("an assertion in the place of an access token is not sent to the API", async () => {
    const { credential } = await start({
      other: () => ({ body: { access_token: "inner", token_type: "N_A", expires_in: 300 } }),
    });
    await expect(obtain(credential, person("alice-token"))).rejects.toMatchObject({
      code: "gateway_misconfigured",
    });
  });

  test.each([
    ["the assertion itself", (form: URLSearchParams) => form.get("assertion"), {}, "exchange_echo"],
    ["the caller's token", () => "alice-token", {}, "exchange_echo"],
    ["a wider scope", () => "inner", { scope: "issues:read admin" }, "scope_widened"],
  ])("%s in the last answer is not sent to the API", async (_what, tokenIn, more, code) => {
    const { credential, ports } = await start({
      other: ({ form }) => ({
        body: { access_token: tokenIn(form), token_type: "Bearer", expires_in: 300, ...more },
      }),
    });
    await expect(obtain(credential, person("alice-token"))).rejects.toMatchObject({
      code: "gateway_misconfigured",
    });
    expect(ports.lines.map(({ fields }) => fields?.["code"])).toEqual([code]);
  });

  test("503 of either is a wait", async () => {
    for (const two of [
      { company: () => ({ status: 503, body: {} }) },
      { other: () => ({ status: 503, body: {} }) },
    ]) {
      const { credential } = await start(two);
      await expect(obtain(credential, person("alice-token"))).rejects.toMatchObject({
        code: "temporarily_unavailable",
      });
    }
  });
});

describe("through a gateway", () => {
  const spec = { paths: { "/issues": { get: { operationId: "list_issues" } } } };
  const startGateway = async (top: string): Promise<World> => {
    const tracker = await startApi();
    tracker.answer = (_, response) =>
      answerJson(response, { access_token: "inner", token_type: "Bearer", expires_in: 300 });
    const at = await world({
      spec,
      clients: `tracker: {issuer: "${tracker.url}", tokenUrl: "${tracker.url}/token", id: at-tracker, secret: "\${CLIENT_SECRET}"}`,
      credential: "idJag: {client: gateway, at: tracker, scope: ['issues:read']}",
      extra: { top },
    });
    at.idp.exchange = (form) => ({
      status: 200,
      body: { ...good, access_token: jwt({ aud: form.get("audience") }) },
    });
    return at;
  };

  test("the API gets the token of its own server", async () => {
    const at = await startGateway("experimental: [id-jag]");
    await at.call("list_issues");
    expect(at.api.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer inner"]);
  });

  test("only when gateway.yaml says that it knows what is experimental", async () => {
    await expect(startGateway("")).rejects.toMatchObject({
      issues: [expect.objectContaining({ code: "experimental" })],
    });
  });
});
