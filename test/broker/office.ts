import { expect } from "vitest";
import { createBrowser, type Browser, type Stop } from "../../examples/demo/browser.ts";
import type { BrokerConfig, IdpConfig } from "../../src/config/types/broker.ts";
import { startCompany, type Company } from "./company.ts";
import { callback, verifier, world, type World } from "./world.ts";

export interface Office extends World {
  readonly company: Company;
}

/** A broker whose people log in at their company. */
export async function office(
  change: Partial<IdpConfig> = {},
  config: Partial<BrokerConfig> = {},
): Promise<Office> {
  let company: Company | undefined;
  const at = await world({
    config: async (issuer) => {
      company = await startCompany({ redirectUri: `${issuer}/idp/callback` });
      return { upstream: { kind: "idps", idps: [company.idp(change)] }, ...config };
    },
  });
  if (company === undefined) throw new Error("no company");
  return { ...at, company };
}

export function left(stop: Stop): URL {
  if (stop.kind === "left") return stop.url;
  const text = stop.html.replace(/<style>.*<\/style>|<[^>]*>/gs, "");
  throw new Error(`HTTP ${stop.status} at ${stop.url.pathname}: ${text.trim()}`);
}

export function html(stop: Stop): string {
  if (stop.kind === "page") return stop.html;
  throw new Error(`left to ${stop.url.href}`);
}

/** Consent at the broker, then the company's login page: what the browser sees there. */
export async function toCompany(at: Office, clientId: string, browser: Browser): Promise<Stop> {
  const consent = await browser.open(at.authorizeUrl({ client_id: clientId }));
  expect(html(consent)).toContain("Continue with Acme");
  return browser.open(left(await browser.click(consent, "decision", "allow")));
}

/** Where the company sends the browser back to. */
export async function fromCompany(browser: Browser, login: Stop, user: string): Promise<URL> {
  const answer = await browser.open(new URL(`${login.url.pathname}/${user}`, login.url));
  return left(answer);
}

export async function logIn(
  at: Office,
  clientId: string,
  user: string,
  browser: Browser = createBrowser(),
): Promise<Stop> {
  const login = await toCompany(at, clientId, browser);
  return browser.open(await fromCompany(browser, login, user));
}

export async function tokens(
  at: Office,
  user: string,
): Promise<{ clientId: string; access: string; refresh: string }> {
  const clientId = await at.client();
  const back = left(await logIn(at, clientId, user));
  const { status, body } = await at.token({
    grant_type: "authorization_code",
    client_id: clientId,
    code: back.searchParams.get("code") ?? "",
    redirect_uri: callback,
    code_verifier: verifier,
  });
  expect(body).toMatchObject({ access_token: expect.any(String) });
  expect(status).toBe(200);
  return { clientId, access: body.access_token, refresh: body.refresh_token };
}

export function refreshOf(
  at: Pick<World, "token">,
  { clientId, refresh }: { readonly clientId: string; readonly refresh: string },
): ReturnType<World["token"]> {
  return at.token({ grant_type: "refresh_token", client_id: clientId, refresh_token: refresh });
}
