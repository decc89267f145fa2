import { once } from "node:events";
import { connect } from "node:net";

/** What a new connection to a port of this machine meets: `accepted`, or the code of the system. */
export async function knock(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return "accepted";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  } finally {
    socket.destroy();
  }
}
