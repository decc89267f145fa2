import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { world, type World, type WorldOptions } from "../world/world.ts";

const spec = {
  paths: {
    "/orders": { get: { operationId: "list_orders" }, post: { operationId: "add_order" } },
  },
};

function shop(options: Partial<WorldOptions>): Promise<World> {
  return world({ spec, credential: "none", ...options });
}

/** Resolves when the API's end of the connection that it answers on is closed. */
function answersWith(at: World, head: string | undefined, drip = false): Promise<void> {
  return new Promise((resolve) => {
    at.api.answer = (_, { socket }) => {
      if (socket === null) throw new TypeError("an answer without a connection");
      if (head !== undefined) socket.write(head);
      const dripping = drip ? setInterval(() => socket.write("1\r\n \r\n"), 20) : undefined;
      socket.once("close", () => {
        clearInterval(dripping);
        resolve();
      });
    };
  });
}

const streamHead =
  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

test.each([
  {
    id: "F01",
    what: "an API that never answers",
    yaml: "timeout: 300ms",
    head: undefined,
    says: "did not answer within 0.3 s",
  },
  {
    id: "F01",
    what: "an API that answers too late",
    yaml: "timeouts: {headers: 200ms}",
    head: undefined,
    says: "did not answer within 0.2 s",
  },
  {
    id: "F02",
    what: "an API that drips for ever",
    yaml: "timeout: 400ms",
    head: streamHead,
    drip: true,
    says: "did not answer within 0.4 s",
  },
  {
    id: "F03",
    what: "an API that stops after its head",
    yaml: "timeouts: {idle: 200ms}",
    head: streamHead,
    says: "stopped in the middle of its answer for 0.2 s",
  },
])("$id: $what is given up, and its connection closed", async ({ yaml, head, drip, says }) => {
  const at = await shop({ extra: { api: yaml } });
  const closed = answersWith(at, head, drip);
  const { isError, content } = await at.call("add_order");
  expect(isError).toBe(true);
  expect(content[0]?.text).toContain(says);
  await closed;
  expect(await at.audit()).toMatchObject([{ outcome: "failure", reason: "upstream_timeout" }]);
});

test("a rule has its own timeouts, and the others those of the API", async () => {
  const at = await shop({
    extra: { api: "timeout: 20s" },
    tools: `- operation: add_order
  timeout: 300ms
- operation: list_orders
  timeouts: {headers: 200ms}`,
  });
  void answersWith(at, undefined);
  const [add, list] = await Promise.all([at.call("add_order"), at.call("list_orders")]);
  expect(add?.content[0]?.text).toContain("within 0.3 s");
  expect(list?.content[0]?.text).toContain("within 0.2 s");
});

test("a call ends with its own limit when the API's would be later", async () => {
  const at = await shop({
    credential: "exchange: {client: gateway, audience: api}",
    extra: { top: "limits: {callTimeout: 1s}", api: "timeout: 1s" },
  });
  // The credential takes most of the call's time.
  const exchange = at.idp.exchange;
  at.idp.exchange = async (form) => {
    await new Promise((resolve) => setTimeout(resolve, 700));
    return exchange(form);
  };
  void answersWith(at, undefined);
  const { content } = await at.call("add_order");
  const [, seconds] = /did not answer within ([\d.]+) s/.exec(content[0]?.text ?? "") ?? [];
  expect(Number(seconds)).toBeLessThan(0.31);
});

test("F14: hints before an answer are passed over, a storm of them ends it", async () => {
  const at = await shop({});
  const hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
  at.api.answer = (_, { socket }) =>
    void socket?.end(
      `${hints.repeat(10)}HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
    );
  expect((await at.call("list_orders")).structuredContent).toEqual({});
  void answersWith(at, hints.repeat(11));
  expect(await at.call("list_orders")).toMatchObject({ isError: true });
  expect(await at.audit()).toMatchObject([
    { outcome: "success" },
    { outcome: "failure", reason: "upstream_protocol" },
  ]);
});

test("F18: a server that never shakes hands is no API, and one without TLS is refused", async () => {
  const sockets = new Set<Socket>();
  let greeting = "";
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    if (greeting !== "") socket.end(greeting);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const at = await shop({
    extra: {
      apis: `silent:
  spec: spec.json
  url: "${url}"
  credential: none
  prefix: true
  timeouts: {connect: 1ms}
  tools: [{match: {methods: [POST]}}]`,
    },
  });
  const silent = await at.call("silent_add_order");
  expect(silent.content[0]?.text).toContain("could not be reached within 3.001 s");
  greeting = "HTTP/1.1 400 Bad Request\r\n\r\n";
  const plain = await at.call("silent_add_order");
  expect(plain.content[0]?.text).toContain("speaks no TLS");
  expect(await at.audit()).toMatchObject([
    { reason: "upstream_unreachable" },
    { reason: "upstream_tls" },
  ]);
});
