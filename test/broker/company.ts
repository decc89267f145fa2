import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider/lib/provider.js";
import { base } from "oidc-provider/lib/helpers/interaction_policy/index.js";
import { onTestFinished } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { createRecords } from "../../src/broker/store/records.ts";
import { createMemoryRows } from "../../src/broker/store/rows.ts";
import { createStore } from "../../src/broker/store/store.ts";
import { Secret } from "../../src/base/secret.ts";
import type { IdpConfig } from "../../src/config/types/broker.ts";
import type { ClientConfig } from "../../src/config/types/clients.ts";

/** The identity provider of a company: another oidc-provider, with pages of its own. */
export interface Company {
  readonly issuer: string;
  /** By name; take one away and the person is disabled. */
  readonly people: Map<string, JsonObject>;
  /** Paths that were asked, e.g. `POST /token`. */
  readonly requests: string[];
  /** While true every request is answered with 503. */
  down: boolean;
  readonly idp: (change?: Partial<IdpConfig>) => IdpConfig;
}

interface CompanyOptions {
  readonly name?: string;
  /** Of the broker. */
  readonly redirectUri: string;
  readonly people?: Readonly<Record<string, JsonObject>>;
  readonly configuration?: object;
}

const everyone: Readonly<Record<string, JsonObject>> = {
  carol: {
    name: "Carol Example",
    email: "carol@acme.example",
    email_verified: true,
    groups: ["mcp-users", "sales"],
  },
  dave: { name: "Dave Example", email: "dave@other.example", email_verified: true, groups: [] },
  erin: { name: "Erin Example", email: "erin@acme.example", email_verified: false, groups: [] },
};

export async function startCompany(options: CompanyOptions): Promise<Company> {
  const { name = "acme", redirectUri } = options;
  const people = new Map(Object.entries(options.people ?? everyone));
  const requests: string[] = [];
  let handle = (_req: IncomingMessage, res: ServerResponse): void => void res.writeHead(503).end();
  const server = createServer((req, res) => {
    requests.push(`${req.method} ${req.url?.split("?")[0]}`);
    if (company.down) res.writeHead(503).end();
    else handle(req, res);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // Another host name than the broker's, whose cookies it must not share.
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secret = "company-secret";
  const now = (): number => Date.now();
  const store = createStore(createRecords(createMemoryRows(now), now), now);
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const provider = new Provider(issuer, {
    adapter: store.adapter,
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: "company", alg: "RS256" }] },
    ttl: {
      AccessToken: 3600,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    clients: [
      {
        client_id: "broker",
        client_secret: secret,
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "client_secret_basic",
      },
    ],
    claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified", "groups"] },
    cookies: { keys: ["company"] },
    features: { devInteractions: { enabled: false } },
    interactions: {
      policy: base(),
      url: (_ctx: unknown, { uid }: { uid: string }) => `/interaction/${uid}`,
    },
    findAccount: (_ctx: unknown, sub: string) => {
      const claims = people.get(sub);
      return claims && { accountId: sub, claims: () => ({ sub, ...claims }) };
    },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ...options.configuration,
  });
  const callback = provider.callback();
  handle = (req, res) => {
    const [, uid, user] = /^\/interaction\/([\w-]+)(?:\/(\w+))?$/.exec(req.url ?? "") ?? [];
    if (uid === undefined) void callback(req, res);
    else if (user === undefined) res.writeHead(200).end(`<h1>Company login ${uid}</h1>`);
    else void finish(provider, user, req, res);
  };
  const client: ClientConfig = {
    name: `${name}-client`,
    issuer,
    tokenUrl: undefined,
    id: "broker",
    auth: { kind: "client_secret_basic", secret: new Secret(secret) },
    position: { file: "gateway.yaml", line: 1, column: 1 },
  };
  const company: Company = {
    issuer,
    people,
    requests,
    down: false,
    idp: (change) => idpOf(client, { name, ...change }),
  };
  return company;
}

/** Logs the person in and allows what was asked, in one step. */
async function finish(
  provider: Provider,
  user: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (user === "refuse") {
    const refused = { error: "access_denied", error_description: "<b>no</b>" };
    return provider.interactionFinished(req, res, refused);
  }
  const { params } = await provider.interactionDetails(req, res);
  const grant = new provider.Grant({ accountId: user, clientId: String(params["client_id"]) });
  grant.addOIDCScope("openid profile email offline_access");
  await provider.interactionFinished(req, res, {
    login: { accountId: user },
    consent: { grantId: await grant.save() },
  });
}

export const personPaths: IdpConfig["person"] = {
  subject: "sub",
  name: ["name"],
  email: "email",
  emailVerified: "email_verified",
  groups: "groups",
  organization: "organization",
};

/** How the broker logs people in there. */
export function idpOf(client: ClientConfig, change: Partial<IdpConfig>): IdpConfig {
  return {
    name: "acme",
    title: "Acme",
    client,
    protocol: "openid",
    scope: ["openid", "profile", "email"],
    params: new Map(),
    allowedHosts: [],
    endpoints: {
      authorizationUrl: undefined,
      tokenUrl: undefined,
      userUrl: undefined,
      emailsUrl: undefined,
      organizationsUrl: undefined,
    },
    tokenRequest: "form",
    person: personPaths,
    claims: new Map([
      ["name", "name"],
      ["email", "email"],
    ]),
    allow: undefined,
    onRefresh: "verify",
    position: client.position,
    ...change,
  };
}
