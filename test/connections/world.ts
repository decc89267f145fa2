import { expect, onTestFinished } from "vitest";

import { createBrowser, type Browser, type Page } from "../world/browser.ts";
import { createPostModern, type PostModern } from "../world/modern-call.ts";
import { startProvider, type TestProvider } from "../world/provider.ts";
import { leaksToken, world, type World, type WorldOptions } from "../world/world.ts";

const operation = (operationId: string, more: object = {}): object => ({ operationId, ...more });

const spec = {
  paths: {
    "/issues": {
      get: operation("list_issues", {
        parameters: [{ name: "q", in: "query", schema: { type: "string" } }],
      }),
    },
    "/wiki": { get: operation("read_wiki") },
  },
};

export const capable = { elicitation: { url: {} } };
interface Asked {
  readonly connect: { readonly method: string; readonly params: { readonly url: string } };
}

/** A gateway in front of an API that wants the account of each person at a third party. */
export interface ConnectWorld extends World {
  readonly provider: TestProvider;
  readonly browser: Browser;
  readonly modern: PostModern<Asked>;
  /** The link in the answer to a call that lacks an account. */
  readonly linkFor: (claims?: Readonly<Record<string, unknown>>) => Promise<string>;
  /** Asks for a link and opens it as `sub`. */
  readonly connectAs: (sub: string) => Promise<Page>;
  /** What the API got, oldest first. */
  readonly bearers: () => readonly (string | undefined)[];
}

export interface ConnectOptions extends Partial<WorldOptions> {
  /** YAML of more keys of `connections`. */
  readonly connections?: string;
  /** YAML of more keys of the credential. */
  readonly scope?: string;
}

export async function connectWorld(options: ConnectOptions = {}): Promise<ConnectWorld> {
  const provider = await startProvider();
  onTestFinished(() => provider.close());
  const { connections = "", scope = "", ...rest } = options;
  const endpoints = `tokenUrl: "${provider.url}/token"`;
  const at = await world({
    spec,
    credential: `connection: {provider: tracker, ${scope}}`,
    clients: `tracker: {issuer: "${provider.url}", ${endpoints}, id: at-tracker, secret: "\${CLIENT_SECRET}"}`,
    ...rest,
    extra: {
      ...rest.extra,
      top: `connections:
  login: {client: gateway}
  providers:
    tracker: {client: tracker, title: Issue tracker, authorizationUrl: "${provider.url}/authorize", revocationUrl: "${provider.url}/revoke"}
  ${connections}
${rest.extra?.top ?? ""}`,
    },
  });
  const browser = createBrowser();
  const modern = createPostModern<Asked>(at, {
    tool: "list_issues",
    args: {},
    capabilities: capable,
  });
  const linkFor: ConnectWorld["linkFor"] = async (claims = {}) => {
    const { message } = await modern({ claims });
    const url = message.result?.inputRequests?.connect.params.url;
    if (url === undefined) throw new Error(`no link: ${JSON.stringify(message)}`);
    return url;
  };
  onTestFinished(async () => {
    // Nobody but the API and the third party ever sees a token of an account.
    const behind = [...at.logs, await at.auditText(), ...browser.cookies.values()].join("\n");
    for (const word of ["account-", "refresh-", "of-the-login", "client-secret"])
      expect(behind, word).not.toContain(word);
    for (const request of [...provider.authorizations, ...provider.tokenRequests])
      for (const token of at.idp.issued)
        expect(leaksToken(request.toString(), token), "at the third party").toBe(false);
  });
  return {
    ...at,
    provider,
    browser,
    modern,
    linkFor,
    async connectAs(sub) {
      at.idp.signedIn = sub;
      return browser.open(await linkFor({ sub }));
    },
    bearers: () => at.api.requests.map(({ headers }) => headers.authorization),
  };
}
