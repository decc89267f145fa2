import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import {
  answerOf,
  drips,
  ends,
  floods,
  inTurn,
  ok,
  resets,
  says,
  startFaultServer,
  type Fault,
  type FaultServer,
} from "../world/fault-server.ts";
import type { AuditRecord } from "../world/audit.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

const spec = {
  paths: {
    "/things": {
      get: { operationId: "list_things" },
      post: { operationId: "add_thing" },
      put: { operationId: "put_thing" },
    },
  },
};

interface Site {
  readonly at: World;
  readonly faulty: FaultServer;
}

/** A gateway with a good API, and one of the same document that fails. */
async function site(
  fault: Fault,
  options: Partial<WorldOptions> & { readonly keys?: string } = {},
): Promise<Site> {
  const faulty = await startFaultServer(fault);
  const { keys = "timeout: 600ms", ...more } = options;
  const apis = `faulty:
  spec: spec.json
  url: ${faulty.url}
  prefix: true
  ${keys}
  credential: none
  tools: [{match: {paths: ["/**"]}}]`;
  const at = await world({ spec, credential: "none", extra: { apis }, ...more });
  return { at, faulty };
}

interface Suffered {
  readonly text: string;
  readonly isError: boolean;
  readonly record: AuditRecord;
}

/** One call of the failing API: one record, and the other API is served as before. */
async function suffer({ at, faulty }: Site, tool = "faulty_list_things"): Promise<Suffered> {
  const before = (await at.audit()).length;
  const { content, isError = false } = await at.call(tool);
  const records = (await at.audit()).slice(before);
  expect(records).toMatchObject([{ event: "tool.call", tool: { name: tool } }]);
  expect((await at.call("list_things")).isError).toBeUndefined();
  const text = content.map((block) => block.text ?? "").join("\n");
  expect(text).not.toContain(new URL(faulty.url).port);
  return { text, isError, record: records[0] ?? {} };
}

function failure(reason: string): object {
  return { isError: true, record: { outcome: "failure", reason } };
}

const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const json = (body: string | Buffer, coding = ""): Buffer => {
  const lines = `${head}Content-Length: ${body.length}\r\n${coding}\r\n`;
  return Buffer.concat([Buffer.from(lines), Buffer.from(body)]);
};

test("F01 no first byte is upstream_timeout, and the connection is closed", async () => {
  const made = await site(says(""));
  expect(await suffer(made)).toMatchObject(failure("upstream_timeout"));
  await made.faulty.quiet();
  expect(made.faulty.requests).toHaveLength(1);
});

test.each([
  ["an endless body", drips(`${head}Content-Length: 100000\r\n\r\n`)],
  ["an endless head", drips(`${head}X-Slow: `)],
  ["endless chunks", drips(`${head}Transfer-Encoding: chunked\r\n\r\nfffff\r\n`)],
  ["an endless body without a length", drips(`${head}Connection: close\r\n\r\n`)],
])("F02 %s that drips is ended by the time limit of the whole answer", async (_what, fault) => {
  const made = await site(fault);
  expect(await suffer(made)).toMatchObject(failure("upstream_timeout"));
  await made.faulty.quiet();
});

test("F03 silence after the head is ended by the time limit between two pieces", async () => {
  const made = await site(says(`${head}Content-Length: 10\r\n\r\n{`), {
    keys: "timeout: 30s\n  timeouts: {idle: 300ms}",
  });
  expect(await suffer(made)).toMatchObject(failure("upstream_timeout"));
  await made.faulty.quiet();
});

test("F06 an answer whose length is met is complete, whatever becomes of the connection", async () => {
  const made = await site(ends(answerOf('{"whole":true}')));
  expect(await suffer(made)).toMatchObject({ isError: false, text: '{"whole":true}' });
  made.faulty.fault = ends(`${head}Connection: close\r\n\r\n{"until":"end"}`);
  expect(await suffer(made)).toMatchObject({ isError: false, text: '{"until":"end"}' });
});

test.each([
  ["fewer bytes than promised", ends(`${head}Content-Length: 100\r\n\r\n{"half":`)],
  ["a body cut by a reset", resets(`${head}Content-Length: 100\r\n\r\n{"half":`)],
  ["chunks without their end", ends(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":`)],
  ["half a head", ends(`HTTP/1.1 200 OK\r\nContent-`)],
])("F06 %s are an error, and nothing of them is a result", async (_what, fault) => {
  const made = await site(fault);
  const { text, isError } = await suffer(made, "faulty_add_thing");
  expect(isError).toBe(true);
  expect(text).not.toContain("half");
});

test.each([
  ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["random bytes", Buffer.from([0, 255, 1, 254, 13, 10, 13, 10])],
  ["a TLS record", Buffer.from("150301000202280d0a0d0a", "hex")],
  ["a version from the future", "HTTP/9.9 200 OK\r\n\r\n"],
  ["a broken chunk size", `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
  ["a header without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"],
  ["two lengths", `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
])("F07 %s is upstream_protocol", async (_what, bytes) => {
  expect(await suffer(await site(ends(bytes)), "faulty_add_thing")).toMatchObject(
    failure("upstream_protocol"),
  );
});

test("F08 an answer with length and chunks is refused, and its connection is not used again", async () => {
  const both = `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`;
  const made = await site(inTurn(says(both), ok));
  expect(await suffer(made, "faulty_add_thing")).toMatchObject(failure("upstream_protocol"));
  expect(await suffer(made)).toMatchObject({ isError: false });
  expect(made.faulty.made()).toBe(2);
});

test("F08 what follows an answer on its connection is no answer to the next request", async () => {
  const made = await site(inTurn(says(answerOf("{}") + answerOf('{"smuggled":true}')), ok));
  await suffer(made);
  const { text } = await suffer(made);
  expect(text).not.toContain("smuggled");
});

test.each([
  ["one header of 40 kB", ends(`${head}X-Large: ${"x".repeat(40_000)}\r\n\r\n`)],
  ["headers without end", floods(head, `X-More: ${"y".repeat(1_000)}\r\n`)],
])("F09 %s are upstream_protocol", async (_what, fault) => {
  const made = await site(fault);
  expect(await suffer(made, "faulty_add_thing")).toMatchObject(failure("upstream_protocol"));
  await made.faulty.quiet();
});

test("F11 65 kB that inflate to 64 MiB are stopped at the limit", async ({ annotate }) => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const made = await site(says(json(bomb, "Content-Encoding: gzip\r\n")));
  await suffer(made);
  const before = process.memoryUsage().rss;
  let most = 0;
  for (let i = 0; i < 5; i++) {
    expect(await suffer(made)).toMatchObject(failure("upstream_too_large"));
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  expect(most).toBeLessThan(20 * 1024 * 1024);
  await annotate(`memory grew by at most ${Math.round(most / 1024 / 1024)} MiB`, "observed");
});

test("F11 a body without end is stopped at the limit, and its connection closed", async () => {
  const made = await site(floods(`${head}Connection: close\r\n\r\n`, "x".repeat(64_000)), {
    keys: "timeout: 30s",
  });
  expect(await suffer(made)).toMatchObject(failure("upstream_too_large"));
  await made.faulty.quiet();
});

test.each([
  ["zstd", "zstd", Buffer.from("28b52ffd", "hex")],
  ["an unknown coding", "klingon", Buffer.from("{}")],
  ["two codings", "gzip, gzip", gzipSync(gzipSync("{}"))],
  ["what is no gzip", "gzip", Buffer.from("not gzip at all")],
  ["half a gzip", "gzip", gzipSync('{"half":1}').subarray(0, 20)],
])("F12 %s is upstream_protocol", async (_what, coding, body) => {
  const made = await site(says(json(body, `Content-Encoding: ${coding}\r\n`)));
  expect(await suffer(made)).toMatchObject(failure("upstream_protocol"));
});

test("F12 brotli and gzip are read", async () => {
  const made = await site(
    inTurn(
      says(json(brotliCompressSync('{"br":1}'), "Content-Encoding: br\r\n")),
      says(json(gzipSync('{"gz":1}'), "Content-Encoding: gzip\r\n")),
    ),
  );
  expect(await suffer(made)).toMatchObject({ isError: false, text: '{"br":1}' });
  expect(await suffer(made)).toMatchObject({ isError: false, text: '{"gz":1}' });
});

test.each([
  ["broken JSON", Buffer.from('{"a":')],
  ["UTF-16", Buffer.from('{"a":1}', "utf16le")],
  ["a byte order mark", Buffer.from('\ufeff{"a":1}')],
  ["half a surrogate pair", Buffer.from(String.raw`{"a":"\ud800"}`)],
  ["invalid UTF-8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
  ["an HTML page", Buffer.from("<html>login</html>")],
])("F13 %s in place of JSON is told and breaks nothing", async (_what, body) => {
  const made = await site(says(json(body)));
  const { text, record } = await suffer(made);
  expect(text).not.toBe("");
  expect(Buffer.from(text).toString()).toBe(text);
  expect(record).toMatchObject({ event: "tool.call" });
});

test.each([204, 205, 304])("F14 %i without a body is told", async (status) => {
  const made = await site(says(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`));
  const { text } = await suffer(made);
  expect(text).toContain(String(status));
});

test("F14 early hints are passed over, a flood of informational answers is not", async () => {
  const hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
  const made = await site(says(hint.repeat(3) + answerOf('{"after":"hints"}')));
  expect(await suffer(made)).toMatchObject({ isError: false, text: '{"after":"hints"}' });
  made.faulty.fault = says("HTTP/1.1 102 Processing\r\n\r\n".repeat(100));
  expect(await suffer(made, "faulty_add_thing")).toMatchObject(failure("upstream_protocol"));
  await made.faulty.quiet();
});

test("F14 an upgrade that nobody asked for is an error", async () => {
  const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
  const made = await site(says(switching));
  expect(await suffer(made, "faulty_add_thing")).toMatchObject({ isError: true });
});

test("F19 a kept connection that the API closed while idle costs no call", async () => {
  const made = await site((socket, nth) => {
    socket.write(answerOf(`{"n":${nth}}`), () => setTimeout(() => socket.destroy(), 5));
  });
  for (let i = 0; i < 10; i++) {
    expect(await suffer(made, "faulty_add_thing")).toMatchObject({ isError: false });
    await new Promise((done) => setTimeout(done, 15));
  }
  expect(made.faulty.requests).toHaveLength(10);
});

test("F23 an HTTP/1.0 API without keep-alive is served", async () => {
  const made = await site(
    ends('HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"v":"1.0"}'),
  );
  for (let i = 0; i < 3; i++) {
    expect(await suffer(made)).toMatchObject({ isError: false, text: '{"v":"1.0"}' });
  }
  expect(made.faulty.made()).toBe(3);
});
