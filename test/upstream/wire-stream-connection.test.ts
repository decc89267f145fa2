import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { call, eras, usual } from "../mcp/wire.ts";
import type { World } from "../world/world.ts";
import { wide, years, type Year } from "./wire-world.ts";

/** One call as it stands on the wire. */
async function written(at: World, year: Year, id = 1, version = "1.1"): Promise<string> {
  const { body, headers } = eras[years.indexOf(year)]!.request("tools/call", call("thing"), id);
  const text = JSON.stringify(body);
  const lines = Object.entries({
    host: new URL(at.url).host,
    authorization: `Bearer ${await at.idp.token()}`,
    "content-length": text.length,
    ...usual,
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /mcp HTTP/${version}\r\n${lines.join("")}\r\n${text}`;
}

interface Client {
  readonly socket: Socket;
  readonly received: () => Buffer;
  readonly ended: Promise<unknown>;
}

function dial(at: World): Client {
  const { hostname, port } = new URL(at.url);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  return { socket, received: () => Buffer.concat(chunks), ended: once(socket, "close") };
}

/** The bodies of the replies that have come whole, all of them in chunks. */
function repliesIn(received: Buffer): readonly string[] {
  const bodies: string[] = [];
  for (let at = 0; ;) {
    const head = received.indexOf("\r\n\r\n", at);
    if (head === -1) return bodies;
    const pieces: Buffer[] = [];
    at = head + 4;
    for (let size = -1; size !== 0;) {
      const line = received.indexOf("\r\n", at);
      if (line === -1) return bodies;
      size = Number.parseInt(received.toString("latin1", at, line), 16);
      pieces.push(received.subarray(line + 2, line + 2 + size));
      at = line + 2 + size + 2;
    }
    bodies.push(Buffer.concat(pieces).toString());
  }
}

interface Read {
  readonly id: number;
  readonly result: { readonly content: readonly { readonly text: string }[] };
}

const length = 1_500_000;

function answersLong(at: World): void {
  at.api.answer = (_, response) => {
    response.writeHead(200, { "content-type": "text/plain" }).end("x".repeat(length));
  };
}

/** An API that begins each answer and leaves its end to the test. */
function begins(at: World): { readonly under: ServerResponse[]; readonly closed: () => number } {
  const under: ServerResponse[] = [];
  let closed = 0;
  at.api.answer = (_, response) => {
    response.on("close", () => closed++);
    response.writeHead(200, { "content-type": "text/plain" }).write("x".repeat(length));
    under.push(response);
  };
  return { under, closed: () => closed };
}

test.each(years)(
  "a connection takes one streamed reply after the other, %s",
  async (year) => {
    const warnings: string[] = [];
    const warn = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", warn);
    onTestFinished(() => void process.off("warning", warn));
    const at = await wide();
    answersLong(at);
    const { socket, received } = dial(at);
    const ids = Array.from({ length: 14 }, (_, i) => i + 1);
    const calls = await Promise.all(ids.map((id) => written(at, year, id)));
    socket.write(calls[0]!);
    await vi.waitFor(() => expect(repliesIn(received())).toHaveLength(1), 10_000);
    socket.write(calls.slice(1).join(""));
    const all = { timeout: 20_000, interval: 200 };
    await vi.waitFor(() => expect(repliesIn(received())).toHaveLength(ids.length), all);
    const replies = repliesIn(received()).map((text) => JSON.parse(text) as Read);
    expect(replies.map(({ id }) => id)).toEqual(ids);
    expect(replies.map(({ result }) => result.content[0]!.text.length)).toEqual(
      ids.map(() => length),
    );
    expect(await at.audit()).toHaveLength(ids.length);
    expect(warnings).toEqual([]);
  },
  40_000,
);

test.each(years)("a client of HTTP/1.0 reads to the end of the connection, %s", async (year) => {
  const at = await wide();
  answersLong(at);
  const { socket, received, ended } = dial(at);
  socket.write(await written(at, year, 1, "1.0"));
  await ended;
  const [head = "", body = ""] = received().toString().split("\r\n\r\n");
  expect(head).not.toMatch(/transfer-encoding/i);
  expect((JSON.parse(body) as Read).result.content[0]!.text).toHaveLength(length);
});

test.each(years)("calls that wait behind a reply end with its connection, %s", async (year) => {
  const at = await wide({ extra: { api: "timeout: 60s" } });
  const api = begins(at);
  const { socket, received } = dial(at);
  const calls = await Promise.all([1, 2, 3].map((id) => written(at, year, id)));
  socket.write(calls.join(""));
  await vi.waitFor(() => expect(api.under).toHaveLength(3));
  await vi.waitFor(() => expect(received().length).toBeGreaterThan(length));
  socket.destroy();
  await vi.waitFor(() => expect(api.closed()).toBe(3));
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(3));
  expect(await at.audit()).toMatchObject([1, 2, 3].map(() => ({ outcome: "cancelled" })));
});

test("in the 2026 era a call that waits behind a reply ends before its API answers", async () => {
  const at = await wide({ extra: { api: "timeout: 60s" } });
  let closed = 0;
  at.api.answer = (_, response) => void response.on("close", () => closed++);
  const { socket } = dial(at);
  socket.write((await written(at, 2026, 1)) + (await written(at, 2026, 2)));
  await vi.waitFor(() => expect(at.api.requests).toHaveLength(2));
  socket.destroy();
  await vi.waitFor(() => expect(closed).toBe(2));
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(2));
});

test("in the 2025 era what may change something runs to its end, whoever goes away", async () => {
  const at = await wide({ method: "post" });
  const api = begins(at);
  const { socket, received, ended } = dial(at);
  socket.write(await written(at, 2025));
  await vi.waitFor(() => expect(received().length).toBeGreaterThan(length));
  socket.destroy();
  await ended;
  const [answer] = api.under;
  await new Promise<void>((resolve) => answer!.end("y".repeat(length), resolve));
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(1));
  expect(await at.audit()).toMatchObject([
    { outcome: "success", response: { bytes: 2 * length, is_error: false } },
  ]);
});

test("in the 2025 era it runs to its end for who had stopped reading, too", async () => {
  const at = await wide({ method: "post" });
  // Fewer characters than are told, more bytes than systems keep.
  const piece = Buffer.from("€".repeat(158_000));
  let pieces = 0;
  at.api.answer = async (_, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    for (; pieces < 24; pieces++) {
      if (!response.write(piece)) await once(response, "drain");
    }
    response.end();
  };
  const { socket } = dial(at);
  socket.pause();
  socket.write(await written(at, 2025));
  let before = 0;
  const stuck = (): void => {
    const last = before;
    before = pieces;
    expect(pieces).toBe(Math.max(1, last));
  };
  await vi.waitFor(stuck, { interval: 300, timeout: 5_000 });
  expect(pieces).toBeLessThan(24);
  socket.destroy();
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(1), 5_000);
  expect(await at.audit()).toMatchObject([
    { outcome: "success", response: { bytes: 24 * piece.length } },
  ]);
});
