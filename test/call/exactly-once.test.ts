import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { verifyText } from "../observe/audit.ts";
import { answerJson } from "../world/api.ts";
import { readRecords, type AuditRecord } from "../world/audit.ts";
import { createRandom } from "../world/random.ts";
import { world, type World } from "../world/world.ts";

/** `npm run test:calls` makes 20,000. */
const calls = Number(process.env["CALLS"] ?? 2_000);
const callers = 24;

const id = { name: "id", in: "path", required: true, schema: { type: "integer" } };
const order = { parameters: [id], responses: { 200: { description: "ok" } } };
const spec = {
  paths: {
    "/orders/{id}": {
      get: { ...order, operationId: "get_order" },
      delete: { ...order, operationId: "cancel_order" },
    },
  },
};

const envelope = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

interface Plan {
  readonly tool: string;
  readonly id: number | "x";
  /** Closes the connection when the API has the request. */
  readonly leaves: boolean;
  readonly modern: boolean;
  /** In a form that the hot lane leaves to the SDK. */
  readonly unusual: boolean;
}

/** The API acts by the hundreds of the order's number: 300 the caller leaves, 500 fails, 900 hangs. */
function planCall(n: number, random: (below: number) => number): Plan {
  const kind = random(100);
  const fates: readonly (readonly [below: number, fate: number])[] = [
    [10, 0],
    [16, 300],
    [22, 500],
    [23, 900],
  ];
  const fate = fates.find(([below]) => kind < below)?.[1] ?? 0;
  const known = random(4) === 0 ? "cancel_order" : "get_order";
  return {
    tool: kind < 4 ? "no_such_tool" : known,
    id: kind >= 4 && kind < 10 ? "x" : n * 1_000 + fate,
    leaves: fate === 300,
    modern: fate === 300 || random(2) === 0,
    unusual: random(8) === 0,
  };
}

async function callOnce(at: World, n: number, random: (below: number) => number): Promise<void> {
  const { tool: name, id: orderId, leaves, modern, unusual } = planCall(n, random);
  const leave = new AbortController();
  if (leaves) leavers.set(Number(orderId), () => leave.abort());
  const more = { ...(unusual ? { unusual } : {}), ...(modern ? { _meta: envelope } : {}) };
  const params = { name, arguments: { id: orderId }, ...more };
  const headers = {
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": name,
  };
  try {
    const response = await fetch(at.url, {
      method: "POST",
      signal: leave.signal,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${tokens[random(tokens.length)] ?? ""}`,
        ...(modern ? headers : {}),
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: n, method: "tools/call", params }),
    });
    await response.text();
  } catch (error) {
    if (!leave.signal.aborted) throw error;
  }
}

const leavers = new Map<number, () => void>();
let tokens: readonly string[] = [];

test(
  `S90: ${calls} calls at random have one terminal record each, and the API saw none without`,
  async () => {
    const at = await world({
      spec,
      extra: {
        api: "timeout: 500ms\n    breaker: false",
        top: "limits: {concurrency: 12, queue: 0}",
      },
    });
    tokens = await Promise.all(["alice", "bob", "carol"].map((sub) => at.idp.token({ sub })));
    at.api.answer = ({ path }, response) => {
      const number = Number(path.split("/").at(-1));
      const fate = number % 1_000;
      // Leaves it open: the client goes away, or the time runs out.
      if (fate === 300) leavers.get(number)?.();
      else if (fate === 900) return;
      else answerJson(response, { id: number }, fate === 500 ? 503 : 200);
    };
    const random = createRandom(20_261_125);
    let next = 0;
    const running = new AbortController();
    const file = join(at.dir, "gateway.yaml");
    const yaml = await readFile(file, "utf8");
    const reloads = (async () => {
      for (let i = 0; !running.signal.aborted; i++) {
        await writeFile(file, `${yaml}# ${i}\n`);
        await at.gateway.reload();
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    })();
    await Promise.all(
      Array.from({ length: callers }, async () => {
        while (next < calls) await callOnce(at, next++, random);
      }),
    );
    running.abort();
    await reloads;
    await at.gateway.close();

    const text = await at.auditText();
    expect(verifyText(text)).toMatchObject({ findings: [], withoutResult: [], open: 0 });
    const ends = readRecords(text).filter(
      ({ event, phase }) => phase === "result" || event === "policy.deny",
    );
    const perCall = new Map<string, number>();
    for (const record of ends) {
      const own = idOf(record);
      perCall.set(own, (perCall.get(own) ?? 0) + 1);
    }
    expect(perCall.size).toBe(calls);
    expect([...perCall].filter(([, count]) => count !== 1)).toEqual([]);
    const seen = at.api.requests.map(({ path }) =>
      Math.floor(Number(path.split("/").at(-1)) / 1_000),
    );
    const attempts = new Map(
      ends.map((end) => [idOf(end), Number(upstreamOf(end)["attempts"] ?? 0)]),
    );
    const counts = new Map<number, number>();
    for (const number of seen) counts.set(number, (counts.get(number) ?? 0) + 1);
    for (const [number, count] of counts) {
      expect(count).toBeLessThanOrEqual(attempts.get(String(number)) ?? 0);
    }
    // A request may be given up before it reaches the API, but none reaches it without a record.
    const sent = new Set([...attempts].flatMap(([own, count]) => (count > 0 ? [own] : [])));
    const answered = ends.filter((end) => upstreamOf(end)["status"] !== undefined).map(idOf);
    expect(seen.filter((number) => !sent.has(String(number)))).toEqual([]);
    expect(answered.filter((own) => !seen.includes(Number(own)))).toEqual([]);
    const kinds = new Set(ends.map(({ outcome, reason }) => [outcome, reason].join(" ").trim()));
    for (const kind of [
      "success",
      "failure upstream_error",
      "failure invalid_arguments",
      "failure upstream_timeout",
      "cancelled cancelled",
      "denied unknown_tool",
      "shed busy",
    ]) {
      expect.soft([...kinds]).toContain(kind);
    }
  },
  60_000 + calls * 20,
);

function upstreamOf({ upstream }: AuditRecord): AuditRecord {
  return (upstream ?? {}) as AuditRecord;
}

function idOf({ mcp }: AuditRecord): string {
  return (mcp as { readonly request_id: string }).request_id;
}
