import { escapeHtml, page } from "../base/page.ts";
import { escapeText } from "../base/text.ts";

/** A request that cannot go on. Nothing on it leads to the client that caused it. */
export function errorPage(code: string, description: string): string {
  return page(
    "Request refused",
    `<h1>This request cannot be completed</h1>
<p>${escapeHtml(escapeText(description))}</p>
<p class="soft">Error: <code>${escapeHtml(escapeText(code, 64))}</code>. You can close this page and start again in your application.</p>`,
  );
}
