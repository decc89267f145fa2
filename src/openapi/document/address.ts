import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net";

/** `local` is this machine or a private network; `never` is where no document is. */
export type AddressKind = "public" | "loopback" | "private" | "never";

function blocks(...subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = "", bits] = subnet.split("/");
    list.addSubnet(network, Number(bits), isIPv6(network) ? "ipv6" : "ipv4");
  }
  return list;
}

const loopback = blocks("127.0.0.0/8", "::1/128");
/** RFC 1918, RFC 6598 (shared), RFC 4193 (unique local). */
const privateUse = blocks(
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
);
/** Special purpose by RFC 6890: link-local (cloud metadata answers there), multicast, reserved. */
const special = blocks(
  "0.0.0.0/8",
  "169.254.0.0/16",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  // Teredo, benchmarking, ORCHID and documentation; 6to4 has any IPv4 address inside.
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
);
/** RFC 4291 §2.4: nothing else is global unicast; NAT64 and IPv4-compatible forms are left out. */
const globalUnicast = blocks("2000::/3");

/** An IPv4 address in the clothes of IPv6 counts as the IPv4 address (`BlockList` sees to it). */
export function classifyAddress(written: string): AddressKind {
  const [address = ""] = written.split("%", 1); // the zone of a link-local address
  const family = isIP(address);
  if (family === 0) return "never";
  const type = family === 6 ? "ipv6" : "ipv4";
  if (loopback.check(address, type)) return "loopback";
  if (privateUse.check(address, type)) return "private";
  if (special.check(address, type)) return "never";
  if (family === 4 || isMapped(address)) return "public";
  return globalUnicast.check(address, type) ? "public" : "never";
}

const mapped = blocks("::ffff:0:0/96");

function isMapped(address: string): boolean {
  return mapped.check(address, "ipv6");
}

/** Whose addresses may be connected to. */
export interface AddressRules {
  readonly lookup: LookupFunction;
  readonly permits: (kind: AddressKind) => boolean;
  /** The error of an address that may not. */
  readonly refuse: (address: string) => Error;
}

/**
 * For a request to a host that others choose: addresses are judged where the socket connects to
 * them, so a name cannot answer one thing to the check and another to the connection.
 *
 * @param host Without brackets. A name is judged by the lookup that is returned; an address never
 *   comes there and is judged now.
 * @throws What `refuse` makes.
 */
export function guardLookup(
  host: string,
  { lookup, permits, refuse }: AddressRules,
): LookupFunction {
  if (isIP(host) !== 0 && !permits(classifyAddress(host))) throw refuse(host);
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, []);
      const addresses = typeof found === "string" ? [] : found;
      const refused = addresses.find(({ address }) => !permits(classifyAddress(address)));
      const [first] = addresses;
      if (refused !== undefined) callback(refuse(refused.address), []);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first?.address ?? "", first?.family);
    });
  };
}
