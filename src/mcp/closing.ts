import type { ServerResponse } from "node:http";

/**
 * Tells once that a reply has ended, or that its connection has. Node tells a reply that waits behind
 * another one on its connection (HTTP pipelining) nothing of that.
 *
 * @returns Ends the telling.
 */
export function onClose(response: ServerResponse, listener: () => void): () => void {
  const { socket } = response.req;
  if (socket.destroyed) process.nextTick(listener);
  response.once("close", listener);
  if (response.socket !== null) return () => response.off("close", listener);
  // One for each reply that waits.
  socket.setMaxListeners(0);
  socket.once("close", listener);
  const forget = (): void => {
    socket.off("close", listener);
    response.off("close", listener);
  };
  response.once("close", forget);
  return forget;
}
