import { Agent, request } from "undici";

interface Answered {
  readonly status: number;
  readonly text: string;
}

/** Callers whose connections can be let go, which those of `fetch` cannot. */
export interface Caller {
  readonly post: (
    body: object,
    headers: Readonly<Record<string, string | undefined>>,
  ) => Promise<Answered>;
  readonly close: () => Promise<void>;
}

/** @param connections At most; who finds none free waits. What a gateway holds grows with them. */
export function createCaller(url: string, connections?: number): Caller {
  const bound = connections === undefined ? {} : { connections };
  const dispatcher = new Agent({ headersTimeout: 60_000, bodyTimeout: 60_000, ...bound });
  return {
    async post(body, headers) {
      const { statusCode, body: answer } = await request(url, {
        method: "POST",
        headers: { ...headers },
        body: JSON.stringify(body),
        dispatcher,
      });
      return { status: statusCode, text: await answer.text() };
    },
    close: () => dispatcher.close(),
  };
}
