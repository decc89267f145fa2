import { createReplays } from "../../src/auth/replays.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CompactSign, exportJWK, generateKeyPair, type CryptoKey, type JWK } from "jose";
import { onTestFinished } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import type { Ports } from "../../src/base/ports.ts";
import type { AuthConfig, IssuerConfig } from "../../src/config/types/auth.ts";
import type { EndpointConfig } from "../../src/config/types/endpoints.ts";
import {
  createAuthenticate,
  type Authenticate,
  type AuthenticateDeps,
} from "../../src/auth/authenticate.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets, type KeySets } from "../../src/auth/keysets.ts";
import { createRevocations } from "../../src/auth/revocation.ts";

export const resource = "https://mcp.acme.test/mcp";
export const endpoint: Pick<EndpointConfig, "resource" | "audience"> = { resource, audience: [] };

/** A clock that only the test moves, and a log that it can read. */
export interface World extends Ports {
  ms: number;
  readonly lines: { readonly event: string; readonly fields: JsonObject | undefined }[];
}

export function createWorld(): World {
  const lines: World["lines"] = [];
  const write = (event: string, fields?: JsonObject): void => void lines.push({ event, fields });
  const log = { debug: write, info: write, warn: write, error: write };
  const world: World = { ms: 1_800_000_000_000, now: () => world.ms, log, lines };
  return world;
}

export interface Key {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  /** As published. */
  readonly jwk: JWK;
}

export async function createKey(kid: string, alg = "ES256"): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

/** Claims of a good access token; `undefined` leaves one out. */
export type Claims = Record<string, unknown>;

/** A real identity provider on loopback, whose answers a test can spoil. */
export interface TestIssuer {
  readonly url: string;
  readonly key: Key;
  readonly requests: string[];
  /** Counts requests for the JWK set. */
  readonly jwksRequests: () => number;
  /** Published keys. */
  jwks: { keys: unknown };
  /** Replaces parts of the metadata. */
  metadata: Record<string, unknown>;
  /** Answers in place of the usual one. */
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  readonly sign: (claims?: Claims, header?: Claims, key?: Key) => Promise<string>;
}

export async function createIssuer(world: World, path = ""): Promise<TestIssuer> {
  const key = await createKey("k1");
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    if (issuer.answer?.(request, response)) return;
    if (request.url === "/jwks") sendJson(response, issuer.jwks);
    else if (request.url === `${path}/.well-known/openid-configuration`)
      sendJson(response, {
        issuer: issuer.url,
        jwks_uri: `${new URL(issuer.url).origin}/jwks`,
        ...issuer.metadata,
      });
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const issuer: TestIssuer = {
    url,
    key,
    requests,
    jwksRequests: () => requests.filter((request) => request === "/jwks").length,
    jwks: { keys: [key.jwk] },
    metadata: {},
    answer: undefined,
    sign: (claims = {}, header = {}, signer = key) =>
      sign({ ...goodClaims(url, world), ...claims }, header, signer),
  };
  return issuer;
}

export function goodClaims(iss: string, world: World): Claims {
  const now = world.ms / 1000;
  return {
    iss,
    aud: resource,
    sub: "alice",
    client_id: "cursor",
    scope: "mcp:tools courses:read",
    iat: now,
    exp: now + 300,
  };
}

/** A compact JWS whose header starts as `{alg, kid, typ: "at+jwt"}`. */
export function sign(claims: Claims | string, header: Claims, key: Key): Promise<string> {
  const text = typeof claims === "string" ? claims : JSON.stringify(claims);
  return new CompactSign(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "at+jwt", ...header })
    .sign(key.privateKey);
}

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

export const jwks: IssuerConfig["jwks"] = {
  hosts: [],
  staleForMs: 6 * 3_600_000,
  cooldownMs: 30_000,
  startup: "require",
};

export function issuerConfig(issuer: string, change: Partial<IssuerConfig> = {}): IssuerConfig {
  return {
    issuer,
    embedded: false,
    preset: "generic",
    tokens: "jwt",
    introspection: undefined,
    tenant: undefined,
    audience: [],
    exclusive: false,
    typ: "at+jwt",
    algorithms: ["ES256", "PS256", "RS256", "EdDSA", "Ed25519"],
    jwksUrl: undefined,
    jwks,
    backChannelLogout: undefined,
    clockSkewMs: 30_000,
    maxLifetimeMs: 86_400_000,
    clientClaims: ["client_id", "azp", "cid", "appid"],
    clients: [],
    scopes: { from: ["scope", "scp"], prefix: "", advertise: "", implies: new Map() },
    nameClaims: ["name", "preferred_username", "email"],
    roleClaims: ["roles", "groups"],
    require: new Map(),
    machine: [new Map([["idtyp", "app"]]), new Map([["gty", "client-credentials"]])],
    allowMachine: false,
    ...change,
  };
}

export function oauth(...issuers: readonly IssuerConfig[]): AuthConfig & { mode: "oauth" } {
  return {
    mode: "oauth",
    scopes: ["mcp:tools"],
    stepUp: true,
    keysDir: "",
    dpop: "off",
    deny: { jti: [], sub: [], clients: [] },
    cache: { entries: 10_000, maxAgeMs: 600_000 },
    issuers,
  };
}

export interface Gate {
  readonly world: World;
  readonly issuer: TestIssuer;
  readonly keys: KeySets;
  readonly authenticate: Authenticate;
  /** Presents a bearer token. Resolves to `ok` or to `<status> <reason>`. */
  readonly present: (token: string) => Promise<string>;
}

/** What a gate needs besides its configuration; `change` puts others in their place. */
export function depsOf(
  keys: KeySets,
  world: World,
  change: Partial<AuthenticateDeps> = {},
): AuthenticateDeps {
  return {
    keys,
    introspect: new Map(),
    replays: createReplays({ entries: 1_000, perHolder: 1_000 }, world.now),
    revocations: createRevocations(world),
    certificates: false,
    ...change,
  };
}

/** One issuer, one endpoint. */
export async function createGate(
  change: Partial<IssuerConfig> = {},
  at: Pick<EndpointConfig, "resource" | "audience"> = endpoint,
): Promise<Gate> {
  const world = createWorld();
  const issuer = await createIssuer(world);
  const config = oauth(issuerConfig(issuer.url, change));
  const keys = createKeySets(config.issuers, { fetch: globalThis.fetch, store: noKeyStore }, world);
  const authenticate = createAuthenticate(config, at, depsOf(keys, world), world);
  return { world, issuer, keys, authenticate, present: presenter(authenticate) };
}

export function presenter(authenticate: Authenticate): (token: string) => Promise<string> {
  return async (token) => outcome(authenticate(bearer(token)));
}

export async function outcome(result: Promise<unknown>): Promise<string> {
  try {
    await result;
    return "ok";
  } catch (error) {
    const { status, reason } = error as { status?: number; reason?: string };
    // Not an AuthError: let the test show it.
    if (status === undefined) throw error;
    return `${status} ${reason}`;
  }
}

export function bearer(token: string): readonly string[] {
  return ["Host", "mcp.acme.test", "Authorization", `Bearer ${token}`];
}
