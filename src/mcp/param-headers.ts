import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { JsonObject } from "../base/json.ts";
import type { ParamHeader } from "../tools/tool.ts";

/** A `tools/call` of the 2026 era whose headers do not say what its arguments say. */
export interface Disagreement {
  readonly id: string | number;
  readonly header: string;
  readonly body: string;
}

export interface ModernCall {
  readonly id: string | number;
  readonly name: string;
  readonly args: JsonObject;
}

/**
 * The first argument that its header does not repeat. An argument that is not given, or null, needs
 * no header, and one that is sent for it is not looked at (MCP 2026-07-28, `x-mcp-header`).
 */
export function findDisagreement(
  declared: readonly ParamHeader[],
  { id, args }: Omit<ModernCall, "name">,
  headers: IncomingHttpHeaders,
): Disagreement | undefined {
  for (const { argument, header } of declared) {
    const value = Object.hasOwn(args, argument) ? args[argument] : undefined;
    // Anything else is no value of this argument, which the check of arguments tells the model.
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
      continue;
    const sent = headers[header];
    const fault = typeof sent === "string" ? findFault(sent, value) : "is absent";
    if (fault === undefined) continue;
    const name = header.replace("mcp-param-", "Mcp-Param-");
    const body = `the body carries ${argument}=${JSON.stringify(value)} but the ${name} header ${fault}`;
    return { id, header: name, body };
  }
  return undefined;
}

function findFault(sent: string, value: string | number | boolean): string | undefined {
  const text = decodeParam(sent);
  if (text === undefined) return "is no canonical Base64 of UTF-8";
  const same =
    typeof value === "number"
      ? /^-?\d+(?:\.\d+)?$/.test(text) && Number(text) === value
      : text === String(value);
  return same ? undefined : `says ${JSON.stringify(text)}`;
}

const sentinel = /^=\?base64\?(.*)\?=$/s;

/** Text that no header can hold comes as Base64; undefined when that is not in its one right form. */
export function decodeParam(sent: string): string | undefined {
  const encoded = sentinel.exec(sent)?.[1];
  if (encoded === undefined) return sent;
  const bytes = Buffer.from(encoded, "base64");
  if (bytes.toString("base64") !== encoded) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** In the words and form of the SDK's own refusal of a header. */
export function refuseDisagreement(
  { id, header, body }: Disagreement,
  response: ServerResponse,
): void {
  const message = `Bad Request: the request headers and body disagree: ${body}`;
  const error = { code: -32020, message, data: { mismatch: { header, body } } };
  response.writeHead(400, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id, error }));
}
