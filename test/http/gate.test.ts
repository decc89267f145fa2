import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { networkOf } from "../../src/base/network.ts";
import { openEventStream } from "../../src/mcp/event-stream.ts";
import { closeWhenStalled } from "../../src/mcp/slow-reader.ts";
import { answerJson } from "../world/api.ts";
import { readRecords } from "../world/audit.ts";
import { world, type World } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

function shop(limits: string, server = ""): Promise<World> {
  return world({ spec, credential: "none", extra: { top: `limits: {${limits}}`, server } });
}

const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };

test("S91: an address has a rate whoever asks, and is told when to come back", async () => {
  const at = await shop("rate: {address: 2/h}");
  const statuses: number[] = [];
  for (const authorization of ["Bearer a", "Bearer b"]) {
    statuses.push((await at.post(list, { authorization })).status);
  }
  const forwarded = { "x-forwarded-for": "203.0.113.9" };
  const third = await at.post(list, forwarded);
  expect([...statuses, third.status]).toEqual([401, 401, 429]);
  expect(third.headers.get("retry-after")).toBe("1800");
  expect(await third.json()).toEqual({ error: "rate_limited" });
  expect((await at.audit()).at(-1)).toMatchObject({
    event: "rate.deny",
    outcome: "denied",
    reason: "rate_limited",
    limit: "address",
  });
});

test("S50: a flood of unknown methods is a flood like any other", async () => {
  const at = await shop("rate: {address: 5/h}");
  const authorization = `Bearer ${await at.idp.token()}`;
  const statuses: number[] = [];
  for (let id = 0; id < 7; id++) {
    const response = await at.post({ jsonrpc: "2.0", id, method: "no/such" }, { authorization });
    statuses.push(response.status);
  }
  expect(statuses.slice(5)).toEqual([429, 429]);
  expect(statuses.slice(0, 5)).not.toContain(429);
});

test.each([
  ["203.0.113.9", "203.0.113.9"],
  ["::ffff:203.0.113.9", "203.0.113.9"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:2::1", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
])("S91: %s counts as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test("while no call more may be under way a request is turned away at once", async () => {
  const at = await shop("totalConcurrency: 1");
  let release = (): void => {};
  at.api.answer = (_, response) => {
    release = () => answerJson(response, { ok: true });
  };
  const first = at.call("list_orders");
  await vi.waitFor(() => expect(at.api.requests).toHaveLength(1));
  const shed = await at.post(list, { authorization: "Bearer nonsense" });
  expect(shed.status).toBe(503);
  expect(shed.headers.get("retry-after")).toBe("1");
  release();
  expect((await first).isError).toBeUndefined();
  expect((await at.post(list)).status).toBe(200);
  expect(await at.audit()).toMatchObject([
    { event: "request.reject", outcome: "shed", reason: "overloaded" },
    { event: "tool.call", outcome: "success" },
  ]);
});

test("S93: a connection too many is closed, and the others serve on", async () => {
  const at = await shop("connections: 2");
  const { hostname, port } = new URL(at.url);
  const open = async (): Promise<Socket> => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  const held = [await open(), await open()];
  const third = await open();
  await once(third, "close");
  for (const socket of held) socket.destroy();
  await vi.waitFor(async () => expect((await at.post(list)).status).toBe(200));
  expect(await at.audit()).toContainEqual(
    expect.objectContaining({ event: "request.reject", reason: "too_many_connections" }),
  );
});

test("while the gateway stops it still answers, and keeps no connection", async () => {
  const at = await shop("", "drain: {delay: 300ms}");
  const before = await at.post(list);
  expect(before.headers.get("connection")).toBe("keep-alive");
  await before.text();
  const closing = at.gateway.close();
  const during = await at.post(list);
  expect(during.status).toBe(200);
  expect(during.headers.get("connection")).toBe("close");
  await during.text();
  await closing;
  await expect(at.post(list)).rejects.toThrow("fetch failed");
});

const doubt = "It may have taken effect: check that before you repeat the call.";

test.each([
  { method: "get", told: "The gateway is stopping. Try again." },
  { method: "post", told: `The gateway is stopping. ${doubt}` },
])("a $method that takes longer than the drain is ended, told and recorded", async (given) => {
  const at = await world({
    spec: { paths: { "/orders": { [given.method]: { operationId: "ask_orders" } } } },
    credential: "none",
    extra: { server: "drain: {timeout: 200ms}" },
  });
  let closed = false;
  at.api.answer = (_, response) => void response.once("close", () => (closed = true));
  const call = at.call("ask_orders");
  await vi.waitFor(() => expect(at.api.requests).toHaveLength(1));
  const closing = at.gateway.close();
  expect(await call).toMatchObject({ isError: true, content: [{ text: given.told }] });
  await closing;
  expect(at.gateway.aborted).toBe(1);
  await vi.waitFor(() => expect(closed).toBe(true));
  const records = readRecords(await at.auditText());
  expect(records.map(({ event }) => event)).toEqual(
    expect.arrayContaining(["tool.call", "server.stop"]),
  );
  expect(await at.audit()).toMatchObject([{ outcome: "cancelled", reason: "cancelled" }]);
});

const poured = 32 * 1_048_576;

async function connectTo(answer: RequestListener): Promise<Socket> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.on("error", () => {});
  return client;
}

/** A server that sends more than systems keep, to a client that has not begun to read. */
async function pour(stallMs: number): Promise<{
  readonly client: Socket;
  /** The server has done with it. */
  readonly done: Promise<void>;
  /** All that came until the end. */
  readonly received: () => Promise<number>;
}> {
  let tell = (): void => {};
  const done = new Promise<void>((resolve) => (tell = resolve));
  const client = await connectTo((_, response) => {
    closeWhenStalled(response, { lookMs: 20, stallMs });
    response.once("close", tell);
    response.end(Buffer.alloc(poured, "x"));
  });
  client.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  const received = async (): Promise<number> => {
    let bytes = 0;
    client.on("data", (chunk: Buffer) => (bytes += chunk.length));
    await once(client, "close");
    return bytes;
  };
  return { client, done, received };
}

test("F59: a reader who takes nothing is closed", async () => {
  const { done, received } = await pour(200);
  await done;
  expect(await received()).toBeLessThan(poured);
});

test("F59: so is one who takes nothing of a reply that waited behind another", async () => {
  const waiting: ServerResponse[] = [];
  const client = await connectTo((_, response) => {
    waiting.push(response);
    const [first, second] = waiting;
    if (second === undefined) return;
    closeWhenStalled(second, { lookMs: 20, stallMs: 200 });
    second.end(Buffer.alloc(poured, "x"));
    first!.end();
  });
  client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2));
  await vi.waitFor(() => expect(waiting[1]?.destroyed).toBe(true), { timeout: 5_000 });
  client.destroy();
});

test("who has gone away before there is anything to read is not looked after", async () => {
  let told: ServerResponse | undefined;
  const client = await connectTo((_, response) => (told = response));
  client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await vi.waitFor(() => expect(told).toBeDefined());
  client.destroy();
  await vi.waitFor(() => expect(told?.destroyed).toBe(true));
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  openEventStream(told!).finish("{}");
  expect(vi.getTimerCount()).toBe(0);
});

test("F59: a reader who takes little, but does, gets all", async () => {
  const { client, received } = await pour(5_000);
  client.on("data", () => {
    client.pause();
    setTimeout(() => client.resume(), 2);
  });
  expect(await received()).toBeGreaterThan(poured);
});
