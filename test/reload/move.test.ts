import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { createGateway } from "../../src/gateway.ts";
import { call, legacy, modern, open, send, usual, type Posted } from "../mcp/wire.ts";
import { answerJson } from "../world/api.ts";
import { makeCertificate } from "../world/certificate.ts";
import { knock } from "../world/knock.ts";
import { freePort, world, type World, type WorldOptions } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const soon = { timeout: 20_000, interval: 20 };

interface Moving {
  readonly at: World;
  /** Where it listens at first. */
  readonly port: number;
  readonly admin: number;
  /** Writes another value of a section's `listen`, and reloads. */
  readonly move: (
    section: "server" | "admin" | "metrics",
    listen: string | number,
  ) => ReturnType<World["gateway"]["reload"]>;
  /** One call there, on a connection of its own. */
  readonly ask: (port: number, posted?: Posted) => ReturnType<typeof send>;
  readonly authorization: string;
}

async function moving(options: Partial<WorldOptions> = {}, more = ""): Promise<Moving> {
  const [port, admin] = [await freePort(), await freePort()];
  const top = `admin: {listen: ${admin}}\n${more}`;
  const extra = { server: `listen: ${port}`, top };
  const at = await world({ spec, credential: "none", extra, ...options });
  const authorization = `Bearer ${await at.idp.token()}`;
  const file = join(at.dir, "gateway.yaml");
  return {
    at,
    port,
    admin,
    authorization,
    async move(name, listen) {
      const text = await readFile(file, "utf8");
      const written = new RegExp(`^(${name}: \\{.*?listen: )("[^"]*"|\\d+)`, "m");
      await writeFile(file, text.replace(written, `$1${JSON.stringify(listen)}`));
      return at.gateway.reload();
    },
    ask: (where, { body, headers } = legacy("tools/call", call("list_orders"))) =>
      send(`http://127.0.0.1:${where}/mcp`, body, { ...headers, authorization }),
  };
}

const ok = { structuredContent: { ok: true } };

const closes = (port: number): Promise<void> =>
  vi.waitFor(async () => expect(await knock(port)).toBe("ECONNREFUSED"), soon);

const status = async (admin: number): Promise<unknown> =>
  (await fetch(`http://127.0.0.1:${admin}/config/status`)).json();

const metric = async (admin: number, name: string): Promise<string | undefined> => {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  return new RegExp(`^${name}(?:\\{.*\\})? (.*)$`, "m").exec(text)?.[1];
};

/** A connection that stays open between its requests. */
async function keepAlive(port: number, authorization: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  const body = JSON.stringify(legacy("tools/list").body);
  const head = Object.entries({
    host: "127.0.0.1",
    ...usual,
    authorization,
    "content-length": body.length,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST /mcp HTTP/1.1\r\n${head.join("")}\r\n${body}`);
  return socket;
}

const listens = modern("subscriptions/listen", { notifications: { toolsListChanged: true } }, 7);

test("F46: another port in the file is opened first; calls under way end on the old one, which then refuses", async () => {
  const { at, port, admin, move, ask, authorization } = await moving();
  const before = at.gateway.snapshot.generation;
  let release = (): void => {};
  at.api.answer = (_, response) => {
    release = () => answerJson(response, { ok: true, late: true });
  };
  const inFlight = ask(port);
  // Not of the hot lane.
  const strange = { capabilities: { roots: { deep: { er: true } } } };
  const meta = { "io.modelcontextprotocol/clientCapabilities": strange.capabilities };
  await vi.waitFor(() => expect(at.api.requests).toHaveLength(1), soon);
  const releaseFirst = release;
  const unusual = ask(port, modern("tools/call", { ...call("list_orders"), _meta: meta }));
  await vi.waitFor(() => expect(at.api.requests).toHaveLength(2), soon);
  const releaseSecond = release;
  const stream = await open(at.url.replace(/:\d+/, `:${port}`), listens.body, {
    ...listens.headers,
    authorization,
  });
  expect(await stream.next()).toMatchObject({ method: /acknowledged/ });
  const idle = await keepAlive(port, authorization);
  expect(String((await once(idle, "data"))[0])).toMatch(/^HTTP\/1\.1 200 /);
  const idleEnds = once(idle, "close");
  const silent = connect(port, "127.0.0.1");
  onTestFinished(() => void silent.destroy());
  const silentEnds = once(silent, "close");
  await once(silent, "connect");

  const next = await freePort();
  expect(await move("server", next)).toMatchObject({ outcome: "applied", toolsChanged: false });
  at.api.answer = (_, response) => answerJson(response, { ok: true });
  expect((await ask(next)).messages).toMatchObject([{ result: ok }]);
  // Whoever was there may ask once more and is told to come again.
  const late = await keepAlive(port, authorization);
  expect(String((await once(late, "data"))[0])).toMatch(/^connection: close\r$/im);
  await closes(port);
  expect(await stream.next()).toMatchObject({ id: 7, result: { resultType: "complete" } });
  expect(await stream.next()).toBeUndefined();
  await Promise.all([idleEnds, silentEnds]);
  releaseFirst();
  releaseSecond();
  expect((await inFlight).messages).toMatchObject([
    { result: { structuredContent: { late: true } } },
  ]);
  expect((await unusual).messages).toMatchObject([
    { result: { structuredContent: { late: true } } },
  ]);
  await vi.waitFor(() => expect(at.logs.join("\n")).toContain('"listener_closed"'), soon);

  const { generation } = at.gateway.snapshot;
  expect(generation).not.toBe(before);
  expect(await status(admin)).toMatchObject({ generation, candidate: null });
  expect(await metric(admin, "tollgate_config_last_reload_successful")).toBe("1");
  expect(await metric(admin, "tollgate_listen_streams")).toBe("0");
  expect((await fetch(`http://127.0.0.1:${admin}/readyz`)).status).toBe(200);
  expect(await at.audit()).toMatchObject([
    { event: "config.reload", outcome: "success" },
    { event: "tool.call", outcome: "success" },
    { event: "tool.call", outcome: "success" },
    { event: "tool.call", outcome: "success" },
  ]);
});

test("F46: a port that cannot be had changes nothing, and is taken once it is free", async () => {
  const { at, port, admin, move, ask, authorization } = await moving();
  const taken = createServer();
  const next = await freePort();
  await new Promise<void>((resolve) => taken.listen(next, "127.0.0.1", resolve));
  const stream = await open(at.url.replace(/:\d+/, `:${port}`), listens.body, {
    ...listens.headers,
    authorization,
  });
  expect(await stream.next()).toMatchObject({ method: /acknowledged/ });
  const before = [at.gateway.snapshot, (await ask(port, legacy("tools/list"))).text];

  const report = await move("server", next);
  expect(report).toMatchObject({
    outcome: "refused",
    issues: [
      {
        code: "listen_failed",
        message: `server cannot listen on 127.0.0.1:${next}: another listener has the port (EADDRINUSE)`,
        position: { file: join(at.dir, "gateway.yaml"), line: 2 },
      },
    ],
  });
  expect([at.gateway.snapshot, (await ask(port, legacy("tools/list"))).text]).toEqual(before);
  expect((await ask(port)).messages).toMatchObject([{ result: ok }]);
  expect(await metric(admin, "tollgate_listen_streams")).toBe("1");
  expect(await metric(admin, "tollgate_config_last_reload_successful")).toBe("0");
  expect(await status(admin)).toMatchObject({
    generation: at.gateway.snapshot.generation,
    candidate: { error: expect.stringContaining(`127.0.0.1:${next}`) as string },
  });
  expect((await at.gateway.reload()).outcome).toBe("unchanged");

  await new Promise((resolve) => taken.close(resolve));
  expect((await at.gateway.reload()).outcome).toBe("applied");
  expect((await ask(next)).messages).toMatchObject([{ result: ok }]);
  await closes(port);
  expect(await at.audit()).toMatchObject([
    { event: "config.reload", outcome: "failure", reason: "listen_failed" },
    { event: "tool.call" },
    { event: "config.reload", outcome: "success" },
    { event: "tool.call" },
  ]);
});

test("F46: an address that the machine does not have, and its own port at another address, are refused with the way out", async () => {
  const { port, move, ask } = await moving();
  expect(await move("server", "192.0.2.1:4000")).toMatchObject({
    outcome: "refused",
    issues: [{ code: "listen_failed", message: /EADDRNOTAVAIL/, help: /another/ }],
  });
  expect(await move("server", `0.0.0.0:${port}`)).toMatchObject({
    outcome: "refused",
    issues: [
      {
        code: "listen_failed",
        message: `server cannot listen on 0.0.0.0:${port}: 127.0.0.1:${port} is open until that is`,
        help: /restart/,
      },
    ],
  });
  expect((await ask(port)).messages).toMatchObject([{ result: ok }]);
});

test("F46: what is wrong elsewhere in the file is told before any port is opened", async () => {
  const { at, port, move, ask } = await moving();
  const file = join(at.dir, "gateway.yaml");
  const next = await freePort();
  await writeFile(file, (await readFile(file, "utf8")).replace("paths: ['/**']", "tags: 1"));
  expect((await move("server", next)).outcome).toBe("refused");
  expect(await knock(next)).toBe("ECONNREFUSED");
  expect((await ask(port)).messages).toMatchObject([{ result: ok }]);
});

test("F46: a move back is taken at once, while the old listener is still on its way out", async () => {
  const { at, port, move, ask } = await moving();
  const next = await freePort();
  let release = (): void => {};
  at.api.answer = (_, response) => {
    release = () => answerJson(response, { ok: true });
  };
  const inFlight = ask(port);
  await vi.waitFor(() => expect(at.api.requests).toHaveLength(1), soon);
  const answer = release;
  at.api.answer = (_, response) => answerJson(response, { ok: true });
  expect((await move("server", next)).outcome).toBe("applied");
  expect((await move("server", port)).outcome).toBe("applied");
  expect((await ask(port)).messages).toMatchObject([{ result: ok }]);
  await closes(next);
  answer();
  expect((await inFlight).messages).toMatchObject([{ result: ok }]);
  expect((await ask(port)).messages).toMatchObject([{ result: ok }]);
});

test("F46: the listeners of operators move too, and come and go", async () => {
  const metricsPort = await freePort();
  const { at, port, admin, move, ask } = await moving({}, `metrics: {listen: ${metricsPort}}`);
  const [nextAdmin, nextMetrics] = [await freePort(), await freePort()];
  const ready = async (where: number): Promise<number> =>
    (await fetch(`http://127.0.0.1:${where}/readyz`)).status;
  expect((await move("admin", nextAdmin)).outcome).toBe("applied");
  expect((await move("metrics", nextMetrics)).outcome).toBe("applied");
  expect([await ready(nextAdmin), await ready(nextMetrics)]).toEqual([200, 200]);
  await closes(admin);
  await closes(metricsPort);
  const file = join(at.dir, "gateway.yaml");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace(/^admin:.*$/m, ""));
  expect((await at.gateway.reload()).outcome).toBe("applied");
  await closes(nextAdmin);
  expect(await metric(nextMetrics, "tollgate_config_last_reload_successful")).toBe("1");
  await writeFile(file, text);
  expect((await at.gateway.reload()).outcome).toBe("applied");
  expect(await status(nextAdmin)).toMatchObject({ generation: at.gateway.snapshot.generation });
  // All or none: the public port is free, that of the metrics is not.
  const next = await freePort();
  const moved = text
    .replace(`listen: ${port}`, `listen: ${next}`)
    .replace(`listen: ${nextMetrics}`, "listen: 192.0.2.1:4000");
  await writeFile(file, moved);
  expect(await at.gateway.reload()).toMatchObject({
    outcome: "refused",
    issues: [{ code: "listen_failed", message: /^metrics cannot listen/ }],
  });
  expect(await knock(next)).toBe("ECONNREFUSED");
  expect((await ask(port)).messages).toMatchObject([{ result: ok }]);
  expect(await ready(nextMetrics)).toBe(200);
});

test("F46: with its port a listener can begin to speak TLS, and on the same one it takes a restart", async () => {
  const pair = makeCertificate("localhost");
  const port = await freePort();
  const at = await world({
    spec,
    credential: "none",
    secure: true,
    extra: { server: `listen: ${port}` },
    files: { "tls.crt": pair.certificate, "tls.key": pair.key },
  });
  const file = join(at.dir, "gateway.yaml");
  const text = await readFile(file, "utf8");
  const tls = 'tls: {certificate: "${file:tls.crt}", key: "${file:tls.key}"}';
  await writeFile(file, text.replace(`listen: ${port}`, `listen: ${port}, ${tls}`));
  expect(await at.gateway.reload()).toMatchObject({
    outcome: "refused",
    issues: [{ code: "restart_required", message: /^server\.tls changed/ }],
  });
  const next = await freePort();
  await writeFile(file, text.replace(`listen: ${port}`, `listen: ${next}, ${tls}`));
  expect((await at.gateway.reload()).outcome).toBe("applied");
  const asked = httpsRequest({
    host: "127.0.0.1",
    port: next,
    path: "/.well-known/oauth-protected-resource",
    ca: pair.certificate,
    servername: "localhost",
    headers: { host: "localhost" },
    agent: false,
  }).end();
  const [answer] = (await once(asked, "response")) as [{ statusCode: number; resume: () => void }];
  answer.resume();
  expect(answer.statusCode).toBe(200);
  await closes(port);
});

test("a gateway that stops while an old listener is on its way out ends both", async () => {
  const { at, port, move } = await moving();
  const next = await freePort();
  await move("server", next);
  await at.gateway.close();
  expect(at.logs.join("\n")).toContain('"listener_closed"');
  expect([await knock(port), await knock(next)]).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
});

test("a gateway that is stopped while it opens its listeners leaves none open", async () => {
  const at = await world({ spec, credential: "none" });
  const port = Number(new URL(at.url).port);
  await at.gateway.close();
  const again = await createGateway(at.options);
  const [opened] = await Promise.allSettled([again.listen(), again.close()]);
  expect(opened).toMatchObject({
    status: "rejected",
    reason: { message: "server is opened once, and not in a gateway that stops" },
  });
  expect(await knock(port)).toBe("ECONNREFUSED");
});

test("a gateway that never listened, as with --stdio, opens nothing at a reload", async () => {
  const at = await world({ spec, credential: "none" });
  await at.gateway.close();
  const silent = await createGateway(at.options);
  const next = await relisten(at);
  expect((await silent.reload()).outcome).toBe("applied");
  expect(await knock(next)).toBe("ECONNREFUSED");
  await silent.close();
});

test.each([true, false])(
  "a gateway that stops during a reload opens nothing more; it has listened: %s",
  async (listened) => {
    const at = await world({ spec, credential: "none" });
    await at.gateway.close();
    const gateway = await createGateway(at.options);
    if (listened) await gateway.listen();
    const next = await relisten(at);
    const reloaded = gateway.reload();
    const closed = gateway.close();
    expect((await reloaded).outcome).toBe("applied");
    expect(await knock(next)).toBe("ECONNREFUSED");
    await closed;
    expect(await knock(next)).toBe("ECONNREFUSED");
    expect(at.logs.join("\n")).not.toContain('"listener_moved"');
  },
);

/** Writes another port for the public listener. */
async function relisten({ dir }: World): Promise<number> {
  const next = await freePort();
  const file = join(dir, "gateway.yaml");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace("server: {", `server: {listen: ${next}, `));
  return next;
}
