import { mediaTypeOf } from "./media.ts";
import type { Reading } from "./model.ts";
import { child, children, type Node, textOf, textsOf } from "./node.ts";
import type { ResponseInfo } from "./operation.ts";
import { isFailure } from "./reference.ts";
import { cleanText } from "./text.ts";

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
      description: cleanText(textOf(node, "description") ?? textOf(node, "summary") ?? ""),
    });
  }
  return responses;
}

function mediaTypes(response: Node, operation: Node, reading: Reading): readonly string[] {
  if (reading.dialect.name !== "2.0")
    return children(child(response, "content")).map(([contentType]) => mediaTypeOf(contentType));
  if (child(response, "schema") === undefined) return [];
  const produces = child(operation, "produces") ?? child(reading.root, "produces");
  return textsOf(produces).map(mediaTypeOf);
}
