import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createHttpServer } from "../../src/http/server.ts";
import { createLog } from "../../src/observe/log.ts";
import { knock } from "../world/knock.ts";

test("who has sent half a request when the address is given up is told 408 in time, and keeps it no longer", async () => {
  const refused: string[] = [];
  const server = createHttpServer(
    {
      listen: { host: "127.0.0.1", port: 0 },
      tls: undefined,
      maxRequestBytes: 1_000,
      service: () => {
        throw new TypeError("no request is whole");
      },
      endpoints: new Map(),
      guest: undefined,
      onRefused: ({ reason }) => void refused.push(reason),
      secure: false,
      onConnect: () => {},
      onBelieved: () => {},
      times: { headersMs: 300, requestMs: 300 },
      maxConnections: 10,
      sheds: () => false,
    },
    { now: () => Date.now(), log: createLog(() => {}, "error") },
  );
  const { port } = await server.listen();
  const socket = connect(port, "127.0.0.1").setEncoding("utf8");
  onTestFinished(() => void socket.destroy());
  let said = "";
  socket.on("data", (text: string) => (said += text));
  await once(socket, "connect");
  socket.write("POST /mcp HTTP/1.1\r\nHost:");
  // Both ends are in this process: after a round of its loop the server has it.
  await sleep(50);
  server.release();
  expect(await knock(port)).toBe("ECONNREFUSED");
  await Promise.all([once(socket, "close"), server.close(600_000)]);
  expect(said).toMatch(/^HTTP\/1\.1 408 /);
  expect(refused).toEqual(["request_timeout"]);
});
