import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import type { TrustedProxiesConfig } from "../config/types/server.ts";

/** Whose request it is: the peer, or whom a proxy that is believed says it came from. */
export type AddressOf = (request: IncomingMessage) => string | undefined;

const peerOf: AddressOf = ({ socket }) => socket.remoteAddress;

/**
 * Goes back from the peer as long as the address is that of a proxy that is believed, each of which
 * names who asked it: what a caller writes into the header stands further back and is never reached.
 * A proxy that names nobody is where it ends.
 *
 * @param proxies undefined: nobody is believed.
 */
export function compileAddressOf(proxies: TrustedProxiesConfig | undefined): AddressOf {
  if (proxies === undefined) return peerOf;
  const { header, networks } = proxies;
  const trusted = new BlockList();
  for (const { address, bits } of networks)
    trusted.addSubnet(address, bits, isIP(address) === 6 ? "ipv6" : "ipv4");
  const isTrusted = (address: string): boolean =>
    trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  const readHops = header === "forwarded" ? readForwarded : readForwardedFor;
  return (request) => {
    const peer = request.socket.remoteAddress;
    let address = peer === undefined ? undefined : bareAddress(peer);
    if (address === undefined || !isTrusted(address)) return peer;
    // Node joins several headers of this name in their order.
    const value = request.headers[header];
    const hops = typeof value === "string" ? readHops(value) : [];
    for (let i = hops.length - 1; i >= 0 && isTrusted(address); i--) {
      const before = hopAddress(hops[i] ?? "");
      if (before === undefined) break;
      address = before;
    }
    return address;
  };
}

function readForwardedFor(value: string): readonly string[] {
  return value.split(",").map((hop) => hop.trim());
}

/** `for` of each element (RFC 7239 §4); an element without one is nobody. */
function readForwarded(value: string): readonly string[] {
  return splitOutsideQuotes(value, ",").map((element) => {
    const [named] = splitOutsideQuotes(element, ";").flatMap((pair) => {
      const [, node] = /^for=(.*)$/i.exec(pair) ?? [];
      return node === undefined ? [] : [node];
    });
    return unquoted(named ?? "");
  });
}

/** From the end, which proxies write: a quote that a caller leaves open swallows nothing of theirs. */
function splitOutsideQuotes(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let end = text.length;
  let quoted = false;
  for (let i = end - 1; i >= 0; i--) {
    if (text[i] === '"' && !(quoted && text[i - 1] === "\\")) quoted = !quoted;
    else if (text[i] === separator && !quoted) {
      parts.unshift(text.slice(i + 1, end).trim());
      end = i;
    }
  }
  return [text.slice(0, end).trim(), ...parts];
}

function unquoted(text: string): string {
  return text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; undefined for what is none. */
function hopAddress(hop: string): string | undefined {
  const [, bracketed] = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(hop) ?? [];
  const [, withPort] = /^([\d.]+):\d{1,5}$/.exec(hop) ?? [];
  return bareAddress(bracketed ?? withPort ?? hop);
}

/** Without a zone, and an IPv4 address in the clothes of IPv6 as what it is. */
function bareAddress(written: string): string | undefined {
  const [address = ""] = written.toLowerCase().split("%", 1);
  if (isIP(address) === 0) return undefined;
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address) ?? [];
  return mapped ?? address;
}
