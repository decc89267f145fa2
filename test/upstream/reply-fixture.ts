import {
  compileReply,
  defaultReplyLimits,
  type MapReply,
  type ReplyLimits,
} from "../../src/upstream/reply/map-reply.ts";
import { blocksOf, type BlockReply } from "../../src/upstream/reply/reply.ts";
import type { ReplyShape } from "../../src/upstream/reply/reply-shape.ts";

const shape: ReplyShape = {
  method: "POST",
  path: "/orders/{id}",
  unmetSecurity: undefined,
  expectsJson: true,
  names: {
    parameters: new Map([
      ["customer_id", "customerId"],
      ["page_size", "limit"],
    ]),
    properties: new Map(),
    body: "body",
  },
  reshape: undefined,
  headers: [],
  output: undefined,
  findNext: undefined,
  pagesInBody: false,
  argumentOf: [],
};

/** Wednesday, 7 October 2026, noon. */
export const noon: number = Date.parse("2026-10-07T12:00:00Z");

export function mapper(
  changes: Partial<ReplyShape> = {},
  limits: Partial<ReplyLimits> = {},
): MapReply {
  const ports = { now: () => noon, onTruncated: () => {} };
  return compileReply({ ...shape, ...changes }, { ...defaultReplyLimits, ...limits }, ports);
}

/** One answer through a mapper of its own. `headers` without `content-type` has none. */
export function reply(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array = "",
  map: MapReply = mapper(),
): BlockReply {
  const response = { status, headers: new Map(Object.entries(headers)), body: Buffer.from(body) };
  return blocksOf(map(response, []));
}

export function textOf(answer: BlockReply): string {
  const [first] = answer.content;
  if (first?.type === "text") return first.text;
  return first?.type === "resource" ? (first.resource.text ?? "") : "";
}

export const json: Readonly<Record<string, string>> = { "content-type": "application/json" };
