import { once } from "node:events";
import { PassThrough } from "node:stream";
import { expect, onTestFinished, test, vi } from "vitest";
import { createStdioEndpoint } from "../../src/mcp/stdio.ts";
import { answerJson } from "../world/api.ts";
import { legacy, modern, usual, type Posted } from "../mcp/wire.ts";
import { world, type World } from "../world/world.ts";

const spec = {
  paths: {
    "/orders": { get: { operationId: "list_orders" }, post: { operationId: "add_order" } },
  },
};

/** What became of the connection on which the API was asked: it hangs until it is let go. */
function hang(at: World): {
  readonly asked: Promise<void>;
  readonly closed: () => boolean;
  readonly release: () => void;
} {
  let release = (): void => {};
  let closed = false;
  const asked = new Promise<void>((resolve) => {
    at.api.answer = (_, response) => {
      response.once("close", () => (closed = !response.writableFinished));
      release = () => answerJson(response, { late: true });
      resolve();
    };
  });
  return { asked, closed: () => closed, release: () => release() };
}

/** Posts and goes away once the API was asked. */
async function dropAfter(at: World, { body, headers }: Posted, asked: Promise<void>) {
  const gone = new AbortController();
  const answer = fetch(at.url, {
    method: "POST",
    headers: { ...usual, ...headers, authorization: `Bearer ${await at.idp.token()}` } as Record<
      string,
      string
    >,
    body: JSON.stringify(body),
    signal: gone.signal,
  }).then(
    () => "answered",
    () => "gone",
  );
  await asked;
  gone.abort();
  expect(await answer).toBe("gone");
}

test.each(["list_orders", "add_order"])(
  "F57: a client of 2026-07-28 that closes its stream ends %s at the API",
  async (name) => {
    const at = await world({ spec, credential: "none" });
    const api = hang(at);
    await dropAfter(at, modern("tools/call", { name, arguments: {} }), api.asked);
    await vi.waitFor(() => expect(api.closed()).toBe(true));
    await vi.waitFor(async () =>
      expect(await at.audit()).toMatchObject([{ outcome: "cancelled", reason: "cancelled" }]),
    );
    expect(at.api.requests).toHaveLength(1);
  },
);

test("F57: what a client of the 2025 era had sent runs to its end when the client drops", async () => {
  const at = await world({ spec, credential: "none" });
  const api = hang(at);
  await dropAfter(at, legacy("tools/call", { name: "add_order", arguments: {} }), api.asked);
  // Another whole call fits in between: the first one would be aborted by now.
  const { asked } = hang(at);
  const other = at.call("list_orders");
  await asked;
  expect(api.closed()).toBe(false);
  api.release();
  await vi.waitFor(async () =>
    expect(await at.audit()).toMatchObject([{ outcome: "success", tool: { name: "add_order" } }]),
  );
  at.api.answer = (_, response) => answerJson(response, {});
  await Promise.race([other, at.gateway.close()]);
});

test("F58: notifications/cancelled on a pipe ends the request at the API", async () => {
  const at = await world({ spec, credential: "none" });
  const api = hang(at);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const ports = {
    now: () => Date.now(),
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  };
  const [first] = at.gateway.snapshot.endpoints;
  if (first === undefined) throw new TypeError("no endpoint");
  const token = await at.idp.token();
  const endpoint = createStdioEndpoint(
    {
      service: () => first.mcp,
      info: { name: "tollgate", version: "0" },
      principal: () => at.gateway.believe(token, "stdio", first.path),
      input,
      output,
    },
    ports,
  );
  onTestFinished(() => endpoint.close());
  const say = (message: object): void =>
    void input.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const clientInfo = { name: "test", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  say({ id: 0, method: "initialize", params });
  await once(output, "data");
  say({ method: "notifications/initialized" });
  say({ id: 1, method: "tools/call", params: { name: "add_order", arguments: {} } });
  await api.asked;
  say({ method: "notifications/cancelled", params: { requestId: 1 } });
  await vi.waitFor(() => expect(api.closed()).toBe(true));
  await vi.waitFor(async () => expect(await at.audit()).toMatchObject([{ outcome: "cancelled" }]));
});
