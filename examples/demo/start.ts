import { once } from "node:events";
import { startHouse } from "./house.ts";

const house = await startHouse("inherit");

console.error(`
Tollgate serves the course catalogue at ${house.mcpUrl}
Log in as alice or bob; nothing but this machine can reach it.

  Claude Code    claude mcp add --transport http courses ${house.mcpUrl}
  Cursor         .cursor/mcp.json  {"mcpServers": {"courses": {"url": "${house.mcpUrl}"}}}
  VS Code        code --add-mcp '{"name":"courses","type":"http","url":"${house.mcpUrl}"}'
  mcp-remote     npx -y mcp-remote ${house.mcpUrl}
  Inspector      npx @modelcontextprotocol/inspector   (needs a newer Node)
  Claude, ChatGPT (web) reach public addresses only: see docs/getting-started.md

Who called what: node dist/cli/main.js audit tail -f        Stop: Ctrl-C
`);

await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
await house.close();
