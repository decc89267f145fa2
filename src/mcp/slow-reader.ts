import type { ServerResponse } from "node:http";

const usual = { lookMs: 5_000, stallMs: 15_000 } as const;

/**
 * Closes the connection of a client that has not taken anything for 15 s of what waits for it: what
 * nobody reads must not be kept.
 */
export function closeWhenStalled(
  response: ServerResponse,
  { lookMs, stallMs }: { readonly lookMs: number; readonly stallMs: number } = usual,
): void {
  // Nothing more is told of its end: nobody would stop the timer.
  if (response.destroyed) return;
  // Its own one is not there yet while it waits behind another reply.
  const { socket } = response.req;
  let armed = false;
  const look = (): void => {
    const pending = socket.writableLength > 0;
    if (pending === armed) return;
    armed = pending;
    // Node looks for progress itself before it lets this pass, and then destroys the socket.
    socket.setTimeout(pending ? stallMs : 0);
  };
  const timer = setInterval(look, lookMs).unref();
  response.once("close", () => clearInterval(timer));
}
