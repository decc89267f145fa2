/**
 * Which `Host` and `Origin` a request may carry (protection against DNS rebinding). Names are
 * compared, ports are not; `null` is no origin that anyone vouches for.
 */
export interface Edge {
  readonly acceptsHost: (rawHeaders: readonly string[]) => boolean;
  readonly acceptsOrigin: (origin: string | undefined) => boolean;
}

export function compileEdge(config: {
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}): Edge {
  const hosts = new Set(config.allowedHosts.map(normalize));
  const origins = new Set(config.allowedOrigins.map(normalize));
  return {
    acceptsHost(rawHeaders) {
      let host: string | undefined;
      for (let i = 0; i < rawHeaders.length; i += 2) {
        if (rawHeaders[i]?.toLowerCase() !== "host") continue;
        // Node takes the first of two; what stands in front of us may have checked the other.
        if (host !== undefined) return false;
        host = rawHeaders[i + 1];
      }
      return host !== undefined && hosts.has(hostName(host));
    },
    acceptsOrigin(origin) {
      if (origin === undefined) return true;
      const name = /^https?:\/\/([^/?#@\s]+)$/i.exec(origin)?.[1];
      return name !== undefined && origins.has(hostName(name));
    },
  };
}

/** `Example.com.:8080` → `example.com`, `[::1]:80` → `::1` */
function hostName(authority: string): string {
  const name = authority.startsWith("[")
    ? authority.slice(0, authority.indexOf("]") + 1)
    : authority.split(":", 1)[0];
  return normalize(name ?? "");
}

function normalize(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}
