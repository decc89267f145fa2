import type { JsonObject } from "../../base/json.ts";
import type { Ports } from "../../base/ports.ts";
import type { Principal } from "../../base/principal.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import type { ConnectionsConfig, ProviderConfig } from "../../config/types/connections.ts";
import {
  type AuthorizationRequest,
  authorizationUrlFor,
  type Departure,
  newDeparture,
  readArrival,
  sameText,
} from "./authorization.ts";
import { connectionKey, toConnection } from "./connection.ts";
import type { IssuerMetadata } from "./issuer-metadata.ts";
import type { Revoke } from "./revoke.ts";
import { isFor, type Ticket, type Tickets } from "./ticket.ts";
import type { TokenCache } from "./token-cache.ts";
import type { RequestToken, TokenReply } from "./token-endpoint.ts";
import { TokenFailure } from "./token-failure.ts";
import type { Owner, Vault } from "./vault.ts";

/** Why a page cannot go on. For people: stable words, nothing of what a server said. */
export type ConnectProblem =
  | "unknown_provider"
  | "link_invalid"
  | "link_used"
  | "other_person"
  | "not_this_browser"
  | "wrong_state"
  | "wrong_issuer"
  | "login_failed"
  | "not_allowed"
  | "provider_failed";

const statusOf: Readonly<Record<ConnectProblem, number>> = {
  unknown_provider: 404,
  link_invalid: 400,
  link_used: 400,
  other_person: 403,
  not_this_browser: 400,
  wrong_state: 400,
  wrong_issuer: 400,
  login_failed: 502,
  not_allowed: 403,
  provider_failed: 502,
};

export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly code: ConnectProblem;
  readonly status: number;
  /** Known once the person has logged in. */
  readonly owner: Owner | undefined;

  constructor(code: ConnectProblem, options?: ErrorOptions & { readonly owner?: Owner }) {
    super(code, options);
    this.code = code;
    this.status = statusOf[code];
    this.owner = options?.owner;
  }
}

/** What the browser gets. A flow is what it carries from step to step, sealed. */
export type Step =
  | { readonly kind: "redirect"; readonly url: string; readonly flow: Flow }
  /** Asks before it ends a connection; `csrf` goes into the form. */
  | ({ readonly kind: "confirm"; readonly csrf: string; readonly flow: Flow } & About)
  | ({ readonly kind: "connected" | "disconnected"; readonly ends: string } & About);

interface About {
  readonly provider: ProviderConfig;
  readonly owner: Owner;
}

export interface Flow {
  /** Tells the flows of one browser apart. */
  readonly id: string;
  readonly sealed: string;
}

/** Finds the flow of this id among what the browser carries. */
export type FindFlow = (id: string) => string | undefined;

/** The pages on which people connect and disconnect accounts. @throws ConnectError */
export interface Connect {
  /** Somebody opened a link; nobody knows yet who it is. */
  readonly open: (provider: string, ticket: string) => Promise<Step>;
  /** Back from the company login: goes on only for whom the link was made. */
  readonly loggedIn: (query: URLSearchParams, find: FindFlow) => Promise<Step>;
  /** Back from the third party. */
  readonly connected: (provider: string, query: URLSearchParams, find: FindFlow) => Promise<Step>;
  readonly openDisconnect: (provider: string) => Promise<Step>;
  readonly disconnect: (provider: string, form: URLSearchParams, find: FindFlow) => Promise<Step>;
}

export interface ConnectDeps {
  readonly config: ConnectionsConfig;
  /** Public origin of the gateway. */
  readonly origin: string;
  /** RFC 8707, for a login server that wants to be told; undefined: nothing is. */
  readonly loginResource: string | undefined;
  readonly clients: ReadonlyMap<string, ClientConfig>;
  readonly requestTokenOf: (client: ClientConfig) => RequestToken;
  readonly revokeAt: (client: ClientConfig) => Revoke;
  readonly checkIdToken: (
    token: string,
    expected: { readonly issuer: string; readonly clientId: string; readonly nonce: string },
  ) => Promise<{ readonly iss: string; readonly sub: string }>;
  readonly metadata: IssuerMetadata;
  readonly tickets: Tickets;
  readonly vault: Vault;
  readonly tokens: TokenCache;
}

const linkPlace = "link";
const flowPlace = "flow";

/** Where a person can connect an account: what a call that lacks it tells. */
export function linkTo(
  { origin, tickets }: Pick<ConnectDeps, "origin" | "tickets">,
  { iss, sub, clientId }: Principal,
  provider: string,
): string {
  const ticket = tickets.issue(linkPlace, { provider, iss, sub, client: clientId ?? null });
  return `${origin}/connect/${provider}?t=${ticket}`;
}

export function createConnect(deps: ConnectDeps, ports: Ports): Connect {
  const { config, origin, clients, tickets, vault } = deps;

  const providerOf = (name: string): ProviderConfig => {
    const provider = config.providers.get(name);
    if (provider === undefined) throw new ConnectError("unknown_provider");
    return provider;
  };
  const clientOf = (name: string): ClientConfig => {
    const client = clients.get(name);
    if (client === undefined) throw new TypeError(`no client ${name}`);
    return client;
  };
  const loginRequest = (): AuthorizationRequest => ({
    client: clientOf(config.login.client),
    authorizationUrl: undefined,
    redirectUri: `${origin}/login/callback`,
    scope: config.login.scope,
    parameters: new Map(deps.loginResource === undefined ? [] : [["resource", deps.loginResource]]),
  });
  const connectRequest = (provider: ProviderConfig): AuthorizationRequest => ({
    client: clientOf(provider.client),
    authorizationUrl: provider.authorizationUrl,
    redirectUri: `${origin}/connect/${provider.name}/callback`,
    scope: provider.scope,
    parameters: provider.parameters,
  });

  const leave = async (
    request: AuthorizationRequest,
    content: JsonObject,
    problem: ConnectProblem,
  ): Promise<Step> => {
    const departure = newDeparture();
    const url = await authorizationUrlFor(request, departure, deps.metadata).catch(
      failsAs(problem, ports),
    );
    if (url === undefined) throw new ConnectError(problem);
    return { kind: "redirect", url, flow: seal({ ...content, ...departure }, departure.state) };
  };
  const seal = (content: JsonObject, state: string): Flow => ({
    id: flowId(state),
    sealed: tickets.issue(flowPlace, content),
  });
  /** The flow that this browser began; a callback that it did not ask for ends here. */
  const resume = (state: string, step: string, find: FindFlow): Ticket => {
    const sealed = find(flowId(state));
    const flow = sealed === undefined ? undefined : tickets.read(flowPlace, sealed);
    if (flow === undefined || flow.content["step"] !== step)
      throw new ConnectError("not_this_browser");
    return flow;
  };

  /** The code for tokens, when the answer is that of the server we sent the browser to. */
  const arrive = async (
    query: URLSearchParams,
    flow: Ticket,
    {
      request,
      problem,
    }: { readonly request: AuthorizationRequest; readonly problem: ConnectProblem },
  ): Promise<TokenReply> => {
    const { client, redirectUri } = request;
    const { state, verifier } = departureIn(flow);
    const known = request.authorizationUrl !== undefined && client.tokenUrl !== undefined;
    const saysIssuer =
      !known && (await deps.metadata(client.issuer).catch(failsAs(problem, ports))).saysIssuer;
    const arrival = readArrival(query, { state }, { issuer: client.issuer, saysIssuer });
    if (arrival.kind === "foreign") throw new ConnectError(arrival.problem);
    // Only now: an answer of somebody else must not end the flow of this browser.
    if (!(await tickets.use(flow))) throw new ConnectError("not_this_browser");
    if (arrival.kind === "refused")
      throw new ConnectError(arrival.isDenied ? "not_allowed" : problem);
    return deps
      .requestTokenOf(client)("authorization_code", [
        ["code", arrival.code],
        ["redirect_uri", redirectUri],
        ["code_verifier", verifier],
      ])
      .catch(failsAs(problem, ports));
  };

  const logIn = async (query: URLSearchParams, flow: Ticket): Promise<Omit<Owner, "provider">> => {
    const request = loginRequest();
    const { idToken } = await arrive(query, flow, { request, problem: "login_failed" });
    if (idToken === undefined) throw new ConnectError("login_failed");
    const { issuer, id: clientId } = request.client;
    const { nonce } = departureIn(flow);
    return deps.checkIdToken(idToken, { issuer, clientId, nonce }).catch((cause: unknown) => {
      throw new ConnectError("login_failed", { cause });
    });
  };

  return {
    async open(name, text) {
      const provider = providerOf(name);
      const ticket = tickets.read(linkPlace, text);
      if (ticket === undefined || ticket.content["provider"] !== provider.name)
        throw new ConnectError("link_invalid");
      if (!(await tickets.isUnused(ticket))) throw new ConnectError("link_used");
      return leave(loginRequest(), { step: "login", ticket: text }, "login_failed");
    },
    async loggedIn(query, find) {
      const flow = resume(query.get("state") ?? "", "login", find);
      const person = await logIn(query, flow);
      const disconnect = textIn(flow, "disconnect");
      if (disconnect !== "") {
        const provider = providerOf(disconnect);
        const owner = { ...person, provider: provider.name };
        const { state: csrf } = newDeparture();
        const content = { step: "disconnect", csrf, ...owner };
        return { kind: "confirm", csrf, provider, owner, flow: seal(content, csrf) };
      }
      const ticket = tickets.read(linkPlace, textIn(flow, "ticket"));
      if (ticket === undefined) throw new ConnectError("link_invalid");
      const provider = providerOf(textIn(ticket, "provider"));
      const owner = { ...person, provider: provider.name };
      // Whoever got hold of the link must not connect an account to somebody else.
      if (!isFor(ticket, person)) throw new ConnectError("other_person", { owner });
      if (!(await tickets.use(ticket))) throw new ConnectError("link_used", { owner });
      return leave(connectRequest(provider), { step: "connect", ...owner }, "provider_failed");
    },
    async connected(name, query, find) {
      const provider = providerOf(name);
      const state = query.get("state") ?? "";
      const flow = resume(state, "connect", find);
      const owner = ownerIn(flow);
      if (owner.provider !== provider.name) throw new ConnectError("not_this_browser");
      const requestedAt = ports.now();
      const request = connectRequest(provider);
      const reply = await arrive(query, flow, { request, problem: "provider_failed" });
      const before = { refreshToken: undefined, scope: provider.scope };
      const connection = toConnection(reply, requestedAt, before);
      await vault.alone(owner, () => vault.put(owner, connection));
      deps.tokens.drop(connectionKey(owner));
      return { kind: "connected", provider, owner, ends: flowId(state) };
    },
    async openDisconnect(name) {
      const { name: disconnect } = providerOf(name);
      return leave(loginRequest(), { step: "login", disconnect }, "login_failed");
    },
    async disconnect(name, form, find) {
      const provider = providerOf(name);
      const csrf = form.get("csrf") ?? "";
      const flow = resume(csrf, "disconnect", find);
      const owner = ownerIn(flow);
      const isOwn = sameText(textIn(flow, "csrf"), csrf);
      if (!isOwn || owner.provider !== provider.name) throw new ConnectError("not_this_browser");
      if (!(await tickets.use(flow))) throw new ConnectError("not_this_browser");
      const kept = await vault.alone(owner, async () => {
        const found = await vault.get(owner);
        await vault.delete(owner);
        return found;
      });
      deps.tokens.drop(connectionKey(owner));
      // The gateway has forgotten it either way.
      if (kept !== undefined)
        await deps.revokeAt(clientOf(provider.client))(kept, provider.revocationUrl);
      return { kind: "disconnected", provider, owner, ends: flowId(csrf) };
    },
  };
}

function flowId(state: string): string {
  return state.slice(0, 16);
}

function departureIn(flow: Ticket): Departure {
  return {
    state: textIn(flow, "state"),
    verifier: textIn(flow, "verifier"),
    nonce: textIn(flow, "nonce"),
  };
}

function ownerIn(flow: Ticket): Owner {
  return { iss: textIn(flow, "iss"), sub: textIn(flow, "sub"), provider: textIn(flow, "provider") };
}

/** Tickets are ours, so what is missing is of another step. */
function textIn({ content }: Ticket, name: string): string {
  const value = content[name];
  return typeof value === "string" ? value : "";
}

function failsAs(problem: ConnectProblem, { log }: Ports): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof TokenFailure)) throw error;
    log.warn("connect_failed", { code: error.code, problem });
    throw new ConnectError(problem, { cause: error });
  };
}
