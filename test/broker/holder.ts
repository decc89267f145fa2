import { createHash, randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { createBrowser, logIn } from "../../examples/demo/browser.ts";

/** An MCP client that holds a refresh token, wherever its requests end up. */
export interface Holder {
  readonly clientId: string;
  /** Those it has used, with the moment. */
  readonly used: readonly { readonly token: string; readonly at: number }[];
  /** Statuses other than 200 that a refresh got. */
  readonly refused: readonly number[];
  readonly token: () => string;
  /**
   * Refreshes and keeps the new token. A request whose answer got lost is sent again with the same
   * token, as every client does.
   *
   * @returns undefined: no answer yet.
   */
  readonly refresh: () => Promise<number | undefined>;
  readonly accessToken: () => string;
}

const callback = "http://localhost:8123/callback";

/** Registers and logs in; a gateway that is overloaded says so, and is asked again. */
export async function createHolder(issuer: string, enter: Enter = asAlice): Promise<Holder> {
  for (let tries = 1; ; tries++) {
    try {
      return await begin(issuer, enter);
    } catch (error) {
      if (tries === 40 || !String(error).includes("overloaded")) throw error;
      await wait(250);
    }
  }
}

/** A person goes through the pages behind `/authorize`. @returns Where the browser ends up. */
type Enter = (authorize: URL) => Promise<URL>;

const asAlice: Enter = (authorize) => logIn(authorize, "alice", createBrowser());

async function begin(issuer: string, enter: Enter): Promise<Holder> {
  const registered = await post(`${issuer}/register`, {
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: "Holder",
      redirect_uris: [callback],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
    }),
  });
  if (registered.status !== 201) throw new Error(JSON.stringify(registered.body));
  const clientId = String(registered.body["client_id"]);
  const verifier = randomBytes(32).toString("base64url");
  const url = new URL(`${issuer}/authorize`);
  url.search = new URLSearchParams({
    client_id: clientId,
    response_type: "code",
    redirect_uri: callback,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    scope: "mcp:tools",
    state: "s",
  }).toString();
  const back = await enter(url);
  const first = await post(`${issuer}/token`, {
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: clientId,
      code: back.searchParams.get("code") ?? "",
      redirect_uri: callback,
      code_verifier: verifier,
    }),
  });
  if (first.status !== 200) throw new Error(JSON.stringify(first.body));
  let held = String(first.body["refresh_token"]);
  let access = String(first.body["access_token"]);
  const used: { token: string; at: number }[] = [];
  const refused: number[] = [];
  return {
    clientId,
    used,
    refused,
    token: () => held,
    accessToken: () => access,
    async refresh() {
      const token = held;
      const at = Date.now();
      const answer = await refreshWith(issuer, clientId, token).catch(() => undefined);
      if (answer === undefined || answer.status >= 500) return undefined;
      if (answer.status !== 200) {
        refused.push(answer.status);
        return answer.status;
      }
      used.push({ token, at });
      held = String(answer.body["refresh_token"]);
      access = String(answer.body["access_token"]);
      return 200;
    },
  };
}

/** A gateway that is overloaded says so; whoever asks then asks again. */
export async function refreshUntilAnswered(
  issuer: string,
  clientId: string,
  token: string,
): Promise<Answer> {
  for (;;) {
    const answer = await refreshWith(issuer, clientId, token).catch(() => undefined);
    if (answer !== undefined && answer.status < 500) return answer;
    await wait(100);
  }
}

function refreshWith(issuer: string, clientId: string, token: string): Promise<Answer> {
  return post(`${issuer}/token`, {
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: clientId,
      refresh_token: token,
    }),
  });
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function post(url: string, init: RequestInit): Promise<Answer> {
  const answer = await fetch(url, {
    method: "POST",
    signal: AbortSignal.timeout(5_000),
    ...init,
  });
  return { status: answer.status, body: (await answer.json()) as Answer["body"] };
}

/** Refreshes on and on, until told to stop or refused. */
export async function keepRefreshing(
  holder: Holder,
  running: () => boolean,
  pauseMs: number,
): Promise<void> {
  while (running() && holder.refused.length === 0) {
    await holder.refresh();
    await wait(pauseMs);
  }
}
