import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, LookupFunction } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createBrowser, type Stop } from "../../examples/demo/browser.ts";
import type { JsonObject } from "../../src/base/json.ts";
import type { BrokerConfig } from "../../src/config/types/broker.ts";
import { makeCertificate } from "../world/certificate.ts";
import { html, left } from "./office.ts";
import { callback, verifier, world, type World } from "./world.ts";

// Client ID metadata documents: a client_id that is the URL of what it says about itself.

const name = "agent.example";
let pair: { readonly key: string; readonly certificate: string };

beforeAll(() => {
  pair = makeCertificate(name);
});

interface Site {
  /** `agent.example:<port>`. */
  readonly host: string;
  readonly id: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Connections, whether anything was asked or not. */
  connections: number;
}

async function startSite(answer: (site: Site) => RequestListener): Promise<Site> {
  const server = createServer({ key: pair.key, cert: pair.certificate }, (req, res) => {
    site.asked.push(req.url ?? "");
    answer(site)(req, res);
  });
  server.on("connection", () => (site.connections += 1));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `${name}:${(server.address() as AddressInfo).port}`;
  const site: Site = { host, id: `https://${host}/client.json`, asked: [], connections: 0 };
  return site;
}

const json =
  (document: (site: Site) => JsonObject, headers: Record<string, string> = {}) =>
  (site: Site): RequestListener =>
  (_req, res) => {
    res.writeHead(200, { "content-type": "application/json", ...headers });
    res.end(JSON.stringify(document(site)));
  };

const good = (site: Site): JsonObject => ({
  client_id: site.id,
  client_name: "Agent",
  client_uri: `https://${site.host}`,
  logo_uri: "http://169.254.169.254/logo.png",
  redirect_uris: [`https://${site.host}/callback`, callback, "https://evil.example/cb"],
  grant_types: ["authorization_code", "refresh_token", "urn:example:other"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
  scope: "anything at all",
});

/** Every name is this machine, as a name that an attacker controls may be. */
const toLoopback: LookupFunction = (_name, options, done) => {
  if (options.all === true) done(null, [{ address: "127.0.0.1", family: 4 }]);
  else done(null, "127.0.0.1", 4);
};

function broker(
  site: Site,
  documents: Partial<BrokerConfig["registration"]["documents"]> = {},
  lookup: LookupFunction = toLoopback,
): Promise<World> {
  return world({
    config: () => ({
      registration: {
        dynamic: "open",
        documents: { hosts: "any", privateHosts: [site.host], ...documents },
        clients: new Map(),
      },
    }),
    deps: { documents: { lookup, ca: pair.certificate } },
  });
}

function open(at: World, client_id: string, change: Record<string, string> = {}): Promise<Stop> {
  return createBrowser().open(at.authorizeUrl({ client_id, ...change }));
}

test("a client that publishes its document logs in without registering", async () => {
  const site = await startSite(json(good, { "cache-control": "max-age=600" }));
  const at = await broker(site);
  const browser = createBrowser();
  const login = await browser.open(at.authorizeUrl({ client_id: site.id }));
  const consent = await browser.click(login, "user", "alice");
  expect(html(consent)).toContain(`published by <strong>${site.host}</strong>`);
  expect(html(consent)).toContain("verified");
  expect(html(consent)).not.toContain("169.254.169.254");
  const back = left(await browser.click(consent, "decision", "allow"));
  const answer = await at.token({
    grant_type: "authorization_code",
    client_id: site.id,
    code: back.searchParams.get("code") ?? "",
    redirect_uri: callback,
    code_verifier: verifier,
  });
  expect(answer).toMatchObject({ status: 200, body: { refresh_token: expect.any(String) } });
  const renewed = await at.token({
    grant_type: "refresh_token",
    client_id: site.id,
    refresh_token: answer.body.refresh_token,
  });
  expect(renewed.status).toBe(200);
  // One fetch for all of it.
  expect(site.asked).toEqual(["/client.json"]);
});

test("its redirect URIs are on its own host, on loopback, or well known; others do not count", async () => {
  const site = await startSite(json(good));
  const at = await broker(site);
  const own = await open(at, site.id, { redirect_uri: `https://${site.host}/callback` });
  expect(html(own)).toContain('name="user"');
  const evil = await open(at, site.id, { redirect_uri: "https://evil.example/cb" });
  expect(evil).toMatchObject({ kind: "page", status: 400 });
});

test("only the hosts of the configuration count where it names some", async () => {
  const site = await startSite(json(good));
  const at = await broker(site, { hosts: ["claude.ai"] });
  expect(await open(at, site.id)).toMatchObject({ kind: "page", status: 400 });
  expect(site.connections).toBe(0);
});

test("the metadata says whether documents are read", async () => {
  const site = await startSite(json(good));
  const supported = async (at: World): Promise<unknown> => {
    const answer = await fetch(`${at.issuer}/.well-known/oauth-authorization-server`);
    return ((await answer.json()) as JsonObject)["client_id_metadata_document_supported"];
  };
  expect(await supported(await broker(site))).toBe(true);
  expect(await supported(await broker(site, { hosts: [] }))).toBe(false);
});

describe("K10 documents are not fetched from inside", () => {
  test("a name that leads to this machine gets no byte", async () => {
    const site = await startSite(json(good));
    const at = await broker(site, { privateHosts: [] });
    expect(await open(at, site.id)).toMatchObject({ kind: "page", status: 400 });
    expect(site.connections).toBe(0);
  });

  test("a name that leads to both the world and this machine gets no byte", async () => {
    const site = await startSite(json(good));
    const both: LookupFunction = (_name, _options, done) => {
      done(null, [
        { address: "93.184.215.14", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ]);
    };
    const at = await broker(site, { privateHosts: [] }, both);
    expect(await open(at, site.id)).toMatchObject({ kind: "page", status: 400 });
    expect(site.connections).toBe(0);
  });

  test.each([
    "https://127.0.0.1/client.json",
    "https://localhost/client.json",
    "https://10.0.0.1/client.json",
    "https://192.168.1.1/client.json",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/client.json",
    "https://[::ffff:10.0.0.1]/client.json",
    "https://[fd00::1]/client.json",
    "https://2130706433/client.json",
    "https://agent.example/a/../client.json",
    "https://agent.example/%2e%2e/client.json",
    "https://user@agent.example/client.json",
    "https://agent.example/client.json#x",
    "http://agent.example/client.json",
  ])("%s is no client", async (id) => {
    const site = await startSite(json(good));
    const stop = await open(await broker(site, { privateHosts: [] }), id);
    expect(stop).toMatchObject({ kind: "page", status: 400 });
    expect(html(stop)).toContain("invalid_client");
    expect(site.connections).toBe(0);
  });

  test.each<[string, (site: Site) => RequestListener]>([
    ["a redirect", () => (_req, res) => void res.writeHead(302, { location: "/other.json" }).end()],
    ["an error", () => (_req, res) => void res.writeHead(500).end()],
    ["five megabytes", () => (_req, res) => void res.writeHead(200).end("x".repeat(5_000_000))],
    ["no JSON", () => (_req, res) => void res.writeHead(200).end("<html>")],
    ["a list", json(() => [] as unknown as JsonObject)],
    ["another client_id", json((site) => ({ ...good(site), client_id: `${site.id}?x` }))],
    [
      "a secret",
      json((site) => ({ ...good(site), token_endpoint_auth_method: "client_secret_post" })),
    ],
    [
      "no redirect URI that may be",
      json((site) => ({ ...good(site), redirect_uris: ["https://evil.example/cb"] })),
    ],
    ["nothing in time", () => () => {}],
  ])("an answer of %s is no client", async (_case, answer) => {
    const site = await startSite(answer);
    const stop = await open(await broker(site), site.id);
    expect(stop).toMatchObject({ kind: "page", status: 400 });
    expect(site.asked).toEqual(["/client.json"]);
  });
});

test("K11 what a client registers is never fetched and its logo never shown", async () => {
  const site = await startSite(json(good));
  const at = await broker(site);
  const clientId = await at.client({
    jwks_uri: `https://${site.host}/jwks.json`,
    logo_uri: `https://${site.host}/logo.png`,
    sector_identifier_uri: `https://${site.host}/sector.json`,
    client_uri: `https://${site.host}/`,
    policy_uri: `https://${site.host}/policy`,
  });
  const browser = createBrowser();
  const login = await browser.open(at.authorizeUrl({ client_id: clientId }));
  const consent = await browser.click(login, "user", "alice");
  expect(html(consent)).not.toContain(site.host);
  left(await browser.click(consent, "decision", "allow"));
  expect(site.connections).toBe(0);
});

test("one address may make us fetch thirty documents a minute", async () => {
  const site = await startSite(json((at) => ({ ...good(at), client_id: "x" })));
  const at = await broker(site);
  for (let i = 0; i < 35; i++) await open(at, `https://${site.host}/${i}.json`);
  expect(site.asked).toHaveLength(30);
});
