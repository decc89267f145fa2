import { escapeText } from "../../base/text.ts";
import type { Warn } from "../document/finding.ts";
import { child, children, type Node, type Pointer, textOf, textsOf } from "../document/node.ts";
import type { Server, Servers } from "./operation.ts";
import type { Dialect } from "../document/version.ts";

interface Around {
  readonly warn: Warn;
  /** URL of the document that a place belongs to; undefined for a file. */
  readonly baseAt: (at: Pointer) => string | undefined;
}

/** Servers of an operation or its path item, whichever has some; undefined when neither does. */
export function ownServers(
  lists: readonly (Node | undefined)[],
  around: Around,
): Servers | undefined {
  const written = lists.map(children).find((list) => list.length > 0);
  if (written === undefined) return undefined;
  const list = written.flatMap(([, node]) => readServer(node, around) ?? []);
  return { scope: "operation", list };
}

/** Of the whole document; the default is one server `/` (OAS 3.1 §4.8.1.1). */
export function documentServers(root: Node, dialect: Dialect, around: Around): Servers {
  if (dialect.name === "2.0") return swaggerServers(root, around);
  const written = children(child(root, "servers"));
  const list = written.flatMap(([, node]) => readServer(node, around) ?? []);
  const origin = { ...plainServer("/"), base: around.baseAt(root.at) };
  return { scope: "document", list: written.length > 0 ? list : [origin] };
}

function readServer(node: Node, { warn, baseAt }: Around): Server | undefined {
  const url = textOf(node, "url");
  if (url === undefined) return undefined;
  const declared = child(node, "variables");
  const names = new Set([...url.matchAll(/\{([^{}]+)\}/g)].map(([, name = ""]) => name));
  const variables = [...names].map((name) => {
    const variable = declared && child(declared, name);
    const allowed = textsOf(variable && child(variable, "enum"));
    return [name, { default: textOf(variable, "default") ?? allowed[0], allowed }] as const;
  });
  const missing = variables.find(([, variable]) => variable.default === undefined);
  if (missing !== undefined) {
    const message = `the server variable "${escapeText(missing[0], 64)}" has no default; without a value in gateway.yaml the server is left out`;
    warn({ code: "server_variable_without_default", message, at: node.at });
  }
  return {
    url,
    name: textOf(node, "name") ?? "",
    description: textOf(node, "description") ?? "",
    variables: new Map(variables),
    base: baseAt(node.at),
  };
}

function plainServer(url: string): Server {
  return { url, name: "", description: "", variables: new Map(), base: undefined };
}

/** 2.0 writes one server in three parts. Without a host it is that of the document's URL. */
function swaggerServers(root: Node, { baseAt }: Around): Servers {
  const base = baseAt(root.at);
  const host = textOf(root, "host") ?? (base === undefined ? "" : new URL(base).host);
  const basePath = textOf(root, "basePath") ?? "";
  const schemes = textsOf(child(root, "schemes"));
  const own = base === undefined ? "https" : new URL(base).protocol.slice(0, -1);
  const scheme = schemes.includes("https") ? "https" : (schemes[0] ?? own);
  const url = host === "" ? basePath || "/" : `${scheme}://${host}${basePath}`;
  return { scope: "document", list: [{ ...plainServer(url), base }] };
}
