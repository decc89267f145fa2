import type { OAuthClientProvider } from "@modelcontextprotocol/client";
import { logIn } from "./browser.ts";

/** An MCP client's memory, and the person in front of its browser. */
export interface Person {
  readonly provider: OAuthClientProvider;
  /** What came back to the client's redirect URI: the parameters of `finishAuth`. */
  readonly callback: () => URLSearchParams;
  /** How often this person logged in and allowed something. */
  readonly logins: () => number;
}

/**
 * @param user `alice` or `bob` of the development broker.
 * @param redirectUrl Nothing listens there: the browser stops in front of it and hands over its URL.
 */
export function createPerson(user: string, redirectUrl = "http://localhost:8976/callback"): Person {
  let client: Awaited<ReturnType<OAuthClientProvider["clientInformation"]>>;
  let tokens: Awaited<ReturnType<OAuthClientProvider["tokens"]>>;
  let discovery: Awaited<ReturnType<NonNullable<OAuthClientProvider["discoveryState"]>>>;
  let verifier = "";
  let callback = new URLSearchParams();
  let logins = 0;
  const provider: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: {
      client_name: "Tollgate demonstration",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
    clientInformation: () => client,
    saveClientInformation: (saved) => void (client = saved),
    tokens: () => tokens,
    saveTokens: (saved) => void (tokens = saved),
    saveCodeVerifier: (saved) => void (verifier = saved),
    codeVerifier: () => verifier,
    saveDiscoveryState: (saved) => void (discovery = saved),
    discoveryState: () => discovery,
    // The client found out that these are good for nothing any more.
    invalidateCredentials(what) {
      if (what === "tokens" || what === "all") tokens = undefined;
      if (what === "client" || what === "all") client = undefined;
    },
    async redirectToAuthorization(url) {
      callback = (await logIn(url, user)).searchParams;
      logins++;
    },
  };
  return { provider, callback: () => callback, logins: () => logins };
}
