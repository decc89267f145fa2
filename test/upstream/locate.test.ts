import { expect, test } from "vitest";

import type { ApiConfig, ServerChoice } from "../../src/config/types/apis.ts";
import { checkServers, compileLocate } from "../../src/upstream/request/locate.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import { serveDocuments } from "../openapi/document-server.ts";
import { document, loadText, named } from "../openapi/load-text.ts";
import { apiConfig } from "./credential-world.ts";

type Given = Partial<Pick<ApiConfig, "url" | "allowedHosts">> & { readonly server?: ServerChoice };

function api({ server, ...given }: Given = {}): ApiConfig {
  const chosen = server ?? { select: undefined, variables: new Map() };
  return { ...apiConfig({ kind: "none" }), url: undefined, ...given, server: chosen };
}

function variables(values: Readonly<Record<string, string>>): ServerChoice["variables"] {
  const entries = Object.entries(values);
  return new Map(entries.map(([name, value]) => [name, { value, position: named }]));
}

function choose(select: ServerChoice["select"], values = {}): { readonly server: ServerChoice } {
  return { server: { select, variables: variables(values) } };
}

const own = "/a: {servers: [{url: 'https://files.test/up'}], get: {}}";
const plain = "/a: {get: {}}";
const two =
  "servers: [{url: 'https://one.test/v1', description: First}, {url: 'https://{r}.two.test', name: prod, description: Second, variables: {r: {default: eu, enum: [eu, us]}}}]";

/** Where the only operation is called: URL, or the code of the finding. */
async function located(paths: string, servers: string, given: Given = {}): Promise<string> {
  const read = await loadText(`${document(paths, "", "3.2.0")}\n${servers}`);
  const [operation] = read.operations;
  if (operation === undefined) throw new Error("no operation");
  const found = compileLocate(api(given), read.servers)(operation);
  return "code" in found ? found.code : found.origin + found.basePath;
}

test.each<[string, string, string, Given, string]>([
  ["the first server", plain, two, {}, "https://one.test/v1"],
  ["url before every server", plain, two, { url: "http://in.test/x" }, "http://in.test/x"],
  [
    "the server of a name",
    plain,
    two,
    choose({ kind: "name", name: "prod", position: named }),
    "https://eu.two.test",
  ],
  [
    "the server of a description",
    plain,
    two,
    choose({ kind: "description", description: "First", position: named }),
    "https://one.test/v1",
  ],
  [
    "the server of an index, with a variable",
    plain,
    two,
    choose({ kind: "index", index: 1, position: named }, { r: "us" }),
    "https://us.two.test",
  ],
  [
    "a server that is left out for want of a value",
    plain,
    "servers: [{url: 'https://{x}.test'}, {url: 'https://b.test'}]",
    {},
    "https://b.test",
  ],
  [
    "a server that gets its value",
    plain,
    "servers: [{url: 'https://{x}.test'}, {url: 'https://b.test'}]",
    choose(undefined, { x: "a" }),
    "https://a.test",
  ],
  ["no server in a file", plain, "", {}, "no_url"],
  ["a relative server in a file", plain, "servers: [{url: /v1}]", {}, "no_url"],
  [
    "a relative server beside $self",
    plain,
    "$self: https://api.test/specs/a.yaml\nservers: [{url: ../v1}]",
    {},
    "https://api.test/v1",
  ],
  ["no server beside $self", plain, "$self: https://api.test/specs/a.yaml", {}, "https://api.test"],
  ["another scheme", plain, "servers: [{url: 'ftp://a.test'}]", {}, "no_url"],
  ["a user in the URL", plain, "servers: [{url: 'https://u:p@a.test'}]", {}, "no_url"],
  [
    "a variable that leaves the host",
    plain,
    "servers: [{url: 'https://a.test/{p}', variables: {p: {default: '../..//b.test'}}}]",
    {},
    "no_url",
  ],
  ["an operation's own server on another host", own, two, {}, "foreign_server"],
  [
    "an operation's own server on another host, with url",
    own,
    two,
    { url: "http://in.test" },
    "foreign_server",
  ],
  ["an operation's own server without any other", own, "", {}, "foreign_server"],
  [
    "an operation's own server on a listed host",
    own,
    two,
    { allowedHosts: ["files.test"] },
    "https://files.test/up",
  ],
  [
    "an operation's own server on a listed host, with url",
    own,
    two,
    { url: "http://in.test", allowedHosts: ["files.test"] },
    "https://files.test/up",
  ],
  [
    "a listed lookalike",
    own,
    two,
    { allowedHosts: ["test", "xfiles.test", "iles.test"] },
    "foreign_server",
  ],
  [
    "an operation's own server on the same host",
    own,
    "servers: [{url: 'https://files.test/v1'}]",
    {},
    "https://files.test/up",
  ],
  [
    "an operation's own server on the same host, with url",
    own,
    two,
    { url: "https://files.test/v9" },
    "https://files.test/v9",
  ],
  [
    "an operation's own relative server",
    "/a: {get: {servers: [{url: /v2}]}}",
    two,
    {},
    "https://one.test/v1",
  ],
])("%s", async (_, ...row) => {
  const [paths, servers, given, where] = row;
  expect(await located(paths, servers, given)).toBe(where);
});

test("a finding about a server of its own says what to do, at the operation", async () => {
  const read = await loadText(`${document(own)}\n${two}`);
  const [operation] = read.operations;
  const found = operation && compileLocate(api(), read.servers)(operation);
  expect(found).toMatchObject({
    severity: "error",
    message: "GET /a has a server of its own on files.test",
    position: { line: 4 },
    help: expect.stringContaining("allowedHosts") as string,
  });
});

test.each<[string, Given, string | undefined]>([
  ["a name", choose({ kind: "name", name: "prod", position: named }), undefined],
  [
    "a name that is none",
    choose({ kind: "name", name: "Prod", position: named }),
    "unknown_server",
  ],
  [
    "a description that is none",
    choose({ kind: "description", description: "", position: named }),
    "unknown_server",
  ],
  ["an index past the end", choose({ kind: "index", index: 2, position: named }), "unknown_server"],
  ["a value of the enum", choose(undefined, { r: "us" }), undefined],
  ["a value outside the enum", choose(undefined, { r: "cn" }), "server_variable_value"],
  ["a value that is a host", choose(undefined, { r: "evil.test/" }), "server_variable_value"],
  ["a variable that is none", choose(undefined, { region: "us" }), "unknown_server_variable"],
])("gateway.yaml chooses %s", async (_, given, code) => {
  const { servers } = await loadText(`${document(plain, "", "3.2.0")}\n${two}`);
  const issues = checkServers(api(given), servers);
  expect(issues.map((issue) => issue.code)).toEqual(code === undefined ? [] : [code]);
  for (const issue of issues) expect(issue).toMatchObject({ severity: "error", position: named });
});

test.each([
  ["3.1", "openapi: 3.1.0\nservers: [{url: ../v2}]", "/v2"],
  ["3.1 without servers", "openapi: 3.1.0", ""],
  ["2.0 without a host", "swagger: '2.0'\nbasePath: /v1", "/v1"],
])("%s: a document that was fetched is where its own URL says", async (_, head, path) => {
  const server = await serveDocuments({ "/specs/a.yaml": `${head}\npaths: {/a: {get: {}}}` });
  const origin = `http://127.0.0.1:${server.port}`;
  const read = await loadDocument({ file: `${origin}/specs/a.yaml`, position: named });
  const [operation] = read.operations;
  const found = operation && compileLocate(api(), read.servers)(operation);
  expect(found).toEqual({ origin, basePath: path });
});
