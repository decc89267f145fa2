import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createCache } from "../base/cache.ts";
import type { JsonValue } from "../base/json.ts";
import { networkOf } from "../base/network.ts";
import type { Ports } from "../base/ports.ts";
import { createLocalRates, type Rate } from "../limits/rate.ts";
import { createClientRequests, maxBodyBytes } from "./client-request.ts";
import { pageHeaders } from "../base/page.ts";
import { errorPage } from "./error-page.ts";
import type { Tell } from "./event.ts";
import { isLoopback, type RedirectRules } from "./redirect.ts";
import { filterRegistration, isRefusal } from "./registration.ts";
import { BodyTooLarge, hasType, readBody, withBody } from "./request-body.ts";
import type { Resources } from "./resource.ts";

export interface DoorDeps {
  readonly issuer: string;
  readonly resources: Resources;
  /** Ids of the clients in gateway.yaml that have a secret. */
  readonly registered: ReadonlySet<string>;
  /** undefined: no client registers itself. */
  readonly redirects: RedirectRules | undefined;
  /** oidc-provider and the pages, as of this moment. */
  readonly parts: () => DoorParts;
  readonly tell: Tell;
  /** Whose request it is, be it through a proxy. */
  readonly addressOf: (request: IncomingMessage) => string | undefined;
}

export interface DoorParts {
  readonly provider: Handle;
  readonly interactions: Handle;
  /** Where identity providers send people back to, by path. */
  readonly callbacks: ReadonlyMap<string, Handle>;
}

type Handle = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/** What programs ask, on any origin. */
interface Program {
  readonly method: string;
  readonly handle: Handle;
}

const registrationsPerMinute = 60;
/** Of one address. Each is kept for ten minutes, whether a person ever comes or not. */
const signIns: Rate = { count: 300, periodMs: 60_000 };
/** Of one address; a sign-in takes five or six. */
const steps: Rate = { count: 1_800, periodMs: 60_000 };
/**
 * Of one address, which may be that of a host of many clients, or of a gateway that exchanges for
 * everybody: most tokens live for five minutes.
 */
const tokenRequests: Rate = { count: 6_000, periodMs: 60_000 };

/**
 * What stands in front of oidc-provider: only the public paths, only our own host names, and
 * requests of real clients brought into the form that oidc-provider insists on.
 */
export function createDoor(deps: DoorDeps, ports: Ports): RequestListener {
  const issuer = new URL(deps.issuer);
  const local = isLoopback(issuer.hostname);
  const requests = createClientRequests(deps.resources, deps.registered);
  const mayStart = createSlowDown(signIns, slowPerson, deps, ports);
  const mayGoOn = createSlowDown(steps, slowPerson, deps, ports);
  const mayAsk = createSlowDown(tokenRequests, slowProgram, deps, ports);

  /** For people: no CORS, and the cookies belong to the issuer's name. */
  const openPage = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const path = pathOf(req);
    if (path === "/authorize") {
      if (hostnameOf(req) === issuer.hostname)
        return mayStart(req, res) ? provide(requests.authorize(req), res) : undefined;
      res.writeHead(307, { location: `${deps.issuer}${req.url}` }).end();
      return;
    }
    const step = stepAt(path, req.method);
    if (step === undefined) refuse(res, 404, "not_found");
    else if (mayGoOn(req, res)) await step(req, res);
  };

  /** What follows on `/authorize`. */
  const stepAt = (path: string, method: string | undefined): Handle | undefined => {
    const { interactions, callbacks } = deps.parts();
    if (path.startsWith("/interaction/")) return interactions;
    if (/^\/authorize\/[\w-]{1,64}$/.test(path)) return provide;
    return method === "GET" ? callbacks.get(path) : undefined;
  };

  const provide: Handle = (req, res) => {
    // oidc-provider builds URLs from these headers; they must show the issuer.
    req.headers.host = issuer.host;
    req.headers["x-forwarded-host"] = issuer.host;
    req.headers["x-forwarded-proto"] = issuer.protocol.slice(0, -1);
    return deps.parts().provider(req, res);
  };

  const counted = (handle: Handle): Program => ({
    method: "POST",
    handle: async (req, res) => (mayAsk(req, res) ? handle(req, res) : undefined),
  });
  const programs = new Map<string, Program>([
    ["/.well-known/oauth-authorization-server", { method: "GET", handle: provide }],
    ["/.well-known/openid-configuration", { method: "GET", handle: provide }],
    ["/jwks.json", { method: "GET", handle: provide }],
    ["/token", counted(async (req, res) => provide(await requests.token(req), res))],
    ["/revoke", counted(provide)],
    ["/introspect", counted(provide)],
  ]);
  if (deps.redirects !== undefined) {
    const { tell, addressOf } = deps;
    const handle = createRegistration(provide, deps.redirects, { tell, addressOf, now: ports.now });
    programs.set("/register", { method: "POST", handle });
  }

  const route: Handle = async (req, res) => {
    const endpoint = programs.get(pathOf(req));
    const host = hostnameOf(req);
    // A page that gave its own name our address (DNS rebinding) could log in and consent by script.
    const known = local ? isLoopback(host) : host === issuer.hostname;
    if (!known && (local || endpoint === undefined)) return refuse(res, 403, "host_not_allowed");
    if (endpoint === undefined) return openPage(req, res);
    // In a browser too, on any origin: nothing here reads a cookie.
    res.setHeader("access-control-allow-origin", "*");
    if (req.method === "OPTIONS") return preflight(res, endpoint.method);
    if (req.method === endpoint.method) return endpoint.handle(req, res);
    res.setHeader("allow", endpoint.method);
    sendJson(res, 405, { error: "invalid_request", error_description: `use ${endpoint.method}` });
  };

  return (req, res) => {
    route(req, res).catch((error: unknown) => {
      const tooLarge = error instanceof BodyTooLarge;
      if (!tooLarge) ports.log.error("broker_failed", {}, error);
      if (res.headersSent) return res.destroy();
      res.setHeader("connection", "close");
      if (tooLarge)
        sendJson(res, 413, { error: "invalid_request", error_description: "too large" });
      else sendJson(res, 500, { error: "server_error" });
    });
  };
}

const ownPaths =
  /^\/(?:authorize(?:\/.*)?|interaction\/.*|idp\/.*|token|register|revoke|introspect|jwks\.json|\.well-known\/(?:oauth-authorization-server|openid-configuration))$/;

/** On an origin that it shares. */
export function isOwnPath(path: string): boolean {
  return ownPaths.test(path);
}

/** How one too many is recorded, and answered. */
interface Slow {
  readonly reason: string;
  readonly answer: (res: ServerResponse, seconds: number) => void;
}

const slowPerson: Slow = {
  reason: "too_many_sign_ins",
  answer(res, seconds) {
    const text = `Too many sign-ins came from your network. Try again in ${seconds} seconds.`;
    res.writeHead(429, pageHeaders).end(errorPage("too_many_sign_ins", text));
  },
};

const slowProgram: Slow = {
  reason: "too_many_token_requests",
  answer(res, seconds) {
    const error_description = `too many requests from this address; try again in ${seconds} s`;
    sendJson(res, 429, { error: "temporarily_unavailable", error_description });
  },
};

/**
 * Whether this address may do one more of what anybody may do without a login; else it is answered
 * here, before anything is kept of it.
 */
function createSlowDown(
  rate: Rate,
  { reason, answer }: Slow,
  { tell, addressOf }: Pick<DoorDeps, "tell" | "addressOf">,
  { now }: Pick<Ports, "now">,
): (req: IncomingMessage, res: ServerResponse) => boolean {
  const take = createLocalRates(now);
  return (req, res) => {
    const network = networkOf(addressOf(req) ?? "");
    const waitMs = take(network, rate);
    if (waitMs === 0) return true;
    const [path] = pathOf(req).split("/").slice(1);
    tell({
      event: "broker.refuse",
      outcome: "denied",
      reason,
      sub: undefined,
      clientId: undefined,
      detail: `/${path} from ${network}`,
    });
    const seconds = Math.ceil(waitMs / 1_000);
    res.setHeader("retry-after", String(seconds));
    answer(res, seconds);
    return false;
  };
}

/** RFC 7591 §3, open to everyone but not endlessly, and only for what we can keep. */
function createRegistration(
  provide: Handle,
  rules: RedirectRules,
  { tell, now, addressOf }: Pick<DoorDeps, "tell" | "addressOf"> & Pick<Ports, "now">,
): Handle {
  const windows = createCache<{ count: number }>(1000, now);
  const mayRegister = (peer: string): boolean => {
    const window = windows.get(peer) ?? { count: 0 };
    if (window.count === 0) windows.set(peer, window, now() + 60_000);
    window.count += 1;
    return window.count <= registrationsPerMinute;
  };
  return async (req, res) => {
    const network = networkOf(addressOf(req) ?? "");
    const refused = (reason: string): void => {
      const about = { sub: undefined, clientId: undefined, detail: `from ${network}` };
      tell({ event: "broker.register", outcome: "denied", reason, ...about });
    };
    if (!mayRegister(network)) {
      refused("too_many_registrations");
      res.setHeader("retry-after", "60");
      return sendJson(res, 429, { error: "temporarily_unavailable" });
    }
    if (!hasType(req, "application/json")) {
      const error_description = "the body must be application/json";
      return sendJson(res, 400, { error: "invalid_client_metadata", error_description });
    }
    const filtered = filterRegistration(parseJson(await readBody(req, maxBodyBytes)), rules);
    if (isRefusal(filtered)) {
      refused(filtered.error);
      return sendJson(res, 400, filtered);
    }
    return provide(withBody(req, JSON.stringify(filtered)), res);
  };
}

function pathOf(req: IncomingMessage): string {
  return req.url?.split("?", 1)[0] ?? "/";
}

function hostnameOf(req: IncomingMessage): string {
  return URL.parse(`http://${req.headers.host ?? ""}`)?.hostname ?? "";
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
}

function preflight(res: ServerResponse, method: string): void {
  res.writeHead(204, {
    "access-control-allow-methods": method,
    // Inspector and the SDK's browser client send the protocol version along.
    "access-control-allow-headers": "authorization, dpop, content-type, mcp-protocol-version",
    "access-control-max-age": "3600",
  });
  res.end();
}

function refuse(res: ServerResponse, status: number, code: string): void {
  res.writeHead(status, pageHeaders).end(errorPage(code, "There is nothing for you here."));
}

function sendJson(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  res.end(JSON.stringify(body));
}
