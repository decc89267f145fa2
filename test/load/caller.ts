import { Pool } from "undici";

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

/**
 * A pool, not an agent: that one throws its pool away when the last connection ends, with what waits.
 *
 * @param connections At most; who finds none free waits. What a gateway holds grows with them.
 */
export function createCaller(url: string, connections?: number): Caller {
  const { origin, pathname: path } = new URL(url);
  const bound = connections === undefined ? {} : { connections };
  const pool = new Pool(origin, { headersTimeout: 60_000, bodyTimeout: 60_000, ...bound });
  return {
    async post(body, headers) {
      const { statusCode, body: answer } = await pool.request({
        path,
        method: "POST",
        headers: { ...headers },
        body: JSON.stringify(body),
      });
      return { status: statusCode, text: await answer.text() };
    },
    close: () => pool.close(),
  };
}
