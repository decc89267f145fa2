import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { AuthError } from "../../src/base/errors.ts";
import { parseJsonBody } from "../../src/http/json-body.ts";
import { acceptRequest } from "../../src/mcp/envelope.ts";
import { createIntroductions } from "../../src/mcp/errand.ts";
import { createMcpEndpoint } from "../../src/mcp/endpoint.ts";
import { createLog } from "../../src/observe/log.ts";
import { world, type World } from "../world/world.ts";
import { answerAsShop, shop } from "./shop.ts";
import { send, type Answer, type Headers, type Posted } from "./wire.ts";

interface Both {
  readonly hot: Answer;
  readonly sdk: Answer;
  /** Whether the hot lane took it at all. */
  readonly taken: boolean;
}

export interface Lanes {
  readonly world: World;
  readonly urls: { readonly hot: string; readonly sdk: string };
  /** The same request to a listener with a hot lane, and to one where the SDK answers everything. */
  readonly ask: (posted: Posted, headers?: Headers) => Promise<Both>;
}

/** Two listeners in front of one gateway's snapshot. */
export async function lanes(options: Partial<typeof shop> = {}): Promise<Lanes> {
  const made = await world({ ...shop, ...options });
  made.api.answer = answerAsShop;
  let taken = false;
  const hot = await listen(made, (headers, body) => {
    const request = acceptRequest(headers, body);
    taken = request !== undefined;
    return request;
  });
  const sdk = await listen(made, () => undefined);
  return {
    world: made,
    urls: { hot, sdk },
    async ask({ body, headers }, more = {}) {
      taken = false;
      const authorization = more["authorization"] ?? `Bearer ${await made.idp.token()}`;
      const all = { ...headers, ...more, authorization };
      const first = await send(hot, body, all);
      return { hot: first, sdk: await send(sdk, body, all), taken };
    },
  };
}

/** The endpoint alone behind a listener: what the HTTP room checks first is not compared here. */
async function listen({ gateway, logs }: World, accept: typeof acceptRequest): Promise<string> {
  const log = createLog((line) => void (logs as string[]).push(line), "debug");
  const ports = { now: () => Date.now(), log };
  const info = { name: "tollgate", version: "0.0.0-test" };
  const served = gateway.snapshot.endpoints[0]!;
  const endpoint = createMcpEndpoint(
    () => served.mcp,
    { info, introductions: createIntroductions(ports.now), maxListenStreams: 10 },
    ports,
    accept,
  );
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = parseJsonBody(Buffer.concat(await request.toArray()));
    if (body === undefined) throw new TypeError("not JSON");
    try {
      const principal = await served.authenticate(request.rawHeaders, undefined);
      const ip = request.socket.remoteAddress;
      await endpoint.post({ request, response, body, principal, ip });
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      const refusal = served.refuse(error);
      response.writeHead(refusal.status, refusal.headers).end(refusal.body);
    }
  };
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    await endpoint.close();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}
