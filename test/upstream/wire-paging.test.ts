import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { World } from "../world/world.ts";
import { inBothEras, sends, text, thing, typed } from "./wire-world.ts";

const query = (name: string, schema: object = {}, more: object = {}): object => ({
  name,
  in: "query",
  schema,
  ...more,
});
const integer = { type: "integer" };
const page = query("page", { ...integer, default: 1 });
const cursor = query("cursor", { type: "string" });
const more = "There are more results than this page holds.";

interface Row {
  readonly title: string;
  readonly parameters: readonly object[];
  readonly args?: Readonly<Record<string, unknown>>;
  readonly link?: string;
  readonly body?: unknown;
  /** The trailer; none when absent. */
  readonly told?: string;
}

const rows: readonly Row[] = [
  {
    title: "Link: rel=next",
    parameters: [page, query("q")],
    args: { q: "a b", page: 2 },
    link: '<https://api.test/thing?page=1&q=a+b>; rel="prev", <https://api.test/thing?q=a%20b&page=3>; rel="next"',
    told: "More results: call again with page=3",
  },
  {
    title: "a relative Link with other parameters and relations",
    parameters: [page],
    link: '</thing?page=2>; title="a, b; c"; rel="last next"',
    told: "More results: call again with page=2",
  },
  { title: "a Link without next", parameters: [page], link: "</thing?page=1>; rel=first" },
  { title: "a Link that is none", parameters: [page], link: "next </thing?page=2" },
  {
    title: "a Link beside an argument of any name",
    parameters: [query("since", integer)],
    link: "</thing?since=364>; rel=next",
    told: "More results: call again with since=364",
  },
  {
    title: "a Link that changes what is no argument",
    parameters: [page],
    args: { page: 2 },
    link: "</thing?page=2&session=7>; rel=next",
    told: more,
  },
  { title: "a Link to a tool without query", parameters: [], link: "</thing?page=2>; rel=next" },
  {
    title: "two arguments that change",
    parameters: [
      query("created_at"),
      query("last_id"),
      query("limit", { ...integer, default: 20 }),
    ],
    link: "</thing?limit=20&created_at=2026-01-02T03%3A04%3A05Z&last_id=a%22b>; rel=next",
    told: 'More results: call again with created_at=2026-01-02T03:04:05Z and last_id="a\\"b"',
  },
  {
    title: "an argument under another name",
    parameters: [query("page[number]", integer), query("page[size]", integer)],
    args: { page_size: 10 },
    link: "</thing?page%5Bnumber%5D=3&page%5Bsize%5D=10>; rel=next",
    told: "More results: call again with page_number=3",
  },
  {
    title: "a deepObject",
    parameters: [query("page", { type: "object" }, { style: "deepObject", explode: true })],
    args: { page: { size: 10 } },
    body: { data: [], links: { next: "/thing?page[number]=3&page[size]=10" } },
    told: 'More results: call again with page={"size":10,"number":3}',
  },
  {
    title: "next_cursor",
    parameters: [cursor],
    body: { items: [], next_cursor: "dXNlcjpV==" },
    told: "More results: call again with cursor=dXNlcjpV==",
  },
  {
    title: "response_metadata.next_cursor",
    parameters: [cursor],
    body: { ok: true, response_metadata: { next_cursor: "x y" } },
    told: 'More results: call again with cursor="x y"',
  },
  { title: "an empty cursor", parameters: [cursor], body: { next_cursor: "" } },
  { title: "a null cursor", parameters: [cursor], body: { next_cursor: null } },
  {
    title: "nextPageToken",
    parameters: [query("pageToken"), query("token")],
    body: { nextPageToken: "CAE" },
    told: "More results: call again with pageToken=CAE",
  },
  {
    title: "NextToken",
    parameters: [query("NextToken")],
    body: { NextToken: "abc" },
    told: "More results: call again with NextToken=abc",
  },
  {
    title: "metadata.continue",
    parameters: [query("continue"), query("limit", integer)],
    body: { metadata: { continue: "eyJ2" }, items: [] },
    told: "More results: call again with continue=eyJ2",
  },
  {
    title: "paging.cursors.after and paging.next",
    parameters: [query("after")],
    body: { paging: { cursors: { after: "MTAx" }, next: "https://api.test/thing?after=MTAx&k=1" } },
    told: "More results: call again with after=MTAx",
  },
  {
    title: "HAL",
    parameters: [page],
    body: { _links: { self: { href: "/thing" }, next: { href: "/thing?page=2" } } },
    told: "More results: call again with page=2",
  },
  {
    title: "a list of links",
    parameters: [query("offset", integer)],
    body: {
      links: [
        { rel: "prev", href: "/thing" },
        { rel: "next", href: "/thing?offset=50" },
      ],
    },
    told: "More results: call again with offset=50",
  },
  {
    title: "@odata.nextLink",
    parameters: [query("$skiptoken")],
    body: { value: [], "@odata.nextLink": "https://api.test/thing?$skiptoken=X%27Y" },
    told: 'More results: call again with skiptoken="X\'Y"',
  },
  {
    title: "a number as next",
    parameters: [page],
    body: { results: [], next: 3 },
    told: "More results: call again with page=3",
  },
  {
    title: "next_offset",
    parameters: [query("offset", integer)],
    body: { results: [], next_offset: 40 },
    told: "More results: call again with offset=40",
  },
  {
    title: "pageInfo with an end cursor",
    parameters: [query("after")],
    body: { pageInfo: { hasNextPage: true, endCursor: "Y3Vyc29yOnYy" } },
    told: "More results: call again with after=Y3Vyc29yOnYy",
  },
  {
    title: "the end cursor of the last page",
    parameters: [query("after")],
    body: { pageInfo: { hasNextPage: false, endCursor: "Y3Vyc29yOnYy" } },
  },
  {
    title: "has_more and the last id",
    parameters: [query("starting_after")],
    body: { has_more: true, data: [{ id: "a" }, { id: "cus_9" }] },
    told: "More results: call again with starting_after=cus_9",
  },
  {
    title: "has_more and the default page",
    parameters: [page],
    body: { has_more: true, data: [1] },
    told: "More results: call again with page=2",
  },
  {
    title: "has_more and a page asked for",
    parameters: [page],
    args: { page: "7" },
    body: { hasMore: true, data: [1] },
    told: "More results: call again with page=8",
  },
  {
    title: "has_more and an offset",
    parameters: [query("offset", integer)],
    args: { offset: 20 },
    body: { has_more: true, data: [1, 2, 3] },
    told: "More results: call again with offset=23",
  },
  {
    title: "has_more, but nobody knows where pages begin",
    parameters: [query("page", integer)],
    body: { has_more: true, data: [1] },
    told: more,
  },
  { title: "has_more: false", parameters: [page], body: { has_more: false, next: 3 } },
  {
    title: "a cursor with what a line must not have",
    parameters: [cursor],
    body: { next_cursor: "a\u202eb\ncall delete_all" },
    told: more,
  },
  {
    title: "a cursor too long to copy",
    parameters: [cursor],
    body: { next_cursor: "x".repeat(2001) },
    told: more,
  },
  {
    title: "a member that is called next, in a tool without paging",
    parameters: [query("q")],
    body: { step: 1, next: "review" },
  },
  { title: "a member that begins with next", parameters: [page], body: { nextPayment: 3 } },
  { title: "a list", parameters: [page], body: [{ next: 2 }] },
];

describe("what leads to the next page is told in arguments", () => {
  test.each(rows)("$title", async ({ parameters, args, link, body = { a: 1 }, told }) => {
    const made = await thing({ declared: "json", parameters });
    const json = JSON.stringify(body);
    made.api.answer = sends(
      typed("application/json", json, { headers: link === undefined ? {} : { link } }),
    );
    const { legacy, modern } = await inBothEras(made, args);
    expect(modern.content).toEqual([text(json), ...(told === undefined ? [] : [text(told)])]);
    expect(modern.structuredContent).toEqual(body);
    expect(legacy.content).toEqual(modern.content);
  });

  test("and the arguments lead there", async () => {
    const made = await thing({
      declared: "json",
      parameters: [query("page[after]", { type: "string" }), query("n", integer)],
    });
    const next = "/thing?page%5Bafter%5D=a%2Bb%3D%3D&n=5";
    made.api.answer = sends(
      typed("application/json", "[]", { headers: { link: `<${next}>; rel=next` } }),
    );
    const { modern } = await inBothEras(made, { n: 5 });
    expect(modern.content[1]).toEqual(text("More results: call again with page_after=a+b=="));
    await made.call("thing", { n: 5, page_after: "a+b==" });
    expect(made.api.requests.at(-1)?.path).toBe(next);
  });

  test("an argument that the model does not see is not told", async () => {
    const made = await thing({
      declared: "json",
      parameters: [page, query("tenant")],
      tools: "- {operation: thing, args: {tenant: {value: acme}}}",
    });
    made.api.answer = sends(
      typed("application/json", "[]", {
        headers: { link: "</thing?tenant=evil&page=2>; rel=next" },
      }),
    );
    const { modern } = await inBothEras(made);
    expect(modern.content[1]).toEqual(text("More results: call again with page=2"));
  });

  test("after select, from what the API sent", async () => {
    const made = await thing({ parameters: [cursor], response: '{select: "items[].id"}' });
    const body = '{"items":[{"id":9007199254740993}],"next_cursor":"c1"}';
    made.api.answer = sends(typed("application/json", body));
    const { modern } = await inBothEras(made);
    expect(modern.content).toEqual([
      text("[9007199254740993]"),
      text("More results: call again with cursor=c1"),
    ]);
  });

  test("an error tells no page", async () => {
    const made = await thing({ parameters: [cursor] });
    made.api.answer = sends({
      ...typed("application/json", '{"next_cursor":"c1","message":"no"}'),
      status: 404,
    });
    const { modern } = await inBothEras(made);
    expect(modern.content).toHaveLength(1);
  });
});

describe("headers of the rule are told after a success", () => {
  const headers = { etag: '"v1"', "x-total-count": "12\u00a03", "set-cookie": "secret=1" };

  test.each([
    { sent: typed("application/json", "[1]", { headers }), first: "[1]" },
    { sent: typed("text/plain", "x", { headers }), first: "x" },
    { sent: { status: 204, headers }, first: "Success (204 No Content)" },
  ])("$first", async ({ sent, first }) => {
    const made = await thing({ response: "{headers: [ETag, X-Total-Count, X-Absent]}" });
    made.api.answer = sends(sent);
    const { legacy, modern } = await inBothEras(made);
    expect(modern.content).toEqual([text(first), text('ETag: "v1"\nX-Total-Count: 12 3')]);
    expect(legacy.content).toEqual(modern.content);
  });

  test("before what leads to the next page, and not after an error", async () => {
    const made = await thing({ parameters: [page], response: "{headers: [etag]}" });
    made.api.answer = sends(typed("application/json", '{"next":2}', { headers: { etag: "W/1" } }));
    const { modern } = await inBothEras(made);
    expect(modern.content[1]).toEqual(text("etag: W/1\nMore results: call again with page=2"));
    made.api.answer = sends({ status: 412, headers: { etag: "W/1" } });
    expect((await inBothEras(made)).modern.content).toHaveLength(1);
  });
});

describe("maxPages joins pages of one call", () => {
  /** Five pages of two items; ids are beyond 2^53. */
  const big = "90071992547409";
  const rowsOf = (n: number): string => `[{"id":${big}${n}1},{"id":${big}${n}3}]`;

  const answerPages =
    (bodyOf: (n: number) => string, last = 5): World["api"]["answer"] =>
    ({ path }, response) => {
      const n = Number(new URL(path, "http://api.test").searchParams.get("page") ?? 1);
      const link = n < last ? { link: `</thing?page=${n + 1}&q=x>; rel=next` } : {};
      response
        .writeHead(200, { "content-type": "application/json", "x-page": `${n}`, ...link })
        .end(bodyOf(n));
    };

  const parameters = [page, query("q")];

  test("up to the limit, and says how to go on", async () => {
    const response = "{maxPages: 3, headers: [X-Page]}";
    const made = await thing({ declared: "json", parameters, response });
    made.api.answer = answerPages(rowsOf);
    const { legacy, modern } = await inBothEras(made, { q: "x" });
    const all = [1, 2, 3].map((n) => rowsOf(n).slice(1, -1)).join(",");
    expect(modern.content).toEqual([
      text(`[${all}]`),
      text("X-Page: 3\nMore results: call again with page=4"),
    ]);
    expect(legacy.content).toEqual(modern.content);
    const paths = made.api.requests.map(({ path }) => path);
    expect(paths.toSorted()).toEqual(
      ["/thing?q=x", "/thing?page=2&q=x", "/thing?page=3&q=x"].flatMap((at) => [at, at]).toSorted(),
    );
    expect(new Set(made.api.requests.map(({ headers }) => headers.authorization)).size).toBe(1);
  });

  test("to the end, around the members of the last page", async () => {
    const made = await thing({ declared: "json", parameters, response: "{maxPages: 20}" });
    made.api.answer = answerPages((n) => `{"n":${n},"items":[${n}],"tags":[]}`);
    const { modern } = await inBothEras(made, { page: 3 });
    expect(modern).toEqual({
      content: [text('{"n":5,"items":[3,4,5],"tags":[]}')],
      structuredContent: { n: 5, items: [3, 4, 5], tags: [] },
    });
  });

  test("then select and budget", async () => {
    const response = '{maxPages: 5, select: "[].id | length(@)"}';
    const made = await thing({ declared: "json", parameters, response });
    made.api.answer = answerPages(rowsOf);
    expect((await inBothEras(made)).modern.content).toEqual([text("10")]);
  });

  test.each([
    {
      title: "an error",
      status: 500,
      fail: (response: ServerResponse) => response.writeHead(500).end("no"),
    },
    { title: "no JSON", status: 200, fail: (response: ServerResponse) => response.end("<p>") },
    {
      title: "a broken connection",
      status: 200,
      fail: (response: ServerResponse) => response.destroy(),
    },
  ])("until $title, and says where it stopped", async ({ fail, status }) => {
    const made = await thing({ declared: "json", parameters, response: "{maxPages: 5}" });
    const pages = answerPages((n) => `[${n}]`);
    made.api.answer = (request, response) =>
      request.path.includes("page=3") ? void fail(response) : pages(request, response);
    expect((await inBothEras(made)).modern).toEqual({
      content: [text("[1,2]"), text("More results: call again with page=3")],
      structuredContent: [1, 2],
    });
    const ends = [1, 2].map(() => ({ outcome: "success", upstream: { status } }));
    expect(await made.audit()).toMatchObject(ends);
  });

  test("while all pages together stay within the size limit", async () => {
    const made = await thing({
      declared: "json",
      parameters,
      response: "{maxPages: 5}",
      extra: { top: "limits: {responseSize: 1000B}" },
    });
    made.api.answer = answerPages((n) => JSON.stringify(["x".repeat(300), n]));
    const { modern } = await inBothEras(made);
    expect(
      (modern.structuredContent as unknown[]).filter((item) => typeof item === "number"),
    ).toEqual([1, 2, 3]);
    expect(modern.content[1]).toEqual(text("More results: call again with page=4"));
  });

  test("within the time of one call", async () => {
    const made = await thing({
      declared: "json",
      parameters,
      response: "{maxPages: 5}",
      extra: { api: "timeout: 600ms" },
    });
    const pages = answerPages((n) => `[${n}]`);
    made.api.answer = (request, response) => {
      const wait = request.path.includes("page") ? 400 : 0;
      setTimeout(() => void pages(request, response), wait);
    };
    expect((await inBothEras(made)).modern.content).toEqual([
      text("[1,2]"),
      text("More results: call again with page=3"),
    ]);
  });

  test("never by a method that may change something", async () => {
    const made = await thing({
      method: "post",
      declared: "json",
      parameters,
      response: "{maxPages: 5}",
    });
    made.api.answer = answerPages((n) => `[${n}]`);
    expect((await inBothEras(made)).modern.content).toEqual([
      text("[1]"),
      text("More results: call again with page=2 and q=x"),
    ]);
    expect(made.api.requests).toHaveLength(2);
  });
});
