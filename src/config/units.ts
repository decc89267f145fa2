import type { RateConfig } from "./types/limits.ts";
import type { Listen } from "./types/server.ts";

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds; undefined if the text is no duration such as `10s`. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  return unit === undefined ? undefined : Number(amount) * (unitMs[unit] ?? 1);
}

/** undefined if the text is no rate such as `60/m` or `5/10s`. */
export function parseRate(text: string): RateConfig | undefined {
  const [, count, amount = "1", unit] = /^([1-9]\d{0,6})\/([1-9]\d{0,4})?([smh])$/.exec(text) ?? [];
  const periodMs = unit === undefined ? undefined : parseDuration(`${amount}${unit}`);
  return periodMs === undefined ? undefined : { count: Number(count), periodMs };
}

const unitBytes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** Bytes; undefined if the text is no size such as `1MiB`. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit = "B"] = /^(\d{1,12})(B|[kMG]B|[KMG]iB)?$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (unitBytes[unit] ?? 1);
}

/**
 * `host:port`, `[::1]:port`; `:port` is every IPv4 interface, a bare port is loopback: what opens
 * the gateway to the network must be visible in the file.
 */
export function parseListen(text: string): Listen | undefined {
  const [, inBrackets, name, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]:|([0-9A-Za-z.-]*):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  if (inBrackets !== undefined) return { host: inBrackets, port };
  return { host: name === undefined ? "127.0.0.1" : name || "0.0.0.0", port };
}

/** This machine only: 127.0.0.0/8 (RFC 1122 §3.2.1.3), ::1, localhost (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
