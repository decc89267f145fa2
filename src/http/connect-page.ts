import { createHash } from "node:crypto";
import { escapeText } from "../base/text.ts";
import type { ConnectProblem } from "../upstream/connect.ts";

const style = `
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:27rem}
h1{font-size:1.4rem;line-height:1.25;overflow-wrap:anywhere}
button{width:100%;padding:.7rem 1rem;font:inherit;cursor:pointer}
`;

const styleHash = createHash("sha256").update(style).digest("base64");

/**
 * Headers of every page. No `form-action`: the one form there is stays here. `same-origin` and not
 * `no-referrer`, because with the latter browsers send `Origin: null` along with our own form.
 */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
};

export interface About {
  /** What people call the third party. */
  readonly title: string;
  readonly person: string;
}

export function connectedPage({ title, person }: About): string {
  return page(
    `${title} is connected`,
    `<p>Tools that need it now use this account for <strong>${escapeHtml(person)}</strong>. You can close this page and go on in your application.</p>`,
  );
}

export function disconnectedPage({ title, person }: About): string {
  return page(
    `${title} is disconnected`,
    `<p>The gateway no longer has any access to it for <strong>${escapeHtml(person)}</strong>.</p>`,
  );
}

export function confirmPage({ title, person }: About, action: string, csrf: string): string {
  return page(
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
  return page(
    "This cannot be completed",
    `<p>${escapeHtml(explanations[problem])}</p><p>Error: <code>${problem}</code></p>`,
  );
}

/** A whole page without script, image or font. @param main HTML. */
function page(heading: string, main: string): string {
  const title = escapeHtml(escapeText(heading, 128));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Tollgate</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${main}
</main>
</body>
</html>
`;
}

/** For text and for quoted attribute values. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
