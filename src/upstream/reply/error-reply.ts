import { STATUS_CODES } from "node:http";
import type { ArgIssue } from "../../tools/arg-issue.ts";
import { compileArgumentPath, type ArgumentPath } from "./argument-path.ts";
import { decodeJson, decodeText } from "./charset.ts";
import { textBlock } from "./content-block.ts";
import { typeOf } from "./entity.ts";
import { parse } from "./event-stream.ts";
import type { ResponseHeaders, WireResponse } from "../request/message.ts";
import { cutText, toLine } from "./plain-text.ts";
import { describeProblem } from "./problem.ts";
import type { BlockReply } from "./reply.ts";
import type { ReplyShape } from "./reply-shape.ts";
import { parseRetryAfter } from "../retry-after.ts";

/** The whole message: an error page must not crowd out the conversation. */
const maxChars = 2000;
const maxLocation = 500;

/** RFC 9110 §9.2.2, and QUERY: sending the same request twice does no more than once. */
const idempotent: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "PUT",
  "DELETE",
  "QUERY",
]);

/**
 * Tells the model what went wrong and what it can do about it: the status, what the API's body
 * says in argument names, and one hint per class of status. Never with `structured`: clients hold
 * that against the schema of a success.
 */
export function compileErrorReply(
  shape: ReplyShape,
  now: () => number,
): (response: WireResponse) => BlockReply {
  const from = `from ${shape.method} ${shape.path}`;
  const pathOf = compileArgumentPath(shape.names);
  const mayRepeat = idempotent.has(shape.method.toUpperCase());
  return (response) => {
    const { status, headers } = response;
    const head = `${describeStatus(status)} ${from}`;
    if (status === 304) return textReply(`${head}\nThe copy you know is still current.`, false);
    if (status >= 300 && status < 400) return textReply(describeRedirect(head, headers), true);
    const wait = parseRetryAfter(headers.get("retry-after"), now());
    const hint = refusal(status, shape) ?? hintFor(status, wait, mayRepeat);
    const lines = [head, ...describeBody(response, pathOf)].join("\n");
    const room = maxChars - hint.length - 1;
    const shown = lines.length > room ? `${cutText(lines, room - 1)}…` : lines;
    return textReply(hint === "" ? shown : `${shown}\n${hint}`, true);
  };
}

/** A success whose body is not what the document promised. */
export function wrongType(shape: ReplyShape, status: number, got: string): BlockReply {
  const shown = /json/.test(got) ? `${got} that is not valid` : got;
  return textReply(`${headOf(shape, status)}: expected JSON, got ${shown}`, true);
}

/** A success of a form that the tool's `select` or `fields` were not made for. */
export function unfit(shape: ReplyShape, status: number): BlockReply {
  const why = "the answer has another form than this tool was made for";
  return { ...textReply(`${headOf(shape, status)}: ${why}`, true), isOwn: true };
}

/** A success of which the tool's `select` makes more work than all other callers can wait for. */
export function overspent(shape: ReplyShape, status: number): BlockReply {
  const why = "choosing from the answer took too long and was ended; ask for less";
  const reply = textReply(`${headOf(shape, status)}: ${why}`, true);
  return { ...reply, isOwn: true, reason: "select_timeout" };
}

/** A success that is not what the tool's output schema says. */
export function brokenPromise(
  shape: ReplyShape,
  status: number,
  issues: readonly ArgIssue[],
): BlockReply {
  const lines = issues.map(({ path, message }) => `- ${path}: ${message}`);
  const head = `${headOf(shape, status)}: the answer is not what the API declares`;
  return textReply([head, ...lines].join("\n"), true);
}

function headOf({ method, path }: ReplyShape, status: number): string {
  return `${describeStatus(status)} from ${method} ${path}`;
}

/** `HTTP 422 Unprocessable Entity`; a status without a registered phrase stands alone. */
export function describeStatus(status: number): string {
  const phrase = STATUS_CODES[status];
  return phrase === undefined ? `HTTP ${status}` : `HTTP ${status} ${phrase}`;
}

function textReply(text: string, isError: boolean): BlockReply {
  return { content: [textBlock(text)], structured: undefined, isError };
}

function describeRedirect(head: string, headers: ResponseHeaders): string {
  const location = headers.get("location");
  const to = location === undefined ? "" : `\nLocation: ${toLine(location, maxLocation)}`;
  return `${head}${to}\nThe redirect was not followed.`;
}

function describeBody(response: WireResponse, pathOf: ArgumentPath): readonly string[] {
  const { body, status } = response;
  if (body.length === 0) return [];
  const { family, essence, parameters } = typeOf(response);
  const charset = parameters.get("charset");
  if (family === "json") {
    const text = decodeJson(body, charset);
    const value = parse(text);
    const lines =
      value === undefined ? [] : describeProblem(value, pathOf, STATUS_CODES[status] ?? "");
    return lines.length > 0 ? lines : [toLine(text, maxChars)];
  }
  if (family === "html") return [describePage(decodeText(body, charset))];
  if (family === "text" || family === "lines" || family === "records" || family === "events")
    return decodeText(body, charset)
      .slice(0, maxChars * 2)
      .split("\n", 40)
      .map((line) => toLine(line, maxChars))
      .filter((line) => line !== "");
  return [`[${essence}, ${body.length} bytes]`];
}

/** Of an HTML page only the title is meant for a reader of text. */
function describePage(html: string): string {
  const title = /<title[^>]{0,100}>([^<]{1,300})/i.exec(html.slice(0, 16_384))?.[1];
  return title === undefined ? "[an HTML page]" : `[an HTML page: ${toLine(title, 200)}]`;
}

/** Told only once the API has refused: a document often describes another door than the gateway's. */
function refusal(status: number, { unmetSecurity }: ReplyShape): string | undefined {
  if (unmetSecurity === undefined || (status !== 401 && status !== 403)) return undefined;
  return `The API asks for ${unmetSecurity}, which the gateway is not configured to supply; do not retry.`;
}

function hintFor(status: number, wait: number | undefined, mayRepeat: boolean): string {
  if (wait !== undefined && (status === 429 || status === 503))
    return `Retry after ${wait} seconds.`;
  const hint = hints.get(status);
  if (hint !== undefined) return hint;
  if (status < 500 || status > 599) return "";
  return mayRepeat
    ? "This is not caused by your input; you may retry."
    : "This is not caused by your input. Do not repeat the call before checking whether it took effect.";
}

const correct = "Correct the arguments and retry.";
const rejected = "The gateway's credential was rejected; do not retry.";

const hints: ReadonlyMap<number, string> = new Map([
  [400, correct],
  [401, rejected],
  [403, rejected],
  [404, "Nothing was found there: check the identifiers."],
  [409, "The resource is in a state that conflicts with this call: read it again first."],
  [413, "The request is too large: send less."],
  [422, correct],
  [429, "Too many requests: wait before you retry."],
  [501, ""],
]);
