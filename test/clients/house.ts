import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, onTestFinished } from "vitest";
import { startCoursesApi, type SeenRequest } from "../../examples/courses/server.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/log.ts";
import { freePort } from "../world/world.ts";

/** The demonstration of the root gateway.yaml on free ports: broker, gateway and course catalogue. */
export interface House {
  /** Of the MCP endpoint. */
  readonly url: string;
  readonly broker: string;
  readonly dir: string;
  readonly gateway: Gateway;
  /** Gateway and broker end and begin anew, with what is on disk. */
  readonly restart: () => Promise<void>;
  /** What came to the course catalogue. */
  readonly seen: readonly SeenRequest[];
  /** Claims of the token that a request carried. */
  readonly claims: (request: SeenRequest | undefined) => Readonly<Record<string, unknown>>;
  /** A token of a caller: at the end none of them may have come behind the gateway. */
  readonly guard: (token: string | undefined) => void;
}

export async function house(
  options: {
    /** The broker is on the gateway's own listener. */
    readonly shared?: boolean;
    /** The last word on gateway.yaml. */
    readonly env?: Readonly<Record<string, string>>;
    readonly edit?: (yaml: string) => string;
  } = {},
): Promise<House> {
  const [gatewayPort, brokerPort, adminPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const broker = `http://localhost:${options.shared ? gatewayPort : brokerPort}`;
  const seen: SeenRequest[] = [];
  const api = await startCoursesApi({
    listen: { host: "127.0.0.1", port: 0 },
    tokens: { issuer: broker, jwksUrl: `${broker}/jwks.json`, audience: "courses-api" },
    onRequest: (request) => seen.push(request),
  });
  const dir = await mkdtemp(join(tmpdir(), "tollgate-house-"));
  const file = join(dir, "gateway.yaml");
  const yaml = (await readFile("gateway.yaml", "utf8"))
    .replaceAll("http://localhost:3000", `http://localhost:${gatewayPort}`)
    .replaceAll("http://localhost:4000", broker)
    .replaceAll("http://127.0.0.1:4010", api.url)
    .replaceAll("127.0.0.1:9091", `127.0.0.1:${adminPort}`)
    .replaceAll("specs/courses.yaml", resolve("specs/courses.yaml"));
  const edited = options.edit?.(yaml) ?? yaml;
  await writeFile(file, `${edited}audit: {sinks: [{file: {dir: audit}}]}\n`);
  const logs: string[] = [];
  const open = async (): Promise<Gateway> => {
    const made = await createGateway({
      file,
      env: options.env ?? {},
      info: { name: "tollgate", version: "0.0.0-test" },
      ports: { now: () => Date.now(), log: createLog((line) => void logs.push(line), "debug") },
      fetch: globalThis.fetch,
      writeAudit: async () => {},
      pressure: undefined,
    });
    await made.listen();
    return made;
  };
  let gateway = await open();
  const guarded = new Set<string>();
  onTestFinished(async () => {
    await gateway.close();
    await api.close();
    const audit = await readFile(join(dir, "audit", "audit.ndjson"), "utf8");
    const behind = [JSON.stringify(seen), audit, ...logs].join("\n");
    const leaks = [...guarded].filter((token) => behind.includes(token));
    expect(leaks, "an access token of a caller got behind the gateway").toEqual([]);
    await rm(dir, { recursive: true });
  });
  return {
    url: `http://localhost:${gatewayPort}/mcp`,
    broker,
    dir,
    get gateway() {
      return gateway;
    },
    async restart() {
      await gateway.close();
      gateway = await open();
    },
    seen,
    claims: (request) => {
      const payload = request?.headers.authorization?.split(".")[1] ?? "";
      return JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
    },
    guard: (token) => void (token !== undefined && guarded.add(token)),
  };
}
