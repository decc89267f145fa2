import type { ServerResponse } from "node:http";
import { expect } from "vitest";
import { call, eras, send, type Answer } from "../mcp/wire.ts";
import { unlabelled } from "../world/label.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

interface Result {
  readonly content: readonly unknown[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
}

export interface Sent {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** What the document promises of the one operation, `GET /thing`. */
const declared = {
  json: { 200: { description: "ok", content: { "application/json": {} } } },
  nothing: { 204: { description: "done" } },
  anything: { 200: { description: "ok", content: { "*/*": {} } } },
} as const;

export type Options = Partial<WorldOptions> & {
  readonly method?: string;
  readonly parameters?: readonly object[];
  /** YAML of the rule's `response`. */
  readonly response?: string;
  readonly declared?: keyof typeof declared;
};

export async function thing(options: Options = {}): Promise<World> {
  const { method = "get", declared: kind = "anything", parameters = [], ...more } = options;
  const operation = { operationId: "thing", responses: declared[kind], parameters };
  const { response = "{}" } = options;
  return world({
    spec: { paths: { "/thing": { [method]: operation } } },
    tools: `- {operation: thing, response: ${response}}`,
    ...more,
  });
}

export const raised = "limits: {responseSize: 32MiB}";

/** A tool whose large answers are passed on while they come. */
export function wide({ extra, ...options }: Options = {}): Promise<World> {
  return thing({
    response: "{maxTokens: 1000000}",
    extra: { ...extra, top: extra?.top ?? raised },
    ...options,
  });
}

export const years = [2025, 2026] as const;
export type Year = (typeof years)[number];

export function sends({
  status = 200,
  headers = {},
  body = "",
}: Sent): (_: unknown, response: ServerResponse) => void {
  return (_, response) => {
    response.writeHead(status, headers).end(body);
  };
}

/** The result of one call in each era; what only one of them has is taken away, and the label. */
export async function inBothEras(
  made: World,
  args: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly legacy: Result; readonly modern: Result }> {
  const authorization = `Bearer ${await made.idp.token()}`;
  const [legacy, modern] = await Promise.all(
    eras.map(async ({ request }) => {
      const { body, headers } = request("tools/call", call("thing", args));
      return resultOf(await send(made.url, body, { ...headers, authorization }));
    }),
  );
  if (legacy === undefined || modern === undefined) throw new Error("there are two eras");
  const { resultType, _meta: meta, ...rest } = modern as Result & Record<string, unknown>;
  expect(resultType).toBe("complete");
  expect(meta).toBeDefined();
  return { legacy, modern: rest as unknown as Result };
}

function resultOf({ messages }: Answer): Result {
  const result = messages.at(-1)?.result;
  if (result === undefined) throw new Error(JSON.stringify(messages));
  return unlabelled(result as unknown as Result);
}

export function text(value: string): object {
  return { type: "text", text: value };
}

export function typed(type: string, body: string | Uint8Array, more: Sent = {}): Sent {
  return { ...more, headers: { "content-type": type, ...more.headers }, body };
}
