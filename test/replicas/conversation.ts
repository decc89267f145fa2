import { setTimeout as sleep } from "node:timers/promises";
import { call, envelope, usual } from "../mcp/wire.ts";

export const revisions = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] as const;
type Revision = (typeof revisions)[number];

/** What a caller asked and how that went. */
export interface Asked {
  readonly revision: Revision;
  readonly method: string;
  /** The same for all requests of one. */
  readonly conversation: string;
  /** Of the order that was called for; it is the id of the request as well. */
  readonly order: string | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
  /** undefined: the answer was the right one. */
  readonly problem: string | undefined;
  /** How often it was turned away before. */
  readonly shed: number;
}

interface Params {
  readonly name?: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  /** Of `initialize`. */
  readonly protocolVersion?: string;
}

interface Message {
  readonly result?: {
    readonly tools?: readonly object[];
    readonly content?: readonly { readonly text?: string }[];
    readonly isError?: boolean;
  };
  readonly error?: object;
}

interface Caller {
  readonly url: string;
  readonly authorization: string;
  readonly revision: Revision;
}

interface Talk extends Caller {
  readonly conversation: string;
}

/**
 * One conversation as a client of this revision has it, each request on its own: hello, list, and
 * a call for each order.
 */
export async function converse(from: Caller, orders: readonly string[]): Promise<Asked[]> {
  const caller = { ...from, conversation: orders.join() };
  const modern = caller.revision === "2026-07-28";
  const hello = {
    protocolVersion: caller.revision,
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  };
  const asked = [
    await (modern ? ask(caller, "server/discover", {}) : ask(caller, "initialize", hello)),
  ];
  asked.push(await ask(caller, "tools/list", {}));
  for (const order of orders) {
    asked.push(await ask(caller, "tools/call", call("get_order", { id: order })));
  }
  return asked;
}

/** Comes back when it is asked to: a gateway without time for a request has done nothing of it. */
async function ask(caller: Talk, method: string, params: Params): Promise<Asked> {
  for (let shed = 0; ; shed++) {
    const asked = await askOnce(caller, method, params);
    if (asked.problem !== overloaded) return { ...asked, shed };
    await sleep(1_000);
  }
}

const overloaded = "overloaded";

async function askOnce(
  { url, authorization, revision, conversation }: Talk,
  method: string,
  params: Params,
): Promise<Omit<Asked, "shed">> {
  const modern = revision === "2026-07-28";
  const startedAt = Date.now();
  const order = params.arguments?.["id"] as string | undefined;
  const about = { revision, conversation, method, order, startedAt };
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        ...usual,
        authorization,
        ...(method === "initialize" ? {} : { "mcp-protocol-version": revision }),
        ...(modern ? { "mcp-method": method } : {}),
        ...(modern && params.name !== undefined ? { "mcp-name": params.name } : {}),
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: order ?? 1,
        method,
        params: modern ? { ...params, _meta: envelope } : params,
      }),
    });
    const text = await response.text();
    return { ...about, endedAt: Date.now(), problem: judge(response.status, text, order) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { ...about, endedAt: Date.now(), problem: `no answer: ${String(cause)}` };
  }
}

function judge(status: number, text: string, order: string | undefined): string | undefined {
  if (status === 503 && text.includes('"overloaded"')) return overloaded;
  if (status !== 200) return `HTTP ${status} ${text.slice(0, 200)}`;
  const { result, error } = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as Message;
  if (result === undefined) return JSON.stringify(error);
  if (order === undefined) return undefined;
  if (result.isError === true) return `error result: ${result.content?.[0]?.text ?? ""}`;
  return text.includes(order) ? undefined : `the answer of another order: ${text.slice(0, 200)}`;
}
