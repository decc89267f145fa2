import type { Principal } from "../../base/principal.ts";
import type { AuditConfig } from "../../config/types/audit.ts";
import { describeUnknown } from "./args.ts";
import type { Digest } from "./digest.ts";
import { type Client, describeClient } from "./client.ts";
import type { CallEnd, CallTrace, Note, RecordedCall } from "./event.ts";
import { member } from "./quote.ts";
import { describeActor, describeUnknownTool, type ToolText } from "./text.ts";

/** The members of a record between `time` and `gateway`, each with a comma in front. */
export interface LineWriter {
  readonly intent: (call: RecordedCall, trace: CallTrace) => string;
  readonly call: (call: RecordedCall, end: CallEnd, trace: CallTrace) => string;
  readonly note: (note: Note) => string;
}

/**
 * Joins text instead of serialising objects: most of a record is the same for every call of a tool
 * and of a caller, and is made once for each.
 */
export function createLineWriter(
  config: Pick<AuditConfig, "args" | "result">,
  digest: Digest,
): LineWriter {
  const actors = new WeakMap<Principal, string>();
  const clients = new WeakMap<Client, string>();

  const actorOf = (principal: Principal): string => {
    const known = actors.get(principal);
    if (known !== undefined) return known;
    const text = describeActor(principal, digest);
    actors.set(principal, text);
    return text;
  };
  const clientOf = (client: Client | undefined): string => {
    if (client === undefined) return "";
    const known = clients.get(client);
    if (known !== undefined) return known;
    const text = describeClient(client);
    clients.set(client, text);
    return text;
  };
  const describeUnknownArgs = describeUnknown(config.args);
  const answerDigest = config.result === "digest" ? digest : undefined;
  /** Who, with what, calls which tool with which arguments: the same before and after. */
  const describeCall = (call: RecordedCall, what: string, tool: ToolText | undefined): string => {
    const text = `${actorOf(call.principal)}${clientOf(call.client)}${mcpOf(call)}${what}`;
    if (call.args === undefined) return text;
    const describeArgs = tool === undefined ? describeUnknownArgs : tool.args;
    return text + describeArgs(call.args, digest, text);
  };
  const mcpOf = createMcpText();

  return {
    intent: (call, trace) =>
      `,"event":"tool.call","phase":"intent"${describeCall(call, whatOf(call, trace, true), trace.tool)}${confirmationOf(trace)}${trace.tool === undefined ? "" : `${trace.tool.upstream}}`}`,
    call(call, end, trace) {
      const { event, outcome, reason, limit } = end;
      const phase = event === "tool.call" ? `,"phase":"result"` : "";
      const why = reason === undefined ? "" : `,"reason":"${reason}"${member("limit", limit)}`;
      const intent = trace.intent === undefined ? "" : `,"intent":"${trace.intent}"`;
      const what = whatOf(call, trace, event !== "policy.deny");
      const took = `,"duration_ms":${trace.endedAt - trace.startedAt}`;
      return `,"event":"${event}"${phase},"outcome":"${outcome}"${why}${intent}${describeCall(call, what, trace.tool)}${confirmationOf(trace)}${describeUpstream(trace, answerDigest)}${took}${spanOf(trace)}`;
    },
    note({ event, outcome, reason, principal, transport, client, requestId, detail }) {
      const id = requestId === undefined ? "" : member("request_id", String(requestId), 48);
      const mcp = transport === undefined ? "" : `,"mcp":{"transport":"${transport}"${id}}`;
      const members = detail === undefined ? "" : JSON.stringify(detail).slice(1, -1);
      const more = members === "" ? "" : `,${members}`;
      return `,"event":"${event}","outcome":"${outcome}"${member("reason", reason)}${principal ? actorOf(principal) : ""}${clientOf(client)}${mcp}${more}`;
    },
  };
}

function confirmationOf({ confirmation }: CallTrace): string {
  if (confirmation === undefined) return "";
  return `,"confirmation":{"answer":"${confirmation.answer}","by":"${confirmation.by}"}`;
}

function spanOf({ span }: CallTrace): string {
  return span === undefined ? "" : `,"trace_id":"${span.traceId}","span_id":"${span.spanId}"`;
}

function whatOf(call: RecordedCall, { tool }: CallTrace, allowed: boolean): string {
  if (tool === undefined) return describeUnknownTool(call.tool);
  return allowed ? tool.allowed : tool.denied;
}

/** Nearly every request of one gateway comes by the same way in the same revision. */
function createMcpText(): (call: RecordedCall) => string {
  let last: Pick<RecordedCall, "transport" | "protocol"> | undefined;
  let text = "";
  return (call) => {
    const { transport, protocol, requestId } = call;
    if (last?.transport !== transport || last.protocol !== protocol) {
      last = { transport, protocol };
      text = `,"mcp":{"transport":"${transport}"${member("protocol", protocol, 32)},"method":"tools/call"`;
    }
    if (requestId === undefined) return `${text}}`;
    if (typeof requestId === "number") return `${text},"request_id":"${requestId}"}`;
    return `${text}${member("request_id", requestId, 48)}}`;
  };
}

function describeUpstream(trace: CallTrace, digest: Digest | undefined): string {
  const { tool, attempts, status, answer } = trace;
  if (tool === undefined || attempts === 0) return "";
  if (status === undefined) {
    // It broke off, and what had come of it was passed on.
    const passedOn =
      trace.answerBytes === 0
        ? ""
        : `,"response":{"bytes":${trace.answerBytes},"is_error":${trace.isError}}`;
    return `${tool.upstream},"attempts":${attempts}}${passedOn}`;
  }
  const own = digest && answer ? `,"digest":"${digest(answer.toString("utf8"))}"` : "";
  return `${tool.upstream},"status":${status},"attempts":${attempts},"duration_ms":${trace.answeredAt - trace.sentAt}},"response":{"bytes":${trace.answerBytes},"is_error":${trace.isError}${own}}`;
}
