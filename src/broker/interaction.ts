import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Interaction, Provider } from "oidc-provider/lib/provider.js";
import { refuse, type Refusal } from "./refusal.ts";
import { hasType, readBody } from "./request-body.ts";

/** One visit of a browser to an authorization request that waits for a person. */
export interface Visit {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly interaction: Interaction;
  /** undefined when the browser only came by. */
  readonly form: URLSearchParams | undefined;
  /** Hidden field that every form must carry, ready-made HTML. */
  readonly csrfField: string;
}

export type Step = (visit: Visit) => Promise<void>;

/** The pages of one way to log in. */
export interface Steps {
  readonly show: Step;
  /** Below the path of the interaction, by name. */
  readonly get: ReadonlyMap<string, Step>;
  readonly post: ReadonlyMap<string, Step>;
}

export interface InteractionDeps {
  readonly provider: Provider;
  readonly issuer: string;
  readonly csrfKey: string;
  readonly steps: Steps;
}

type Handle = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

const maxFormBytes = 16 * 1024;
const route = /^\/interaction\/([\w-]{1,64})(?:\/([a-z]{1,16}))?$/;

/** The pages between `/authorize` and the redirect back: who are you, and do you allow this? */
export function createInteractions({ provider, issuer, csrfKey, steps }: InteractionDeps): Handle {
  // Bound to this interaction, this browser's cookie (checked below) and this step.
  const csrfToken = ({ uid, cid, prompt }: Interaction): string =>
    createHmac("sha256", csrfKey).update(`${uid}.${cid}.${prompt.name}`).digest("base64url");

  /** The form that was posted, or the refusal it deserves. */
  const readForm = async (
    req: IncomingMessage,
    token: string,
  ): Promise<URLSearchParams | Refusal> => {
    const origin = req.headers.origin;
    if (origin !== undefined && origin !== issuer) return [403, "foreign_origin"];
    if (!hasType(req, "application/x-www-form-urlencoded")) return [415, "unsupported_media_type"];
    const form = new URLSearchParams(await readBody(req, maxFormBytes));
    return sameText(form.get("csrf") ?? "", token) ? form : [403, "csrf_mismatch"];
  };

  const stepOf = (method: string | undefined, name: string | undefined): Step | Refusal => {
    if (name === undefined) return method === "GET" ? steps.show : [405, "method_not_allowed"];
    const [right, wrong] =
      method === "POST" ? [steps.post, steps.get] : ([steps.get, steps.post] as const);
    const step = right.get(name);
    if (step !== undefined) return step;
    return wrong.has(name) ? [405, "method_not_allowed"] : [404, "not_found"];
  };

  return async (req, res) => {
    const [, uid, name] = route.exec(req.url?.split("?")[0] ?? "") ?? [];
    if (uid === undefined) return refuse(res, 404, "not_found");
    const step = stepOf(req.method, name);
    if (typeof step !== "function") return refuse(res, ...step);
    const interaction = await provider.interactionDetails(req, res).catch(() => undefined);
    // oidc-provider finds the interaction by cookie alone; a cookie planted from another
    // interaction must not decide for the one in the address bar.
    if (interaction?.uid !== uid) return refuse(res, 400, "interaction_not_found");
    const token = csrfToken(interaction);
    const csrfField = `<input type="hidden" name="csrf" value="${token}">`;
    if (req.method !== "POST") return step({ req, res, interaction, form: undefined, csrfField });
    const form = await readForm(req, token);
    if (!(form instanceof URLSearchParams)) return refuse(res, ...form);
    return step({ req, res, interaction, form, csrfField });
  };
}

export function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
