import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { Audit } from "./audit.ts";
import type { CallEnd, CallTrace, Note, RecordedCall } from "./record/event.ts";
import { errorOf } from "./operation-error.ts";
import type { Registry, Series } from "./metrics/registry.ts";
import type { ToolLabels } from "./record/text.ts";

/** What the rooms tell of what they do: it becomes audit records and metrics. */
export interface Recorder extends Pick<Audit, "intend" | "call" | "note" | "problem"> {
  /** A call enters the road; its end is told with `call`. */
  readonly enter: () => void;
  /** A caller was believed. */
  readonly believed: () => void;
}

/** Of the conventions of OpenTelemetry for MCP, in seconds. */
const bounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

const unknownTool: ToolLabels = { tool: "_other", method: "", path: "", address: "" };

/** The series that the calls of one tool go to, most often the same one after the other. */
interface Recent {
  reason: string | undefined;
  protocol: string | undefined;
  transport: string;
  status: number | undefined;
  operation: Series;
  request: Series | undefined;
}

/** Metrics of calls and refusals, beside their records. */
export function createRecorder(audit: Audit, registry: Registry): Recorder {
  const operations = registry.histogram({
    name: "mcp_server_operation_duration_seconds",
    help: "Duration of an MCP operation as the gateway saw it.",
    labels: [
      "mcp_method_name",
      "gen_ai_tool_name",
      "error_type",
      "rpc_response_status_code",
      "mcp_protocol_version",
      "network_transport",
    ],
    bounds,
  });
  const requests = registry.histogram({
    name: "http_client_request_duration_seconds",
    help: "Duration of a call's requests to its API, the last one included.",
    labels: ["server_address", "http_request_method", "http_response_status_code", "error_type"],
    bounds,
  });
  const authn = registry.counter({
    name: "tollgate_authn_total",
    help: "Callers who were believed or not.",
    labels: ["result", "reason"],
  });
  const authz = registry.counter({
    name: "tollgate_authz_decisions_total",
    help: "Calls that policy let through or not.",
    labels: ["decision", "reason"],
  });
  const shed = registry.counter({
    name: "tollgate_shed_total",
    help: "Calls that were refused because there were too many.",
    labels: ["reason"],
  });
  const rateLimited = registry.counter({
    name: "tollgate_rate_limited_total",
    help: "Calls and requests that a rate limit refused.",
    labels: ["limit"],
  });
  const rejected = registry.counter({
    name: "tollgate_requests_rejected_total",
    help: "Requests that HTTP or MCP refused.",
    labels: ["reason"],
  });
  const reloads = registry.counter({
    name: "tollgate_config_reloads_total",
    help: "Changed configurations that were taken or refused.",
    labels: ["result"],
  });
  const broker = registry.counter({
    name: "tollgate_broker_actions_total",
    help: "What the embedded authorization server did or refused.",
    labels: ["action", "outcome", "reason"],
  });
  const exchanges = registry.counter({
    name: "tollgate_token_exchange_total",
    help: "Requests for tokens for APIs.",
    labels: ["upstream", "result"],
  });
  const allowed = authz.series(["allow", ""]);
  const believed = authn.series(["accepted", ""]);
  let inFlight = 0;
  registry.collect(
    {
      name: "tollgate_inflight_requests",
      help: "Calls on the road.",
      labels: ["kind"],
      type: "gauge",
    },
    () => [{ labels: ["call"], value: inFlight }],
  );
  const boundProtocol = createBound(16);
  const recents = new WeakMap<ToolLabels, Recent>();

  const find = (labels: ToolLabels, call: RecordedCall, end: CallEnd, trace: CallTrace): Recent => {
    const { reason } = end;
    const { protocol, transport } = call;
    const { status } = trace;
    const last = recents.get(labels);
    if (
      last !== undefined &&
      last.reason === reason &&
      last.status === status &&
      last.protocol === protocol &&
      last.transport === transport &&
      (last.request !== undefined) === trace.attempts > 0
    ) {
      return last;
    }
    const [error, code] = errorOf(end);
    const found: Recent = {
      reason,
      protocol,
      transport,
      status,
      operation: operations.series([
        "tools/call",
        labels.tool,
        error,
        code,
        protocol === undefined ? "" : boundProtocol(protocol),
        transport === "http" ? "tcp" : "pipe",
      ]),
      request:
        trace.attempts > 0
          ? requests.series([
              labels.address,
              labels.method,
              String(status ?? ""),
              status === undefined ? (reason ?? "") : status >= 400 ? String(status) : "",
            ])
          : undefined,
    };
    recents.set(labels, found);
    return found;
  };
  const countNote = ({ event, outcome, reason = "", detail }: Note): void => {
    const count = Number(detail?.["count"] ?? 1);
    if (outcome === "shed") shed.add([reason], count);
    if (event === "rate.deny") rateLimited.add([limitOf(detail)], count);
    if (event === "auth.deny") authn.add(["refused", reason], count);
    if (event === "request.reject") rejected.add([reason], count);
    if (event === "config.reload") reloads.add([outcome]);
    if (event === "broker.action") broker.add([actionOf(detail), outcome, reason], count);
    if (event === "token.exchange") exchanges.add([apiOf(detail), outcome]);
  };
  return {
    enter() {
      inFlight++;
    },
    believed() {
      believed.value++;
    },
    intend: audit.intend,
    problem: audit.problem,
    call(call, end, trace) {
      inFlight--;
      const labels = trace.tool?.labels ?? unknownTool;
      const recent = find(labels, call, end, trace);
      recent.operation.observe((trace.endedAt - trace.startedAt) / 1_000);
      const answeredAt = trace.status === undefined ? trace.endedAt : trace.answeredAt;
      recent.request?.observe((answeredAt - trace.sentAt) / 1_000);
      if (end.event === "policy.deny") authz.add(["deny", end.reason ?? ""]);
      else allowed.value++;
      if (end.outcome === "shed") shed.add([end.reason ?? ""]);
      if (end.event === "rate.deny") rateLimited.add([end.limit ?? ""]);
      return audit.call(call, end, trace);
    },
    note(note) {
      countNote(note);
      audit.note(note);
    },
  };
}

function limitOf(detail: JsonObject | undefined): string {
  const limit = detail?.["limit"];
  return typeof limit === "string" ? limit : "";
}

function apiOf(detail: Note["detail"]): string {
  const exchange = detail?.["exchange"];
  const api = isJsonObject(exchange) ? exchange["api"] : undefined;
  return typeof api === "string" ? api : "";
}

/** Clients choose what stands in this header. */
function createBound(max: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= max || !/^\d{4}-\d\d-\d\d$/.test(value)) return "_other";
    known.add(value);
    return value;
  };
}

function actionOf(detail: Note["detail"]): string {
  const what = detail?.["broker"];
  return isJsonObject(what) && typeof what["action"] === "string" ? what["action"] : "";
}
