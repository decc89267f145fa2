import { digitsOf } from "../../base/exact-number.ts";
import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import type { ArgsMode, Mask, RedactConfig } from "../../config/types/audit.ts";
import { compileDetect } from "./detect.ts";
import { createSchemaWalk, type Applying } from "./sensitive.ts";

/** Arguments as the log may show them. */
export interface Shown {
  readonly fields: JsonObject;
  /** Where something stood that the log does not show. */
  readonly redacted: readonly string[];
  /** Whether something was left out because there was no room for it. */
  readonly cut: boolean;
}

/** @param room So many bytes may be filled, about. */
export type ShowArgs = (args: JsonObject, room: number) => Shown;

/** Compared without case, `-`, `_` and `.`; `*` stands for any characters. */
const secretKeys = [
  "*password*",
  "passwd",
  "pwd",
  "passphrase",
  "*passcode*",
  "*secret*",
  "*token*",
  "*credential*",
  "authorization",
  "*apikey",
  "*privatekey",
  "*accesskey*",
  "*cookie*",
  "jwt",
  "ssn",
  "*socialsecurity*",
  "iban",
  "pin",
  "otp",
  "cvv",
  "cvc",
  "*cardnumber",
  "*creditcard*",
];

const hidden = "***";
const maxDepth = 8;
const maxItems = 50;
const maxText = 256;
const maxListed = 16;

/** Compiled for one tool. */
export function compileShow(
  mode: Extract<ArgsMode, { kind: "fields" | "full" }>,
  { keys, detectors, schema: bySchema }: RedactConfig,
  inputSchema: JsonSchema,
): ShowArgs {
  const isSecretName = compileNames([...secretKeys, ...keys]);
  const detect = compileDetect(detectors);
  const walk = createSchemaWalk(bySchema ? inputSchema : {});
  const masks = mode.kind === "fields" ? mode.masks : new Map<string, Mask>();
  const wanted = mode.kind === "fields" ? [...mode.fields, ...masks.keys()] : undefined;

  return (args, room) => {
    const redacted: string[] = [];
    let left = room;
    let cut = false;
    const spend = (bytes: number): boolean => {
      if (bytes > left) {
        cut = true;
        return false;
      }
      left -= bytes;
      return true;
    };
    const hide = (path: string): JsonValue => {
      const told = escapeText(path, 64);
      if (redacted.length < maxListed && spend(told.length + 3)) redacted.push(told);
      return hidden;
    };
    const showText = (text: string, path: string): JsonValue => {
      if (detect(text) !== undefined) return hide(path);
      if (text.length > maxText) cut = true;
      return escapeText(text, maxText);
    };
    const show = (value: JsonValue, path: string, place: Place): JsonValue => {
      const { depth, applying, secret } = place;
      const mask = masks.get(path);
      if (mask !== undefined && typeof value !== "object") return masked(mask, String(value));
      if (secret || walk.isSensitive(applying)) return hide(path);
      if (typeof value === "string") return showText(digitsOf(value) ?? value, path);
      if (typeof value === "number") {
        return detect(String(value)) === undefined ? value : hide(path);
      }
      if (value === null || typeof value === "boolean") return value;
      if (depth >= maxDepth) {
        cut = true;
        return hidden;
      }
      return isJsonObject(value) ? showObject(value, path, place) : showList(value, path, place);
    };
    const showList = (
      list: readonly JsonValue[],
      path: string,
      { depth, applying }: Place,
    ): JsonValue => {
      if (list.length > maxItems) cut = true;
      const out: JsonValue[] = [];
      const place = { depth: depth + 1, applying: walk.item(applying), secret: false };
      for (const [i, item] of list.slice(0, maxItems).entries()) {
        const shown = show(item, `${path}[${i}]`, place);
        if (!spend(costOf(shown))) break;
        out.push(shown);
      }
      return out;
    };
    const showObject = (
      object: JsonObject,
      path: string,
      { depth, applying }: Place,
    ): JsonObject => {
      const out: [string, JsonValue][] = [];
      for (const [name, value] of Object.entries(object)) {
        const label = detect(name) === undefined ? escapeText(name, 64) : hidden;
        const own = path === "" ? label : `${path}.${label}`;
        if (path === "" && wanted !== undefined && !isWanted(wanted, name)) continue;
        const place = {
          depth: depth + 1,
          applying: walk.property(applying, name),
          secret: isSecretName(name),
        };
        const shown = show(value, own, place);
        if (!spend(costOf(shown) + label.length + 4)) break;
        out.push([label, shown]);
      }
      const shown = Object.fromEntries(out);
      // Names that are one once they are cut, escaped or hidden: only the last of them is there.
      if (Object.keys(shown).length < out.length) cut = true;
      return shown;
    };
    const all = showObject(args, "", { depth: 0, applying: walk.root, secret: false });
    const fields = wanted === undefined ? all : pick(all, wanted);
    return { fields, redacted, cut };
  };
}

interface Place {
  readonly depth: number;
  readonly applying: Applying;
  readonly secret: boolean;
}

/** What is inside was paid for when it was shown. */
function costOf(value: JsonValue): number {
  return typeof value === "object" && value !== null
    ? 2
    : Buffer.byteLength(JSON.stringify(value)) + 1;
}

function isWanted(wanted: readonly string[], name: string): boolean {
  return wanted.some((path) => path === name || path.startsWith(`${name}.`));
}

/** The named members, with those around them. */
function pick(all: JsonObject, wanted: readonly string[]): JsonObject {
  let out: JsonObject = {};
  for (const path of wanted) out = { ...out, ...merge(out, all, path.split(".")) };
  return out;
}

function merge(
  out: JsonObject,
  all: JsonObject,
  [name = "", ...rest]: readonly string[],
): JsonObject {
  const value = all[name];
  if (value === undefined) return {};
  if (rest.length === 0 || !isJsonObject(value)) return { [name]: value };
  const before = out[name];
  const known = isJsonObject(before) ? before : {};
  return { [name]: { ...known, ...merge(known, value, rest) } };
}

function masked(mask: Mask, text: string): string {
  if (mask === "last4") return `${hidden}${text.length > 8 ? escapeText(text.slice(-4)) : ""}`;
  const at = text.lastIndexOf("@");
  return at < 0 ? hidden : `${hidden}@${escapeText(text.slice(at + 1), 64)}`;
}

/** Linear in the length of a name, whatever the patterns. */
function compileNames(patterns: readonly string[]): (name: string) => boolean {
  const rules = patterns.map((pattern) => {
    const text = plain(pattern);
    const core = text.replaceAll("*", "");
    return { core, open: text.startsWith("*"), more: text.endsWith("*") };
  });
  return (name) => {
    const text = plain(name.slice(0, maxText));
    return rules.some(({ core, open, more }) => {
      if (open && more) return text.includes(core);
      if (open) return text.endsWith(core);
      return more ? text.startsWith(core) : text === core;
    });
  };
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[-_.\s]/g, "");
}
