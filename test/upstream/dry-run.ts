import { anonymous } from "../../src/auth/anonymous.ts";
import type { JsonObject } from "../../src/base/json.ts";
import type { WireRequest } from "../../src/upstream/request/message.ts";
import { maskCredential } from "../../src/upstream/credential/masked-credential.ts";
import { showRequest, type ShownRequest } from "../../src/upstream/request/shown-request.ts";
import type { World } from "../world/world.ts";

/** Of the connection and not of the request: what HTTP/1.1 itself adds. */
const framing = new Set(["host", "connection", "content-length", "transfer-encoding"]);

/** What a dry run shows of a call, and what the API receives when it is made. */
export interface Both {
  readonly shown: ShownRequest;
  readonly received: ShownRequest;
  /** As it came, for who reads it back. */
  readonly wire: WireRequest;
}

/** In a world without login; its API must have no credential, whose secret is not shown. */
export async function dryRunAndCall(
  it: Pick<World, "gateway" | "api">,
  tool: string,
  args: JsonObject,
): Promise<Both> {
  const { road } = it.gateway.snapshot.endpoints[0]!;
  const call = {
    tool,
    args,
    principal: anonymous,
    transport: "cli",
    protocol: undefined,
    requestId: undefined,
    client: undefined,
    cancel: undefined,
    consent: { kind: "open" },
    onProgress: undefined,
  } as const;
  const { origin, request } = road.prepare(call, maskCredential({ kind: "none" }));
  const before = it.api.requests.length;
  await road.callTool(call);
  const [seen, ...more] = it.api.requests.slice(before);
  if (seen === undefined || more.length > 0) throw new Error(`${tool}: not one request`);
  const { method, path, rawHeaders, bytes } = seen;
  const headers = rawHeaders.filter((_, i) => {
    const name = rawHeaders[i - (i % 2)] ?? "";
    return !framing.has(name.toLowerCase());
  });
  // A body of no bytes cannot be told from none by who receives it.
  const body = bytes.length === 0 && request.body === undefined ? undefined : bytes;
  const wire: WireRequest = { method, path, headers, body };
  return { shown: showRequest(origin, request), received: showRequest(it.api.url, wire), wire };
}
