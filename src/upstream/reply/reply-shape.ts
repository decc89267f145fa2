import type { Output } from "../../tools/output.ts";
import type { Tool } from "../../tools/tool.ts";
import { parseMediaType } from "./media-type.ts";
import { compilePaging, pagesInBody, type FindNext } from "./paging.ts";
import { compileReshape, type Reshape } from "./reshape.ts";

/** What has to be known of a tool to read its API's answers. */
export interface ReplyShape {
  /** HTTP method as sent. */
  readonly method: string;
  /** Path template, e.g. `/orders/{id}`: values of the call do not appear in messages. */
  readonly path: string;
  /** As of the tool. */
  readonly unmetSecurity: string | undefined;
  /** A success is declared as JSON and never as HTML. */
  readonly expectsJson: boolean;
  readonly names: ArgumentNames;
  /** What the tool's rule makes of a JSON success; undefined: it stays as it is. */
  readonly reshape: Reshape | undefined;
  /** Names of response headers to tell after a success, as the rule spells them. */
  readonly headers: readonly string[];
  /** undefined: the tool promises nothing about its answers. */
  readonly output: Output | undefined;
  /** undefined: no argument of the tool leads to another page. */
  readonly findNext: FindNext | undefined;
  /** It may have to look into the body for it. */
  readonly pagesInBody: boolean;
  /** Argument names in the order of the values of a request. */
  readonly argumentOf: readonly string[];
}

/** How the names an API uses in its messages lead back to arguments of the tool. */
export interface ArgumentNames {
  /** Wire name of a path, query, header or cookie parameter to argument name. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Wire name of a body property to argument name. */
  readonly properties: ReadonlyMap<string, string>;
  /** The argument that is the whole body. */
  readonly body: string | undefined;
}

/**
 * Only arguments the model supplies have a name it knows; the others keep their wire name.
 *
 * @throws ConfigError when `select` of the tool's rule cannot be used.
 */
export function replyShapeOf(
  tool: Pick<Tool, "operation" | "unmetSecurity" | "places" | "response" | "output">,
): ReplyShape {
  const parameters = new Map<string, string>();
  const properties = new Map<string, string>();
  let body: string | undefined;
  for (const { key, source, target } of tool.places) {
    if (source.kind !== "model") continue;
    if (target.kind === "parameter") parameters.set(target.parameter.name, key);
    else if (target.kind === "property") properties.set(target.name, key);
    else body = key;
  }
  const { method, path, successes } = tool.operation;
  return {
    method,
    path,
    unmetSecurity: tool.unmetSecurity,
    expectsJson: declaresJson(successes),
    names: { parameters, properties, body },
    reshape: compileReshape(tool.response),
    headers: tool.response.headers,
    output: tool.output,
    findNext: compilePaging(tool.places),
    pagesInBody: pagesInBody(tool.places),
    argumentOf: tool.places.map(({ key }) => key),
  };
}

function declaresJson(responses: Tool["operation"]["successes"]): boolean {
  const exact = responses.filter(({ status }) => status.startsWith("2"));
  const successes = exact.length > 0 ? exact : responses.filter((r) => r.status === "default");
  const types = successes.flatMap(({ mediaTypes }) => mediaTypes);
  const families = new Set(types.map((type) => parseMediaType(type)?.family));
  return families.has("json") && !families.has("html");
}
