import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Node tells a reply that waits behind another one on its connection (HTTP pipelining) nothing of that
 * connection's end: what works for it would go on, and a stream would be open for ever.
 */
export function closeWith(socket: Socket, response: ServerResponse): void {
  const close = (): void => {
    // Its turn has come, and Node tells it.
    if (response.socket !== null) return;
    response.destroy();
    response.emit("close");
  };
  // One for each reply that waits.
  socket.setMaxListeners(0);
  socket.once("close", close);
  response.once("close", () => socket.off("close", close));
}
