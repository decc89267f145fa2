import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { freePort } from "./world.ts";

/** Debian's, as companies run them. */
export type ProxyKind = "nginx" | "haproxy";

export const proxyKinds: readonly ProxyKind[] = ["nginx", "haproxy"];

/** Why a program cannot be started here; undefined: it can. */
export function whyMissing(program: string): string | undefined {
  try {
    execFileSync("which", [program], { env: { PATH: searchPath }, stdio: "ignore" });
    return undefined;
  } catch {
    return `${program} is not installed`;
  }
}

/** Debian keeps servers where only root looks. */
const searchPath = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

export interface Proxy {
  readonly url: string;
  readonly child: ChildProcess;
}

export interface Backend {
  /** `host:port` */
  readonly address: string;
  /** Where HAProxy asks whether it may send something there; undefined: it always may. */
  readonly check?: { readonly path: string; readonly port: number };
}

/** In front of these servers, each request to the next of them. */
export async function startProxy(
  kind: ProxyKind,
  backends: readonly Backend[],
  port?: number,
): Promise<Proxy> {
  const configure = kind === "nginx" ? nginxProxy : haproxyProxy;
  return startServer(kind, (own) => configure(own, backends), port);
}

/** A server that answers what it was asked for: the path as it reads it, or that it left `/base/`. */
export async function startPathEcho(kind: ProxyKind): Promise<Proxy> {
  return startServer(kind, kind === "nginx" ? nginxEcho : haproxyEcho);
}

async function startServer(
  kind: ProxyKind,
  configure: (port: number) => string,
  wanted?: number,
): Promise<Proxy> {
  const port = wanted ?? (await freePort());
  const dir = await mkdtemp(join(tmpdir(), `tollgate-${kind}-`));
  const file = join(dir, `${kind}.conf`);
  await writeFile(file, configure(port));
  const args = kind === "nginx" ? ["-p", dir, "-c", file] : ["-db", "-f", file];
  const child = spawn(kind, args, {
    cwd: dir,
    env: { PATH: searchPath },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  }
  onTestFinished(async () => {
    if (child.exitCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await rm(dir, { recursive: true, force: true });
  });
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`${kind} ended with ${child.exitCode}\n${said}`);
    await sleep(10);
  }
  return { url: `http://127.0.0.1:${port}`, child };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

const nginx = (
  http: string,
): string => `daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  keepalive_requests 1000000;
${http}
}
`;

const nginxProxy = (port: number, backends: readonly Backend[]): string =>
  nginx(`  upstream back { ${backends.map(({ address }) => `server ${address};`).join(" ")} keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://back;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_read_timeout 60s;
    }
  }`);

// Both slashes of "a//b" are the argument's: a server that joins them would change any argument.
const nginxEcho = (port: number): string =>
  nginx(`  default_type text/plain;
  merge_slashes off;
  server {
    listen 127.0.0.1:${port};
    location /base/ { return 200 $uri; }
    location / { return 200 ESCAPED; }
  }`);

const haproxy = (rest: string): string => `global
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 5s
${rest}
`;

const haproxyProxy = (port: number, backends: readonly Backend[]): string =>
  haproxy(`  # For the frontend as well: else a client that leaves is not passed on.
  option abortonclose
  option forwardfor
frontend in
  bind 127.0.0.1:${port}
  default_backend back
backend back
  balance roundrobin
  option redispatch
  retries 3
  default-server inter 100ms fall 1 rise 1
${backends.map(haproxyServer).join("\n")}`);

function haproxyServer({ address, check }: Backend, i: number): string {
  if (check === undefined) return `  server s${i} ${address}`;
  const asks = `  option httpchk GET ${check.path}\n  http-check send hdr Host 127.0.0.1`;
  return `${i === 0 ? `${asks}\n` : ""}  server s${i} ${address} check port ${check.port}`;
}

const haproxyEcho = (port: number): string =>
  haproxy(`frontend in
  bind 127.0.0.1:${port}
  acl below path,url_dec -m beg /base/
  http-request return status 200 content-type text/plain lf-string "%[path,url_dec]" if below
  http-request return status 200 content-type text/plain string ESCAPED`);
