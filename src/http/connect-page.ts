import { escapeHtml, page } from "../base/page.ts";
import { escapeText } from "../base/text.ts";
import type { ConnectProblem } from "../upstream/credential/connect.ts";

export interface About {
  /** What people call the third party. */
  readonly title: string;
  readonly person: string;
}

export function connectedPage({ title, person }: About): string {
  return titled(
    `${title} is connected`,
    `<p>Tools that need it now use this account for <strong>${escapeHtml(person)}</strong>. You can close this page and go on in your application.</p>`,
  );
}

export function disconnectedPage({ title, person }: About): string {
  return titled(
    `${title} is disconnected`,
    `<p>The gateway no longer has any access to it for <strong>${escapeHtml(person)}</strong>.</p>`,
  );
}

export function confirmPage({ title, person }: About, action: string, csrf: string): string {
  return titled(
    `Disconnect ${title}?`,
    `<p>Tools that use this account for <strong>${escapeHtml(person)}</strong> will ask for it again.</p>
<form method="post" action="${escapeHtml(action)}"><input type="hidden" name="csrf" value="${escapeHtml(csrf)}"><button>Disconnect</button></form>`,
  );
}

const explanations: Readonly<Record<ConnectProblem, string>> = {
  unknown_provider: "There is nothing of this name that could be connected.",
  link_invalid:
    "This link has ended or is not complete. Ask your application for the tool once more: it gets a new one.",
  link_used: "This link was used before. Ask your application for the tool once more.",
  other_person:
    "This link was made for another person than the one who is signed in here. Nothing was connected. If you did not ask for it, close this page.",
  not_this_browser: "This step was not started in this browser, or has ended.",
  wrong_state: "The answer does not belong to this browser.",
  wrong_issuer: "The answer came from another service than the one that was asked.",
  login_failed: "The company login did not work. Try again later.",
  not_allowed: "The access was not allowed. Nothing was connected.",
  provider_failed: "The service did not give access. Nothing was connected. Try again later.",
};

export function problemPage(problem: ConnectProblem): string {
  return titled(
    "This cannot be completed",
    `<p>${escapeHtml(explanations[problem])}</p>
<p class="soft">Error: <code>${problem}</code></p>`,
  );
}

/** @param main HTML. */
function titled(heading: string, main: string): string {
  const title = escapeText(heading, 128);
  return page(title, `<h1>${escapeHtml(title)}</h1>\n${main}`);
}
