import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startOnPort } from "./process.ts";
import { openSession, type Session } from "./session.ts";
import { serverCore, startFloor, startGateway, type Upstream } from "./target.ts";

/** A server that offers the benchmark's API as MCP tools, and how it is started and called. */
export interface Subject {
  readonly name: string;
  /** Of the package that it comes from; empty for what is built here. */
  readonly version: string;
  /** Undefined: whichever is free. */
  readonly port: number | undefined;
  /** Calls before anything is measured, and calls of one slice: fewer where one takes longer. */
  readonly warmCalls: number;
  readonly sliceCalls: number;
  /** What must be made before it can start, and is no part of starting. */
  readonly prepare: (port: number) => void;
  readonly start: (port: number) => Promise<Running>;
  /** Undefined: it knows no MCP, and every request is the same to it. */
  readonly session: ((port: number) => Promise<Session>) | undefined;
  /** One session that all connections share, where a second one breaks the first. */
  readonly sharesSession?: true;
  /** Where replies come: on the session's GET stream when not as the answer to the POST. */
  readonly repliesOnStream?: true;
}

export interface Running {
  readonly pid: number;
  readonly close: () => Promise<void>;
}

const root = join(import.meta.dirname, "..");
const peers = join(root, "bench/peers");
const modules = join(peers, "node_modules");
const document = join(root, "bench/config/items.yaml");
const generated = join(peers, "generated");
/** Inside node_modules: nobody here formats, checks or commits what another program wrote. */
const output = join(generated, "node_modules/.server");

export function installPeers(): void {
  if (existsSync(modules)) return;
  process.stderr.write("installing the peers …\n");
  const args = ["ci", "--prefix", peers, "--ignore-scripts", "--no-audit", "--no-fund"];
  execFileSync("npm", args, { stdio: ["ignore", "ignore", "inherit"] });
}

const nothing = (): void => {};

/** Tollgate in its two configurations, below them what forwarding costs. */
export function ownSubjects(upstream: Upstream, fullPort: number): Subject[] {
  const [token] = upstream.tokens;
  const own = {
    version: "",
    port: undefined,
    prepare: nothing,
    warmCalls: 20_000,
    sliceCalls: 2_500,
  };
  return [
    {
      ...own,
      name: "fastify + undici, nothing checked",
      session: undefined,
      start: (port) => startFloor(upstream, { port }),
    },
    {
      ...own,
      name: "Tollgate, checks off",
      session: (port) => openSession(port),
      start: (port) => startGateway({ config: "checks-off", port, upstream }),
    },
    {
      ...own,
      name: "Tollgate, everything on",
      // The token is for this address and no other.
      port: fullPort,
      session: (port) => openSession(port, token),
      start: (port) => startGateway({ config: "full", port, upstream }),
    },
  ];
}

export function peerSubjects(upstream: Upstream): Subject[] {
  const api = ["--api-base-url", upstream.url, "--openapi-spec", document];
  const ivotoby = (...more: readonly string[]): string[] => [
    join(modules, "@ivotoby/openapi-mcp-server/bin/mcp-server.js"),
    ...api,
    ...more,
  ];
  const listen = (port: number): string[] => ["--host", "127.0.0.1", "--port", `${port}`];
  return [
    {
      ...peer("@ivotoby/openapi-mcp-server", (port) =>
        ivotoby("--transport", "http", ...listen(port)),
      ),
      repliesOnStream: true,
    },
    peer("fastmcp", (port) => [join(peers, "fastmcp.js"), upstream.url, `${port}`]),
    {
      ...peer("openapi-mcp-generator", () => [
        join(output, "build/index.js"),
        "--transport=streamable-http",
      ]),
      prepare: (port) => generate(upstream, port),
      sharesSession: true,
    },
    {
      ...peer("mcp-proxy", (port) => [
        join(modules, "mcp-proxy/dist/bin/mcp-proxy.mjs"),
        ...listen(port),
        "--server",
        "stream",
        "--",
        process.execPath,
        ...ivotoby("--transport", "stdio"),
      ]),
      name: "mcp-proxy over @ivotoby stdio",
    },
  ];
}

function peer(name: string, args: (port: number) => readonly string[]): Subject {
  const env = { NODE_ENV: "production" };
  return {
    name,
    version: versionOf(name),
    port: undefined,
    prepare: nothing,
    warmCalls: 5_000,
    sliceCalls: 1_000,
    session: (port) => openSession(port),
    start: (port) => startOnPort({ args: args(port), core: serverCore, port, env }),
  };
}

function versionOf(name: string): string {
  const place = [modules, join(generated, "node_modules")].find((one) =>
    existsSync(join(one, name)),
  );
  if (place === undefined) throw new Error(`${name} is not installed`);
  const text = readFileSync(join(place, name, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** The port becomes part of the code. The compiler is ours; types of the output are its own matter. */
function generate(upstream: Upstream, port: number): void {
  const generator = join(
    generated,
    "node_modules/openapi-mcp-generator/bin/openapi-mcp-generator.js",
  );
  const source = ["--input", document, "--base-url", upstream.url];
  const target = ["--output", output, "--force"];
  const transport = ["--transport", "streamable-http", "--port", `${port}`];
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  for (const args of [
    [generator, ...source, ...target, ...transport],
    [compiler, "-p", output, "--rootDir", join(output, "src"), "--noCheck"],
  ]) {
    execFileSync(process.execPath, args, { stdio: "ignore" });
  }
}
