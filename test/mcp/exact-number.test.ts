import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { anonymous } from "../../src/auth/anonymous.ts";
import { createStdioEndpoint } from "../../src/mcp/stdio.ts";
import { createLog } from "../../src/observe/log.ts";
import { world, type World } from "../world/world.ts";
import { lanes } from "./lanes.ts";
import { call, eras, legacy, modern } from "./wire.ts";

const long = "9007199254740993";
const longer = "-12345678901234567890.10";

const integer = { type: "integer", format: "int64" };
const placed = (where: string): object => ({ name: where, in: where, schema: integer });
const content = {
  "application/json": { schema: { type: "object", properties: { id: integer, sum: {} } } },
};
const responses = { 200: { description: "ok", content: { "application/json": {} } } };
const account = {
  spec: {
    paths: {
      "/accounts/{path}": {
        post: {
          operationId: "pay",
          parameters: [
            { ...placed("path"), required: true },
            placed("query"),
            placed("header"),
            placed("cookie"),
          ],
          requestBody: { content },
          responses,
        },
      },
    },
  },
  tools: "- operation: pay",
};

/** A template for the text of a message: what JavaScript cannot print stands for itself. */
const args = {
  path: "@long",
  query: "@long",
  header: "@long",
  cookie: "@long",
  body: { id: "@long", sum: ["@longer", 1] },
};

function spellOut(message: unknown): string {
  return JSON.stringify(message).replaceAll('"@long"', long).replaceAll('"@longer"', longer);
}

function answerWithDigits(made: World): void {
  made.api.answer = (_, response) => {
    const head = { "content-type": "application/json" };
    response.writeHead(200, head).end(`{"id":${long},"sum":${longer}}`);
  };
}

function expectAllDigits({ api }: World): void {
  for (const { path, headers, body } of api.requests) {
    expect(path).toBe(`/accounts/${long}?query=${long}`);
    expect([headers["header"], headers.cookie]).toEqual([long, `cookie=${long}`]);
    expect(body).toBe(`{"id":${long},"sum":[${longer},1]}`);
  }
}

const answered = `"structuredContent":{"id":${long},"sum":${longer}}`;

test.each(eras)("every digit reaches the API and comes back, on both lanes, $era", async (era) => {
  const made = await lanes(account);
  answerWithDigits(made.world);
  const { body, headers } = era.request("tools/call", call("pay", args));
  const { hot, sdk, taken } = await made.ask({ body: spellOut(body) as never, headers });
  expect(taken).toBe(true);
  expect(made.world.api.requests).toHaveLength(2);
  expectAllDigits(made.world);
  for (const { text } of [hot, sdk]) expect(text).toContain(answered);
  const [one, other] = (await made.world.audit()).map((record) => record["args"]);
  expect(one).toEqual(other);
});

test("and over standard input and output", async () => {
  const made = await world({ ...account, auth: "none" });
  answerWithDigits(made);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const endpoint = createStdioEndpoint(
    {
      service: () => made.gateway.snapshot.endpoints[0]!.mcp,
      info: { name: "tollgate", version: "0.0.0-test" },
      principal: async () => anonymous,
      input,
      output,
    },
    { now: () => Date.now(), log: createLog(() => {}, "debug") },
  );
  const message = `${spellOut(modern("tools/call", call("pay", args)).body)}\n`;
  // In pieces, as a pipe may deliver it.
  for (let at = 0; at < message.length; at += 100) input.write(message.slice(at, at + 100));
  let text = "";
  for await (const chunk of output) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  expect(text).toContain(answered);
  expectAllDigits(made);
  expect(made.api.requests).toHaveLength(1);
  await endpoint.close();
});

test("other members of a message keep their numbers", async () => {
  const { ask } = await lanes(account);
  const { body, headers } = legacy("tools/call", call("pay", { ...args, query: "@id" }));
  const text = spellOut(body).replace('"@id"', "1e3").replace('"id":1', `"id":${long}`);
  const { hot, sdk } = await ask({ body: text as never, headers });
  expect(hot.messages).toEqual(sdk.messages);
  expect(hot.text).not.toContain("\ue000");
});

test.each([
  ["args.body.id <= 9007199254740992", "refused"],
  ["args.body.id == 9007199254740993", "made"],
  ["args.body.sum[1] == 1 && args.body.sum[0] < 0.0", "made"],
])("what is judged is what is sent: with %s the call is %s", async (condition, outcome) => {
  const tools = `- {operation: pay, when: "${condition}"}`;
  const made = await world({ ...account, tools });
  const { body } = legacy("tools/call", call("pay", args));
  const response = await made.post(spellOut(body));
  expect(await response.text()).toContain(outcome === "made" ? '{\\"ok\\":true}' : "may not call");
  expect(made.api.requests).toHaveLength(outcome === "made" ? 1 : 0);
});

test.each([
  ["a text", { type: "string" }],
  ["at most a thousand", { type: "integer", maximum: 1000 }],
])("a long number is still no value of %s", async (_, schema) => {
  const parameters = [{ name: "n", in: "query", schema }];
  const spec = { paths: { "/a": { get: { operationId: "a", parameters } } } };
  const made = await world({ spec });
  const { body } = legacy("tools/call", call("a", { n: "@long" }));
  const text = await (await made.post(spellOut(body))).text();
  expect(text).toContain("Invalid arguments");
  expect(text).not.toContain("\ue000");
  expect(made.api.requests).toEqual([]);
});
