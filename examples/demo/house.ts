import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type SeenRequest, startCoursesApi } from "../courses/server.ts";

/** Broker, gateway and API of the demonstration, as the root gateway.yaml says. */
export interface House {
  readonly mcpUrl: string;
  readonly close: () => Promise<void>;
}

const broker = "http://localhost:4000";
const ready = "http://127.0.0.1:9091/readyz";
const startTimeoutMs = 15_000;

/** @param log Where the gateway's log lines go. */
export async function startHouse(
  log: "inherit" | "ignore",
  onRequest?: (seen: SeenRequest) => void,
): Promise<House> {
  const api = await startCoursesApi({
    listen: { host: "127.0.0.1", port: 4010 },
    tokens: { issuer: broker, jwksUrl: `${broker}/jwks.json`, audience: "courses-api" },
    ...(onRequest === undefined ? {} : { onRequest }),
  });
  const gateway = spawn(process.execPath, ["dist/cli/main.js", "serve"], {
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
    await waitUntilReady(gateway);
  } catch (error) {
    await close();
    throw new Error(`the gateway did not start\n${errors}`, { cause: error });
  }
  return { mcpUrl: "http://localhost:3000/mcp", close };
}

async function waitUntilReady(gateway: ChildProcess): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  while (Date.now() < deadline) {
    if (gateway.exitCode !== null) throw new Error(`it exited with ${gateway.exitCode}`);
    const response = await fetch(ready).catch(() => undefined);
    if (response?.ok) return;
    await sleep(50);
  }
  throw new Error(`${ready} did not answer within ${startTimeoutMs / 1000} s`);
}
