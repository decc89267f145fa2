import { once } from "node:events";
import { request as startRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { call, eras, send, usual, type Answer, type Posted } from "../mcp/wire.ts";
import { freePort, type World } from "../world/world.ts";
import { raised, thing, wide, years, type Options, type Year } from "./wire-world.ts";

interface Result {
  readonly content: readonly { readonly type: string; readonly text: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

function resultOf({ messages }: Answer): Result {
  const [message] = messages;
  if (message?.result === undefined) throw new Error(JSON.stringify(messages).slice(0, 500));
  return message.result as unknown as Result;
}

const [legacy, modern] = eras.map(({ request }) => request("tools/call", call("thing")));
const asked = { 2025: legacy!, 2026: modern! } as const;

async function authorized(at: World, { headers }: Posted): Promise<Record<string, string>> {
  return { ...usual, ...headers, authorization: `Bearer ${await at.idp.token()}` };
}

async function ask(at: World, year: Year): Promise<Answer> {
  return send(at.url, asked[year].body, await authorized(at, asked[year]));
}

function isStreamed({ headers }: Pick<Answer, "headers">): boolean {
  return headers["transfer-encoding"] === "chunked" && headers["content-length"] === undefined;
}

/** Until there is room for more, or nobody to take it. */
async function room(response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  const { signal } = gone;
  await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]);
  gone.abort();
}

type Told = (response: ServerResponse) => void | Promise<void>;

/** In pieces that end in the middle of characters; waits where the gateway does. */
function inPieces(type: string, body: Buffer, pieceBytes = 65_537): Told {
  return async (response) => {
    response.writeHead(200, { "content-type": type });
    for (let at = 0; at < body.length && !response.destroyed; at += pieceBytes) {
      const free = response.write(body.subarray(at, at + pieceBytes));
      if (!free) await room(response);
    }
    response.end();
  };
}

function atOnce(type: string, body: Buffer): Told {
  return (response) => {
    response.writeHead(200, { "content-type": type, "content-length": body.length }).end(body);
  };
}

const nasty = 'a "quoted" \\ back\\\\slash é € 😀 \u2028 tab\t line\r\n end';

/** About so many bytes of JSON. */
function jsonOf(bytes: number, indent = 0): Buffer {
  const row = { id: 1, text: nasty, nested: [{ deep: [null, true, -1.5e3] }] };
  const rows = Array.from({ length: Math.ceil(bytes / JSON.stringify(row).length) }, () => row);
  return Buffer.from(JSON.stringify({ rows }, null, indent));
}

function textOf(bytes: number): Buffer {
  const line = `${nasty}\u0000\u001b[31m\u007f\u0085\n`;
  return Buffer.from(line.repeat(Math.ceil(bytes / Buffer.byteLength(line))));
}

describe("an answer above 1 MiB arrives as the text that it would be if it were held whole", () => {
  test.each(
    (
      [
        { what: "JSON", type: "application/json", body: jsonOf(2e6) },
        { what: "JSON with white space", type: "application/json", body: jsonOf(2e6, 2) },
        { what: "text", type: "text/plain; charset=UTF-8", body: textOf(3e6) },
        { what: "text with bytes that are none", type: "text/csv", body: spoilt(textOf(2e6)) },
      ] as const
    ).flatMap((row, i) => [
      { ...row, year: years[i % 2]!, by: "in pieces", how: inPieces },
      { ...row, year: years[(i + 1) % 2]!, by: "at once", how: atOnce },
    ]),
  )("$what, $by, $year", async ({ year, type, body, how }) => {
    const at = await wide();
    at.api.answer = (_, response) => how(type, body)(response);
    const streamed = await ask(at, year);
    expect(isStreamed(streamed)).toBe(true);
    const result = resultOf(streamed);
    const held = resultOf(await askForProgress(at, year));
    // Not compared by the matcher: it would print megabytes.
    expect(result.content[0]!.text === held.content[0]!.text).toBe(true);
    expect(result.content).toHaveLength(1);
    expect(result.structuredContent).toBeUndefined();
    expect(result.isError).toBeUndefined();
    expect(labelOf(result)).toEqual(labelOf(held));
    const records = await at.audit();
    expect(records.map(({ outcome, response }) => ({ outcome, response }))).toEqual(
      records.map(() => ({
        outcome: "success",
        response: { bytes: body.length, is_error: false },
      })),
    );
    expect(records).toHaveLength(2);
  });
});

function labelOf({ _meta: meta }: Result): Result["_meta"] {
  return meta;
}

/** The same call, answered by an event stream: its result comes whole. */
async function askForProgress(at: World, year: Year): Promise<Answer> {
  const request = eras[years.indexOf(year)]!.request;
  const posted = request("tools/call", { ...call("thing"), _meta: { progressToken: 1 } });
  const answer = await send(at.url, posted.body, await authorized(at, posted));
  expect(answer.headers["content-length"]).toBeDefined();
  return answer;
}

function spoilt(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  for (let at = 100; at < copy.length; at += 1_001) copy[at] = 0xf0;
  return copy;
}

test.each(years)(
  "what is too long for the model is cut, and the API is let go, %s",
  async (year) => {
    const port = await freePort();
    const top = `${raised}\nadmin: {listen: "127.0.0.1:${port}"}`;
    const at = await wide({ extra: { top } });
    const api = endless(at);
    const { content, isError } = resultOf(await ask(at, year));
    expect(content[0]!.text === "€".repeat(4e6)).toBe(true);
    expect(content.slice(1)).toEqual([
      {
        type: "text",
        text: "[cut: the first 4000000 characters of a longer answer; ask for less]",
      },
    ]);
    expect(isError).toBeUndefined();
    await vi.waitFor(() => expect(api.closed()).toBe(true));
    expect(api.written()).toBeLessThan(30e6);
    expect(await at.audit()).toMatchObject([{ outcome: "success", response: { is_error: false } }]);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics.split("\n")).toContain("tollgate_upstream_response_truncated_total 1");
  },
);

test.each(years)(
  "of what may change something the rest is taken from the API, %s",
  async (year) => {
    const at = await wide({ method: "post", response: "{maxTokens: 500000}" });
    const api = endless(at);
    const { content, isError } = resultOf(await ask(at, year));
    expect(content[0]!.text === "€".repeat(2e6)).toBe(true);
    expect(content[1]!.text).toMatch(/^\[cut: the first 2000000 characters /);
    expect(isError).toBeUndefined();
    // To its last byte, and the connection is not closed.
    expect(api.finished()).toBe(true);
    expect(await at.audit()).toMatchObject([
      { outcome: "success", response: { bytes: api.written(), is_error: false } },
    ]);
  },
);

test("but not more of it than responseSize", async () => {
  const top = "limits: {responseSize: 20MiB}";
  const at = await wide({ method: "post", response: "{maxTokens: 500000}", extra: { top } });
  const api = endless(at);
  const { content, isError } = resultOf(await ask(at, 2026));
  expect(content[1]!.text).toMatch(/^\[cut: /);
  expect(isError).toBeUndefined();
  await vi.waitFor(() => expect(api.closed()).toBe(true));
  expect(api.finished()).toBe(false);
  expect(await at.audit()).toMatchObject([{ outcome: "success", response: { is_error: false } }]);
});

test("JSON that is too long is JSON still", async () => {
  const at = await wide();
  const body = jsonOf(6e6);
  at.api.answer = (_, response) => atOnce("application/json", body)(response);
  const { content } = resultOf(await ask(at, 2025));
  const { rows } = JSON.parse(content[0]!.text) as { readonly rows: readonly object[] };
  expect(content[0]!.text.length).toBeGreaterThan(3.9e6);
  expect(rows[0]).toMatchObject({ text: nasty });
  expect(content[1]!.text).toMatch(/^\[cut: the first \d+ characters of a longer answer; /);
});

describe("an answer that breaks off ends as an error behind the text that came", () => {
  const body = jsonOf(3e6);
  const cases: readonly {
    readonly what: string;
    readonly api?: string;
    readonly top?: string;
    readonly breaks: (response: ServerResponse) => void;
    readonly says: string;
    readonly reason: string;
  }[] = [
    {
      what: "the API closes the connection",
      breaks: (response) => response.destroy(),
      says: "The API broke off in the middle of its answer.",
      reason: "upstream_unreachable",
    },
    {
      what: "the API stops",
      api: "timeouts: {idle: 1s}",
      breaks: () => {},
      says: "The API stopped in the middle of its answer for 1 s.",
      reason: "upstream_timeout",
    },
    {
      what: "the API is too slow in all",
      api: "timeout: 2s",
      breaks: (response) => {
        const timer = setInterval(() => response.write(" "), 50);
        response.on("close", () => clearInterval(timer));
      },
      says: "The API did not answer within 2 s.",
      reason: "upstream_timeout",
    },
    {
      what: "the answer is larger than its head let expect",
      top: "limits: {responseSize: 2MiB}",
      breaks: (response) => response.write(body),
      says: "The answer is larger than 2097152 bytes. Ask for less: a smaller page, fewer fields, a narrower filter.",
      reason: "upstream_too_large",
    },
  ];
  test.each(cases.map((row, i) => ({ ...row, year: years[i % 2]! })))(
    "$what, $year",
    async ({ year, api = "", top = raised, breaks, says, reason }) => {
      const at = await wide({ extra: { api, top } });
      const began = body.subarray(0, 1_500_000);
      at.api.answer = (_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write(began, () => breaks(response));
      };
      const answer = await ask(at, year);
      const { content, isError, _meta: meta } = resultOf(answer);
      expect(isStreamed(answer)).toBe(true);
      expect(isError).toBe(true);
      expect(content[0]!.text.length).toBeGreaterThan(1_000_000);
      const beginning = began.toString().slice(0, 1_000_000);
      expect(content[0]!.text.startsWith(beginning)).toBe(true);
      expect(content.slice(1)).toEqual([{ type: "text", text: says }]);
      expect(meta).toMatchObject({ "dev.tollgate/untrusted": true });
      const [record, ...others] = await at.audit();
      expect(others).toEqual([]);
      expect(record).toMatchObject({ outcome: "failure", reason, response: { is_error: true } });
      const { bytes } = record!["response"] as { readonly bytes: number };
      expect(bytes).toBeGreaterThan(1_048_576);
      // Nothing is asked again once a part of the answer was told.
      expect(at.api.requests).toHaveLength(1);
    },
  );
});

test("the record of an answer that broke off has no status of the attempt before it", async () => {
  const at = await wide();
  const statuses = [401, 200];
  at.api.answer = (_, response) => {
    const status = statuses.shift()!;
    response.writeHead(status, { "content-type": "application/json" });
    if (status === 401) response.end();
    else response.write(jsonOf(2e6), () => response.destroy());
  };
  expect(resultOf(await ask(at, 2026)).isError).toBe(true);
  const [record] = await at.audit();
  expect(record).toMatchObject({ outcome: "failure", upstream: { attempts: 2 } });
  expect(record!["upstream"]).not.toHaveProperty("status");
});

/** A call whose reply is read only when told so. */
async function begin(at: World, year: Year): Promise<IncomingMessage> {
  const { body } = asked[year];
  const headers = await authorized(at, asked[year]);
  const outgoing = startRequest(at.url, { method: "POST", agent: false, headers });
  outgoing.on("error", () => {});
  outgoing.end(JSON.stringify(body));
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  onTestFinished(() => void outgoing.destroy());
  response.on("error", () => {});
  return response;
}

/** An API with 30 MB that tells how much of it the system has taken. */
function endless(at: World): {
  readonly written: () => number;
  readonly closed: () => boolean;
  /** All of it was taken. */
  readonly finished: () => boolean;
} {
  // Half of it is left out on its way: the connections cannot hold both halves.
  const piece = Buffer.from("€\u0000\u0000\u0000".repeat(10_000));
  let written = 0;
  let closed = false;
  let finished = false;
  at.api.answer = async (_, response) => {
    response.on("close", () => (closed = true));
    response.on("finish", () => (finished = true));
    response.writeHead(200, { "content-type": "text/plain" });
    while (!response.destroyed && written < 30e6) {
      if (!response.write(piece)) {
        await room(response);
      }
      if (!response.destroyed) written += piece.length;
    }
    response.end();
  };
  return { written: () => written, closed: () => closed, finished: () => finished };
}

/** Resolves when it has stayed the same for a while. */
async function settled(value: () => number): Promise<number> {
  let last = -1;
  await vi.waitFor(
    () => {
      const before = last;
      last = value();
      expect(last).toBe(before);
    },
    { interval: 300, timeout: 10_000 },
  );
  return last;
}

test.each(years)(
  "who reads slowly slows the API down, and still gets everything, %s",
  async (year) => {
    const at = await wide({ extra: { top: raised, api: "timeouts: {idle: 200ms}" } });
    const api = endless(at);
    const response = await begin(at, year);
    response.pause();
    // Longer than the API may be silent: here it is not the API that waits.
    const stuck = await settled(api.written);
    expect(stuck).toBeGreaterThan(0);
    expect(stuck).toBeLessThan(20e6);
    expect(api.closed()).toBe(false);
    const text = Buffer.concat(await response.toArray()).toString();
    const { result } = JSON.parse(text) as { result: Result };
    expect(result.content[0]!.text === "€".repeat(4e6)).toBe(true);
    expect(result.isError).toBeUndefined();
  },
);

test.each(years)("who goes away ends the call at once, %s", async (year) => {
  const at = await wide();
  const api = endless(at);
  const response = await begin(at, year);
  response.pause();
  await settled(api.written);
  response.destroy();
  await vi.waitFor(() => expect(api.closed()).toBe(true));
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(1));
  expect(await at.audit()).toMatchObject([{ outcome: "cancelled", reason: "cancelled" }]);
});

test("who takes nothing until the call's time has passed gets no more", async () => {
  const at = await wide({ extra: { top: raised, api: "timeout: 3s" } });
  const api = endless(at);
  const response = await begin(at, 2025);
  response.pause();
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(1), { timeout: 15_000 });
  expect(await at.audit()).toMatchObject([{ outcome: "cancelled", reason: "cancelled" }]);
  expect(api.closed()).toBe(true);
  const text = Buffer.concat(await response.toArray()).toString();
  const { result } = JSON.parse(text) as { result: Result };
  expect(result.content.at(-1)?.text).toBe("The answer was not taken within 3 s.");
  expect(result.isError).toBe(true);
});

test("a place is given back only when the reply has ended", async () => {
  const at = await wide({
    extra: { top: "limits: {responseSize: 32MiB, queue: 0}", api: "concurrency: 1" },
  });
  const api = endless(at);
  const response = await begin(at, 2026);
  response.pause();
  await settled(api.written);
  const other = resultOf(await ask(at, 2026));
  expect(other.content[0]!.text).toMatch(/busy/);
  response.resume();
  await once(response, "end");
  at.api.answer = (_, answered) => void answered.end("ok");
  expect(resultOf(await ask(at, 2026)).content[0]!.text).toBe("ok");
});

test("headers and links are told behind the text", async () => {
  const at = await wide({
    response: "{maxTokens: 1000000, headers: [ETag]}",
    parameters: [{ name: "size", in: "query", schema: { type: "integer" } }],
  });
  const body = jsonOf(2e6);
  at.api.answer = (_, response) => {
    const link = '</thing?size=7>; rel="next"';
    response.writeHead(200, { "content-type": "application/json", etag: '"v1"', link }).end(body);
  };
  const answer = await ask(at, 2026);
  expect(isStreamed(answer)).toBe(true);
  const { content } = resultOf(answer);
  expect(content.slice(1)).toEqual([
    { type: "text", text: 'ETag: "v1"\nMore results: call again with size=7' },
  ]);
});

test("a call that may change something is streamed too: its record was written before", async () => {
  const at = await wide({ method: "post" });
  at.api.answer = (_, response) => inPieces("application/json", jsonOf(2e6))(response);
  expect(isStreamed(await ask(at, 2026))).toBe(true);
});

describe("held whole is", () => {
  const body = jsonOf(2e6);
  const whole = { type: "application/json", body, encoding: "identity" };
  const schema = { type: "object", properties: { rows: { type: "array" } } };
  const answers = { 200: { description: "ok", content: { "application/json": { schema } } } };
  const promised = {
    spec: { paths: { "/thing": { get: { operationId: "thing", responses: answers } } } },
    response: "{maxTokens: 1000000, schema: permissive}",
  };
  const page = { name: "page", in: "query", schema: { type: "integer" } };
  test.each<{
    readonly what: string;
    readonly options?: Options;
    readonly sent?: Partial<typeof whole>;
    readonly status?: number;
  }>([
    { what: "an answer of 1 MiB", sent: { body: Buffer.from(`"${"x".repeat(1_048_574)}"`) } },
    { what: "what is reshaped", options: { response: "{maxTokens: 1000000, select: rows}" } },
    { what: "what has a promise", options: promised },
    { what: "what has pages", options: { parameters: [page] } },
    { what: "what is cut before", options: { response: "{maxTokens: 262144}" } },
    { what: "what the record needs whole", options: { audit: "result: digest" } },
    { what: "what is told only with a record", options: { audit: "onFailure: deny" } },
    { what: "a coding", sent: { body: gzipSync(Buffer.from(textOf(3e6))), encoding: "gzip" } },
    { what: "another charset", sent: { type: "text/plain; charset=iso-8859-1" } },
    { what: "UTF-16", sent: { body: Buffer.from(body.toString(), "utf16le") } },
    { what: "a list of lines", sent: { type: "application/x-ndjson" } },
    { what: "a file", sent: { type: "application/pdf" } },
    { what: "an error of the API", sent: { type: "application/problem+json" }, status: 500 },
    { what: "what is no text to show, whatever comes", status: 205 },
  ])("$what", async ({ options = {}, sent = {}, status = 200 }) => {
    const at = await wide(options);
    const { type, body: bytes, encoding } = { ...whole, ...sent };
    at.api.answer = (_, response) => {
      const headers = { "content-type": type, "content-encoding": encoding };
      response.writeHead(status, headers).end(bytes);
    };
    for (const year of years) {
      const answer = await ask(at, year);
      expect(isStreamed(answer)).toBe(false);
      expect(Number(answer.headers["content-length"])).toBe(Buffer.byteLength(answer.text));
    }
  });
});

test.each(years)("with default limits more than 1 MiB is refused, %s", async (year) => {
  const at = await thing();
  at.api.answer = (_, response) => inPieces("application/json", jsonOf(2e6))(response);
  const answer = await ask(at, year);
  expect(isStreamed(answer)).toBe(false);
  expect(resultOf(answer)).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining("larger than 1048576 bytes") as string }],
  });
});
