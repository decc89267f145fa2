import { nearest } from "../../base/nearest.ts";
import type { RuleConfig } from "../types/rule.ts";
import {
  child,
  entriesOf,
  itemsOf,
  label,
  nameOf,
  quote,
  textOf,
  textsOf,
  writtenChild,
  type YamlNode,
} from "../node.ts";
import { didYouMean } from "../problems.ts";
import { httpMethods } from "../schema/apis.ts";
import { compileArgument } from "./argument.ts";
import { compileResponse } from "./response.ts";
import { numberOf, rateOf, type Scope } from "./scope.ts";
import { compileToolTimeouts } from "./timeouts.ts";

/** @param api What the rule does not say itself. */
export function compileRule(
  scope: Scope,
  node: YamlNode,
  api: Pick<RuleConfig, "flattenBody" | "timeouts">,
): RuleConfig {
  const expose = child(node, "expose")?.value !== false;
  if (!expose) refuseShaping(scope, node);
  return {
    select: compileSelect(scope, node),
    expose,
    name: textOf(child(node, "name")),
    title: textOf(child(node, "title")),
    description: textOf(child(node, "description")),
    scopes: textsOf(child(node, "scopes")),
    confirm: textOf(child(node, "confirm")) === "required" ? "required" : undefined,
    when: compileWhen(child(node, "when")),
    mediaType: textOf(child(node, "mediaType"))?.toLowerCase(),
    allowGetBody: child(node, "allowGetBody")?.value === true,
    args: new Map(
      entriesOf(child(node, "args")).map(([name, arg]) => [name, compileArgument(scope, arg)]),
    ),
    flattenBody: flagOf(child(node, "flattenBody")) ?? api.flattenBody,
    annotations: compileAnnotations(child(node, "annotations")),
    response: compileResponse(scope, child(node, "response")),
    timeouts: compileToolTimeouts(scope, node, api.timeouts),
    rate: rateOf(child(node, "rate")),
    egress: textOf(child(node, "egress")) === "external" ? "external" : "internal",
    maxConcurrentCalls: child(node, "concurrency") && numberOf(child(node, "concurrency")),
    position: node.position,
  };
}

export function compileWhen(node: YamlNode | undefined): RuleConfig["when"] {
  return node && { expression: textOf(node) ?? "", position: node.position };
}

function flagOf(node: YamlNode | undefined): boolean | undefined {
  return typeof node?.value === "boolean" ? node.value : undefined;
}

function compileAnnotations(node: YamlNode | undefined): RuleConfig["annotations"] {
  return {
    readOnly: flagOf(child(node, "readOnly")),
    destructive: flagOf(child(node, "destructive")),
    idempotent: flagOf(child(node, "idempotent")),
    openWorld: flagOf(child(node, "openWorld")),
  };
}

function refuseShaping({ problems }: Scope, node: YamlNode): void {
  const shaping = ["name", "title", "description", "scopes", "when", "mediaType", "allowGetBody"];
  const rest = [
    "confirm",
    "flattenBody",
    "annotations",
    "args",
    "response",
    "timeout",
    "timeouts",
    "rate",
    "egress",
    "concurrency",
  ];
  for (const key of [...shaping, ...rest]) {
    const written = writtenChild(node, key);
    if (written === undefined) continue;
    const message = `${label(written)} has no meaning with expose: false: there is no tool to shape`;
    problems.error({ at: nameOf(written), code: "conflicting_keys", message });
  }
}

function compileSelect(scope: Scope, node: YamlNode): RuleConfig["select"] {
  const operation = child(node, "operation");
  if (operation !== undefined) {
    checkOperation(scope, operation);
    return { kind: "operation", operation: textOf(operation) ?? "" };
  }
  const match = child(node, "match");
  const lists = ["tags", "methods", "paths"].map((key) => child(match, key));
  const [tags, methods, paths] = lists.map(textsOf);
  if (
    match?.kind === "mapping" &&
    lists.every((list) => list?.kind === "list" && itemsOf(list).length === 0)
  ) {
    const message = `${label(match)} needs at least one of tags, methods, paths`;
    const at = nameOf(match);
    scope.problems.error({
      at,
      code: "missing_key",
      message,
      help: 'every operation: paths: ["/**"]',
    });
  }
  return { kind: "match", tags: tags ?? [], methods: methods ?? [], paths: paths ?? [] };
}

/** An operationId may hold anything; a space before a slash means `METHOD /path`. */
function checkOperation({ problems }: Scope, node: YamlNode): void {
  const text = textOf(node) ?? "";
  const [, method, path] =
    /^([^/]*?)\s+(\/.*)$/s.exec(text) ?? (text.startsWith("/") ? [text, "", text] : []);
  if (method === undefined || path === undefined) return;
  if (httpMethods.includes(method) && text === `${method} ${path}`) return;
  const message = `${label(node)} must be an operationId or METHOD /path, not ${quote(node)}`;
  const meant = method === "" ? undefined : nearest(method, httpMethods);
  const help =
    node.origin === undefined && meant !== undefined ? didYouMean(`${meant} ${path}`) : undefined;
  problems.error({ at: node, code: "invalid_value", message, help });
}
