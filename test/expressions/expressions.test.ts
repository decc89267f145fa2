import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { judge, readExpressions } from "./sources.ts";

const file = new URL("linear.json", import.meta.url);
/** Found linear before, which takes a minute: UPDATE_GOLDEN=1 looks at all again. */
const linear = new Set(JSON.parse(readFileSync(file, "utf8")) as readonly string[]);

/** Not linear in every text, and why no text that comes to them takes long. */
const bounded = "each of its repeats is bounded: so many steps a letter and no more";
const anchored = "it begins at one place, where no two of its parts fit the same letter";
const excused: Readonly<Record<string, string>> = {
  [String.raw`/^([^/]*?)\s+(\/.*)$/s`]: "the operator wrote the text",
  [String.raw`/-----BEGIN[^]*?-----END[^\n]*/g`]: "the operator wrote the text",
  [String.raw`/([a-z]+:\/\/[^?#]*)\?[^#]*/i`]: "the operator wrote the text",
  [String.raw`/^([a-z_]+(?:\.[a-z_]+)*)\s*(>=|<=|!=|=|>|<)\s*(.*)$/`]:
    "the operator wrote the text",
  [String.raw`/[\w.%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}/i`]: bounded,
  [String.raw`/\beyJ[\w-]{8,512}\./`]: bounded,
  [String.raw`/-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----/`]: bounded,
  [String.raw`/<title[^>]{0,100}>([^<]{1,300})/i`]: bounded,
  [String.raw`/\b(?:do not|don't|never) (?:tell|mention|inform|reveal|show|notify)\b[^.]{0,40}\buser\b/i`]:
    bounded,
  [String.raw`/\bsend\b[^.]{0,60}\bto (?:https?:|[\w.-]{1,64}@)/i`]: bounded,
  [String.raw`/^ {0,3}\[([^[\]\n]+)\]: *<?(?:https?:|mailto:|[/#.])[^\n]*\n?/gm`]: anchored,
  [String.raw`/^(?:cookie|host|content-length|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|forwarded|x-forwarded(?:-.*)?|proxy-.*|x-original-url|x-rewrite-url|x-http-method(?:-override)?|x-method-override)$/`]:
    anchored,
  [String.raw`/^(?:ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|CRL_|UNABLE_TO_|.*SELF_SIGNED_CERT|.*_CA$)/`]:
    "Node wrote the text",
};

/** Of constants, or of what an operator wrote. */
const makers: readonly string[] = [
  "base/exact-number.ts",
  "config/validate.ts",
  "observe/record/query.ts",
  "openapi/markdown.ts",
  "openapi/schema/value.ts",
];

const { written, made } = readExpressions();

test("S54 every regular expression of the source takes linear time, or says why it need not", async ({
  annotate,
}) => {
  const again = process.env["UPDATE_GOLDEN"] !== undefined;
  const slow: string[] = [];
  const good: string[] = [];
  for (const [text, expression] of written) {
    if (text in excused) continue;
    const known = linear.has(text) && !again;
    const { status, complexity } = known ? { status: "safe" } : await judge(expression);
    if (status === "safe") good.push(text);
    else slow.push(`${expression.file}: ${text} is ${complexity?.summary ?? status}`);
  }
  expect(slow).toEqual([]);
  if (again) writeFileSync(file, `${JSON.stringify(good.toSorted(), null, 2)}\n`);
  await annotate(
    `${good.length} expressions are linear, ${Object.keys(excused).length} are excused`,
    "observed",
  );
}, 600_000);

test("S54 no excuse is left of an expression that is gone, and no other is made at run time", () => {
  expect(Object.keys(excused).filter((text) => !written.has(text))).toEqual([]);
  expect(made).toEqual(makers);
});
