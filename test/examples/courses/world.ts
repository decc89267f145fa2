import { afterAll, beforeAll, expect } from "vitest";
import {
  startCoursesApi,
  type CoursesApi,
  type SeenRequest,
} from "../../../examples/courses/server.ts";
import { readDocument, type CoursesDocument } from "./document.ts";
import { startIssuer, type Issuer } from "./issuer.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests read what the document promises; the schema check has already looked at its form.
  readonly body: Record<string, unknown> & { readonly items: readonly Record<string, unknown>[] };
}

export interface Ask {
  readonly params?: Readonly<Record<string, string>>;
  /** As on the wire, without `?`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is. */
  readonly body?: unknown;
  /** `Authorization` in full; null sends none. Absent: alice's usual token. */
  readonly authorization?: string | null;
}

export interface World {
  readonly issuer: Issuer;
  readonly api: CoursesApi;
  readonly document: CoursesDocument;
  readonly seen: readonly SeenRequest[];
  /** operationId and status of every answer so far, e.g. `enrol 201`. */
  readonly answered: ReadonlySet<string>;
  /** Sends one documented operation; the answer has been held to the document. */
  readonly ask: (operationId: string, ask?: Ask) => Promise<Answer>;
  readonly as: (sub: string, scope?: string) => Promise<string>;
}

/** A running API and its issuer for one test file, closed at the file's end. */
export function world(): () => World {
  let running: World | undefined;
  beforeAll(async () => {
    running = await start();
  });
  afterAll(async () => {
    await running?.api.close();
    await running?.issuer.close();
  });
  return () => {
    if (!running) throw new Error("only inside a test");
    return running;
  };
}

async function start(): Promise<World> {
  const [issuer, document] = await Promise.all([startIssuer(), readDocument()]);
  const seen: SeenRequest[] = [];
  const answered = new Set<string>();
  const api = await startCoursesApi({
    listen: { host: "127.0.0.1", port: 0 },
    tokens: { issuer: issuer.url, jwksUrl: issuer.jwksUrl, audience: "courses-api" },
    onRequest: (request) => seen.push(request),
  });

  async function ask(operationId: string, wanted: Ask = {}): Promise<Answer> {
    const operation = document.operations.get(operationId);
    if (!operation) throw new Error(`no operation ${operationId}`);
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(wanted.params?.[name] ?? ""),
    );
    const query = wanted.query === undefined ? "" : `?${wanted.query}`;
    const { body } = wanted;
    const headers = new Headers(body === undefined ? {} : { "content-type": "application/json" });
    for (const [name, value] of Object.entries(wanted.headers ?? {})) headers.set(name, value);
    const authorization = wanted.authorization ?? `Bearer ${await issuer.token()}`;
    if (wanted.authorization !== null) headers.set("authorization", authorization);
    const response = await fetch(`${api.url}${path}${query}`, {
      method: operation.method,
      headers,
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = { status: response.status, headers: response.headers, text };
    answered.add(`${operationId} ${response.status}`);
    expectDocumented(document, operationId, answer);
    return { ...answer, body: text === "" ? {} : JSON.parse(text) };
  }

  return {
    issuer,
    api,
    document,
    seen,
    answered,
    ask,
    as: async (sub, scope = "courses:read courses:write") =>
      `Bearer ${await issuer.token({ sub, scope })}`,
  };
}

function expectDocumented(
  document: CoursesDocument,
  operationId: string,
  answer: { readonly status: number; readonly headers: Headers; readonly text: string },
): void {
  const pointer = document.response(operationId, answer.status);
  const { content = {} } = document.at(pointer) as { content?: object };
  const [mediaType] = Object.keys(content);
  if (mediaType === undefined) {
    expect(answer.text).toBe("");
    return;
  }
  expect(answer.headers.get("content-type")?.split(";")[0]).toBe(mediaType);
  const schema = `${pointer}/content/${mediaType.replaceAll("/", "~1")}/schema`;
  expect(document.faults(schema, JSON.parse(answer.text))).toEqual([]);
}
