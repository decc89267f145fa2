import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Interaction, Provider } from "oidc-provider/lib/provider.js";
import { consentPage } from "./consent-page.ts";
import type { Account, Login } from "./login.ts";
import { errorPage, page, pageHeaders } from "./page.ts";
import { hasType, readBody } from "./request-body.ts";
import { findResource, ownScopes, type Resources } from "./resource.ts";
import type { Store } from "./store.ts";

export interface InteractionDeps {
  readonly provider: Provider;
  readonly issuer: string;
  readonly login: Login;
  readonly remember: (account: Account) => void;
  readonly accountOf: (sub: string) => Account | undefined;
  readonly resources: Resources;
  readonly store: Store;
}

type Handle = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

interface Visit {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly interaction: Interaction;
  readonly form: URLSearchParams | undefined;
  readonly csrfField: string;
}

const maxFormBytes = 16 * 1024;
const route = /^\/interaction\/([\w-]{1,64})(?:\/(login|consent|switch))?$/;

/** The pages between `/authorize` and the redirect back: who are you, and do you allow this? */
export function createInteractions(deps: InteractionDeps): Handle {
  const csrfKey = randomBytes(32);
  // Bound to this interaction, this browser's cookie (checked below) and this step.
  const csrfToken = ({ uid, cid, prompt }: Interaction): string =>
    createHmac("sha256", csrfKey).update(`${uid}.${cid}.${prompt.name}`).digest("base64url");

  /** The form that was posted, or the refusal it deserves. */
  const readForm = async (
    req: IncomingMessage,
    token: string,
  ): Promise<URLSearchParams | Refusal> => {
    const origin = req.headers.origin;
    if (origin !== undefined && origin !== deps.issuer) return [403, "foreign_origin"];
    if (!hasType(req, "application/x-www-form-urlencoded")) return [415, "unsupported_media_type"];
    const form = new URLSearchParams(await readBody(req, maxFormBytes));
    return sameText(form.get("csrf") ?? "", token) ? form : [403, "csrf_mismatch"];
  };

  return async (req, res) => {
    const [, uid, step] = route.exec(req.url?.split("?")[0] ?? "") ?? [];
    if (uid === undefined) return refuse(res, 404, "not_found");
    if (req.method !== (step === undefined ? "GET" : "POST")) {
      return refuse(res, 405, "method_not_allowed");
    }
    const interaction = await deps.provider.interactionDetails(req, res).catch(() => undefined);
    // oidc-provider finds the interaction by cookie alone; a cookie planted from another
    // interaction must not decide for the one in the address bar.
    if (interaction?.uid !== uid) return refuse(res, 400, "interaction_not_found");
    const token = csrfToken(interaction);
    const csrfField = `<input type="hidden" name="csrf" value="${token}">`;
    if (step === undefined) {
      return showStep(deps, { req, res, interaction, form: undefined, csrfField });
    }
    const form = await readForm(req, token);
    if (!(form instanceof URLSearchParams)) return refuse(res, ...form);
    const visit: Visit = { req, res, interaction, form, csrfField };
    if (step === "switch") return switchAccount(deps, visit);
    // A form of a step that is over, sent again from the browser's history.
    if (step !== interaction.prompt.name) return refuse(res, 400, "wrong_step");
    return step === "login" ? logIn(deps, visit) : decide(deps, visit);
  };
}

function showStep(deps: InteractionDeps, visit: Visit): Promise<void> {
  return visit.interaction.prompt.name === "login" ? logIn(deps, visit) : askConsent(deps, visit);
}

async function logIn(deps: InteractionDeps, visit: Visit): Promise<void> {
  const { req, res, interaction, form, csrfField } = visit;
  const { uid } = interaction;
  const action = `/interaction/${uid}/login`;
  const step = await deps.login({ uid, form, action, csrfField });
  if (step.kind === "page") return show(res, 200, page(step.title, step.main));
  if (interaction.session && interaction.session.accountId !== step.account.sub) {
    await endSession(deps, interaction);
  }
  deps.remember(step.account);
  await deps.provider.interactionFinished(req, res, { login: { accountId: step.account.sub } });
}

async function askConsent(deps: InteractionDeps, visit: Visit): Promise<void> {
  const { interaction, csrfField, res } = visit;
  const asked = await readAsked(deps, interaction);
  if (asked === undefined) return refuse(res, 400, "interaction_not_found");
  const html = consentPage({
    clientName: asked.clientName,
    redirectUri: asked.redirectUri,
    resource: asked.resource,
    scopes: [...asked.ownScopes, ...asked.resourceScopes],
    personName: asked.account.name,
    action: `/interaction/${interaction.uid}/consent`,
    switchAction: `/interaction/${interaction.uid}/switch`,
    csrfField,
  });
  show(res, 200, html);
}

async function decide(deps: InteractionDeps, visit: Visit): Promise<void> {
  const { req, res, interaction, form } = visit;
  const { provider, store } = deps;
  const asked = await readAsked(deps, interaction);
  if (asked === undefined) return refuse(res, 400, "interaction_not_found");
  const decision = form?.get("decision");
  if (decision === "deny") {
    const denied = { error: "access_denied", error_description: "the person denied the request" };
    return provider.interactionFinished(req, res, denied, { mergeWithLastSubmission: false });
  }
  if (decision !== "allow") return refuse(res, 400, "invalid_request");
  // A grant of its own for every decision: what was allowed before is never widened.
  const grant = new provider.Grant({ accountId: asked.account.sub, clientId: asked.clientId });
  if (asked.ownScopes.length > 0) grant.addOIDCScope(asked.ownScopes.join(" "));
  if (asked.resourceScopes.length > 0) {
    grant.addResourceScope(asked.resource, asked.resourceScopes.join(" "));
  }
  await store.approve(asked.clientId, asked.redirectUri);
  await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } });
}

/** Back to the login step of the same request, as nobody. */
async function switchAccount(deps: InteractionDeps, visit: Visit): Promise<void> {
  const { interaction, res } = visit;
  await endSession(deps, interaction);
  interaction.prompt = { name: "login", reasons: ["switch"], details: {} };
  await interaction.persist();
  res.writeHead(303, { location: `/interaction/${interaction.uid}`, "cache-control": "no-store" });
  res.end();
}

/** Ends the session this request started in; otherwise the resumed request would insist on it. */
async function endSession(deps: InteractionDeps, interaction: Interaction): Promise<void> {
  const { session } = interaction;
  if (session === undefined) return;
  await (await deps.provider.Session.findByUid(session.uid))?.destroy();
  interaction.session = undefined;
  await interaction.persist();
}

interface Asked {
  readonly account: Account;
  readonly clientId: string;
  readonly clientName: string;
  readonly redirectUri: string;
  readonly resource: string;
  readonly ownScopes: readonly string[];
  readonly resourceScopes: readonly string[];
}

/** What the person is asked for; undefined when client, account or resource are gone meanwhile. */
async function readAsked(
  { provider, accountOf, resources }: InteractionDeps,
  { params, session }: Interaction,
): Promise<Asked | undefined> {
  const { client_id: clientId, redirect_uri: redirectUri, resource: indicator, scope } = params;
  if (typeof clientId !== "string" || typeof redirectUri !== "string") return undefined;
  const client = await provider.Client.find(clientId);
  const account = session && accountOf(session.accountId);
  const resource = typeof indicator === "string" ? findResource(resources(), indicator) : undefined;
  if (client === undefined || account === undefined || resource === undefined) return undefined;
  const requested = typeof scope === "string" ? scope.split(" ") : [];
  return {
    account,
    clientId,
    clientName: client.clientName ?? clientId,
    redirectUri,
    resource: resource.resource,
    ownScopes: requested.filter((name) => ownScopes.includes(name)),
    resourceScopes: requested.filter((name) => resource.scopes.includes(name)),
  };
}

const explanations = {
  not_found: "There is nothing here.",
  method_not_allowed: "This address does not answer this kind of request.",
  unsupported_media_type: "A form was expected.",
  interaction_not_found: "This sign-in has ended or was started in another browser.",
  foreign_origin: "The form came from another site.",
  csrf_mismatch: "The form does not belong to this page.",
  wrong_step: "This step is already done.",
  invalid_request: "The form is incomplete.",
};

/** HTTP status and code of the error page. */
type Refusal = readonly [status: number, code: keyof typeof explanations];

function refuse(res: ServerResponse, ...[status, code]: Refusal): void {
  show(res, status, errorPage(code, explanations[code]));
}

function show(res: ServerResponse, status: number, html: string): void {
  res.writeHead(status, pageHeaders).end(html);
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
