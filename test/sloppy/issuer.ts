import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";

/** What is used of @jmondi/oauth2-server, which is installed beside and not with the product. */
interface Library {
  readonly AuthorizationServer: new (
    clients: object,
    tokens: object,
    scopes: object,
    secret: string,
  ) => Server;
  readonly DateInterval: new (text: string) => object;
}

interface Server {
  readonly enableGrantType: (grant: unknown, lifetime: object) => void;
  readonly respondToAccessTokenRequest: Respond;
  readonly introspect: Respond;
  readonly revoke: Respond;
}

type Respond = (request: {
  readonly headers: object;
  readonly query: object;
  readonly body: object;
}) => Promise<Answer>;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * An authorization server on loopback whose tokens say neither for whom nor by whom they are, are
 * signed with a secret, name the client `cid`, and whose exchanges do not tell what they issued.
 */
export interface SloppyIssuer {
  readonly url: string;
  readonly client: { readonly id: string; readonly secret: string };
  /** For alice, or of the client alone. */
  readonly token: (whose: "person" | "machine") => Promise<string>;
  readonly revoke: (token: string) => Promise<void>;
  readonly close: () => void;
}

const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const client = {
  id: "agent",
  name: "agent",
  secret: "agent-secret",
  redirectUris: [],
  allowedGrants: ["client_credentials", exchangeGrant],
  scopes: [{ name: "mcp:tools" }],
};

interface Issued {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: Date;
}

export async function startSloppyIssuer(): Promise<SloppyIssuer> {
  const require = createRequire(resolve("test/sloppy/packages/package.json"));
  const { AuthorizationServer, DateInterval } = require("@jmondi/oauth2-server") as Library;
  const issued = new Map<string, Issued>();
  const authorization = new AuthorizationServer(
    {
      getByIdentifier: async () => client,
      isClientValid: async (_: unknown, __: unknown, secret: string) => secret === client.secret,
    },
    {
      issueToken: async (of: object, scopes: object, user: object) => ({
        accessToken: crypto.randomUUID(),
        accessTokenExpiresAt: new Date(),
        client: of,
        user,
        scopes,
      }),
      persist: async (token: Issued) => void issued.set(token.accessToken, token),
      revoke: async (token: Issued) => void issued.delete(token.accessToken),
      getByAccessToken: async (id: string) => issued.get(id),
    },
    {
      getAllByIdentifiers: async (names: readonly string[]) => names.map((name) => ({ name })),
      finalize: async (scopes: object) => scopes,
    },
    "a secret that signs and verifies",
  );
  const lifetime = new DateInterval("5m");
  authorization.enableGrantType("client_credentials", lifetime);
  const processTokenExchange = async (): Promise<object> => ({ id: "alice" });
  authorization.enableGrantType({ grant: exchangeGrant, processTokenExchange }, lifetime);
  const routes = new Map<string, Respond>([
    ["/token", (request) => authorization.respondToAccessTokenRequest(request)],
    ["/introspect", (request) => authorization.introspect(request)],
    ["/revoke", (request) => authorization.revoke(request)],
  ]);
  const answer = async (path: string, headers: object, text: string): Promise<Answer> => {
    const respond = routes.get(path);
    if (respond === undefined) return { status: 404, body: {} };
    const body = Object.fromEntries(new URLSearchParams(text));
    try {
      return await respond({ headers, query: {}, body });
    } catch (error) {
      const { status = 500 } = error as { readonly status?: number };
      return { status, body: { error: String(error) } };
    }
  };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const finish = async (): Promise<void> => {
      const { status, body } = await answer(request.url ?? "", request.headers, text);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    request.on("end", () => void finish());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString("base64")}`;
  const post = async (path: string, form: Readonly<Record<string, string>>): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: basic },
      body: new URLSearchParams(form),
    });
    if (!response.ok)
      throw new Error(`${path} answers ${response.status} ${await response.text()}`);
    return response.json();
  };
  return {
    url,
    client: { id: client.id, secret: client.secret },
    async token(whose) {
      const login = {
        grant_type: exchangeGrant,
        subject_token: "whoever",
        subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      };
      const grant = whose === "person" ? login : { grant_type: "client_credentials" };
      const tokens = await post("/token", { ...grant, scope: "mcp:tools" });
      return (tokens as { readonly access_token: string }).access_token;
    },
    revoke: async (token) => void (await post("/revoke", { token })),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
