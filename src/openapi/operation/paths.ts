import { escapeText } from "../../base/text.ts";
import { type Bodies, noBody, readBodies } from "./body.ts";
import {
  createWarnings,
  type Finding,
  Unconvertible,
  type Warn,
  warningOf,
} from "../document/finding.ts";
import { fail, followOrFail, type Model, type Reading } from "./model.ts";
import { child, children, isTrue, type Node, textOf, textsOf } from "../document/node.ts";
import type { Operation, Servers, SkippedOperation } from "./operation.ts";
import { documentsOf } from "../document/place.ts";
import { effectiveParameters, readParameters, withoutCredentials } from "./parameter.ts";
import { parsePathKey } from "./path.ts";
import { readAnswer, readResponses } from "./response.ts";
import { effectiveSecurity } from "./security.ts";
import { ownServers } from "./server.ts";
import type { Source } from "../document/source.ts";
import { modernParameter, splitBody } from "./swagger.ts";
import { cleanDescription } from "../text.ts";
import type { DialectAt } from "../document/version.ts";
import { isKnownDialect } from "../schema/refer.ts";

export interface Operations {
  readonly operations: readonly Operation[];
  readonly skipped: readonly SkippedOperation[];
  readonly callbacks: number;
}

/** Where an operation stands in the document. */
interface Spot {
  readonly method: string;
  readonly key: string;
  readonly node: Node;
  /** The path item: its own members, then those of the item it refers to. */
  readonly item: readonly Node[];
}

/** Every operation of the document, in its order: read, or skipped with the one reason. */
export function readOperations(model: Model, source: Source, warn: Warn): Operations {
  const operations: Operation[] = [];
  const skipped: SkippedOperation[] = [];
  let callbacks = 0;
  const skip = (spot: Omit<Spot, "item">, finding: Finding): void => {
    skipped.push({
      id: textOf(spot.node, "operationId"),
      method: spot.method,
      path: spot.key,
      issue: warningOf(source, finding),
      tags: textsOf(child(spot.node, "tags")),
    });
  };
  for (const [key, written] of children(child(model.root, "paths"))) {
    if (key.startsWith("x-")) continue;
    const target = tryFollow(written, model);
    // Operations behind a reference that is not followed have no names to list.
    if (target instanceof Unconvertible) skip({ method: "*", key, node: written }, target.finding);
    const item =
      target instanceof Unconvertible || target === written ? [written] : [written, target];
    if (item.length > 1 && children(written).length > 1) {
      const message = "a path item has members beside its reference; its own count first";
      warn({ code: "path_item_merged", message, at: written.at });
    }
    for (const spot of spotsOf(key, item, model)) {
      callbacks += children(child(spot.node, "callbacks")).length;
      try {
        operations.push(readOperation(spot, model, source));
      } catch (error) {
        if (!(error instanceof Unconvertible)) throw error;
        skip(spot, error.finding);
      }
    }
  }
  return { operations, skipped, callbacks };
}

function tryFollow(node: Node, model: Model): Node | Unconvertible {
  try {
    return followOrFail(node, model);
  } catch (error) {
    if (error instanceof Unconvertible) return error;
    throw error;
  }
}

function itemMember(item: readonly Node[], key: string): Node | undefined {
  for (const layer of item) {
    const found = child(layer, key);
    if (found !== undefined) return found;
  }
  return undefined;
}

function spotsOf(key: string, item: readonly Node[], { dialectAt }: Model): readonly Spot[] {
  const standard = methodsOf(item, dialectAt).flatMap((method) => {
    const node = itemMember(item, method);
    return node === undefined ? [] : [{ method: method.toUpperCase(), key, node, item }];
  });
  const newest = item.filter(({ at }) => dialectAt(at).name === "3.2");
  const additional = children(itemMember(newest, "additionalOperations"));
  return [...standard, ...additional.map(([method, node]) => ({ method, key, node, item }))];
}

/** An item and the one that it refers to may be of two versions. */
function methodsOf([own, referred]: readonly Node[], dialectAt: DialectAt): readonly string[] {
  const methods = own === undefined ? [] : dialectAt(own.at).methods;
  return referred === undefined
    ? methods
    : [...new Set([...methods, ...dialectAt(referred.at).methods])];
}

const methodToken = /^[!#$%&'*+.^_`|~\w-]{1,32}$/;

function readOperation(spot: Spot, model: Model, source: Source): Operation {
  const { method, key, node, item } = spot;
  if (typeof node.value !== "object" || node.value === null)
    fail("bad_operation", "the operation is not an object", node);
  if (method === "TRACE") fail("method_not_served", "TRACE shows a request's headers", node);
  if (!methodToken.test(method)) fail("bad_operation", "the method is not a legal name", node);
  const path = parsePathKey(key);
  if (typeof path === "string") return fail("bad_path", path, node);
  checkDialect(model, node);
  const { issues: warnings, warn } = createWarnings(source);
  const reading: Reading = {
    ...model,
    schemas: model.schemasOf(method),
    at: node.at,
    warn,
  };
  const written = effectiveParameters(
    [itemMember(item, "parameters"), child(node, "parameters")],
    reading,
  );
  const isOld = ({ at }: Node): boolean => model.dialectAt(at).name === "2.0";
  const { parameters: nodes, requestBody } = isOld(node)
    ? splitBody(written, node, documentsOf(node, model))
    : { parameters: written, requestBody: child(node, "requestBody") };
  const modern = nodes.map((parameter) =>
    isOld(parameter) ? modernParameter(parameter) : parameter,
  );
  const security = effectiveSecurity(node, model.root);
  const schemeNames = security.flatMap((alternative) => [...alternative.keys()]);
  const parameters = readParameters(modern, path, reading);
  return {
    id: textOf(node, "operationId"),
    method,
    path: path.path,
    fixedQuery: path.fixedQuery,
    summary: cleanDescription(textOf(node, "summary") ?? itemText(item, "summary")),
    description: cleanDescription(textOf(node, "description") ?? itemText(item, "description")),
    tags: textsOf(child(node, "tags")),
    deprecated: isTrue(node, "deprecated"),
    schemas: reading.schemas.pool,
    parameters: withoutCredentials(parameters, schemeNames, reading),
    ...bodiesOf(method, requestBody, reading),
    responses: readResponses(node, reading),
    answer: () => readAnswer(node, reading),
    security,
    servers: serversOf(node, item, reading),
    position: source.positionOf(node.at),
    warnings,
  };
}

function itemText(item: readonly Node[], key: string): string {
  return item.map((layer) => textOf(layer, key)).find((text) => text !== undefined) ?? "";
}

function checkDialect({ dialectAt }: Model, node: Node): void {
  const uri = dialectAt(node.at).schemaDialect;
  if (uri !== undefined && !isKnownDialect(uri))
    fail("unknown_dialect", `the schema dialect "${escapeText(uri, 100)}" is not known`, node);
}

/** A body on GET or HEAD is sent only on request, so a bad one keeps nothing from being served. */
function bodiesOf(method: string, written: Node | undefined, reading: Reading): Bodies {
  if (written === undefined) return noBody;
  try {
    return readBodies(followOrFail(written, reading), reading);
  } catch (error) {
    if (!(error instanceof Unconvertible) || !/^(?:GET|HEAD)$/.test(method)) throw error;
    reading.warn(error.finding);
    return noBody;
  }
}

function serversOf(node: Node, item: readonly Node[], reading: Reading): Servers {
  if (reading.dialectAt(node.at).name === "2.0") return reading.servers;
  const lists = [child(node, "servers"), itemMember(item, "servers")];
  return ownServers(lists, reading) ?? reading.servers;
}
