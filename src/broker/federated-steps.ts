import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Provider } from "oidc-provider/lib/provider.js";
import { endSession, readAsked, saveGrant, type Asked } from "./asked.ts";
import { consentPage } from "./consent-page.ts";
import type { OwnCookies } from "./cookie.ts";
import type { BrokerEvent, Tell } from "./event.ts";
import { IdpError, type Attempt, type Entrant, type Idp } from "./idp/idp.ts";
import { sameText, type Step, type Steps, type Visit } from "./interaction.ts";
import { refuse, show, type Refusal } from "./refusal.ts";
import type { Resources } from "./resource.ts";
import { digest } from "./store/records.ts";
import type { Store } from "./store/store.ts";
import type { Vault } from "./vault.ts";

export interface FederatedDeps {
  readonly provider: Provider;
  readonly idps: readonly Idp[];
  readonly resources: Resources;
  readonly store: Store;
  readonly vault: Vault;
  readonly cookies: OwnCookies;
  readonly remember: boolean;
  readonly tell: Tell;
  readonly now: () => number;
}

/** One round through an identity provider, by its state. */
interface Pending {
  readonly uid: string;
  readonly idp: string;
  readonly clientId: string;
  readonly attempt: Attempt;
  /** Digest of the cookie that was set when the person said yes. */
  readonly cookie: string;
}

/** What a round brought, until the interaction takes it. */
interface Finish {
  /** Digest of what the redirect carries. */
  readonly proof: string;
  readonly idp: string;
  /** undefined: refused. */
  readonly entrant: Entrant | undefined;
}

interface Federation {
  readonly steps: Steps;
  /** `/idp/callback`, and `/idp/<name>/callback` where there are several. */
  readonly callback: (req: IncomingMessage, res: ServerResponse, name: string) => Promise<void>;
}

const attemptFor = 600_000;
const finishFor = 120_000;
const rememberedFor = 30 * 86_400_000;

/**
 * The login of a company: consent first, then the identity provider, each time. A session of
 * ours never stands in for either, or one client could ride on what was allowed to another.
 */
export function createFederation(deps: FederatedDeps): Federation {
  const { provider, idps, store, cookies, tell, now } = deps;

  const showConsent: Step = async (visit) => {
    const { interaction, csrfField, res } = visit;
    const asked = await readAsked(deps, interaction);
    if (asked === undefined) return refuse(res, 400, "interaction_not_found");
    const known = await remembered(visit, asked);
    if (known !== undefined) return start(visit, asked, known);
    const choices =
      idps.length === 1
        ? idps.map(({ title }) => ({ value: "allow", label: `Continue with ${title}` }))
        : idps.map(({ name, title }) => ({
            value: `allow ${name}`,
            label: `Continue with ${title}`,
          }));
    const action = `/interaction/${interaction.uid}/consent`;
    show(res, 200, consentPage({ asked, person: undefined, action, choices, csrfField }));
  };

  const decide: Step = async (visit) => {
    const { req, res, interaction, form } = visit;
    const asked = await readAsked(deps, interaction);
    if (asked === undefined) return refuse(res, 400, "interaction_not_found");
    const { clientId, redirectUri } = asked;
    const decision = form?.get("decision") ?? "";
    if (decision === "deny") {
      tell(
        about({ event: "broker.consent", outcome: "denied", reason: "access_denied", clientId }),
      );
      const denied = { error: "access_denied", error_description: "the person denied the request" };
      return provider.interactionFinished(req, res, denied, { mergeWithLastSubmission: false });
    }
    const idp = decision === "allow" && idps.length === 1 ? idps[0] : named(decision);
    if (idp === undefined) return refuse(res, 400, "invalid_request");
    await store.approve(clientId, redirectUri);
    tell(about({ event: "broker.consent", outcome: "success", clientId }));
    if (deps.remember) await rememberDecision(visit, asked, idp);
    return start(visit, asked, idp);
  };

  const named = (decision: string): Idp | undefined =>
    idps.find(({ name }) => decision === `allow ${name}`);

  /** Sends the browser to the provider, with a cookie that only this browser has. */
  const start = async ({ res, interaction }: Visit, asked: Asked, idp: Idp): Promise<void> => {
    const attempt = { state: random(), nonce: random(), verifier: random() };
    let location: string;
    try {
      location = (await idp.start(attempt)).href;
    } catch (error) {
      return fail(res, error, asked.clientId);
    }
    const cookie = random();
    const pending: Pending = {
      uid: interaction.uid,
      idp: idp.name,
      clientId: asked.clientId,
      attempt,
      cookie: digest(cookie),
    };
    await store.records.put("login", attempt.state, pending, now() + attemptFor);
    cookies.set(res, cookieOf(attempt.state), cookie, attemptFor / 1000);
    redirect(res, location);
  };

  const callback = async (
    req: IncomingMessage,
    res: ServerResponse,
    name: string,
  ): Promise<void> => {
    const answer = new URL(req.url ?? "", "http://broker").searchParams;
    const [state = "", ...more] = answer.getAll("state");
    if (state === "" || more.length > 0) return refuse(res, 400, "login_not_found");
    const pending = await store.records.take<Pending>("login", state);
    const cookie = cookies.read(req, cookieOf(state)) ?? "";
    cookies.clear(res, cookieOf(state));
    const idp = idps.find((one) => one.name === name);
    // Without the cookie the code may be an attacker's, who wants somebody to work in their account.
    const ours = pending?.idp === name && sameText(digest(cookie), pending.cookie);
    if (pending === undefined || idp === undefined || !ours)
      return refuse(res, 400, "login_not_found");
    const { uid, clientId } = pending;
    let entrant: Entrant | undefined;
    try {
      entrant = await idp.finish(answer, pending.attempt);
    } catch (error) {
      if (!(error instanceof IdpError) || error.code !== "access_denied")
        return fail(res, error, clientId);
      tell(about({ event: "broker.login", outcome: "denied", reason: error.code, clientId }));
    }
    const proof = random();
    const finish: Finish = { proof: digest(proof), idp: name, entrant };
    await store.records.put("finish", uid, finish, now() + finishFor);
    // The cookie of the interaction is sent below its own path only.
    redirect(res, `/interaction/${uid}/finish?t=${proof}`);
  };

  const finishLogin: Step = async ({ req, res, interaction }) => {
    const proof = new URL(req.url ?? "", "http://broker").searchParams.get("t") ?? "";
    const finish = await store.records.take<Finish>("finish", interaction.uid);
    const asked = await readAsked(deps, interaction);
    if (finish === undefined || asked === undefined || !sameText(digest(proof), finish.proof))
      return refuse(res, 400, "login_not_found");
    const { entrant } = finish;
    if (entrant === undefined) {
      const refused = { error: "access_denied", error_description: "the sign-in was refused" };
      return provider.interactionFinished(req, res, refused, { mergeWithLastSubmission: false });
    }
    const { sub } = entrant.account;
    if (interaction.session && interaction.session.accountId !== sub) {
      await endSession(provider, interaction);
    }
    const grantId = await saveGrant(provider, asked, sub);
    await store.rememberAccount(entrant.account);
    await deps.vault.keep(grantId, { idp: finish.idp, sub, tokens: entrant.tokens });
    tell(about({ event: "broker.login", outcome: "success", sub, clientId: asked.clientId }));
    await provider.interactionFinished(req, res, {
      login: { accountId: sub, remember: false },
      consent: { grantId },
    });
  };

  const fail = (res: ServerResponse, error: unknown, clientId: string): void => {
    if (!(error instanceof IdpError)) throw error;
    const { code: reason, detail } = error;
    const outcome = reason === "idp_unavailable" ? "failure" : "denied";
    tell(about({ event: "broker.login", outcome, reason, clientId, detail }));
    refuse(res, statusOf[reason] ?? 400, reason);
  };

  /** The provider that this browser's person chose before for exactly this. */
  const remembered = async (
    { req, interaction }: Visit,
    asked: Asked,
  ): Promise<Idp | undefined> => {
    // Who asks for the page gets it (OIDC Core §3.1.2.1).
    const prompts = String(interaction.params["prompt"] ?? "").split(" ");
    const browser = deps.remember ? cookies.read(req, "remember") : undefined;
    if (browser === undefined || prompts.some((prompt) => prompt !== "")) return undefined;
    const id = decisionId(browser, asked);
    const decision = await store.records.get<{ readonly idp: string }>("consent", id);
    return idps.find(({ name }) => name === decision?.idp);
  };

  const rememberDecision = async ({ req, res }: Visit, asked: Asked, idp: Idp): Promise<void> => {
    const browser = cookies.read(req, "remember") ?? random();
    cookies.set(res, "remember", browser, rememberedFor / 1000);
    const until = now() + rememberedFor;
    await store.records.put("consent", decisionId(browser, asked), { idp: idp.name }, until);
  };

  return {
    callback,
    steps: {
      show: showConsent,
      get: new Map([["finish", finishLogin]]),
      post: new Map([["consent", decide]]),
    },
  };
}

const statusOf: Readonly<Record<string, Refusal[0]>> = { idp_unavailable: 502, not_allowed: 403 };

function about(event: Pick<BrokerEvent, "event" | "outcome"> & Partial<BrokerEvent>): BrokerEvent {
  return { reason: undefined, sub: undefined, clientId: undefined, detail: undefined, ...event };
}

function decisionId(browser: string, asked: Asked): string {
  const scopes = [...asked.ownScopes, ...asked.resourceScopes].toSorted();
  return JSON.stringify([browser, asked.clientId, asked.redirectUri, asked.resource, scopes]);
}

/** One cookie for each attempt, so that two tabs do not take each other's. */
function cookieOf(state: string): string {
  return `login_${digest(state)
    .slice(0, 8)
    .replaceAll(/[^0-9A-Za-z]/g, "0")}`;
}

function random(): string {
  return randomBytes(32).toString("base64url");
}

function redirect(res: ServerResponse, location: string): void {
  res.writeHead(303, { location, "cache-control": "no-store", "referrer-policy": "no-referrer" });
  res.end();
}
