import fc from "fast-check";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { CallError } from "../../src/base/errors.ts";
import type { WireParameter } from "../../src/tools/tool.ts";
import { compilePath } from "../../src/upstream/request/path.ts";
import { proxyKinds, startPathEcho, whyMissing } from "../world/proxy.ts";

/** `npm run test:paths` sends 200,000 to each server. */
const wanted = Number(process.env["PATHS"] ?? 2_000);
const perRound = 200;
/** Requests before the first answer: more than a buffer of HAProxy holds can stay in it until a 408. */
const ahead = 32;

const parameter: WireParameter = {
  name: "id",
  in: "path",
  type: "string",
  default: undefined,
  encoding: {
    kind: "style",
    style: "simple",
    explode: false,
    allowReserved: false,
    itemStyles: [],
  },
};
const build = compilePath("/base", "/orders/{id}/items", [{ argument: "id", parameter }]);

/** What readers of paths have been fooled with, and whatever else there is. */
const piece = fc.oneof(
  fc.constantFrom(
    "/",
    "\\",
    ".",
    "..",
    ";",
    "%",
    "%2e",
    "%2f",
    "%5c",
    "%252f",
    "%00",
    "?",
    "#",
    "&",
    "=",
    "+",
    " ",
    ":",
    "@",
    "//",
    "~",
    "\u00e9",
    "\uFF0F",
    "\u2215",
    "base",
    "orders",
    "a",
    "1",
  ),
  fc.string({ unit: "grapheme", maxLength: 6 }),
);
const argument = fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join(""));

interface Sent {
  readonly argument: string;
  readonly path: string;
}

/** Arguments that are not refused, with the path that is sent for each. */
function makeRound(seed: number): readonly Sent[] {
  return fc.sample(argument, { numRuns: perRound * 2, seed }).flatMap((text) => {
    try {
      return [{ argument: text, path: build([text]) }];
    } catch (error) {
      if (error instanceof CallError && error.code === "invalid_arguments") return [];
      throw error;
    }
  });
}

/** One connection; requests go ahead of their answers. `ask` gives those that came, in order. */
function openLine(url: string): {
  readonly ask: (paths: readonly string[]) => Promise<readonly string[]>;
  readonly close: () => void;
} {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let received = Buffer.alloc(0);
  let wake = (): void => {};
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  socket.on("close", () => wake());
  const next = async (): Promise<string | undefined> => {
    for (;;) {
      const end = received.indexOf("\r\n\r\n");
      const head = received.subarray(0, Math.max(end, 0)).toString("latin1");
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1]);
      if (end !== -1 && Number.isNaN(length)) throw new Error(`no length in ${head}`);
      if (end !== -1 && received.length >= end + 4 + length) {
        const body = received.subarray(end + 4, end + 4 + length);
        received = received.subarray(end + 4 + length);
        return `${head.split(" ", 2)[1] ?? ""} ${body.toString()}`;
      }
      if (socket.destroyed) return undefined;
      await new Promise<void>((done) => {
        wake = done;
      });
    }
  };
  return {
    async ask(paths) {
      socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
      const answers: string[] = [];
      while (answers.length < paths.length) {
        const answer = await next();
        if (answer === undefined) break;
        answers.push(answer);
      }
      return answers;
    },
    close: () => socket.destroy(),
  };
}

/** A connection for each few, and another for what one that ends early leaves. */
async function askAll(url: string, paths: readonly string[]): Promise<readonly string[]> {
  const answers: string[] = [];
  while (answers.length < paths.length) {
    const line = openLine(url);
    const more = await line.ask(paths.slice(answers.length, answers.length + ahead));
    line.close();
    if (more.length === 0) throw new Error(`no answer to ${paths[answers.length]}`);
    answers.push(...more);
  }
  return answers;
}

/** What of generated arguments a server does not read as it was meant. */
async function findDifferences(
  url: string,
): Promise<{ readonly read: number; readonly wrong: readonly object[] }> {
  const wrong: object[] = [];
  let read = 0;
  for (let seed = 1; read < wanted; seed++) {
    const sent = makeRound(seed);
    const answers = await askAll(
      url,
      sent.map(({ path }) => path),
    );
    for (const [i, { argument: text, path }] of sent.entries()) {
      const meant = `200 /base/orders/${text}/items`;
      if (answers[i] !== meant) wrong.push({ text, path, answer: answers[i] });
    }
    read += sent.length;
  }
  return { read, wrong: wrong.slice(0, 5) };
}

const timeout = 60_000 + 10 * wanted;

for (const kind of proxyKinds) {
  test(
    `R03, S02, S03: ${kind} reads every argument below the base path as it was given`,
    async ({ annotate, skip }) => {
      const missing = whyMissing(kind);
      skip(missing !== undefined, missing);
      const { url } = await startPathEcho(kind);
      const { read, wrong } = await findDifferences(url);
      expect(wrong).toEqual([]);
      await annotate(`${kind} read ${read} arguments`, "observed");
    },
    timeout,
  );
}

test(
  "R03, S02, S03: node:http reads every argument below the base path as it was given",
  async ({ annotate }) => {
    const server = createServer(
      { keepAliveTimeout: 60_000, maxRequestsPerSocket: 0 } as object,
      ({ url = "" }, response) => {
        const { pathname } = new URL(url, "http://a");
        response.end(decodeURIComponent(pathname));
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { read, wrong } = await findDifferences(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    );
    expect(wrong).toEqual([]);
    await annotate(`node:http read ${read} arguments`, "observed");
  },
  timeout,
);
