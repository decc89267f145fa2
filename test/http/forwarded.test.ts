import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import type { TrustedProxiesConfig } from "../../src/config/types/server.ts";
import { compileAddressOf } from "../../src/http/forwarded.ts";
import { readRecords } from "../world/audit.ts";
import { proxyKinds, startProxy, whyMissing } from "../world/proxy.ts";
import { world, type World } from "../world/world.ts";

const networks = [
  { address: "10.0.0.0", bits: 8 },
  { address: "2001:db8:aaaa::", bits: 48 },
  { address: "127.0.0.1", bits: 32 },
];

function resolve(
  peer: string | undefined,
  headers: Readonly<Record<string, string>>,
  header: TrustedProxiesConfig["header"] = "x-forwarded-for",
): string | undefined {
  const request = { socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage;
  return compileAddressOf({ networks, header })(request);
}

test.each([
  ["a peer that is no proxy is who asks", "203.0.113.1", "198.51.100.7", "203.0.113.1"],
  ["a proxy is believed", "10.1.2.3", "198.51.100.7", "198.51.100.7"],
  ["one that names nobody is who asks", "10.1.2.3", "", "10.1.2.3"],
  ["one that says unknown is who asks", "10.1.2.3", "unknown", "10.1.2.3"],
  [
    "what a caller put in front counts for nothing",
    "10.1.2.3",
    "1.1.1.1, 198.51.100.7",
    "198.51.100.7",
  ],
  ["not even a proxy's address", "10.1.2.3", "10.9.9.9, 198.51.100.7", "198.51.100.7"],
  ["not even rubbish", "10.1.2.3", "x', \"; --, ,, 198.51.100.7", "198.51.100.7"],
  [
    "each of several proxies is believed",
    "10.1.2.3",
    "198.51.100.7, 10.3.3.3, 10.2.2.2",
    "198.51.100.7",
  ],
  [
    "a proxy between that names nobody ends it",
    "10.1.2.3",
    "198.51.100.7, unknown, 10.2.2.2",
    "10.2.2.2",
  ],
  ["a chain of proxies only ends at the first", "10.1.2.3", "10.3.3.3, 10.2.2.2", "10.3.3.3"],
  ["IPv6", "2001:db8:aaaa::1", "2001:DB8:1::5", "2001:db8:1::5"],
  ["IPv6 that is no proxy", "2001:db8:aaab::1", "198.51.100.7", "2001:db8:aaab::1"],
  ["an IPv4 peer in the clothes of IPv6", "::ffff:10.1.2.3", "198.51.100.7", "198.51.100.7"],
  ["an IPv4 caller in the clothes of IPv6", "10.1.2.3", "::ffff:198.51.100.7", "198.51.100.7"],
  [
    "a proxy in the clothes of IPv6 in between",
    "10.1.2.3",
    "198.51.100.7, ::FFFF:10.2.2.2",
    "198.51.100.7",
  ],
  ["a port", "10.1.2.3", "198.51.100.7:4711", "198.51.100.7"],
  ["a port behind IPv6", "10.1.2.3", "[2001:db8:1::5]:4711", "2001:db8:1::5"],
  ["a zone", "10.1.2.3", "fe80::1%eth0", "fe80::1"],
  ["what looks like an address and is none", "10.1.2.3", "198.51.100.777", "10.1.2.3"],
])("S25: %s", (_, peer, header, expected) => {
  expect(resolve(peer, { "x-forwarded-for": header })).toBe(expected);
  // The other header is not read, whatever it says.
  expect(resolve(peer, { "x-forwarded-for": header, forwarded: "for=9.9.9.9" })).toBe(expected);
});

test.each([
  ["for=198.51.100.7", "198.51.100.7"],
  ['For="198.51.100.7:4711";proto=https;by=10.0.0.1', "198.51.100.7"],
  ['proto=https; for="[2001:db8:1::5]:4711"', "2001:db8:1::5"],
  ["for=1.1.1.1, for=198.51.100.7, for=10.2.2.2", "198.51.100.7"],
  ['for="1.1.1.1, for=2.2.2.2", for=198.51.100.7', "198.51.100.7"],
  ['for="\\", for=1.1.1.1', "1.1.1.1"],
  ["for=198.51.100.7, for=_hidden", "10.1.2.3"],
  ["for=198.51.100.7, proto=https", "10.1.2.3"],
  ["xfor=198.51.100.7", "10.1.2.3"],
])("S25: Forwarded %s of a proxy means %s", (forwarded, expected) => {
  const headers = { forwarded, "x-forwarded-for": "9.9.9.9" };
  expect(resolve("10.1.2.3", headers, "forwarded")).toBe(expected);
});

test("S25: without a list of proxies, and without a connection, nothing is read", () => {
  const request = {
    socket: { remoteAddress: "10.1.2.3" },
    headers: { "x-forwarded-for": "9.9.9.9" },
  };
  expect(compileAddressOf(undefined)(request as unknown as IncomingMessage)).toBe("10.1.2.3");
  expect(resolve(undefined, { "x-forwarded-for": "9.9.9.9" })).toBeUndefined();
});

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };

function shop(server: string, top = ""): Promise<World> {
  return world({ spec, credential: "none", extra: { server, top } });
}

test("S25, S91: callers behind a proxy are counted and recorded each by their own address", async () => {
  const at = await shop("trustProxy: {networks: [127.0.0.1]}", "limits: {rate: {address: 2/h}}");
  const from = async (chain: string): Promise<number> =>
    (await at.post(list, { "x-forwarded-for": chain })).status;
  expect(await from("198.51.100.7")).toBe(200);
  expect(await from("1.2.3.4, 198.51.100.7")).toBe(200);
  // Neither another spoofed address nor another spelling is somebody else.
  expect(await from("5.6.7.8, 198.51.100.7")).toBe(429);
  expect(await from("::ffff:198.51.100.7")).toBe(429);
  expect(await from("198.51.100.8")).toBe(200);
  for (const host of ["1", "2"]) expect(await from(`2001:db8:1:2::${host}`)).toBe(200);
  expect(await from("2001:db8:1:2:ffff::3")).toBe(429);
  expect(await from("2001:db8:1:3::1")).toBe(200);
  const records = readRecords(await at.auditText()) as { client?: { ip: string } }[];
  expect([...new Set(records.flatMap(({ client }) => client?.ip ?? []))]).toEqual([
    "198.51.100.7",
    "198.51.100.8",
    "2001:db8:1:2::1",
    "2001:db8:1:2::2",
    "2001:db8:1:2:ffff::3",
    "2001:db8:1:3::1",
  ]);
});

test("S25: a peer that is not on the list is who asks, and a reload changes the list", async () => {
  const at = await shop("trustProxy: {networks: [10.0.0.0/8]}");
  expect((await at.post(list, { "x-forwarded-for": "198.51.100.7" })).status).toBe(200);
  const yaml = await readFile(at.options.file, "utf8");
  await writeFile(at.options.file, yaml.replace("10.0.0.0/8", "127.0.0.0/8"));
  expect((await at.gateway.reload()).outcome).toBe("applied");
  expect((await at.post(list, { "x-forwarded-for": "198.51.100.7" })).status).toBe(200);
  const records = readRecords(await at.auditText()) as { client?: { ip: string } }[];
  expect(records.flatMap(({ client }) => client?.ip ?? [])).toEqual(["127.0.0.1", "198.51.100.7"]);
});

/** Over a connection from this address of the machine. */
async function callFrom(localAddress: string, url: string, authorization: string): Promise<number> {
  const sent = httpRequest(`${url}/mcp`, {
    method: "POST",
    localAddress,
    headers: {
      authorization,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      // Of a caller who would be somebody else.
      "x-forwarded-for": "1.2.3.4",
      forwarded: "for=1.2.3.4",
    },
  });
  sent.end(JSON.stringify(list));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

for (const kind of proxyKinds) {
  test(`S25, R01: behind ${kind} the audit log has the caller's address`, async ({ skip }) => {
    const missing = whyMissing(kind);
    skip(missing !== undefined, missing);
    const at = await shop("trustProxy: {networks: [127.0.0.1]}");
    const { url } = await startProxy(kind, [{ address: new URL(at.url).host }]);
    const authorization = `Bearer ${await at.idp.token()}`;
    expect(await callFrom("127.0.0.7", url, authorization)).toBe(200);
    const records = readRecords(await at.auditText()) as { client?: { ip: string } }[];
    expect(records.flatMap(({ client }) => client?.ip ?? [])).toEqual(["127.0.0.7"]);
  });
}
