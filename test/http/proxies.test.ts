import { connect } from "node:net";
import { once } from "node:events";
import { expect, test, vi, type TestContext } from "vitest";
import { answerAsShop, shop } from "../mcp/shop.ts";
import { call, eras, legacy, modern, send, usual } from "../mcp/wire.ts";
import { answerJson } from "../world/api.ts";
import { proxyKinds, startProxy, whyMissing, type ProxyKind } from "../world/proxy.ts";
import { world, type World } from "../world/world.ts";

interface Front {
  readonly at: World;
  /** The endpoint behind the proxy. */
  readonly url: string;
  readonly authorization: string;
}

async function behind(kind: ProxyKind, { skip }: TestContext): Promise<Front> {
  const missing = whyMissing(kind);
  skip(missing !== undefined, missing);
  const at = await world({ ...shop, credential: "none" });
  at.api.answer = answerAsShop;
  const { url } = await startProxy(kind, [{ address: new URL(at.url).host }]);
  return { at, url: `${url}/mcp`, authorization: `Bearer ${await at.idp.token()}` };
}

for (const kind of proxyKinds) {
  test(`R01: behind ${kind} both eras get what they get without it`, async (context) => {
    const { at, url, authorization } = await behind(kind, context);
    for (const { request } of eras) {
      for (const { body, headers } of [
        request("tools/list"),
        request("tools/call", call("get_order", { id: 7 }), 5),
        request("tools/call", call("find_fault"), 6),
        request("tools/call", call("no_such_tool"), 7),
      ]) {
        const through = await send(url, body, { ...headers, authorization });
        const direct = await send(at.url, body, { ...headers, authorization });
        expect(through.status).toBe(direct.status);
        expect(through.messages).toEqual(direct.messages);
      }
    }
    const refused = await send(url, legacy("tools/list").body, {});
    expect(refused.status).toBe(401);
    expect(refused.headers["www-authenticate"]).toContain(new URL(at.url).origin);
  });

  test(`R01: behind ${kind} a thousand calls on kept connections fail not once`, async (context) => {
    const { at, url, authorization } = await behind(kind, context);
    at.api.answer = (_, response) => answerJson(response, { ok: true });
    let next = 0;
    const statuses = new Set<number>();
    const worker = async (): Promise<void> => {
      while (next++ < 1_000) {
        const response = await fetch(url, {
          method: "POST",
          headers: { ...usual, authorization },
          body: JSON.stringify(legacy("tools/call", call("list_orders")).body),
        });
        statuses.add(response.status);
        expect(await response.json()).toMatchObject({ result: {} });
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    expect([...statuses]).toEqual([200]);
    expect(await at.audit()).toHaveLength(1_000);
    await context.annotate(`1,000 of 1,000 calls answered through ${kind}`, "observed");
  }, 60_000);

  test(`R01, F57, F24: behind ${kind} a client that leaves ends the request to the API`, async (context) => {
    const { at, url, authorization } = await behind(kind, context);
    let gone = (): void => {};
    const closed = new Promise<void>((resolve) => (gone = resolve));
    const leave = new AbortController();
    at.api.answer = (_, response) => {
      response.once("close", gone);
      leave.abort();
    };
    const { body, headers } = modern("tools/call", call("list_orders"), 5);
    const answer = fetch(url, {
      method: "POST",
      headers: { ...(headers as Record<string, string>), ...usual, authorization },
      body: JSON.stringify(body),
      signal: leave.signal,
    });
    await expect(answer).rejects.toThrow("aborted");
    await closed;
    await vi.waitFor(async () =>
      expect(await at.audit()).toMatchObject([{ outcome: "cancelled" }]),
    );
  });

  test(`R01, F69: behind ${kind} progress comes as it is told, not when the answer is whole`, async (context) => {
    const { at, url, authorization } = await behind(kind, context);
    let finish = (): void => {};
    at.api.answer = (_, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      response.write('{"progress":1,"total":2}\n');
      finish = () => void response.end('{"done":true}\n');
    };
    const params = { ...call("import_orders"), _meta: { progressToken: "p" } };
    const { body, headers } = modern("tools/call", params, 5);
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    let seen = "";
    socket.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    const lines = Object.entries({ ...headers, ...usual, authorization });
    const text = JSON.stringify(body);
    socket.write(
      `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(text)}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${text}`,
    );
    while (!seen.includes("notifications/progress")) await once(socket, "data");
    expect(seen).not.toContain("done");
    finish();
    await once(socket, "close");
    expect(seen).toContain("done");
  });
}
