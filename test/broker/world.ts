import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash, randomBytes } from "node:crypto";
import { expect, onTestFinished } from "vitest";
import { exportJWK, generateKeyPair, type CryptoKey } from "jose";
import type { JsonObject } from "../../src/base/json.ts";
import { Secret } from "../../src/base/secret.ts";
import { createBroker, type Broker, type BrokerDeps } from "../../src/broker/broker.ts";
import type { BrokerEvent } from "../../src/broker/event.ts";
import type { BrokerClient } from "../../src/broker/client.ts";
import type { BrokerResource } from "../../src/broker/resource.ts";
import type { BrokerConfig } from "../../src/config/types/broker.ts";
import { createFetchAs } from "../../src/upstream/credential/tls-fetch.ts";
import { createBrowser, logIn, type Browser } from "../../examples/demo/browser.ts";

export const mcp = "http://localhost:3000/mcp";
export const callback = "http://localhost:8123/callback";

interface LogLine {
  readonly event: string;
  readonly fields: JsonObject | undefined;
}

/** Every member a test reads; which of them are there is what the tests check. */
interface TokenAnswer {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly id_token: string;
  readonly scope: string;
  readonly error: string;
}

export interface World {
  readonly issuer: string;
  /** May be changed by a test, as a reload would. */
  readonly resources: BrokerResource[];
  readonly lines: LogLine[];
  readonly events: BrokerEvent[];
  readonly broker: Broker;
  readonly clientKey: CryptoKey;
  readonly register: (
    metadata: object,
  ) => Promise<{ status: number; body: { readonly [member: string]: string } }>;
  /** A client with one redirect; its id. */
  readonly client: (metadata?: object) => Promise<string>;
  readonly authorizeUrl: (parameters: Record<string, string | undefined>) => URL;
  readonly token: (
    form: Record<string, string> | string,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; body: TokenAnswer }>;
  /** The whole way: code and tokens of a new or given client. */
  readonly tokens: (options?: TokenOptions) => Promise<TokenAnswer & { readonly clientId: string }>;
}

interface TokenOptions {
  readonly clientId?: string;
  readonly user?: string;
  readonly browser?: Browser;
  readonly authorize?: Record<string, string | undefined>;
}

export const verifier: string = randomBytes(32).toString("base64url");
const challenge = createHash("sha256").update(verifier).digest("base64url");

export const courses: BrokerResource = {
  resource: mcp,
  scopes: ["mcp:tools", "courses:read", "courses:write"],
};

interface WorldOptions {
  readonly config?: (issuer: string) => Partial<BrokerConfig> | Promise<Partial<BrokerConfig>>;
  readonly deps?: Partial<BrokerDeps>;
}

/** Everything at its default, with the development login. */
export function brokerConfig(
  change: Partial<BrokerConfig> & Pick<BrokerConfig, "issuer">,
): BrokerConfig {
  return {
    listen: undefined,
    upstream: { kind: "dev" },
    registration: {
      dynamic: "open",
      documents: { hosts: "any", privateHosts: [] },
      clients: new Map(),
    },
    redirects: { known: true, allowed: [] },
    consent: "always",
    store: { kind: "memory" },
    assertionIssuers: [],
    ...change,
  };
}

export const surroundings: Omit<BrokerDeps, "resources" | "clients"> = {
  fetch,
  fetchAs: createFetchAs(undefined),
  clientKeys: new Map(),
  dpop: false,
  tell: () => {},
  onGrantEnded: () => {},
  addressOf: ({ socket }) => socket.remoteAddress,
};

/**
 * The broker behind a real listener, with the gateway's clients `tollgate`, `poster` and `signer`.
 * At the end of the test no token that it gave out may be in its log.
 */
export async function world(setup: WorldOptions = {}): Promise<World> {
  const server = createServer();
  const port = await listen(server);
  const issuer = `http://localhost:${port}`;
  const resources = [courses];
  const lines: LogLine[] = [];
  const events: BrokerEvent[] = [];
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const log = (event: string, fields?: JsonObject): void => void lines.push({ event, fields });
  const reach = { audiences: ["courses-api"], scopes: ["courses:read", "courses:write"] };
  const secret = new Secret("s3cret:with%odd&parts");
  const clients: BrokerClient[] = [
    { id: "tollgate", auth: { kind: "client_secret_basic", secret }, ...reach },
    { id: "poster", auth: { kind: "client_secret_post", secret }, ...reach },
    {
      id: "signer",
      auth: { kind: "private_key_jwt", jwks: [{ ...(await exportJWK(publicKey)), kid: "one" }] },
      ...reach,
    },
  ];
  const broker = await createBroker(
    brokerConfig({
      issuer,
      listen: { host: "127.0.0.1", port },
      ...(await setup.config?.(issuer)),
    }),
    {
      ...surroundings,
      resources: () => resources,
      clients,
      tell: (event) => void events.push(event),
      ...setup.deps,
    },
    { now: () => Date.now(), log: { debug: log, info: log, warn: log, error: log } },
  );
  server.on("request", broker.handler);
  const given: (string | undefined)[] = [];
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    const said = JSON.stringify([lines, events]);
    const leaks = given.filter((text) => text !== undefined && said.includes(text));
    expect(leaks, "a token that the broker gave out got into its log").toEqual([]);
  });

  const register: World["register"] = async (metadata) => {
    const response = await fetch(`${issuer}/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(metadata),
    });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };
  const client: World["client"] = async (metadata) => {
    const { status, body } = await register({
      client_name: "Test client",
      redirect_uris: [callback],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      ...metadata,
    });
    if (status !== 201) throw new Error(JSON.stringify(body));
    return body["client_id"] ?? "";
  };
  const authorizeUrl: World["authorizeUrl"] = (parameters) => {
    const url = new URL(`${issuer}/authorize`);
    const all = {
      response_type: "code",
      redirect_uri: callback,
      code_challenge: challenge,
      code_challenge_method: "S256",
      state: "st",
      scope: "mcp:tools",
      resource: mcp,
      ...parameters,
    };
    for (const [name, value] of Object.entries(all)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url;
  };
  const token: World["token"] = async (form, headers = {}) => {
    const response = await fetch(`${issuer}/token`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      body: typeof form === "string" ? form : new URLSearchParams(form).toString(),
    });
    const body = (await response.json()) as TokenAnswer;
    given.push(body.access_token, body.refresh_token, body.id_token);
    return { status: response.status, body };
  };
  const tokens: World["tokens"] = async (options = {}) => {
    const clientId = options.clientId ?? (await client());
    const { user = "alice", browser = createBrowser(), authorize = {} } = options;
    const back = await logIn(authorizeUrl({ client_id: clientId, ...authorize }), user, browser);
    const { status, body } = await token({
      grant_type: "authorization_code",
      client_id: clientId,
      code: back.searchParams.get("code") ?? "",
      redirect_uri: authorize["redirect_uri"] ?? callback,
      code_verifier: verifier,
    });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return { ...body, clientId };
  };
  return {
    issuer,
    resources,
    lines,
    events,
    broker,
    clientKey: privateKey,
    register,
    client,
    authorizeUrl,
    token,
    tokens,
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
