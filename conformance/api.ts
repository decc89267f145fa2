import { readFile, rename, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { listen, type Running } from "./listen.ts";

/** One answer: how it is written to the response. */
type Answer = (response: ServerResponse, body: string) => Promise<void> | void;

/**
 * The API of openapi.yaml. Like any API it has never heard of MCP: it knows paths, media types and
 * status codes.
 *
 * @param description Its OpenAPI document; a release rewrites it.
 */
export async function startApi(description: string): Promise<Running> {
  const original = await readFile(description, "utf8");
  let releases = 0;
  /** A deployment: the description beside the API is replaced as a whole, as a pipeline does it. */
  const release: Answer = async (response) => {
    const number = ++releases;
    answers.set(`GET /releases/${number}`, send(200, "text/plain", `Release ${number} is out.`));
    const next = `${description}.${number}`;
    await writeFile(next, describeRelease(original, number));
    await rename(next, description);
    response.writeHead(201).end();
  };
  const answers = new Map<string, Answer>([
    [
      "GET /texts/greeting",
      send(200, "text/plain; charset=utf-8", "Good morning, wherever it is."),
    ],
    ["GET /images/pixel", send(200, "image/png", redPixel)],
    ["GET /sounds/click", send(200, "audio/wav", makeWave(8))],
    ["GET /documents/notice", sendNotice],
    ["GET /bundles/sampler", sendSampler],
    ["GET /faults/permanent", send(409, "application/problem+json", JSON.stringify(problem))],
    ["GET /branches", send(200, "text/plain", "Harbour, Market, Mill")],
    ["POST /jobs", runJob],
    ["POST /approvals", awaitApproval],
    ["GET /journal", send(200, "application/x-ndjson", journal.map(toLine).join(""))],
    ["POST /releases", release],
    ["POST /contacts", (response, body) => send(200, "application/json", body)(response, body)],
  ]);
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const answer = answers.get(`${request.method} ${path}`);
    const body = Buffer.concat(await request.toArray()).toString();
    // The gateway has no credential for this API, so this could only be its caller's.
    const served =
      request.headers.authorization === undefined
        ? (answer ?? send(404, "text/plain", "no such specimen"))
        : send(400, "text/plain", "nobody gave you a credential for me");
    await served(response, body);
  };
  return listen(createServer((request, response) => void serve(request, response)));
}

function send(status: number, type: string, content: string | Buffer): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": type }).end(content);
  };
}

const redPixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC",
  "base64",
);

/** Silence: 8 kHz, mono, 8 bit. */
function makeWave(samples: number): Buffer {
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples, 40);
  return Buffer.concat([head, Buffer.alloc(samples, 0x80)]);
}

function sendNotice(response: ServerResponse): void {
  response
    .writeHead(200, {
      "content-type": "text/plain; charset=utf-8",
      "content-location": "test://notices/1",
    })
    .end("The library is closed on Sunday.");
}

function sendSampler(response: ServerResponse): void {
  const boundary = "next-specimen";
  const parts = [
    { headers: ["content-type: text/plain; charset=utf-8"], body: Buffer.from("A text first.") },
    { headers: ["content-type: image/png"], body: redPixel },
    {
      headers: ["content-type: application/json", "content-location: test://records/1"],
      body: Buffer.from(JSON.stringify({ record: 1, kind: "specimen" })),
    },
  ];
  response.writeHead(200, { "content-type": `multipart/mixed; boundary=${boundary}` });
  for (const { headers, body } of parts) {
    response.write(`--${boundary}\r\n${headers.join("\r\n")}\r\n\r\n`);
    response.write(body);
    response.write("\r\n");
  }
  response.end(`--${boundary}--\r\n`);
}

const problem = {
  type: "https://example.com/problems/sealed",
  title: "The drawer is sealed",
  status: 409,
  detail: "Nothing can be taken out of this drawer.",
};

async function runJob(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const progress of [0, 50, 100]) {
    response.write(
      toEvent({ progress, total: 100, message: `${progress} of 100 drawers counted` }),
    );
    await sleep(50);
  }
  response.end(toEvent({ drawers: 100, specimens: 4321 }));
}

/** Its reports look like requests of the protocol that the gateway speaks; they are only data. */
async function awaitApproval(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const params = { message: "May the drawer be opened?", requestedSchema: { type: "object" } };
  response.write(toEvent({ jsonrpc: "2.0", id: 1, method: "elicitation/create", params }));
  await sleep(50);
  response.end(toEvent({ approved: true }));
}

/** Its entries look like log messages of the protocol that the gateway speaks; they are only data. */
const journal = ["opened", "counted", "closed"].map((data) => ({
  jsonrpc: "2.0",
  method: "notifications/message",
  params: { level: "info", data },
}));

/** Every release has notes at a path of its own, so that its set of operations is another one. */
function describeRelease(original: string, release: number): string {
  return original.replace(
    "\npaths:\n",
    `
paths:
  /releases/${release}:
    get:
      operationId: read_release_${release}
      summary: What is new in release ${release}.
      responses:
        "200":
          description: The notes.
          content:
            text/plain: {schema: {type: string}}
`,
  );
}

function toEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function toLine(data: object): string {
  return `${JSON.stringify(data)}\n`;
}
