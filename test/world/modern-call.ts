import { modern, send } from "../mcp/wire.ts";
import type { World } from "./world.ts";

/** A `tools/call` of the 2026 era, as it goes over the wire. */
interface ModernCall {
  readonly tool?: string;
  /** As text: exactly so. */
  readonly args?: object | string;
  readonly capabilities?: object;
  /** `inputResponses` and `requestState`. */
  readonly retry?: object;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Of another gateway. */
  readonly url?: string;
}

/** @template Asked What a call may wait for, with the request of it. */
interface Answer<Asked> {
  readonly status: number;
  readonly message: {
    readonly result?: {
      readonly resultType?: string;
      readonly isError?: boolean;
      readonly content?: readonly { readonly text: string }[];
      readonly inputRequests?: Asked;
      readonly requestState?: string;
    };
    readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  };
}

export type PostModern<Asked> = (call?: ModernCall) => Promise<Answer<Asked>>;

/** @param usual What a call has that does not say it. */
export function createPostModern<Asked>(
  { url: there, idp }: World,
  usual: Required<Pick<ModernCall, "tool" | "args" | "capabilities">>,
): PostModern<Asked> {
  return async (call = {}) => {
    const {
      tool,
      args,
      capabilities,
      retry = {},
      claims = {},
      url = there,
    } = { ...usual, ...call };
    const { body, headers } = modern("tools/call", {
      name: tool,
      arguments: "ARGUMENTS",
      _meta: { "io.modelcontextprotocol/clientCapabilities": capabilities },
      ...retry,
    });
    const written = typeof args === "string" ? args : JSON.stringify(args);
    const text = JSON.stringify(body).replace('"ARGUMENTS"', () => written);
    const authorization = `Bearer ${await idp.token(claims)}`;
    const { status, messages } = await send(url, text, { ...headers, authorization });
    return { status, message: messages[0] as Answer<Asked>["message"] };
  };
}
