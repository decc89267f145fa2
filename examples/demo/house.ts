import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { type SeenRequest, startCoursesApi } from "../courses/server.ts";

/** Broker, gateway and API of the demonstration, as the gateway.yaml of this directory says. */
export interface House {
  readonly mcpUrl: string;
  readonly close: () => Promise<void>;
}

/** The part of gateway.yaml that its neighbours have to know. */
interface GatewayFile {
  readonly server: { readonly url: string };
  readonly admin: { readonly listen: string };
  readonly broker: { readonly issuer: string };
  readonly apis: { readonly courses: { readonly url: string } };
}

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const startTimeoutMs = 15_000;

/** @param log Where the gateway's log lines go. */
export async function startHouse(
  log: "inherit" | "ignore",
  onRequest?: (seen: SeenRequest) => void,
): Promise<House> {
  const { server, admin, broker, apis } = parse(
    readFileSync("gateway.yaml", "utf8"),
  ) as GatewayFile;
  const { issuer } = broker;
  const { hostname, port } = new URL(apis.courses.url);
  const api = await startCoursesApi({
    listen: { host: hostname, port: Number(port) },
    tokens: { issuer, jwksUrl: `${issuer}/jwks.json`, audience: "courses-api" },
    ...(onRequest === undefined ? {} : { onRequest }),
  });
  const gateway = spawn(process.execPath, [main, "serve"], {
    stdio: ["ignore", "inherit", log === "inherit" ? "inherit" : "pipe"],
  });
  let errors = "";
  gateway.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000);
  });
  const close = async (): Promise<void> => {
    if (gateway.exitCode === null && gateway.kill("SIGTERM")) await once(gateway, "exit");
    await api.close();
  };
  try {
    await waitUntilReady(gateway, `http://${admin.listen}/readyz`);
  } catch (error) {
    await close();
    throw new Error(`the gateway did not start\n${errors}`, { cause: error });
  }
  return { mcpUrl: `${server.url}/mcp`, close };
}

async function waitUntilReady(gateway: ChildProcess, ready: string): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  while (Date.now() < deadline) {
    if (gateway.exitCode !== null) throw new Error(`it exited with ${gateway.exitCode}`);
    const response = await fetch(ready).catch(() => undefined);
    if (response?.ok) return;
    await sleep(50);
  }
  throw new Error(`${ready} did not answer within ${startTimeoutMs / 1000} s`);
}
