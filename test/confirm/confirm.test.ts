import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connectWorld } from "../connections/world.ts";
import { noRedis, startRedis } from "../broker/redis.ts";
import { startReplica } from "../world/replica.ts";
import { answering, confirmWorld, formCapable } from "./world.ts";

describe("what a person is asked", () => {
  test("2026-07-28: a form without fields that names the tool and its arguments", async () => {
    const at = await confirmWorld();
    const { status, message } = await at.modern();
    expect([status, message.result]).toEqual([
      200,
      {
        resultType: "input_required",
        inputRequests: {
          confirm: {
            method: "elicitation/create",
            params: {
              mode: "form",
              message:
                'delete_patient (Forget a patient), DELETE /patients/{id} of api: may this call be made?\nid: "7"',
              requestedSchema: { type: "object", properties: {} },
            },
          },
        },
        requestState: expect.stringMatching(/^[\w-]+$/),
        _meta: expect.anything(),
      },
    ]);
    expect(at.api.requests).toEqual([]);
  });

  test("what the document or a name calls sensitive is masked, and not in the state either", async () => {
    const at = await confirmWorld();
    const args = { id: "7", code: "4711", badge: "hunter2", ward: "psychiatry", apiToken: "abc" };
    const { message } = await at.modern({ args });
    const { requestState = "" } = message.result ?? {};
    expect(message.result?.inputRequests?.confirm.params.message.split("\n").slice(1)).toEqual([
      'id: "7"',
      'code: "***"',
      'badge: "***"',
      'ward: "***"',
      'apiToken: "***"',
    ]);
    const seen = [JSON.stringify(message), Buffer.from(requestState, "base64url").toString()];
    for (const secret of ["4711", "hunter2", "psychiatry"])
      for (const text of seen) expect(text).not.toContain(secret);
    const second = await at.modern({ args, retry: answering("accept", requestState) });
    expect(second.message.result?.resultType).toBe("complete");
    expect(at.api.requests[0]?.path).toContain("code=4711");
  });

  test("no argument begins a line, hides another or passes for a decision", async () => {
    const at = await confirmWorld();
    const linesOf = async (args: object): Promise<readonly string[]> => {
      const { message } = await at.modern({ tool: "write_note", args });
      return message.result?.inputRequests?.confirm.params.message.split("\n") ?? [];
    };
    const text = `ok\r\nauthor: "bob"\u202e\u0085\u2028\u200b`;
    expect(await linesOf({ body: { text, pin: 4711 }, author: "alice" })).toEqual([
      "write_note, POST /notes of api: may this call be made?",
      String.raw`body: {"text":"ok\\u000d\\u000aauthor: \"bob\"\\u202e\\u0085\\u2028\\u200b","pin":"***"}`,
      'author: "alice"',
    ]);
    const body = { text: `${"x".repeat(100_000)}\nauthor: "bob"`, about: "y" };
    expect(await linesOf({ body, author: "alice" })).toEqual([
      expect.any(String),
      expect.stringMatching(/^body: \{"text":"x{256}…","about":"y"\} \(not shown whole\)$/),
      'author: "alice"',
    ]);
  });

  test("names that look alike once they can be read do not stand for one another", async () => {
    const at = await confirmWorld();
    const long = "n".repeat(64);
    for (const body of [
      { [`${long}1`]: "drop", [`${long}2`]: "keep" },
      { "a\u200b": "drop", [String.raw`a\u200b`]: "keep" },
    ]) {
      const { message } = await at.modern({ tool: "write_note", args: { body } });
      const asked = message.result?.inputRequests?.confirm.params.message;
      expect(asked).toMatch(/ \(not shown whole\)$/);
    }
  });

  test("neither a title nor the name of an argument begins a line", async () => {
    const at = await confirmWorld({
      spec: {
        paths: {
          "/notes": {
            post: {
              operationId: "write_note",
              summary: "Write\u2028it\u202e",
              parameters: [{ name: "a\nb\u202e", in: "query", schema: { type: "string" } }],
            },
          },
        },
      },
      tools: "- {operation: write_note, confirm: required}",
    });
    const { message } = await at.modern({ tool: "write_note", args: { a_b: "x" } });
    expect(message.result?.inputRequests?.confirm.params.message.split("\n")).toEqual([
      String.raw`write_note (Write\u000ait), POST /notes of api: may this call be made?`,
      'a_b: "x"',
    ]);
  });

  test("a number is shown with every digit of it", async () => {
    const at = await confirmWorld();
    const { message } = await at.modern({ args: '{"id":"7","count":9007199254740993}' });
    expect(message.result?.inputRequests?.confirm.params.message).toContain(
      'count: "9007199254740993"',
    );
  });
});

describe("S69, S78: what was agreed to is this call, by this person, once", () => {
  test("a state works once, also when it comes many times at the same moment", async () => {
    const at = await confirmWorld();
    const { requestState } = (await at.modern()).message.result ?? {};
    const retry = answering("accept", requestState);
    const answers = await Promise.all(Array.from({ length: 8 }, () => at.modern({ retry })));
    const count = (wanted: number): number =>
      answers.filter(({ status }) => status === wanted).length;
    expect([count(200), count(400)]).toEqual([1, 7]);
    expect((await at.modern({ retry })).message.error).toMatchObject({
      code: -32_602,
      message: "Invalid or expired requestState",
    });
    expect(at.api.requests).toHaveLength(1);
    const rejects = (await at.audit()).filter(({ event }) => event === "request.reject");
    expect(rejects).toHaveLength(8);
    expect(rejects[0]).toMatchObject({ reason: "invalid_request_state", outcome: "denied" });
  });

  test("who declined cannot accept with the same state", async () => {
    const at = await confirmWorld();
    const { requestState } = (await at.modern()).message.result ?? {};
    await at.modern({ retry: answering("decline", requestState) });
    expect((await at.modern({ retry: answering("accept", requestState) })).status).toBe(400);
    expect(at.api.requests).toEqual([]);
  });

  test("other arguments, another tool, person or program, and a changed state are refused", async () => {
    const at = await confirmWorld({
      tools: `- match: {paths: ['/**']}
  confirm: required`,
    });
    const args = '{"id":"7","count":9007199254740993}';
    const { requestState = "" } = (await at.modern({ args })).message.result ?? {};
    const changed = `${requestState.slice(0, 20)}${requestState[20] === "A" ? "B" : "A"}${requestState.slice(21)}`;
    const retry = answering("accept", requestState);
    const answers = [
      await at.modern({ args: { id: "8" }, retry }),
      // To JavaScript it is the same number.
      await at.modern({ args: '{"id":"7","count":9007199254740992}', retry }),
      await at.modern({ tool: "list_patients", args, retry }),
      await at.modern({ args, claims: { client_id: "another" }, retry }),
      await at.modern({ args, retry: answering("accept", changed) }),
      await at.modern({ args, retry: answering("accept", "forged") }),
      await at.modern({ args, retry: answering("accept", "") }),
    ];
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 400));
    expect((await at.modern({ args, claims: { sub: "bob" }, retry })).status).toBe(403);
    expect(at.api.requests).toEqual([]);
    // None of them has used it up.
    expect((await at.modern({ args, retry })).message.result?.resultType).toBe("complete");
    expect(at.api.requests.map(({ path }) => path)).toEqual(["/patients/7?count=9007199254740993"]);
  });

  test.each([
    ["without a state", { inputResponses: { confirm: { action: "accept", content: {} } } }],
    ["under another name", { inputResponses: { connect: { action: "accept" } } }],
    ["in an envelope", { inputResponses: { confirm: { result: { action: "accept" } } } }],
    ["as another word", { inputResponses: { confirm: { action: "ACCEPT" } } }],
    ["not at all", {}],
  ])("an answer that comes %s is none: the person is asked again", async (how, answer) => {
    const at = await confirmWorld();
    const { requestState } = (await at.modern()).message.result ?? {};
    const retry = how === "without a state" ? answer : { ...answer, requestState };
    const again = await at.modern({ retry });
    expect(again.message.result?.resultType).toBe("input_required");
    expect(again.message.result?.requestState).not.toBe(requestState);
    expect(at.api.requests).toEqual([]);
  });

  test("a state is worth nothing after ten minutes", async () => {
    const at = await confirmWorld();
    const { requestState } = (await at.modern()).message.result ?? {};
    const now = Date.now() + 10 * 60_000;
    const late = vi.spyOn(Date, "now").mockReturnValue(now);
    onTestFinished(() => late.mockRestore());
    expect((await at.modern({ retry: answering("accept", requestState) })).status).toBe(400);
    expect(at.api.requests).toEqual([]);
  });

  test("a reload that makes another tool of it: the person is asked again", async () => {
    const at = await confirmWorld();
    const { requestState } = (await at.modern()).message.result ?? {};
    const spec = join(at.dir, "spec.json");
    const text = await readFile(spec, "utf8");
    await writeFile(spec, text.replace('"delete":{', '"put":{'));
    await at.gateway.reload();
    const again = await at.modern({ retry: answering("accept", requestState) });
    expect(again.message.result?.inputRequests?.confirm.params.message).toContain("PUT /patients");
    expect(at.api.requests).toEqual([]);
  });
});

describe("whoever would be refused is not asked", () => {
  test.each([
    ["arguments that do not fit", { args: { id: 7 } }, "invalid_arguments"],
    ["a path that leaves its place", { args: { id: ".." } }, "invalid_arguments"],
    ["a condition", { claims: { role: "guest" } }, "not_permitted"],
  ])("because of %s", async (_what, asked, reason) => {
    const at = await confirmWorld({
      tools: `- operation: delete_patient
  confirm: required
  when: args.id != "" && !(has(principal.claims.role) && principal.claims.role == "guest")
- match: {paths: ['/**']}`,
    });
    const { message } = await at.modern(asked);
    expect(message.result).toMatchObject({ resultType: "complete", isError: true });
    expect(await at.audit()).toMatchObject([{ reason }]);
  });

  test("for want of a scope", async () => {
    const at = await confirmWorld({
      tools: `- operation: delete_patient
  confirm: required
  scopes: [patients:delete]`,
    });
    expect((await at.modern()).status).toBe(403);
  });

  test("because of a rate, of which a call that is asked about takes one", async () => {
    const at = await confirmWorld({
      tools: `- operation: delete_patient
  confirm: required
  rate: 1/h`,
    });
    const { requestState } = (await at.modern()).message.result ?? {};
    const refused = await at.modern();
    expect(refused.message.result).toMatchObject({ resultType: "complete", isError: true });
    const done = await at.modern({ retry: answering("accept", requestState) });
    expect(done.message.result?.isError).toBeUndefined();
    expect(at.api.requests).toHaveLength(1);
    expect((await at.audit()).map(({ reason, outcome }) => reason ?? outcome)).toEqual([
      "confirmation_required",
      "rate_limited",
      "success",
    ]);
  });
});

test("what its rule does not ask for is not asked, whatever a client brings", async () => {
  const at = await confirmWorld();
  const { message } = await at.modern({ tool: "list_patients", args: {} });
  expect(message.result?.resultType).toBe("complete");
  expect(await at.audit()).toEqual([
    expect.not.objectContaining({ confirmation: expect.anything() }),
  ]);
});

test("both lanes ask the same", async () => {
  const at = await confirmWorld();
  const hot = await at.modern();
  const sdk = await at.modern({ capabilities: { elicitation: { form: { applyDefaults: true } } } });
  const masked = ({ message }: typeof hot): unknown =>
    JSON.parse(JSON.stringify(message).replace(/"requestState":"[^"]+"/, '"requestState":"…"'));
  expect(masked(sdk)).toEqual(masked(hot));
  for (const capabilities of [{}, { elicitation: { url: {} } }, { sampling: {} }]) {
    const { message } = await at.modern({ capabilities });
    expect(message.result).toMatchObject({ resultType: "complete", isError: true });
  }
  const bare = await at.modern({ capabilities: { elicitation: {} } });
  expect(bare.message.result?.resultType).toBe("input_required");
});

test("a question of one replica is answered at another, once at any", async ({ skip }) => {
  skip(noRedis !== undefined, noRedis);
  const redis = await startRedis();
  onTestFinished(redis.kill);
  const at = await confirmWorld({
    extra: {
      top: `replicas: {redis: {url: "${redis.url}", timeout: 1s}, keys: ["\${file:key}"]}`,
    },
    files: { key: randomBytes(32).toString("base64") },
  });
  const url = `${await startReplica(at)}/mcp`;
  await expect
    .poll(() => at.logs.filter((line) => line.includes("shared_store_ready")))
    .toHaveLength(2);

  const { requestState } = (await at.modern()).message.result ?? {};
  const retry = answering("accept", requestState);
  expect((await at.modern({ retry, url })).message.result?.resultType).toBe("complete");
  expect((await at.modern({ retry })).status).toBe(400);
  expect((await at.modern({ retry, url })).status).toBe(400);
  expect(at.api.requests).toHaveLength(1);
});

test("a key is changed by reloads, while questions are open", async () => {
  const at = await confirmWorld({
    // Nobody is there, and nobody has to be.
    extra: { top: `replicas: {redis: {url: "redis://127.0.0.1:1"}, keys: ["\${file:old}"]}` },
    files: {
      old: randomBytes(32).toString("base64"),
      new: randomBytes(32).toString("hex"),
    },
  });
  const turnTo = async (keys: string): Promise<void> => {
    const yaml = await readFile(at.options.file, "utf8");
    await writeFile(at.options.file, yaml.replace(/, keys: \[.*?\]/, `, keys: [${keys}]`));
    expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
  };
  const ask = async (): Promise<string | undefined> =>
    (await at.modern()).message.result?.requestState;
  const answer = async (state: string | undefined): Promise<number> =>
    (await at.modern({ retry: answering("accept", state) })).status;
  const [one, other] = [await ask(), await ask()];
  await turnTo('"${file:new}", "${file:old}"');
  expect(await answer(one)).toBe(200);
  const sealedAnew = await ask();
  await turnTo('"${file:new}"');
  expect(await answer(other)).toBe(400);
  expect(await answer(sealedAnew)).toBe(200);
});

test("replicas need a key for it", async () => {
  await expect(
    confirmWorld({ extra: { top: `replicas: {redis: {url: "redis://127.0.0.1:1"}}` } }),
  ).rejects.toMatchObject({ issues: [expect.objectContaining({ code: "missing_key" })] });
});

test("a tool that is not there needs nobody's agreement", async () => {
  await expect(
    confirmWorld({ tools: "- {operation: delete_patient, expose: false, confirm: required}" }),
  ).rejects.toMatchObject({ issues: [expect.objectContaining({ code: "conflicting_keys" })] });
});

test("capabilities are those of the call that asks, not of the one before", async () => {
  const at = await confirmWorld();
  const { requestState } = (await at.modern()).message.result ?? {};
  const silent = await at.modern({ capabilities: {}, retry: answering("none", requestState) });
  expect(silent.message.result).toMatchObject({ resultType: "complete", isError: true });
  expect((await at.modern({ capabilities: formCapable })).message.result?.resultType).toBe(
    "input_required",
  );
});

test("who has agreed is not asked again because an account was missing", async () => {
  const at = await connectWorld({ tools: "- {operation: list_issues, confirm: required}" });
  const capabilities = { elicitation: { form: {}, url: {} } };
  const ask = (retry: object): ReturnType<typeof at.modern> => at.modern({ capabilities, retry });
  const first = (await ask({})).message.result;
  const second = (await ask(answering("accept", first?.requestState))).message.result;
  expect(Object.keys(second?.inputRequests ?? {})).toEqual(["connect"]);
  // What was given for the account is no answer to the question of another round.
  const { requestState } = second ?? {};
  expect(requestState).not.toBe(first?.requestState);
  await at.browser.open(second?.inputRequests?.connect.params.url ?? "");
  const inputResponses = { connect: { action: "accept" } };
  const third = await ask({ inputResponses, requestState });
  expect(third.message.result).toMatchObject({ resultType: "complete" });
  expect(third.message.result?.isError).toBeUndefined();
  expect(at.bearers()).toEqual(["Bearer account-1"]);
  expect((await at.audit()).filter(({ event }) => event === "tool.call")).toMatchObject([
    { reason: "confirmation_required" },
    { reason: "connection_required", confirmation: { answer: "accept", by: "form" } },
    { outcome: "success", confirmation: { answer: "accept", by: "form" } },
  ]);
  // A call that nobody agreed to has no such state.
  const bobs = await at.modern({
    capabilities,
    claims: { sub: "bob" },
    retry: { inputResponses },
  });
  expect(Object.keys(bobs.message.result?.inputRequests ?? {})).toEqual(["confirm"]);
});
