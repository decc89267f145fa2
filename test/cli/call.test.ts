import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { answerJson, type ApiRequest } from "../world/api.ts";
import { site } from "./site.ts";

interface Shown {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const varied = {
  orderId: "a/b ü?#",
  expand: ["x,y", "z&1"],
  filter: { "from[]": "1+1", to: "=" },
  "X-Reason": "because",
  flavour: "chocolate chip",
  body: { sku: "ß\u2028", count: 2, note: 'say "hi"' },
};

/** Of the connection and not of the request: what HTTP/1.1 itself adds. */
const framing = new Set(["host", "connection", "content-length"]);

/** What arrived, in the form of a dry run. */
function describeRequest(origin: string, seen: ApiRequest): Shown {
  const headers: Record<string, string> = {};
  for (let i = 0; i < seen.rawHeaders.length; i += 2) {
    const [name = "", value = ""] = seen.rawHeaders.slice(i, i + 2);
    if (framing.has(name.toLowerCase())) continue;
    // Two of one name would hide each other here.
    expect(headers).not.toHaveProperty(name);
    headers[name] = value;
  }
  const body = seen.bytes.length === 0 ? null : seen.body;
  return { method: seen.method, url: origin + seen.path, headers, body };
}

const key = "${API_KEY}";
const password = Buffer.from("me:api-secret").toString("base64");

describe("a dry run shows the request that a call sends, byte for byte", () => {
  test.each<{ kind: string; credential?: string; secret: string; shown: string }>([
    { kind: "an exchanged token", secret: "Bearer inner-1", shown: "Bearer ***" },
    {
      kind: "a client's own token",
      credential: "clientCredentials: {client: gateway}",
      secret: "Bearer inner-1",
      shown: "Bearer ***",
    },
    {
      kind: "a header",
      credential: `static: {header: X-Api-Key, value: "${key}"}`,
      secret: "api-secret",
      shown: "***",
    },
    {
      kind: "a bearer token",
      credential: `static: {bearer: "${key}"}`,
      secret: "Bearer api-secret",
      shown: "***",
    },
    {
      kind: "a password",
      credential: `static: {basic: {username: me, password: "${key}"}}`,
      secret: `Basic ${password}`,
      shown: "***",
    },
    {
      kind: "a query parameter",
      credential: `static: {query: "api key", value: "${key}"}`,
      secret: "api%20key=api-secret",
      shown: "api%20key=***",
    },
    {
      kind: "a cookie",
      credential: `static: {cookie: session, value: "${key}"}`,
      secret: "session=api-secret",
      shown: "session=***",
    },
    { kind: "nothing", credential: "none", secret: "", shown: "" },
  ])("with $kind as credential", async ({ credential, secret, shown }) => {
    const at = await site(credential === undefined ? {} : { credential });
    const args = JSON.stringify(varied);
    const line = ["call", "add_item", "--args", args, "--json"];
    const dry = await at.run([...line, "--dry-run", "--as", "sub=alice"]);
    expect({ code: dry.code, stderr: dry.stderr }).toEqual({ code: 0, stderr: "" });
    expect(at.api.requests).toEqual([]);
    expect(at.idp.tokenRequests).toEqual([]);
    expect(await at.audit()).toEqual([]);

    const real = await at.run([...line, "--token", await at.idp.token()]);
    expect(real.code).toBe(0);
    const [seen] = at.api.requests;
    expect(at.api.requests).toHaveLength(1);
    const sent = describeRequest(at.api.url, seen!);
    expect(JSON.stringify(sent)).toContain(secret);
    const masked = JSON.stringify(sent).replace(JSON.stringify(secret).slice(1, -1), shown);
    const promised = JSON.parse(dry.stdout) as Shown;
    expect(promised).toEqual(JSON.parse(masked));
    // Order too: some servers sign or log headers as they come.
    expect(Object.keys(promised.headers)).toEqual(Object.keys(sent.headers));
    expect(seen?.headers.host).toBe(new URL(promised.url).host);
    expect(seen?.headers["content-length"]).toBe(String(Buffer.byteLength(promised.body ?? "")));
  });

  test("the varied request is what the OpenAPI rules make of it", async () => {
    const at = await site({ auth: "none" });
    const line = ["call", "add_item", "--args", JSON.stringify(varied)];
    const query =
      "expand=x%2Cy&expand=z%261&filter%5Bfrom%5B%5D%5D=1%2B1&filter%5Bto%5D=%3D&page=3";
    const { stdout } = await at.run([...line, "--dry-run", "--json"]);
    expect(JSON.parse(stdout)).toEqual({
      method: "POST",
      url: `${at.api.url}/v1/orders/a%2Fb%20%C3%BC%3F%23/items?${query}`,
      headers: {
        accept: expect.stringContaining("application/json") as string,
        "accept-encoding": "identity",
        "user-agent": expect.stringMatching(/^tollgate\//) as string,
        "x-reason": "because",
        cookie: "flavour=chocolate%20chip",
        "content-type": "application/json",
      },
      body: JSON.stringify(varied.body),
    });
    const text = await at.run([...line, "--dry-run"]);
    expect(text.stdout.split("\n")[0]).toMatch(/^POST http:\/\/127\.0\.0\.1:\d+\/v1\/orders\//);
    expect(text.stdout).toContain(`\n\n${JSON.stringify(varied.body)}\n`);
  });
});

describe("a call", () => {
  test("takes name=value: text stays text, the rest is JSON, and pairs win over --args", async () => {
    const at = await site({ auth: "none" });
    at.api.answer = (_, response) => answerJson(response, { id: 7 });
    await writeFile(join(at.dir, "args.json"), '{"orderId": "no", "body": {"sku": "s"}}');
    const pairs = ["orderId=12", 'expand=["a","b"]', "flavour=a=b"];
    const { code, stdout } = await at.run(["call", "add_item", ...pairs, "--args", "@args.json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ id: 7 });
    expect(at.api.requests).toMatchObject([
      { path: "/v1/orders/12/items?expand=a&expand=b&page=3", body: '{"sku":"s"}' },
    ]);
    expect(at.api.requests[0]?.headers.cookie).toBe("flavour=a%3Db");
    expect(await at.audit()).toMatchObject([
      { event: "tool.call", outcome: "success", mcp: { transport: "cli" } },
    ]);
  });

  test("keeps every digit of a number, in both directions", async () => {
    const at = await site({ auth: "none" });
    const long = "12345678901234567890";
    at.api.answer = (_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(`{"id":${long}}`);
    };
    const body = `{"sku":"s","count":${long}}`;
    const line = ["call", "add_item", "orderId=1", `body=${body}`, "--json"];
    const shown = JSON.parse((await at.run([...line, "--dry-run"])).stdout) as Shown;
    const { stdout } = await at.run(line);
    expect(at.api.requests).toMatchObject([{ body }]);
    expect(shown.body).toBe(body);
    expect(stdout).toContain(`"structuredContent":{"id":${long}}`);
  });

  test("prints content and structuredContent with --json, and nothing else", async () => {
    const at = await site({ auth: "none", auditToStdout: true });
    at.api.answer = (_, response) => answerJson(response, { id: 7 });
    const { code, stdout } = await at.run(["call", "list_orders", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      content: [{ type: "text" }],
      structuredContent: { id: 7 },
      isError: false,
    });
  });

  test("takes its token from the command line, a file or the environment", async () => {
    const at = await site();
    await writeFile(join(at.dir, "token"), `${await at.idp.token({ sub: "bob" })}\n`);
    const runs = [
      await at.run(["call", "list_orders", "--token", await at.idp.token({ sub: "alice" })]),
      await at.run(["call", "list_orders", "--token", "@token"]),
      await at.run(["call", "list_orders"], {
        TOLLGATE_TOKEN: await at.idp.token({ sub: "carol" }),
      }),
    ];
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await at.audit()).toMatchObject(
      ["alice", "bob", "carol"].map((sub) => ({ outcome: "success", actor: { sub } })),
    );
    expect(at.api.requests.map(({ headers }) => headers.authorization)).toEqual(
      [1, 2, 3].map((n) => `Bearer inner-${n}`),
    );
  });

  test.each([
    { name: "an answer 500", args: ["list_orders"], status: 500, reason: "upstream_error" },
    { name: "bad arguments", args: ["add_item", "orderId=1"], reason: "invalid_arguments" },
    { name: "a climbing path", args: ["delete_order", "orderId=.."], reason: "invalid_arguments" },
    { name: "an unknown tool", args: ["explode"], reason: "unknown_tool" },
  ])("that ends with $name is 1, with one record", async ({ args, status, reason }) => {
    const at = await site({ auth: "none" });
    at.api.answer = (_, response) => answerJson(response, { error: "no" }, status ?? 200);
    const { code } = await at.run(["call", ...args]);
    expect(code).toBe(1);
    expect(at.api.requests).toHaveLength(status === undefined ? 0 : 1);
    expect(await at.audit()).toMatchObject([{ reason }]);
  });

  test.each<{ name: string; claims: object; reason: string }>([
    { name: "expired", claims: { exp: 1 }, reason: "expired" },
    { name: "for another audience", claims: { aud: "x" }, reason: "wrong_audience" },
    { name: "without the tool's scope", claims: {}, reason: "insufficient_scope" },
  ])("with a token $name is 1, and nothing is sent", async ({ claims, reason }) => {
    const at = await site();
    const token = await at.idp.token(claims as Record<string, unknown>);
    const { code, stdout, stderr } = await at.run([
      "call",
      "delete_order",
      "orderId=1",
      "--token",
      token,
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^(invalid_token|insufficient_scope): /);
    expect(at.api.requests).toEqual([]);
    expect(at.idp.tokenRequests).toEqual([]);
    expect(await at.audit()).toMatchObject([{ outcome: "denied", reason }]);
  });
});
