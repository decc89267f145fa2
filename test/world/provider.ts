import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { answerJson } from "./api.ts";

/** A third party with an authorization server of its own, as people connect accounts at. */
export interface TestProvider {
  readonly url: string;
  /** What its authorization endpoint was asked, and its token endpoint. */
  readonly authorizations: URLSearchParams[];
  readonly tokenRequests: URLSearchParams[];
  /** Tokens that were given back (RFC 7009). */
  readonly revoked: string[];
  /** Seconds; undefined: it does not say. */
  lifetime: number | undefined;
  /** Whether a refresh gives a new refresh token, and the old one ends. */
  rotates: boolean;
  /** Granted in place of what was asked for. */
  scope: string | undefined;
  /** What its authorization endpoint adds to, or says in place of, its answer. */
  redirect: Readonly<Record<string, string>>;
  /** Answers the next token requests in place of the real answer. */
  fault: (() => { readonly status: number; readonly body: object }) | undefined;
  /** Waited for before a refresh is answered. */
  beforeRefresh: () => Promise<void>;
  /** Ends every refresh token. */
  readonly revokeAll: () => void;
  readonly close: () => void;
}

export async function startProvider(): Promise<TestProvider> {
  const codes = new Map<string, URLSearchParams>();
  const refreshTokens = new Set<string>();
  let count = 0;

  const grant = (): object => {
    count += 1;
    const refresh = `refresh-${count}`;
    if (provider.rotates || count === 1) refreshTokens.add(refresh);
    return {
      access_token: `account-${count}`,
      token_type: "bearer",
      ...(provider.lifetime === undefined ? {} : { expires_in: provider.lifetime }),
      ...(refreshTokens.has(refresh) ? { refresh_token: refresh } : {}),
      ...(provider.scope === undefined ? {} : { scope: provider.scope }),
    };
  };
  const answerToken = async (form: URLSearchParams): Promise<{ status: number; body: object }> => {
    const refused = { status: 400, body: { error: "invalid_grant" } };
    if (provider.fault !== undefined) return provider.fault();
    if (form.get("grant_type") === "refresh_token") {
      await provider.beforeRefresh();
      const token = form.get("refresh_token") ?? "";
      if (!refreshTokens.has(token)) return refused;
      if (provider.rotates) refreshTokens.delete(token);
      return { status: 200, body: grant() };
    }
    const asked = codes.get(form.get("code") ?? "");
    codes.delete(form.get("code") ?? "");
    const verifier = createHash("sha256").update(form.get("code_verifier") ?? "");
    const isGood =
      asked?.get("redirect_uri") === form.get("redirect_uri") &&
      asked?.get("code_challenge") === verifier.digest("base64url");
    return isGood ? { status: 200, body: grant() } : refused;
  };
  const server = createServer((request, response) => {
    const [path, query] = (request.url ?? "").split("?");
    if (path === "/authorize") {
      const asked = new URLSearchParams(query);
      provider.authorizations.push(asked);
      const code = crypto.randomUUID();
      codes.set(code, asked);
      const back = new URL(asked.get("redirect_uri") ?? "");
      const answer = { code, state: asked.get("state") ?? "", ...provider.redirect };
      for (const [name, value] of Object.entries(answer)) back.searchParams.set(name, value);
      response.writeHead(302, { location: back.href }).end();
      return;
    }
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      const form = new URLSearchParams(text);
      if (path === "/revoke") {
        provider.revoked.push(form.get("token") ?? "");
        response.writeHead(200).end();
        return;
      }
      provider.tokenRequests.push(form);
      void answerToken(form).then(({ status, body }) => answerJson(response, body, status));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const provider: TestProvider = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    authorizations: [],
    tokenRequests: [],
    revoked: [],
    lifetime: 3_600,
    rotates: true,
    scope: undefined,
    redirect: {},
    fault: undefined,
    beforeRefresh: async () => {},
    revokeAll: () => refreshTokens.clear(),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return provider;
}
