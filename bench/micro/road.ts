import { fileURLToPath } from "node:url";
import type { JsonObject } from "../../src/base/json.ts";
import type { Principal } from "../../src/base/principal.ts";
import { inspect } from "../../src/gateway.ts";
import { parseJsonBody } from "../../src/http/json-body.ts";
import { createEncoder } from "../../src/mcp/encode.ts";
import { acceptRequest } from "../../src/mcp/envelope.ts";
import { compilePermit } from "../../src/policy/permit.ts";
import type { Endpoint, Snapshot } from "../../src/gateway/snapshot.ts";
import type { Tool } from "../../src/tools/tool.ts";
import { collectValues } from "../../src/tools/values.ts";
import { compileReply, replyLimitsOf } from "../../src/upstream/reply/map-reply.ts";
import { replyShapeOf } from "../../src/upstream/reply/reply-shape.ts";
import { compileRequest } from "../../src/upstream/request/request.ts";
import { modernCall, startUpstream } from "../target.ts";
import type { MicroRow } from "./row.ts";

const audience = "http://127.0.0.1:3999/mcp";
/** Every one is read once: the first reading is the dear one. */
const coldTokens = 1_600;
const info = { name: "tollgate", version: "0.0.0" };

/** What a call passes, in the order of the road, with the configuration that has everything on. */
export async function roadRows(): Promise<{
  readonly rows: readonly MicroRow[];
  readonly close: () => Promise<void>;
}> {
  const upstream = await startUpstream(audience, coldTokens);
  const now = (): number => Date.now();
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const snapshot = await inspect({
    file: fileURLToPath(new URL("../../../bench/config/full.yaml", import.meta.url)),
    env: {
      GATEWAY_URL: new URL(audience).origin,
      ADMIN_PORT: "3998",
      UPSTREAM_URL: upstream.url,
      CLIENT_SECRET: "a-secret-of-the-benchmark",
      AUDIT_DIR: "nothing-is-written",
    },
    info,
    ports: { now, log },
    fetch,
  });
  const [endpoint] = snapshot.endpoints;
  if (endpoint === undefined) throw new TypeError("no endpoint");
  const [token = "", ...cold] = upstream.tokens;
  const principal = await endpoint.authenticate(headersOf(token));
  const answer = await fetch(`${upstream.url}/items/7`);
  const body = Buffer.from(await answer.arrayBuffer());
  return {
    rows: [
      ...authenticationRows(endpoint, token, cold),
      ...(await callRows(snapshot, principal)),
      ...replyRows(endpoint, principal, body),
    ],
    close: upstream.close,
  };
}

function headersOf(token: string): readonly string[] {
  return ["Host", "127.0.0.1:3999", "Authorization", `Bearer ${token}`];
}

function authenticationRows(
  { authenticate }: Endpoint,
  token: string,
  cold: readonly string[],
): readonly MicroRow[] {
  const warm = headersOf(token);
  let next = 0;
  return [
    {
      name: "authentication, known token",
      atMost: 0.55,
      count: 50_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          if (authenticate.known(warm) === undefined) throw new TypeError("not known");
        }
      },
    },
    {
      name: "authentication, new token (ES256)",
      atMost: 56,
      count: 200,
      async run(count) {
        for (let i = 0; i < count; i++) {
          const fresh = cold[next++];
          if (fresh === undefined) throw new TypeError("no new token left");
          await authenticate(headersOf(fresh));
        }
      },
    },
  ];
}

function toolOf({ catalog }: Endpoint | Snapshot): Tool {
  const tool = catalog.tools.get("get_item");
  if (tool === undefined) throw new TypeError("no tool get_item");
  return tool;
}

const args: JsonObject = { id: 7, fields: ["name", "stock"], lang: "en" };

async function callRows(snapshot: Snapshot, principal: Principal): Promise<readonly MicroRow[]> {
  const tool = toolOf(snapshot);
  const { auth, apis } = snapshot.config;
  const baseline = auth.mode === "oauth" ? auth.scopes : [];
  const policy = { login: true, stepUp: true, baseline, when: undefined, whenOfApi: new Map() };
  const { permit } = await compilePermit([...snapshot.catalog.tools.values()], policy);
  const build = compileRequest(tool, {
    basePath: "",
    userAgent: "tollgate/0.0.0",
    deepLists: apis[0]?.deepObjectArrays ?? "repeat",
  });
  const credential = { headers: ["authorization", "Bearer inner"], query: "", cookie: "" };
  const { headers, body } = requestOf();
  return [
    {
      name: "body: JSON, no name twice, depth",
      atMost: 0.95,
      count: 50_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          if (parseJsonBody(body) === undefined) throw new TypeError("no JSON");
        }
      },
    },
    {
      name: "envelope, 2026-07-28",
      atMost: 0.2,
      count: 50_000,
      run(count) {
        const parsed = parseJsonBody(body) ?? null;
        for (let i = 0; i < count; i++) {
          if (acceptRequest(headers, parsed) === undefined) throw new TypeError("not accepted");
        }
      },
    },
    {
      name: "policy: scopes and a CEL rule",
      atMost: 0.3,
      count: 50_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          if (permit(tool, principal, args).kind !== "allowed") throw new TypeError("not allowed");
        }
      },
    },
    {
      name: "validation, 3 arguments",
      atMost: 0.3,
      count: 50_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          if (tool.validate(args).length > 0) throw new TypeError("not valid");
        }
      },
    },
    {
      name: "request: path, query, headers",
      atMost: 0.5,
      count: 50_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          const { path } = build(collectValues(tool.places, args, principal), credential);
          if (!path.startsWith("/items/7?")) throw new TypeError(path);
        }
      },
    },
  ];
}

/** What the load of the other benchmarks sends, as Node hands it over. */
function requestOf(): {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
} {
  const text = modernCall({ port: 3999, args })(7);
  const end = text.indexOf("\r\n\r\n");
  const lines = text.slice(0, end).split("\r\n").slice(1);
  const headers = lines.map((line) => line.split(/: (.*)/, 2) as [string, string]);
  return { headers: Object.fromEntries(headers), body: Buffer.from(text.slice(end + 4)) };
}

function replyRows(endpoint: Endpoint, principal: Principal, body: Buffer): readonly MicroRow[] {
  const tool = toolOf(endpoint);
  const mapReply = compileReply(replyShapeOf(tool), replyLimitsOf(tool.response), {
    now: () => Date.now(),
    onTruncated: () => {},
  });
  const values = collectValues(tool.places, args, principal);
  const origin = {
    principal,
    transport: "http" as const,
    protocol: undefined,
    requestId: 1,
    client: undefined,
  };
  const headers = new Map([["content-type", "application/json"]]);
  const response = { status: 200, headers, body };
  const reply = mapReply(response, values);
  if (reply.json === undefined) throw new TypeError("not one JSON text");
  const encoder = createEncoder("modern", info);
  /** What a socket does with a message. */
  const socket = Buffer.alloc(16_384);
  return [
    {
      name: "reply: 1 KB proven and mapped",
      atMost: 0.9,
      count: 20_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          if (mapReply(response, values).isError) throw new TypeError("an error");
        }
      },
    },
    {
      name: "reply: 1 KB encoded, to bytes",
      atMost: 0.6,
      count: 20_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          const message = encoder.json(i, reply.json);
          if (!("latin1" in message)) throw new TypeError("too long");
          const written = socket.write(message.latin1, "latin1");
          if (written < body.length) throw new TypeError("too short");
        }
      },
    },
    {
      name: "tools/list before the socket, without its record",
      atMost: 0.3,
      count: 50_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          const [, list] = encoder.list(i, endpoint.mcp.listTools(origin, "modern"));
          if (list.length < 100) throw new TypeError("too short");
        }
      },
    },
  ];
}
