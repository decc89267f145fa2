import { escapeText } from "../base/text.ts";
import type { Warn } from "./finding.ts";
import { child, children, member, type Node, textOf, textsOf } from "./node.ts";

/** The nearest list of servers that is not empty, its variables filled in with their defaults. */
export function readServers(lists: readonly (Node | undefined)[], warn: Warn): readonly string[] {
  const servers = lists.map(children).find((list) => list.length > 0) ?? [];
  return servers.flatMap(([, server]) => {
    const url = textOf(server, "url");
    return url === undefined ? [] : (fill(url, server, warn) ?? []);
  });
}

function fill(url: string, server: Node, warn: Warn): string | undefined {
  const variables = child(server, "variables");
  const missing: string[] = [];
  const filled = url.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const variable = variables && child(variables, name);
    const value = textOf(variable, "default") ?? firstOf(member(variable, "enum"));
    if (value === undefined) missing.push(name);
    return value ?? "";
  });
  if (missing.length === 0) return filled;
  const message = `the server variable "${escapeText(missing[0] ?? "", 64)}" has no default; the server is left out`;
  warn({ code: "server_variable_without_default", message, at: server.at });
  return undefined;
}

function firstOf(values: unknown): string | undefined {
  const first: unknown = Array.isArray(values) ? values[0] : undefined;
  return typeof first === "string" ? first : undefined;
}

/** 2.0 writes one server in three parts. Without a host the address is relative. */
export function swaggerServers(root: Node): readonly string[] {
  const host = textOf(root, "host");
  const basePath = textOf(root, "basePath") ?? "";
  if (host === undefined) return basePath === "" ? [] : [basePath];
  const schemes = textsOf(child(root, "schemes"));
  const scheme = schemes.includes("https") ? "https" : (schemes[0] ?? "https");
  return [`${scheme}://${host}${basePath}`];
}
