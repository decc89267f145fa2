import type { IncomingMessage } from "node:http";
import { hasType, readBody, withBody } from "./request-body.ts";
import {
  defaultScopes,
  findResource,
  onlyResource,
  type BrokerResource,
  type Resources,
} from "./resource.ts";

/** Longer bodies of programs are refused; that of oidc-provider itself is the same. */
export const maxBodyBytes: number = 56 * 1024;

/** Requests as clients send them → requests as oidc-provider insists on them. */
export interface ClientRequests {
  readonly authorize: (req: IncomingMessage) => IncomingMessage;
  /** @throws BodyTooLarge */
  readonly token: (req: IncomingMessage) => Promise<IncomingMessage>;
}

/** @param registered Ids of the clients in gateway.yaml that have a secret. */
export function createClientRequests(
  resources: Resources,
  registered: ReadonlySet<string>,
): ClientRequests {
  return {
    authorize(req) {
      const query = new URLSearchParams(req.url?.split("?").slice(1).join("?"));
      canonicalize(query, resources());
      nameScopes(query, resources());
      req.url = `/authorize?${query.toString()}`;
      return req;
    },
    async token(req) {
      if (!hasType(req, "application/x-www-form-urlencoded")) return req;
      const body = await readBody(req, maxBodyBytes);
      const form = new URLSearchParams(body);
      const grant = form.get("grant_type");
      // For the gateway's own clients a resource is an API, which must be written exactly.
      const ours = grant === "authorization_code" || grant === "refresh_token";
      const moved = moveSecret(req, form, registered);
      const changed = ours && canonicalize(form, resources());
      return withBody(req, changed || moved ? form.toString() : body);
    },
  };
}

/**
 * Which of the two ways a client sends its secret is not written in gateway.yaml; both are fine
 * (RFC 6749 §2.3.1), and oidc-provider knows only the one.
 *
 * @returns whether the secret moved from the form to the header.
 */
function moveSecret(
  req: IncomingMessage,
  form: URLSearchParams,
  registered: ReadonlySet<string>,
): boolean {
  const [id, secret] = [form.get("client_id"), form.get("client_secret")];
  if (id === null || secret === null || !registered.has(id)) return false;
  if (req.headers.authorization !== undefined || form.getAll("client_secret").length > 1)
    return false;
  const pair = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`;
  req.headers.authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
  form.delete("client_secret");
  return true;
}

/** @returns whether anything had to change. */
function canonicalize(params: URLSearchParams, resources: readonly BrokerResource[]): boolean {
  const given = params.getAll("resource");
  const meant = given.map((name) => findResource(resources, name)?.resource ?? name);
  if (given.every((name, i) => name === meant[i])) return false;
  params.delete("resource");
  for (const resource of meant) params.append("resource", resource);
  return true;
}

/** RFC 6749 §3.3 lets a client name no scope; `offline_access` alone is a lifetime, not a scope. */
function nameScopes(query: URLSearchParams, resources: readonly BrokerResource[]): void {
  if (query.getAll("scope").length > 1) return;
  const scopes = (query.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
  if (scopes.some((scope) => scope !== "offline_access")) return;
  const named = query.get("resource");
  const resource = named === null ? onlyResource(resources) : findResource(resources, named);
  query.set("scope", [...defaultScopes(resource), ...scopes].join(" "));
}
