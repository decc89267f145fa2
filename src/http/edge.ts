/**
 * Which `Host` and `Origin` a request may carry (protection against DNS rebinding). Names are
 * compared, ports are not; `null` is no origin that anyone vouches for.
 */
export interface Edge {
  readonly acceptsHost: (rawHeaders: readonly string[]) => boolean;
  /** A target in absolute form has an authority of its own, which counts more than `Host` (RFC 9112 §3.2.2). */
  readonly acceptsTarget: (target: string) => boolean;
  readonly acceptsOrigin: (origin: string | undefined) => boolean;
}

export function compileEdge(config: {
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}): Edge {
  const hosts = new Set(config.allowedHosts.map(normalize));
  const origins = new Set(config.allowedOrigins.map(normalize));
  let accepted: string | undefined;
  return {
    acceptsHost(rawHeaders) {
      let host: string | undefined;
      for (let i = 0; i < rawHeaders.length; i += 2) {
        const name = rawHeaders[i] ?? "";
        if (name.length !== 4 || name.toLowerCase() !== "host") continue;
        // Node takes the first of two; what stands in front of us may have checked the other.
        if (host !== undefined) return false;
        host = rawHeaders[i + 1];
      }
      if (host === undefined) return false;
      // Nearly every request names the same one.
      if (host === accepted) return true;
      const name = hostName(host);
      if (name === undefined || !hosts.has(name)) return false;
      accepted = host;
      return true;
    },
    acceptsTarget(target) {
      // A path, or the asterisk of OPTIONS.
      if (target.startsWith("/") || target === "*") return true;
      const authority = /^https?:\/\/([^/?]*)/i.exec(target)?.[1];
      const name = authority === undefined ? undefined : hostName(authority);
      return name !== undefined && hosts.has(name);
    },
    acceptsOrigin(origin) {
      if (origin === undefined) return true;
      const authority = /^https?:\/\/(.*)$/i.exec(origin)?.[1];
      const name = authority === undefined ? undefined : hostName(authority);
      return name !== undefined && origins.has(name);
    },
  };
}

/** `Example.com.:8080` → `example.com`, `[::1]:80` → `::1`; undefined for what is no host and port. */
function hostName(authority: string): string | undefined {
  const name = hostAndPort.exec(authority)?.[1];
  return name === undefined ? undefined : normalize(name);
}

const hostAndPort = /^(\[[0-9a-f:.]+\]|[^\s:/?#@[\]\\]+)(?::\d{1,5})?$/i;

function normalize(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}
