import { escapeText } from "../base/text.ts";
import type { Asked } from "./asked.ts";
import { escapeHtml, page } from "../base/page.ts";
import { isLoopbackUri, redirectTarget } from "./redirect.ts";

export interface ConsentRequest {
  readonly asked: Asked;
  /** Who is logged in already; undefined when the login comes next. */
  readonly person: { readonly name: string; readonly switchAction: string } | undefined;
  /** Path that the decision is posted to. */
  readonly action: string;
  /** Ways to say yes; the first is the main one. */
  readonly choices: readonly { readonly value: string; readonly label: string }[];
  /** Ready-made HTML. */
  readonly csrfField: string;
}

const maxName = 64;

/**
 * Asks the person. The name is the client's own word, so the page says who vouches for it and shows
 * the one thing the client cannot invent: where the browser is sent.
 */
export function consentPage(request: ConsentRequest): string {
  const { asked, person } = request;
  const { client } = asked;
  const name = escapeHtml(escapeText(client.clientName ?? asked.clientId, maxName));
  const scopes = [...asked.ownScopes, ...asked.resourceScopes].map(
    (scope) => `<li>${escapeHtml(inWords(scope))} <code>${escapeHtml(scope)}</code></li>`,
  );
  const [first, ...others] = request.choices.map(
    ({ value, label }, index) =>
      `<button${index === 0 ? ' class="main"' : ""} name="decision" value="${escapeHtml(value)}">${escapeHtml(escapeText(label, maxName))}</button>`,
  );
  return page(
    "Allow access",
    `<h1>Allow “${name}” to act for you?</h1>
${origin(asked)}
<dl>
<dt>You are sent to</dt><dd><strong>${escapeHtml(redirectTarget(asked.redirectUri))}</strong></dd>
<dt>It gets access to</dt><dd>${escapeHtml(asked.resource)}</dd>
<dt>It will be able to</dt><dd><ul>${scopes.join("")}</ul></dd>
</dl>
${warning(asked.redirectUri)}
<form method="post" action="${request.action}">
${request.csrfField}
${first ?? ""}
${others.join("\n")}
<button name="decision" value="deny">Deny</button>
</form>
${
  person === undefined
    ? ""
    : `<form method="post" action="${person.switchAction}">
${request.csrfField}
<p class="soft">Signed in as ${escapeHtml(escapeText(person.name, maxName))}.
<button class="link" name="switch" value="1">Use another account</button></p>
</form>`
}`,
  );
}

/** Who vouches for the client: its own host, the operator, or nobody. */
function origin({ client, clientId }: Asked): string {
  if (client.clientIdMetadataDocument === true) {
    const host = escapeHtml(escapeText(new URL(clientId).host, 256));
    return `<p><span class="badge good">verified</span> <span class="soft">The application is published by <strong>${host}</strong>.</span></p>`;
  }
  if (client.noManage === true)
    return `<p><span class="badge good">verified</span> <span class="soft">Whoever runs this server registered the application.</span></p>`;
  return `<p><span class="badge">unverified</span> <span class="soft">The application chose this name itself.</span></p>`;
}

function warning(redirectUri: string): string {
  if (isLoopbackUri(redirectUri))
    return `<p class="warn">This is a program on your own computer. Allow it only if you have just started it yourself.</p>`;
  if (!redirectUri.startsWith("https:"))
    return `<p class="warn">This opens an app on this device, and any app may claim such an address. Allow it only if you have just started this yourself.</p>`;
  return "";
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
