import { escapeText } from "../base/text.ts";
import { escapeHtml, page } from "./page.ts";
import { redirectTarget } from "./redirect.ts";

export interface ConsentRequest {
  readonly clientName: string;
  readonly redirectUri: string;
  readonly resource: string;
  readonly scopes: readonly string[];
  readonly personName: string;
  /** Paths of the decision and of "use another account". */
  readonly action: string;
  readonly switchAction: string;
  /** Ready-made HTML. */
  readonly csrfField: string;
}

const maxName = 64;

/**
 * Asks the person. The name is the client's own word, so the page says that nobody checked it and
 * shows the one thing the client cannot invent: where the browser is sent.
 */
export function consentPage(request: ConsentRequest): string {
  const name = escapeHtml(escapeText(request.clientName, maxName));
  const target = escapeHtml(redirectTarget(request.redirectUri));
  const scopes = request.scopes.map(
    (scope) => `<li>${escapeHtml(inWords(scope))} <code>${escapeHtml(scope)}</code></li>`,
  );
  const warning = request.redirectUri.startsWith("http:")
    ? `<p class="soft">This is a program on your own computer. Allow it only if you have just started it yourself.</p>`
    : "";
  return page(
    "Allow access",
    `<h1>Allow “${name}” to act for you?</h1>
<p><span class="badge">unverified</span> <span class="soft">The application chose this name itself.</span></p>
<dl>
<dt>You are sent to</dt><dd><strong>${target}</strong></dd>
<dt>It gets access to</dt><dd>${escapeHtml(request.resource)}</dd>
<dt>It will be able to</dt><dd><ul>${scopes.join("")}</ul></dd>
</dl>
${warning}
<form method="post" action="${request.action}">
${request.csrfField}
<button class="main" name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
<form method="post" action="${request.switchAction}">
${request.csrfField}
<p class="soft">Signed in as ${escapeHtml(escapeText(request.personName, maxName))}.
<button class="link" name="switch" value="1">Use another account</button></p>
</form>`,
  );
}

function inWords(scope: string): string {
  if (scope === "openid") return "Know who you are";
  if (scope === "offline_access") return "Stay connected while you are away";
  const [, subject, verb] = /^(.+):(read|write|tools)$/.exec(scope) ?? [];
  if (verb === "tools") return "See and call the tools of this server";
  if (verb === "read") return `Read your ${subject}`;
  if (verb === "write") return `Create and change your ${subject}`;
  return "Use the permission";
}
