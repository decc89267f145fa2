import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Something that serves on this machine until it is closed. */
export interface Running {
  /** Origin, e.g. `http://127.0.0.1:40213`. */
  readonly url: string;
  readonly close: () => Promise<void> | void;
}

/** On a free port of the loopback interface. */
export async function listen(server: Server): Promise<Running> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
