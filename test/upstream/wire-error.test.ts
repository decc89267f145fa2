import { describe, expect, onTestFinished, test } from "vitest";
import { startApi } from "../world/api.ts";
import { world, type World } from "../world/world.ts";
import { inBothEras, sends, text, thing, typed } from "./wire-world.ts";

const body = {
  required: true,
  content: {
    "application/json": {
      schema: { type: "object", properties: { customer_id: {}, lines: { type: "array" } } },
    },
  },
};
const query = (name: string): object => ({ name, in: "query", schema: { type: "string" } });

/** `POST /thing` with parameters whose names on the wire are not those of the arguments. */
function orderWorld(): Promise<World> {
  const parameters = [query("filter[from]"), query("page_size"), query("tenant")];
  const operation = { operationId: "thing", parameters, requestBody: body, responses: {} };
  return world({
    spec: { paths: { "/thing": { post: operation } } },
    tools: "- {operation: thing, args: {page_size: {name: limit}, tenant: {value: t1}}}",
  });
}

const args = { filter_from: "x", body: {} };
const correct = "Correct the arguments and retry.";

describe("an error body speaks of arguments", () => {
  test.each([
    {
      format: "RFC 9457",
      type: "application/problem+json",
      sent: {
        type: "https://api.test/p/invalid",
        title: "Invalid order",
        status: 422,
        detail: "Three faults.",
        instance: "/log/7",
        errors: [
          { detail: "must be a number", pointer: "#/lines/0/count" },
          { detail: "is in the past", parameter: "filter[from]" },
          { detail: "is too large", parameter: "page_size" },
        ],
      },
      lines: [
        "Invalid order",
        "Three faults.",
        "type: https://api.test/p/invalid",
        "instance: /log/7",
        "- body.lines[0].count: must be a number",
        "- filter_from: is in the past",
        "- limit: is too large",
      ],
    },
    {
      format: "error object",
      type: "application/json",
      sent: { error: { message: "Too large", code: "range", param: "page_size" } },
      lines: ["- limit: Too large (range)"],
    },
    {
      format: "message and errors by field",
      type: "application/json",
      sent: { message: "Invalid.", errors: { customer_id: ["is required"] } },
      lines: ["Invalid.", "- body.customer_id: is required"],
    },
    {
      format: "JSON:API",
      type: "application/vnd.api+json",
      sent: {
        errors: [
          { title: "Bad", detail: "no such day", source: { parameter: "filter[from]" } },
          { title: "Missing", source: { pointer: "/customer_id" } },
        ],
      },
      lines: ["- filter_from: no such day (Bad)", "- body.customer_id: Missing"],
    },
    {
      format: "fault",
      type: "application/json",
      sent: { fault: { faultstring: "Quota", detail: { errorcode: "policies.Quota" } } },
      lines: ["Quota", "code: policies.Quota"],
    },
    { format: "text", type: "text/plain", sent: "no\nsuch thing", lines: ["no", "such thing"] },
    {
      format: "a page",
      type: "text/html",
      sent: "<html><title>Down for repair</title><script>x</script>",
      lines: ["[an HTML page: Down for repair]"],
    },
  ])("$format", async ({ type, sent, lines }) => {
    const made = await orderWorld();
    const bytes = typeof sent === "string" ? sent : JSON.stringify(sent);
    made.api.answer = sends({ ...typed(type, bytes), status: 422 });
    const expected = {
      content: [
        text(["HTTP 422 Unprocessable Entity from POST /thing", ...lines, correct].join("\n")),
      ],
      isError: true,
    };
    expect(await inBothEras(made, args)).toEqual({ legacy: expected, modern: expected });
  });
});

describe("every class of error has one hint", () => {
  const rejected = "The gateway's credential was rejected; do not retry.";
  const again = "This is not caused by your input; you may retry.";
  const careful =
    "This is not caused by your input. Do not repeat the call before checking whether it took effect.";

  test.each([
    { status: "400 Bad Request", hint: correct },
    { status: "401 Unauthorized", hint: rejected },
    { status: "403 Forbidden", hint: rejected },
    { status: "404 Not Found", hint: "Nothing was found there: check the identifiers." },
    {
      status: "409 Conflict",
      hint: "The resource is in a state that conflicts with this call: read it again first.",
    },
    { status: "413 Payload Too Large", hint: "The request is too large: send less." },
    { status: "422 Unprocessable Entity", hint: correct },
    { status: "429 Too Many Requests", hint: "Too many requests: wait before you retry." },
    { status: "429 Too Many Requests", retryAfter: "30", hint: "Retry after 30 seconds." },
    { status: "503 Service Unavailable", retryAfter: "120", hint: "Retry after 120 seconds." },
    { status: "503 Service Unavailable", hint: again },
    { status: "500 Internal Server Error", hint: again },
    { status: "500 Internal Server Error", method: "put", hint: again },
    { status: "500 Internal Server Error", method: "delete", hint: again },
    { status: "500 Internal Server Error", method: "post", hint: careful },
    { status: "502 Bad Gateway", method: "patch", hint: careful },
  ])("$status to $method", async ({ status, method = "get", retryAfter, hint }) => {
    const made = await thing({ method, credential: "none" });
    const headers = retryAfter === undefined ? {} : { "retry-after": retryAfter };
    made.api.answer = sends({ status: Number(status.slice(0, 3)), headers });
    const head = `HTTP ${status} from ${method.toUpperCase()} /thing`;
    const expected = { content: [text(`${head}\n${hint}`)], isError: true };
    expect(await inBothEras(made)).toEqual({ legacy: expected, modern: expected });
  });

  test("a date in Retry-After is told in seconds", async () => {
    const made = await thing();
    const at = new Date(Date.now() + 90_000).toUTCString();
    made.api.answer = sends({ status: 503, headers: { "retry-after": at } });
    const { modern } = await inBothEras(made);
    const [, seconds] =
      /Retry after (\d+) seconds\.$/.exec(String(textIn(modern.content[0]))) ?? [];
    expect(Number(seconds)).toBeGreaterThan(80);
    expect(Number(seconds)).toBeLessThanOrEqual(90);
  });
});

function textIn(block: unknown): unknown {
  return (block as { readonly text?: unknown }).text;
}

describe("what fails on the way is told by its class only", () => {
  const unreachable = "The API could not be reached.";

  test.each<{ title: string; answer: World["api"]["answer"]; told: string }>([
    {
      title: "a closed connection",
      answer: (_, response) => void response.destroy(),
      told: "The API closed the connection before it answered.",
    },
    {
      title: "no HTTP",
      answer: (_, { socket }) => void socket?.end("SSH-2.0-x\r\n"),
      told: "The API's answer was not valid HTTP.",
    },
    {
      title: "less than was promised",
      answer: (_, response) => {
        response.writeHead(200, { "content-length": "10" }).write("abc");
        setTimeout(() => response.destroy(), 20);
      },
      told: "The API broke off in the middle of its answer.",
    },
    {
      title: "too late",
      answer: () => {},
      told: "The API did not answer within 0.3 s.",
    },
  ])("$title", async ({ answer, told }) => {
    const made = await thing({ extra: { api: "timeout: 300ms" } });
    made.api.answer = answer;
    const { legacy, modern } = await inBothEras(made);
    expect(modern).toEqual({ content: [text(told)], isError: true });
    expect(legacy).toEqual(modern);
  });

  test.each<{
    title: string;
    answer: World["api"]["answer"];
    top?: string;
    told: string;
  }>([
    {
      title: "a closed connection",
      answer: (_, response) => void response.destroy(),
      told: "The API closed the connection before it answered.",
    },
    {
      title: "an answer that is too large",
      answer: sends(typed("text/plain", "x".repeat(2_000))),
      top: "limits: {responseSize: 1000B}",
      told: "The answer is larger than 1000 bytes. Ask for less: a smaller page, fewer fields, a narrower filter.",
    },
    {
      title: "no HTTP",
      answer: (_, { socket }) => void socket?.end("SSH-2.0-x\r\n"),
      told: "The API's answer was not valid HTTP.",
    },
    { title: "too late", answer: () => {}, told: "The API did not answer within 0.3 s." },
  ])("$title may have changed something", async ({ answer, top = "", told }) => {
    const made = await thing({ method: "post", extra: { api: "timeout: 300ms", top } });
    made.api.answer = answer;
    const { modern } = await inBothEras(made);
    const whole = `${told} It may have taken effect: check that before you repeat the call.`;
    expect(modern).toEqual({ content: [text(whole)], isError: true });
  });

  test("nothing was changed where nobody listens", async () => {
    const made = await thing({ method: "post" });
    made.api.close();
    const { modern } = await inBothEras(made);
    expect(modern).toEqual({ content: [text(unreachable)], isError: true });
  });

  test("nobody listens", async () => {
    const made = await thing();
    made.api.close();
    const { modern } = await inBothEras(made);
    expect(modern).toEqual({ content: [text(unreachable)], isError: true });
  });

  test("no TLS where https is expected", async () => {
    const plain = await startApi();
    onTestFinished(() => plain.close());
    const { host } = new URL(plain.url);
    const made = await thing({ extra: { api: `redirects: {allowedHosts: ["${host}"]}` } });
    made.api.answer = sends({ status: 302, headers: { location: `https://${host}/` } });
    const { modern } = await inBothEras(made);
    const refused = "The API's certificate is not accepted, or it speaks no TLS that is.";
    expect(modern).toEqual({ content: [text(refused)], isError: true });
  });
});
