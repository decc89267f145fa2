import { CallError } from "../../base/errors.ts";
import { isJsonObject, type JsonValue } from "../../base/json.ts";
import type { WireParameter } from "../../tools/tool.ts";
import { contentText } from "./content.ts";
import { compileForm, joinPairs } from "./form.ts";
import { compilePairs, encodedDelimiters, rawDelimiters, type DeepLists } from "./style.ts";
import { encodeName, encodeReserved, encodeText, reservedInQuery } from "./text-encoding.ts";

/** The text of one parameter; empty when there is nothing to send. Throws URIError. */
type Expand = (value: JsonValue) => string;

/** Of a parameter in `query`, or the whole query (`in: querystring`, OAS 3.2). */
export function compileQuery(parameter: WireParameter, lists: DeepLists): Expand {
  const { encoding, name } = parameter;
  if (encoding.kind === "content") {
    if (parameter.in === "querystring") return compileWhole(encoding, lists);
    return compileContent(parameter, encoding.mediaType);
  }
  const encode = encoding.allowReserved
    ? (text: string) => encodeReserved(text, reservedInQuery, encodeText)
    : encodeText;
  const shape = { ...encoding, encode, encodeKey: encodeText, delimiters: encodedDelimiters };
  const pairs = compilePairs({ ...shape, name: encodeName(name) }, lists);
  return (value) => joinPairs(pairs(value), "&");
}

function compileWhole(
  { mediaType, fields }: Extract<WireParameter["encoding"], { kind: "content" }>,
  lists: DeepLists,
): Expand {
  if (mediaType !== "application/x-www-form-urlencoded") {
    return (value) => encodeText(contentText(value, mediaType));
  }
  const pairs = compileForm(fields, lists);
  return (value) => {
    if (!isJsonObject(value)) return encodeText(contentText(value, mediaType));
    refuseControls(value);
    return joinPairs(pairs(value), "&");
  };
}

/** A form may hold line breaks as a body, not as a query: see `encodeText`. */
function refuseControls(value: JsonValue): void {
  if (typeof value === "string") encodeText(value);
  else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      encodeText(key);
      refuseControls(member);
    }
  }
}

function compileContent({ name }: WireParameter, mediaType: string): Expand {
  const label = `${encodeName(name)}=`;
  return (value) => label + encodeText(contentText(value, mediaType));
}

/** Exploded pairs are cookies of their own, so `; ` stands between them and not `&`. */
export function compileCookie(argument: string, parameter: WireParameter): Expand {
  const { encoding } = parameter;
  if (encoding.kind === "content") return compileContent(parameter, encoding.mediaType);
  const verbatim = encoding.style === "cookie";
  const name =
    verbatim && cookieName.test(parameter.name) ? parameter.name : encodeName(parameter.name);
  const shape = verbatim
    ? {
        encode: (text: string) => refuseUnless(cookieText, argument, text),
        encodeKey: (text: string) => refuseUnless(cookieName, argument, text),
        delimiters: rawDelimiters,
      }
    : { encode: encodeText, encodeKey: encodeText, delimiters: encodedDelimiters };
  const pairs = compilePairs({ ...encoding, ...shape, name }, "repeat");
  return (value) => joinPairs(pairs(value), "; ");
}

/** RFC 6265 §4.1.1: `cookie-name` is a token. */
const cookieName = /^[!#$%&'*+.^_`|~\w-]+$/;
/** `style: cookie` sends values as they are, so nothing may end the pair or the header. */
const cookieText = /^(?! )[ -:<-~]*(?<! )$/;

function refuseUnless(form: RegExp, argument: string, text: string): string {
  if (form.test(text)) return text;
  throw new CallError(
    "invalid_arguments",
    `${argument} must not have semicolons, control characters, characters outside ASCII or spaces at its ends: it is sent as a cookie`,
  );
}

/** Names in a query or cookie as a server reads them, in lower case. */
export function namesOf(text: string, separator: "&" | ";"): Set<string> {
  const names = text.split(separator).map((pair) => decode(pair.split("=", 1)[0] ?? ""));
  return new Set(names.filter((name) => name !== ""));
}

function decode(name: string): string {
  const text = name.trim().replaceAll("+", " ");
  try {
    return decodeURIComponent(text).toLowerCase();
  } catch {
    return text.toLowerCase();
  }
}
