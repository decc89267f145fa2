import type { Provider } from "oidc-provider/lib/provider.js";
import { endSession, readAsked, saveGrant } from "./asked.ts";
import { consentPage } from "./consent-page.ts";
import type { Tell } from "./event.ts";
import type { Step, Steps, Visit } from "./interaction.ts";
import type { Login } from "./login.ts";
import { page } from "../base/page.ts";
import { refuse, show } from "./refusal.ts";
import type { Resources } from "./resource.ts";
import type { Store } from "./store/store.ts";

export interface DevStepDeps {
  readonly provider: Provider;
  readonly login: Login;
  readonly resources: Resources;
  readonly store: Store;
  readonly tell: Tell;
}

/** The login of development: a page of our own first, then the decision of whoever logged in. */
export function createDevSteps(deps: DevStepDeps): Steps {
  const current =
    (name: string, step: Step): Step =>
    async (visit) => {
      // A form of a step that is over, sent again from the browser's history.
      if (name !== visit.interaction.prompt.name) return refuse(visit.res, 400, "wrong_step");
      return step(visit);
    };
  return {
    show: (visit) =>
      visit.interaction.prompt.name === "login" ? logIn(deps, visit) : askConsent(deps, visit),
    get: new Map(),
    post: new Map<string, Step>([
      ["login", current("login", (visit) => logIn(deps, visit))],
      ["consent", current("consent", (visit) => decide(deps, visit))],
      ["switch", (visit) => switchAccount(deps, visit)],
    ]),
  };
}

async function logIn(deps: DevStepDeps, visit: Visit): Promise<void> {
  const { req, res, interaction, form, csrfField } = visit;
  const { uid } = interaction;
  const action = `/interaction/${uid}/login`;
  const step = await deps.login({ uid, form, action, csrfField });
  if (step.kind === "page") return show(res, 200, page(step.title, step.main));
  const { account } = step;
  if (interaction.session && interaction.session.accountId !== account.sub) {
    await endSession(deps.provider, interaction);
  }
  await deps.store.rememberAccount(account);
  const clientId = String(interaction.params["client_id"]);
  deps.tell({
    event: "broker.login",
    outcome: "success",
    reason: undefined,
    sub: account.sub,
    clientId,
    detail: undefined,
  });
  await deps.provider.interactionFinished(req, res, { login: { accountId: account.sub } });
}

async function askConsent(deps: DevStepDeps, visit: Visit): Promise<void> {
  const { interaction, csrfField, res } = visit;
  const asked = await readAsked(deps, interaction);
  const account = await deps.store.accountOf(interaction.session?.accountId ?? "");
  if (asked === undefined || account === undefined)
    return refuse(res, 400, "interaction_not_found");
  const html = consentPage({
    asked,
    person: {
      name: account.name,
      switchAction: `/interaction/${interaction.uid}/switch`,
    },
    action: `/interaction/${interaction.uid}/consent`,
    choices: [{ value: "allow", label: "Allow" }],
    csrfField,
  });
  show(res, 200, html);
}

async function decide(deps: DevStepDeps, visit: Visit): Promise<void> {
  const { req, res, interaction, form } = visit;
  const { provider, store, tell } = deps;
  const asked = await readAsked(deps, interaction);
  const account = await store.accountOf(interaction.session?.accountId ?? "");
  if (asked === undefined || account === undefined)
    return refuse(res, 400, "interaction_not_found");
  const { clientId, redirectUri } = asked;
  const about = { sub: account.sub, clientId, detail: undefined };
  const decision = form?.get("decision");
  if (decision === "deny") {
    const denied = { error: "access_denied", error_description: "the person denied the request" };
    tell({ event: "broker.consent", outcome: "denied", reason: "access_denied", ...about });
    return provider.interactionFinished(req, res, denied, { mergeWithLastSubmission: false });
  }
  if (decision !== "allow") return refuse(res, 400, "invalid_request");
  const grantId = await saveGrant(provider, asked, account.sub);
  await store.approve(clientId, redirectUri);
  tell({ event: "broker.consent", outcome: "success", reason: undefined, ...about });
  await provider.interactionFinished(req, res, { consent: { grantId } });
}

/** Back to the login step of the same request, as nobody. */
async function switchAccount(deps: DevStepDeps, visit: Visit): Promise<void> {
  const { interaction, res } = visit;
  await endSession(deps.provider, interaction);
  interaction.prompt = { name: "login", reasons: ["switch"], details: {} };
  await interaction.persist();
  res.writeHead(303, { location: `/interaction/${interaction.uid}`, "cache-control": "no-store" });
  res.end();
}
