import type { Position } from "../../base/issue.ts";
import type { Secret } from "../../base/secret.ts";

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** PEM. */
export interface TlsConfig {
  /** With those between it and the root, if any. */
  readonly certificate: string;
  readonly key: Secret;
  /** `optional` asks for one and lets callers in without; `required` does not. */
  readonly clientCertificate: "off" | "optional" | "required";
  /** Whose certificates count; undefined: any, because a bound token names its own. */
  readonly clientCa: string | undefined;
}

export interface ServerConfig {
  /** Public origin, e.g. `https://mcp.acme.com`: no path, no trailing slash. Every advertised URL starts with it. */
  readonly url: string;
  readonly listen: Listen;
  /** Of what names its port. */
  readonly listenPosition: Position;
  readonly drain: DrainConfig;
  /** undefined: nobody; every peer is who asks. */
  readonly trustProxy: TrustedProxiesConfig | undefined;
  /** undefined: plain http, with TLS in front of it or on loopback. */
  readonly tls: TlsConfig | undefined;
  /** Host names (no port) accepted in `Host`: that of `url`, the loopback names on a loopback listener, and the configured ones. */
  readonly allowedHosts: readonly string[];
  /** Host names (no scheme, no port) accepted in `Origin`, same defaults. */
  readonly allowedOrigins: readonly string[];
}

/** Who may say for whom it asks. */
export interface TrustedProxiesConfig {
  readonly networks: readonly { readonly address: string; readonly bits: number }[];
  /** The only one that is read: what another proxy would set, a caller can. */
  readonly header: "x-forwarded-for" | "forwarded";
}

/** How the gateway stops. */
interface DrainConfig {
  /** While it still accepts; undefined: 5 s in Kubernetes, else 0. */
  readonly delayMs: number | undefined;
  /** For calls under way. */
  readonly timeoutMs: number;
  /** For all of it. */
  readonly graceMs: number;
}

export interface AdminConfig {
  readonly listen: Listen;
  readonly listenPosition: Position;
}

export interface MetricsConfig {
  readonly listen: Listen;
  readonly listenPosition: Position;
}
