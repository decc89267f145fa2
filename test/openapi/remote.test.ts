import { lookup } from "node:dns";
import { writeFile } from "node:fs/promises";
import type { LookupFunction } from "node:net";
import { join } from "node:path";

import { expect, test } from "vitest";

import type { RefsConfig } from "../../src/config/types/apis.ts";
import { classifyAddress } from "../../src/openapi/document/address.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import type { ApiDocument } from "../../src/openapi/operation/operation.ts";
import { serveDocuments } from "./document-server.ts";
import { document, named, newDir, only, refusal } from "./load-text.ts";

const noRefs: RefsConfig = { roots: [], allowHosts: [], privateHosts: [] };

async function load(
  file: string,
  refs: Partial<RefsConfig> = {},
  resolver: LookupFunction = lookup,
): Promise<ApiDocument> {
  return loadDocument({ file, position: named, refs: { ...noRefs, ...refs } }, resolver);
}

/** Names that have the addresses of a test, one list per question. */
function resolving(...answers: readonly (readonly string[])[]): {
  readonly resolver: LookupFunction;
  readonly asked: string[];
} {
  const asked: string[] = [];
  const resolver: LookupFunction = (host, _options, callback) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(host);
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  };
  return { resolver, asked };
}

const get = document("/a: {get: {operationId: a}}");

test("a document is fetched once, and what it refers to on its own host", async () => {
  const server = await serveDocuments({
    "/v1/openapi.yaml?x=1": document(
      "/a: {$ref: paths/a.yaml}\n/b: {$ref: /shared.json}\n/c: {$ref: '?x=1#/components/pathItems/C'}",
      "pathItems: {C: {get: {operationId: c}}}",
    ),
    "/v1/paths/a.yaml": "get: {operationId: a}",
    "/shared.json": '{"get": {"operationId": "b"}}',
  });
  const url = `http://127.0.0.1:${server.port}/v1/openapi.yaml?x=1`;
  const api = await load(url);
  expect(api).toMatchObject({ source: url, files: [] });
  expect(api.operations.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(api.operations[1]?.position.file).toBe(`http://127.0.0.1:${server.port}/shared.json`);
  expect(server.asked).toEqual(["/v1/openapi.yaml?x=1", "/v1/paths/a.yaml", "/shared.json"]);
});

test("3.2: $self moves what references are relative to", async () => {
  const server = await serveDocuments({
    "/openapi.yaml": "openapi: 3.2.0\n$self: /moved/api.yaml\npaths: {/a: {$ref: a.yaml}}",
    "/moved/a.yaml": "get: {operationId: a}",
  });
  expect(only(await load(`http://127.0.0.1:${server.port}/openapi.yaml`)).id).toBe("a");
});

test("a remote document reads no file of this machine", async () => {
  const dir = await newDir();
  await writeFile(join(dir, "a.yaml"), "get: {operationId: SECRET}");
  const server = await serveDocuments({
    "/openapi.yaml": document(`/a: {$ref: 'file://${dir}/a.yaml'}\n/b: {$ref: 'ftp://h/x'}`),
  });
  const api = await load(`http://127.0.0.1:${server.port}/openapi.yaml`, { roots: [dir] });
  expect(api.operations).toEqual([]);
  expect(api.skipped.map(({ issue }) => issue.code)).toEqual(["external_ref", "external_ref"]);
});

test("a file refers to a listed host, and to no other", async () => {
  const server = await serveDocuments({
    "/a.yaml": "get: {operationId: a, parameters: [{$ref: './q.yaml'}]}",
    "/q.yaml": "{name: q, in: query, schema: {type: string}}",
  });
  const file = join(await newDir(), "api.yaml");
  const ref = `http://localhost:${server.port}/a.yaml`;
  await writeFile(
    file,
    document(`/a: {$ref: '${ref}'}\n/b: {$ref: '${ref.replace("localhost", "127.0.0.1")}'}`),
  );
  const api = await load(file, { allowHosts: ["localhost"] });
  expect(only(api)).toMatchObject({ id: "a", parameters: [{ name: "q" }] });
  expect(api.skipped).toMatchObject([{ path: "/b", issue: { code: "ref_host_not_allowed" } }]);
  expect(api.files).toEqual([file]);
  expect(server.asked).toEqual(["/a.yaml", "/q.yaml"]);
  expect((await load(file)).operations).toEqual([]);
  expect(server.asked).toHaveLength(2);
});

test.each([
  ["127.0.0.1", "loopback"],
  ["127.9.9.9", "loopback"],
  ["::1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:7f00:1", "loopback"],
  ["10.1.2.3", "private"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.168.1.1", "private"],
  ["100.64.0.1", "private"],
  ["fd12::1", "private"],
  ["::ffff:10.0.0.1", "private"],
  ["0.0.0.0", "never"],
  ["::", "never"],
  ["169.254.169.254", "never"],
  ["::ffff:169.254.169.254", "never"],
  ["fe80::1", "never"],
  ["fe80::1%eth0", "never"],
  ["ff02::1", "never"],
  ["224.0.0.1", "never"],
  ["240.0.0.1", "never"],
  ["255.255.255.255", "never"],
  ["64:ff9b::a00:1", "never"],
  ["::127.0.0.1", "never"],
  ["2002:7f00:1::", "never"],
  ["2001:db8::1", "never"],
  ["no address", "never"],
  ["8.8.8.8", "public"],
  ["172.32.0.1", "public"],
  ["::ffff:8.8.8.8", "public"],
  ["2606:4700::1111", "public"],
])("%s is %s", (address, kind) => {
  expect(classifyAddress(address)).toBe(kind);
});

test.each([
  ["loopback", ["127.0.0.1"]],
  ["mapped loopback", ["::ffff:127.0.0.1"]],
  ["private", ["10.0.0.1"]],
  ["link-local", ["169.254.169.254"]],
  ["one bad of two", ["8.8.8.8", "127.0.0.1"]],
])("S19: SSRF: a name with a %s address is not connected to", async (_, addresses) => {
  const server = await serveDocuments({ "/openapi.yaml": get });
  const { resolver, asked } = resolving(addresses);
  const url = `https://specs.test:${server.port}/openapi.yaml`;
  const error = await refusal(load(url, { allowHosts: ["specs.test"] }, resolver));
  expect(error.issues).toMatchObject([{ code: "spec_not_fetched", position: named }]);
  expect(error.message).toContain(addresses.at(-1));
  expect([asked, server.asked]).toEqual([["specs.test"], []]);
});

test("S18: SSRF: an address in a reference is judged like a name", async () => {
  const file = join(await newDir(), "api.yaml");
  await writeFile(
    file,
    document("/a: {$ref: 'https://169.254.169.254/x'}\n/b: {$ref: 'https://[::ffff:a00:1]/x'}"),
  );
  const api = await load(file, { allowHosts: ["169.254.169.254", "::ffff:a00:1"] });
  expect(api.skipped.map(({ issue }) => [issue.code, issue.message])).toEqual([
    ["ref_not_fetched", expect.stringContaining("link-local address 169.254.169.254")],
    ["ref_not_fetched", expect.stringContaining("private address")],
  ]);
});

test("S18: SSRF: the address that is checked is the one connected to: a name is asked once a fetch", async () => {
  const server = await serveDocuments({ "/a.yaml": "get: {operationId: a}" });
  const { resolver, asked } = resolving(["127.0.0.1"], ["10.0.0.1"]);
  const file = join(await newDir(), "api.yaml");
  const ref = `http://localhost:${server.port}`;
  await writeFile(file, document(`/a: {$ref: '${ref}/a.yaml'}\n/b: {$ref: '${ref}/b.yaml'}`));
  const api = await load(file, { allowHosts: ["localhost"] }, resolver);
  expect(only({ ...api, skipped: [] }).id).toBe("a");
  expect(api.skipped.map(({ issue }) => issue.code)).toEqual(["ref_not_fetched"]);
  expect(api.skipped[0]?.issue.message).toContain("private address 10.0.0.1");
  expect([asked.length, server.asked]).toEqual([2, ["/a.yaml"]]);
});

test("S19: a private host that the operator names is fetched from, link-local never", async () => {
  const { resolver } = resolving(["169.254.169.254"]);
  const error = await refusal(
    load("https://specs.test/x", { privateHosts: ["specs.test"] }, resolver),
  );
  expect(error.message).toContain("link-local");
  // Past the address check a connection is tried: nobody listens there.
  const { resolver: local } = resolving(["127.0.0.1"]);
  const other = await refusal(
    load("https://specs.test:9/x", { privateHosts: ["specs.test"] }, local),
  );
  expect(other.message).toContain("ECONNREFUSED");
  expect(other.issues[0]?.help).toContain("nothing listens there");
});

test("S18: redirects stay on the origin", async () => {
  const other = await serveDocuments({ "/openapi.yaml": get });
  const server = await serveDocuments({
    "/old": (_, response) => response.writeHead(302, { location: "/openapi.yaml" }).end(),
    "/openapi.yaml": get,
    "/away": (_, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${other.port}/openapi.yaml` }).end(),
    "/nowhere": (_, response) => response.writeHead(302, { location: "http://" }).end(),
    "/round": (_, response) => response.writeHead(302, { location: "/round" }).end(),
    "/plain": (_, response) => response.writeHead(301).end(),
  });
  const at = `http://127.0.0.1:${server.port}`;
  expect(only(await load(`${at}/old`)).id).toBe("a");
  for (const [path, message] of [
    ["/away", "redirects to another host"],
    ["/nowhere", "redirects to another host"],
    ["/round", "redirects too often"],
    ["/plain", "answers 301"],
    ["/none", "answers 404"],
  ] as const) {
    const error = await refusal(load(at + path));
    expect(error.issues).toMatchObject([{ code: "spec_not_fetched", position: named }]);
    expect(error.message).toContain(message);
  }
  expect(other.asked).toEqual([]);
});

test("F43: a document without end, a compressed one and one that never comes are refused", async () => {
  let sent = 0;
  const server = await serveDocuments({
    "/endless": (_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, "x");
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    },
    "/gzip": (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x"),
    "/slow": (_, response) => void response.writeHead(200).write("openapi: 3.1.0\n"),
  });
  const at = `http://127.0.0.1:${server.port}`;
  const [endless, gzip, slow] = await Promise.all(
    ["/endless", "/gzip", "/slow"].map((path) => refusal(load(at + path))),
  );
  expect(endless?.message).toContain("is larger than 32 MiB");
  expect(sent).toBeLessThan(48 * 1024 * 1024);
  expect(gzip?.message).toContain("compressed");
  expect(slow?.message).toContain("takes too long");
}, 20_000);

test("what a broken remote document holds is not quoted", async () => {
  const server = await serveDocuments({ "/x": "root:x:0:0" });
  const error = await refusal(load(`http://127.0.0.1:${server.port}/x`));
  expect(error.issues).toMatchObject([{ code: "not_openapi" }]);
  expect(error.message).not.toContain("root:x");
});
