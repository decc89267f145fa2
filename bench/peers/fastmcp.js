import { FastMCP } from "fastmcp";
import { z } from "zod";

/** The tool that a team would write by hand with fastmcp in place of a gateway. */
const [upstream = "", port = "0"] = process.argv.slice(2);
const server = new FastMCP({ name: "items", version: "1.0.0" });
server.addTool({
  name: "get_item",
  description: "Show one item",
  parameters: z.object({ id: z.number().int().min(1) }),
  async execute({ id }) {
    const response = await fetch(`${upstream}/items/${id}`);
    return response.text();
  },
});
await server.start({
  transportType: "httpStream",
  httpStream: { host: "127.0.0.1", port: Number(port) },
});
