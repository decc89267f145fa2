import { createHash } from "node:crypto";

const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--back:#f6f8fa;--card:#fff;--act:#0b57d0;--on:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#3d444d;--back:#0d1117;--card:#161b22;--act:#a8c7fa;--on:#062e6f}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:27rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
h1{margin:0 0 .5rem;font-size:1.4rem;line-height:1.25;overflow-wrap:anywhere}
p{margin:.5rem 0}
.brand{margin:0 0 1.25rem;color:var(--soft);font-size:.85rem;letter-spacing:.04em}
.soft{color:var(--soft);font-size:.9rem}
.badge{padding:.1rem .5rem;border:1px solid var(--line);border-radius:1rem;color:var(--soft);font-size:.8rem;white-space:nowrap}
.badge.good{border-color:var(--act);color:var(--ink)}
.warn{padding-left:.75rem;border-left:3px solid var(--act)}
dl{margin:1rem 0;padding:1rem 0;border:solid var(--line);border-width:1px 0}
dt{color:var(--soft);font-size:.85rem}
dd{margin:0 0 .75rem;overflow-wrap:anywhere}
dd:last-child{margin-bottom:0}
ul{margin:0;padding-left:1.2rem}
code{font-size:.85em;color:var(--soft)}
form{margin:1rem 0 0}
button{width:100%;margin-top:.6rem;padding:.7rem 1rem;border:1px solid var(--line);border-radius:.5rem;background:transparent;color:inherit;font:inherit;cursor:pointer}
button.main{border-color:var(--act);background:var(--act);color:var(--on);font-weight:600}
button.choice{text-align:left}
button.choice strong,button.choice span{display:block}
button.choice span{color:var(--soft);font-size:.9rem}
button.link{width:auto;margin:0;padding:0;border:0;color:var(--act);text-decoration:underline}
button:hover{border-color:var(--act)}
@media (max-width:26rem){body{padding:.75rem}main{padding:1.25rem}}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
`;

const styleHash = createHash("sha256").update(style).digest("base64");

/**
 * `same-origin` and not `no-referrer`, because with the latter browsers send `Origin: null` along
 * with our own forms.
 */
function headersOf(formAction: string): Readonly<Record<string, string>> {
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; ${formAction}frame-ancestors 'none'`,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
  };
}

/** Of a page whose forms may end at a client: browsers apply `form-action` to redirects too. */
export const pageHeaders: Readonly<Record<string, string>> = headersOf("");

/** Of a page whose forms stay here. */
export const ownPageHeaders: Readonly<Record<string, string>> = headersOf("form-action 'self'; ");

/** A whole page without script, image or font. @param main HTML. */
export function page(title: string, main: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Tollgate</title>
<style>${style}</style>
</head>
<body>
<main>
<p class="brand">Tollgate</p>
${main}
</main>
</body>
</html>
`;
}

/** For text and for quoted attribute values. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
