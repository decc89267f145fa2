import { formatPosition } from "../base/issue.ts";
import { nearest } from "../base/nearest.ts";
import { inspect } from "../gateway.ts";
import type { Snapshot } from "../gateway/snapshot.ts";
import { estimateTokens } from "../tools/tokens.ts";
import type { Place, Tool } from "../tools/tool.ts";
import { exitCodes, formatTable, printLine, type ExitCode, type Io } from "./io.ts";
import { readPrincipal } from "./principal.ts";
import { fromHere, gatewayOptions, quietPorts } from "./setup.ts";

export interface ToolsOptions {
  readonly config: string;
  readonly json: boolean;
  /** Show what this caller would be shown. */
  readonly as: string | undefined;
}

export interface ListOptions extends ToolsOptions {
  /** The largest first, and the sum. */
  readonly tokens: boolean;
}

export async function listTools(options: ListOptions, io: Io): Promise<ExitCode> {
  const snapshot = await inspect(gatewayOptions(io, options.config, quietPorts));
  const tools = visibleTools(snapshot, options.as);
  if (options.json) {
    printLine(io.stdout, `[${tools.map((tool) => entryOf(snapshot, tool)).join(",")}]`);
    return exitCodes.ok;
  }
  const shown = options.tokens
    ? tools.toSorted((a, b) => estimateTokens(b) - estimateTokens(a))
    : tools;
  const rows = shown.map((tool) => [
    tool.name,
    `${tool.operation.method} ${tool.operation.path}`,
    tool.scopes.join(" ") || "-",
    String(estimateTokens(tool)),
  ]);
  if (options.tokens) {
    const sum = tools.reduce((tokens, tool) => tokens + estimateTokens(tool), 0);
    rows.push([`${tools.length} tools`, "", "", String(sum)]);
  }
  printLine(io.stdout, formatTable([["NAME", "OPERATION", "SCOPES", "TOKENS"], ...rows]));
  return exitCodes.ok;
}

function visibleTools({ catalog, config, endpoints }: Snapshot, as: string | undefined): Tool[] {
  const tools = [...catalog.tools.values()];
  if (as === undefined) return tools;
  const baseline = config.auth.mode === "oauth" ? config.auth.scopes : [];
  const principal = readPrincipal(as, baseline);
  const names = new Set(
    endpoints.flatMap(({ mcp }) => {
      const list = Buffer.from(mcp.listTools({ ...fromHere, principal }, "modern")).toString();
      return (JSON.parse(list) as { readonly name: string }[]).map(({ name }) => name);
    }),
  );
  return tools.filter(({ name }) => names.has(name));
}

/** As the first endpoint that has the tool lists it: in the words of its profile. */
function entryOf({ endpoints }: Snapshot, { name, entry }: Tool): string {
  const served = endpoints.find(({ catalog }) => catalog.tools.has(name));
  const list = served?.catalog.listFor((tool) => tool.name === name, "entry");
  return list === undefined ? entry : Buffer.from(list).toString().slice(1, -1);
}

export async function showTool(name: string, options: ToolsOptions, io: Io): Promise<ExitCode> {
  const snapshot = await inspect(gatewayOptions(io, options.config, quietPorts));
  const tools = visibleTools(snapshot, options.as);
  const tool = tools.find((candidate) => candidate.name === name);
  if (tool === undefined) {
    const suggestion = nearest(
      name,
      tools.map((candidate) => candidate.name),
    );
    const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
    printLine(io.stderr, `no tool ${name}${hint} (tollgate tools list shows them all)`);
    return exitCodes.refused;
  }
  printLine(io.stdout, options.json ? entryOf(snapshot, tool) : describeTool(tool));
  return exitCodes.ok;
}

function describeTool(tool: Tool): string {
  const { operation, entry, places, scopes, when, confirm } = tool;
  const facts = [
    ["tool", tool.name],
    ["operation", `${operation.method} ${operation.path} (${formatPosition(operation.position)})`],
    ["api", tool.api],
    ["scopes", scopes.join(" ") || "-"],
    ["when", when?.expression ?? "-"],
    ["confirm", confirm ?? "-"],
  ];
  const rows = places.map((place) => [place.key, describeSource(place), describeTarget(place)]);
  const shown: unknown = JSON.parse(entry);
  return [
    formatTable(facts),
    "",
    formatTable([["ARGUMENT", "FROM", "GOES TO"], ...rows]),
    "",
    JSON.stringify(shown, undefined, 2),
  ].join("\n");
}

function describeSource({ source }: Place): string {
  switch (source.kind) {
    case "model":
      return "model";
    case "principal":
      return `principal.${source.path.join(".")}`;
    case "value":
      return JSON.stringify(source.value);
  }
}

function describeTarget({ target }: Place): string {
  switch (target.kind) {
    case "parameter": {
      const { parameter } = target;
      const { encoding } = parameter;
      const how = encoding.kind === "style" ? encoding.style : encoding.mediaType;
      return `${parameter.in} ${parameter.name} (${how})`;
    }
    case "body":
      return `body (${target.body.contentType})`;
    case "property":
      return `body property ${target.name}`;
  }
}
