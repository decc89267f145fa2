import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { ArgumentPath } from "./argument-path.ts";
import { toLine } from "./plain-text.ts";

/** What an error body says: sentences, then one bullet per finding. */
interface Digest {
  readonly sentences: Set<string>;
  readonly bullets: Set<string>;
  readonly pathOf: ArgumentPath;
}

const maxSentence = 600;
const maxBullet = 300;
const maxBullets = 20;
const maxDepth = 3;

/** RFC 9457 §3.1 first, then the names other error formats use for the same. */
const sentenceKeys = [
  "title",
  "detail",
  "message",
  "Message",
  "msg",
  "error_description",
  "errorMessage",
  "faultstring",
  "error",
  "fault",
  "description",
  "reason",
];
const codeKeys = ["code", "errorCode", "error_code", "errorcode", "errorNum"];
const nestedKeys = ["error", "fault", "Error", "Fault", "detail"];
const listKeys = [
  "errors",
  "details",
  "invalid-params",
  "invalid_params",
  "invalidParams",
  "violations",
  "issues",
  "fieldErrors",
  "validationErrors",
  "errorMessages",
  "causes",
];
/** Of an error object: where the fault is. */
const targetKeys = ["pointer", "param", "parameter", "field", "property", "target"];
/** Of one entry in a list of faults, where more names can only mean that. */
const pathKeys = [
  ...targetKeys,
  "propertyPath",
  "path",
  "loc",
  "instancePath",
  "dataPath",
  "name",
  "header",
];
const findingKeys = [
  "detail",
  "message",
  "msg",
  "title",
  "reason",
  "description",
  "defaultMessage",
  "error",
  "code",
];

/**
 * The lines of an error body a reader needs, for every common format: RFC 9457, JSON:API, OAuth,
 * `{error: {…}}`, `{message, errors}`, `{fault}`, lists of strings or of `{field, message}`.
 *
 * @param known Text the reader has already, e.g. the reason phrase; it is not repeated.
 * @returns Empty when the body has none of these forms.
 */
export function describeProblem(
  body: JsonValue,
  pathOf: ArgumentPath,
  known: string,
): readonly string[] {
  const digest: Digest = { sentences: new Set(), bullets: new Set(), pathOf };
  if (typeof body === "string") addSentence(digest, body);
  else if (Array.isArray(body)) addFindings(digest, body, false);
  else if (isJsonObject(body)) readObject(digest, body, 0);
  digest.sentences.delete(known);
  const bullets = [...digest.bullets];
  const more = bullets.length > maxBullets ? ["- …"] : [];
  return [...digest.sentences, ...bullets.slice(0, maxBullets), ...more];
}

function readObject(digest: Digest, body: JsonObject, depth: number): void {
  const path = depth > 0 ? pathIn(digest, body, targetKeys) : undefined;
  if (path === undefined) {
    for (const key of sentenceKeys) addSentence(digest, body[key]);
    for (const key of codeKeys) addLabelled(digest, "code", body[key]);
    if (body["type"] !== "about:blank") addLabelled(digest, "type", body["type"]);
    addLabelled(digest, "instance", body["instance"]);
  } else {
    addFinding(digest, body, undefined);
  }
  for (const key of listKeys) addFindings(digest, body[key], /errors/i.test(key));
  // FastAPI lists its findings where RFC 9457 has a sentence.
  if (Array.isArray(body["detail"])) addFindings(digest, body["detail"], false);
  if (depth >= maxDepth) return;
  for (const key of nestedKeys) {
    const nested = body[key];
    if (isJsonObject(nested)) readObject(digest, nested, depth + 1);
  }
}

function addSentence(digest: Digest, value: JsonValue | undefined): void {
  if (typeof value !== "string") return;
  const line = toLine(value, maxSentence);
  if (line !== "") digest.sentences.add(line);
}

function addLabelled(digest: Digest, label: string, value: JsonValue | undefined): void {
  if (typeof value !== "string" && typeof value !== "number") return;
  const line = toLine(String(value), maxBullet);
  if (line !== "") digest.sentences.add(`${label}: ${line}`);
}

/** @param byField An object holds findings by field (ASP.NET, Laravel, Rails), not data. */
function addFindings(digest: Digest, value: JsonValue | undefined, byField: boolean): void {
  if (Array.isArray(value)) {
    for (const item of value.slice(0, maxBullets + 1)) addFinding(digest, item, undefined);
  } else if (isJsonObject(value) && byField) {
    for (const [field, findings] of Object.entries(value).slice(0, maxBullets + 1)) {
      const list = Array.isArray(findings) ? findings.slice(0, maxBullets + 1) : [findings];
      for (const finding of list) addFinding(digest, finding, digest.pathOf(field));
    }
  } else if (isJsonObject(value)) {
    addFinding(digest, value, undefined);
  }
}

function addFinding(digest: Digest, finding: JsonValue, field: string | undefined): void {
  const path = field ?? (isJsonObject(finding) ? pathIn(digest, finding, pathKeys) : undefined);
  const text = toLine(findingText(finding), maxBullet);
  if (text === "" && path === undefined) return;
  if (path === undefined) digest.bullets.add(`- ${text}`);
  else digest.bullets.add(text === "" ? `- ${path}` : `- ${path}: ${text}`);
}

function findingText(finding: JsonValue): string {
  if (!isJsonObject(finding)) return typeof finding === "string" ? finding : printed(finding);
  const texts = findingKeys.map((key) => finding[key]).filter((text) => typeof text === "string");
  const [first, second] = new Set(texts);
  if (first === undefined) return printed(finding);
  // A title or code beside the detail tells the kind of fault in one word.
  return second === undefined ? first : `${first} (${second})`;
}

/** Depth is bounded by what the parser accepted; a text too deep to print says nothing. */
function printed(value: JsonValue): string {
  try {
    return JSON.stringify(value);
  } catch {
    return "";
  }
}

function pathIn(digest: Digest, finding: JsonObject, keys: readonly string[]): string | undefined {
  const source = finding["source"];
  for (const holder of isJsonObject(source) ? [source, finding] : [finding])
    for (const key of keys) {
      const path = digest.pathOf(holder[key]);
      if (path !== undefined) return path;
    }
  return undefined;
}
