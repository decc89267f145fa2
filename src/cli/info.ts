import { readFileSync } from "node:fs";
import type { ServerInfo } from "../mcp/service.ts";

/** Name and version, from the package itself. */
export function readServerInfo(): ServerInfo {
  const file = new URL("../../package.json", import.meta.url);
  const { name, version } = JSON.parse(readFileSync(file, "utf8")) as ServerInfo;
  return { name, version };
}
