import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { AllowConfig, IdpConfig } from "../../config/types/broker.ts";
import type { Account } from "../login.ts";
import { IdpError } from "./idp.ts";

/** The value at the end of a dotted way; through a list, the values of all its members. */
export function valueAt(document: JsonValue | undefined, path: string): JsonValue | undefined {
  // A claim may have dots in its name, as URIs do.
  if (isJsonObject(document) && Object.hasOwn(document, path)) return document[path];
  let at: JsonValue | undefined = document;
  for (const part of path.split(".")) {
    if (Array.isArray(at)) {
      at = (at as readonly JsonValue[]).flatMap((item) => member(item, part) ?? []);
    } else at = member(at, part);
  }
  return at;
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/**
 * A person as the broker's tokens speak of them. `sub` names the provider as well: two of them may
 * give out the same one.
 *
 * @throws IdpError `idp_answer_invalid` without a subject; `not_allowed` when a rule does not hold.
 */
export function readPerson(config: IdpConfig, document: JsonObject): Account {
  const { person } = config;
  const subject = valueAt(document, person.subject);
  if ((typeof subject !== "string" && typeof subject !== "number") || String(subject) === "")
    throw new IdpError("idp_answer_invalid", `there is no ${person.subject}`);
  const broken = brokenRule(config, document);
  if (broken !== undefined) throw new IdpError("not_allowed", broken);
  const names = [...person.name, person.email].map((path) => valueAt(document, path));
  const name = names.find((value) => typeof value === "string" && value !== "");
  const claims: [string, JsonValue][] = [...config.claims].flatMap(([claim, path]) => {
    const value = valueAt(document, path);
    return value === undefined || value === null ? [] : [[claim, value]];
  });
  return {
    sub: `${config.name}|${subject}`,
    name: typeof name === "string" ? name : String(subject),
    claims: Object.fromEntries(claims),
  };
}

/** Which rule keeps this person out, in words for the operator. */
function brokenRule(config: IdpConfig, document: JsonObject): string | undefined {
  const { allow, person } = config;
  if (allow === undefined) return undefined;
  const verified = valueAt(document, person.emailVerified);
  // Entra writes its `xms_edov` as 1 or "1".
  if (allow.emailVerified && ![true, 1, "true", "1"].includes(verified as string))
    return "the e-mail address is not verified";
  if (!domainFits(allow, valueAt(document, person.email)))
    return "the e-mail address has another domain";
  if (!anyOf(allow.groups, valueAt(document, person.groups))) return "in none of the groups";
  return anyOf(allow.organizations, valueAt(document, person.organization))
    ? undefined
    : "in none of the organisations";
}

function domainFits({ emailDomains }: AllowConfig, email: JsonValue | undefined): boolean {
  if (emailDomains.length === 0) return true;
  if (typeof email !== "string") return false;
  const at = email.lastIndexOf("@");
  return at > 0 && emailDomains.includes(email.slice(at + 1).toLowerCase());
}

/** Of a value, or of a list of them. */
function anyOf(wanted: readonly string[], found: JsonValue | undefined): boolean {
  if (wanted.length === 0) return true;
  const values = Array.isArray(found) ? (found as readonly JsonValue[]) : [found];
  return values.some((value) => typeof value === "string" && wanted.includes(value));
}
