import type { Issue } from "../../base/issue.ts";
import { escapeText } from "../../base/text.ts";
import type { ApiConfig, ServerChoice } from "../../config/types/apis.ts";
import { hostOf } from "../../config/url.ts";
import type { Server, Servers } from "../../openapi/operation/operation.ts";
import type { ServedOperation } from "../../tools/tool.ts";
import { type BaseUrl, readBaseUrl } from "./base-url.ts";

/** @returns One finding when the operation cannot, or must not, be called. */
export type Locate = (
  operation: Pick<ServedOperation, "servers" | "method" | "path" | "position">,
) => BaseUrl | Issue;

/**
 * Where the operations of an API are, decided at load: `url` of the api, else the document's server
 * that the api chooses. An operation with a server of its own on another host gets there only when
 * `allowedHosts` lists that host, because the API's credential goes along.
 */
export function compileLocate(api: ApiConfig, document: Servers): Locate {
  const home = api.url === undefined ? find(api.server, document) : readBaseUrl(api.url);
  const homeHost = home && hostOf(new URL(home.origin));
  return ({ servers, method, path, position }) => {
    const own = servers.scope === "operation" ? find(api.server, servers) : undefined;
    if (own === undefined) return home ?? noUrl(api);
    const host = hostOf(new URL(own.origin));
    // `url` replaces the whole URL of a server, path included.
    if (host === homeHost) return api.url === undefined || home === undefined ? own : home;
    if (api.allowedHosts.includes(host)) return own;
    return {
      severity: "error",
      code: "foreign_server",
      message: `${method} ${escapeText(path, 200)} has a server of its own on ${escapeText(host, 100)}`,
      position,
      help: `list the host in allowedHosts of ${api.id}, or leave the operation out`,
    };
  };
}

function noUrl({ id, position }: ApiConfig): Issue {
  return {
    severity: "error",
    code: "no_url",
    message: `the document does not say where ${id} is`,
    position,
    help: "add url: the origin and base path of the API",
  };
}

/** The chosen server, else the first whose variables all have a value. */
function find({ select, variables }: ServerChoice, { list, scope }: Servers): BaseUrl | undefined {
  const filled = list.flatMap((server, index) => {
    const url = fill(server, variables);
    return url === undefined ? [] : [{ server, index, url }];
  });
  const chosen = filled.find(({ server, index }) => fits(server, index, select));
  // A choice among the document's servers binds an operation's own only where it fits one.
  const found = chosen ?? (scope === "operation" ? filled[0] : undefined);
  try {
    return found && readBaseUrl(new URL(found.url, found.server.base).href);
  } catch {
    return undefined; // not absolute, or no http URL of origin and path
  }
}

function fits(server: Server, index: number, select: ServerChoice["select"]): boolean {
  switch (select?.kind) {
    case "name":
      return server.name === select.name;
    case "description":
      return server.description === select.description;
    case "index":
      return index === select.index;
    case undefined:
      return true;
  }
}

function fill({ url, variables }: Server, given: ServerChoice["variables"]): string | undefined {
  let isComplete = true;
  const filled = url.replaceAll(/\{([^{}]+)\}/g, (_, name: string) => {
    const value = given.get(name)?.value ?? variables.get(name)?.default;
    isComplete &&= value !== undefined;
    return value ?? "";
  });
  return isComplete ? filled : undefined;
}

/** What gateway.yaml says about servers and the document does not know. */
export function checkServers(api: ApiConfig, { list }: Servers): readonly Issue[] {
  const { select, variables } = api.server;
  const issues: Issue[] = [];
  if (select !== undefined && !list.some((server, index) => fits(server, index, select))) {
    const names = list.map(({ name, description, url }) => name || description || url);
    const shown = names.slice(0, 10).map((name) => `"${escapeText(name, 64)}"`);
    issues.push({
      severity: "error",
      code: "unknown_server",
      message: `the document of ${api.id} has no such server`,
      position: select.position,
      help: `it has ${shown.join(", ")}`,
    });
  }
  for (const [name, { value, position }] of variables) {
    const known = list.flatMap((server) => server.variables.get(name) ?? []);
    const quoted = `"${escapeText(name, 64)}"`;
    const fault = variableFault(known, value);
    if (fault === undefined) continue;
    const message = `the server variable ${quoted} ${fault.what}`;
    issues.push({ severity: "error", code: fault.code, message, position, help: fault.help });
  }
  return issues;
}

function variableFault(
  known: readonly { readonly allowed: readonly string[] }[],
  value: string,
): { readonly code: string; readonly what: string; readonly help: string | undefined } | undefined {
  if (known.length === 0)
    return { code: "unknown_server_variable", what: "is in no server's URL", help: undefined };
  const allowed = known.flatMap((variable) => variable.allowed);
  if (allowed.includes(value) || known.some((variable) => variable.allowed.length === 0))
    return undefined;
  const shown = allowed.slice(0, 10).map((text) => `"${escapeText(text, 64)}"`);
  const help = `it is one of ${shown.join(", ")}`;
  return { code: "server_variable_value", what: "cannot have this value", help };
}
