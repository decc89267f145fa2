import { kindOf, mediaTypeOf } from "./media.ts";
import { documentsOf } from "../document/place.ts";
import { nearest } from "./swagger.ts";
import type { Reading } from "./model.ts";
import { child, children, type Node, textOf, textsOf } from "../document/node.ts";
import { Unconvertible } from "../document/finding.ts";
import type { Answer, ResponseInfo } from "./operation.ts";
import { isFailure } from "../document/reference.ts";
import { cleanDescription } from "../text.ts";

const status = /^(?:[1-5]\d\d|[1-5]xx|default)$/i;

/** Responses describe, they never decide whether an operation is served. */
export function readResponses(operation: Node, reading: Reading): readonly ResponseInfo[] {
  const responses: ResponseInfo[] = [];
  for (const [key, written] of children(child(operation, "responses"))) {
    if (key.startsWith("x-")) continue;
    const node = reading.references.follow(written);
    if (!status.test(key) || isFailure(node)) {
      const message = "a response has no legal status or leads to nothing; it is left out";
      reading.warn({ code: "bad_response", message, at: written.at });
      continue;
    }
    responses.push({
      status: key.toLowerCase() === "default" ? "default" : key.toUpperCase(),
      mediaTypes: mediaTypes(node, operation, reading),
      description: cleanDescription(textOf(node, "description") ?? textOf(node, "summary") ?? ""),
    });
  }
  return responses;
}

function mediaTypes(response: Node, operation: Node, reading: Reading): readonly string[] {
  if (reading.dialectAt(response.at).name !== "2.0")
    return children(child(response, "content")).map(([contentType]) => mediaTypeOf(contentType));
  if (child(response, "schema") === undefined) return [];
  const produces = nearest("produces", [operation, ...documentsOf(operation, reading)]);
  return textsOf(produces).map(mediaTypeOf);
}

/** Of the lowest 2xx that is declared as JSON, else of 2XX; of `default` only without any of them. */
export function readAnswer(operation: Node, reading: Reading): Answer | undefined {
  const responses = new Map<string, Node>();
  for (const [key, written] of children(child(operation, "responses"))) {
    const node = reading.references.follow(written);
    if (!isFailure(node)) responses.set(key.toUpperCase(), node);
  }
  const successes = [...responses.keys()].filter((key) => /^2\d\d$|^2XX$/.test(key)).toSorted();
  const fallback = successes.length === 0 ? ["DEFAULT"] : [];
  for (const key of [...successes, ...fallback]) {
    const response = responses.get(key);
    const node = response && jsonSchemaOf(response, operation, reading);
    if (node === undefined) continue;
    const { inline, pool } = reading.answerSchemas();
    try {
      return { schema: inline(node, () => {}), schemas: pool };
    } catch (error) {
      if (error instanceof Unconvertible) return undefined;
      throw error;
    }
  }
  return undefined;
}

function jsonSchemaOf(response: Node, operation: Node, reading: Reading): Node | undefined {
  if (reading.dialectAt(response.at).name === "2.0") {
    const isJson = mediaTypes(response, operation, reading).some(isJsonType);
    return isJson ? child(response, "schema") : undefined;
  }
  for (const [contentType, written] of children(child(response, "content"))) {
    const media = reading.references.follow(written);
    if (isJsonType(mediaTypeOf(contentType)) && !isFailure(media)) return child(media, "schema");
  }
  return undefined;
}

function isJsonType(mediaType: string): boolean {
  return kindOf(mediaType).kind === "json" && !mediaType.includes("*");
}
