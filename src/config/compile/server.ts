import { isIP } from "node:net";
import type {
  AdminConfig,
  MetricsConfig,
  Listen,
  ServerConfig,
  TrustedProxiesConfig,
} from "../types/server.ts";
import { child, itemsOf, label, quote, textOf, textsOf, type YamlNode } from "../node.ts";
import { isLoopback, parseListen } from "../units.ts";
import { hostOf, originRules, portOf } from "../url.ts";
import { checkUrl, durationOf, type Scope } from "./scope.ts";
import { compileTls } from "./tls.ts";

/** In Kubernetes; elsewhere it is less. */
const defaultDelayMs = 5_000;
const loopbackNames = ["localhost", "127.0.0.1", "::1"];

export function compileServer(scope: Scope): ServerConfig {
  const { root, problems } = scope;
  const server = child(root, "server");
  const url = checkUrl(child(server, "url"), originRules, problems);
  const listen = listenOf(server, url, problems);
  if (child(server, "tls") === undefined) checkPlainPort(scope, server, { url, listen });
  const own = [
    ...(url === undefined ? [] : [hostOf(new URL(url))]),
    ...(isLoopback(listen.host) ? loopbackNames : []),
  ];
  const allowed = (key: string): readonly string[] => [
    ...new Set([...own, ...textsOf(child(server, key))]),
  ];
  return {
    url: url ?? "",
    listen,
    listenPosition: (child(server, "listen") ?? child(server, "url") ?? root).position,
    drain: compileDrain(scope, child(server, "drain")),
    trustProxy: compileTrustProxy(scope, child(server, "trustProxy")),
    tls: compileTls(scope, child(server, "tls"), url),
    allowedHosts: allowed("allowedHosts"),
    allowedOrigins: allowed("allowedOrigins"),
  };
}

/** Clients would speak https to a listener that does not. */
function checkPlainPort(
  { problems }: Scope,
  server: YamlNode | undefined,
  { url, listen }: { readonly url: string | undefined; readonly listen: Listen },
): void {
  if (!url?.startsWith("https://") || listen.port !== portOf(new URL(url))) return;
  problems.warn({
    at: child(server, "listen") ?? child(server, "url"),
    code: "https_without_tls",
    message: `server.url is https, and the listener on its port ${listen.port} speaks plain http`,
    help: "write server.tls; or another port in server.listen, behind a proxy that ends TLS",
  });
}

function compileTrustProxy(
  { problems }: Scope,
  node: YamlNode | undefined,
): ServerConfig["trustProxy"] {
  if (node === undefined) return undefined;
  const networks = itemsOf(child(node, "networks")).flatMap((item) => {
    const network = parseNetwork(textOf(item) ?? "");
    if (network !== undefined) return [network];
    const message = `${label(item)} must be an address, or a network such as 10.0.0.0/8, not ${quote(item)}`;
    const help = "name the proxies alone: /0 would believe everybody";
    problems.error({ at: item, code: "invalid_value", message, help });
    return [];
  });
  const header = textOf(child(node, "header"));
  return { networks, header: header === "forwarded" ? header : "x-forwarded-for" };
}

/** Without bits it is one address. */
function parseNetwork(text: string): TrustedProxiesConfig["networks"][number] | undefined {
  const [, address = "", written] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const width = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  const bits = written === undefined ? width : Number(written);
  // All of them would believe everybody.
  return address.includes("%") || width < 0 || bits < 1 || bits > width
    ? undefined
    : { address, bits };
}

function compileDrain({ problems }: Scope, node: YamlNode | undefined): ServerConfig["drain"] {
  const range = { min: "0s", max: "1h" };
  const delay = child(node, "delay");
  const delayMs = delay && durationOf(delay, range, problems);
  const timeoutMs = durationOf(child(node, "timeout"), range, problems);
  const grace = child(node, "grace");
  const graceMs = durationOf(grace, range, problems);
  if (grace !== undefined && (delayMs ?? defaultDelayMs) + timeoutMs >= graceMs) {
    const message = `${label(grace)} must be longer than server.drain.delay and server.drain.timeout together`;
    problems.error({ at: grace, code: "out_of_range", message });
  }
  return { delayMs, timeoutMs, graceMs };
}

export function compileAdmin({ root, problems }: Scope): AdminConfig | undefined {
  const admin = child(root, "admin");
  if (admin === undefined) return undefined;
  const listen = listenOf(admin, undefined, problems);
  const at = child(admin, "listen");
  if (at !== undefined && !isLoopback(listen.host))
    problems.error({
      at,
      code: "insecure_listen",
      message: `${label(at)} must be a loopback address, not ${quote(at)}`,
      help: `write 127.0.0.1:${listen.port}`,
    });
  return { listen, listenPosition: (at ?? admin).position };
}

export function compileMetrics({ root, problems }: Scope): MetricsConfig | undefined {
  const metrics = child(root, "metrics");
  return (
    metrics && {
      listen: listenOf(metrics, undefined, problems),
      listenPosition: (child(metrics, "listen") ?? metrics).position,
    }
  );
}

/** As written; else loopback and the port of the URL. */
export function listenOf(
  section: YamlNode | undefined,
  url: string | undefined,
  problems: Scope["problems"],
): Listen {
  const node = child(section, "listen");
  const fallback = { host: "127.0.0.1", port: url === undefined ? 0 : portOf(new URL(url)) };
  if (node === undefined) return fallback;
  const text = typeof node.value === "number" ? String(node.value) : textOf(node);
  const listen = text === undefined ? undefined : parseListen(text);
  if (listen !== undefined) return listen;
  const message = `${label(node)} needs a port from 0 to 65535, not ${quote(node)}`;
  problems.error({ at: node, code: "invalid_value", message });
  return { ...fallback, port: 0 };
}
