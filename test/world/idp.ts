import { createHash } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { answerJson } from "./api.ts";

interface TokenAnswer {
  readonly status: number;
  /** Text is sent as it is. */
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An identity provider: keys for access tokens, and RFC 8693 for the gateway. */
export interface TestIdp {
  readonly url: string;
  /** Every access token it signed: none of them may appear behind the gateway. */
  readonly issued: readonly string[];
  /** Bodies of the requests to its token endpoint. */
  readonly tokenRequests: URLSearchParams[];
  /** An access token for `audience`; scope defaults to `mcp:tools`. `typ` is that of its header. */
  readonly token: (claims?: Readonly<Record<string, unknown>>, typ?: string) => Promise<string>;
  /** Answer of the token endpoint; the default gives `inner-1`, `inner-2`, … for 300 s. */
  exchange: (form: URLSearchParams) => TokenAnswer | Promise<TokenAnswer>;
  /** Requests to its introspection endpoint, and its answer; the default knows no token. */
  readonly introspections: { readonly form: URLSearchParams; readonly authorization: string }[];
  introspect: (form: URLSearchParams) => TokenAnswer | Promise<TokenAnswer>;
  /** Who is signed in in every browser; its authorization endpoint asks nothing. */
  signedIn: string;
  /** More of the ID tokens, and what the authorization endpoint adds to its answer. */
  idToken: Readonly<Record<string, unknown>>;
  redirect: Readonly<Record<string, string>>;
  readonly close: () => void;
}

export async function startIdp(audience: string): Promise<TestIdp> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  const tokenRequests: URLSearchParams[] = [];
  const issued: string[] = [];
  const logins = new Map<string, URLSearchParams>();
  const authorize = (query: URLSearchParams): string => {
    const code = crypto.randomUUID();
    logins.set(code, query);
    const back = new URL(query.get("redirect_uri") ?? "");
    const answer = { code, state: query.get("state") ?? "", iss: idp.url, ...idp.redirect };
    for (const [name, value] of Object.entries(answer)) back.searchParams.set(name, value);
    return back.href;
  };
  const logIn = async (form: URLSearchParams): Promise<TokenAnswer> => {
    const login = logins.get(form.get("code") ?? "");
    logins.delete(form.get("code") ?? "");
    const challenge = createHash("sha256").update(form.get("code_verifier") ?? "");
    const isGood =
      login?.get("redirect_uri") === form.get("redirect_uri") &&
      login?.get("code_challenge") === challenge.digest("base64url");
    if (login === undefined || !isGood) return { status: 400, body: { error: "invalid_grant" } };
    const now = Math.floor(Date.now() / 1000);
    const idToken = await new SignJWT({
      iss: idp.url,
      aud: login.get("client_id") ?? "",
      sub: idp.signedIn,
      nonce: login.get("nonce") ?? "",
      iat: now,
      exp: now + 300,
      ...idp.idToken,
    })
      .setProtectedHeader({ alg: "ES256", kid: "k1", typ: "JWT" })
      .sign(privateKey);
    const body = { access_token: "of-the-login", token_type: "Bearer", id_token: idToken };
    return { status: 200, body };
  };
  const answerToken = async (form: URLSearchParams, response: ServerResponse): Promise<void> => {
    const isLogin = form.get("grant_type") === "authorization_code";
    const { status, body, headers }: TokenAnswer = isLogin
      ? await logIn(form)
      : await idp.exchange(form);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const introspections: { form: URLSearchParams; authorization: string }[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/introspect") {
      const authorization = request.headers.authorization ?? "";
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const form = new URLSearchParams(text);
        introspections.push({ form, authorization });
        void Promise.resolve(idp.introspect(form)).then(({ status, body }) =>
          answerJson(response, body, status),
        );
      });
    } else if (request.url?.startsWith("/authorize?")) {
      const query = new URLSearchParams(request.url.split("?")[1]);
      response.writeHead(302, { location: authorize(query) }).end();
    } else if (request.url === "/jwks") answerJson(response, { keys: [jwk] });
    else if (request.url === "/token") {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const form = new URLSearchParams(text);
        tokenRequests.push(form);
        void answerToken(form, response);
      });
    } else if (request.url === "/.well-known/oauth-authorization-server") {
      const endpoints = {
        jwks_uri: `${idp.url}/jwks`,
        token_endpoint: `${idp.url}/token`,
        introspection_endpoint: `${idp.url}/introspect`,
        authorization_endpoint: `${idp.url}/authorize`,
        authorization_response_iss_parameter_supported: true,
      };
      answerJson(response, { issuer: idp.url, ...endpoints });
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const idp: TestIdp = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    issued,
    tokenRequests,
    introspections,
    signedIn: "alice",
    idToken: {},
    redirect: {},
    introspect: () => ({ status: 200, body: { active: false } }),
    async token(claims = {}, typ = "at+jwt") {
      const now = Math.floor(Date.now() / 1000);
      const token = await new SignJWT({
        iss: idp.url,
        aud: audience,
        sub: "alice",
        client_id: "test-client",
        scope: "mcp:tools",
        iat: now,
        exp: now + 300,
        ...claims,
        // Last, so that no other token's payload ends alike.
        jti: "jti" in claims ? (claims["jti"] as string) : crypto.randomUUID(),
      })
        .setProtectedHeader({ alg: "ES256", kid: "k1", typ })
        .sign(privateKey);
      issued.push(token);
      return token;
    },
    exchange: () => ({
      status: 200,
      body: {
        access_token: `inner-${tokenRequests.length}`,
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        token_type: "Bearer",
        expires_in: 300,
      },
    }),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return idp;
}
