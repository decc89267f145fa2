import { resolve } from "node:path";
import { isJsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import { joinPath, label, plainValue, type YamlNode } from "./node.ts";
import type { Problems } from "./problems.ts";
import { describeReference, type Piece, splitReferences } from "./reference.ts";
import {
  defaultsAt,
  type Forms,
  formsOf,
  formsOfItem,
  formsOfKey,
  isSecretPlace,
  wantsNoText,
} from "./schema/place.ts";
import { readTextFile, type TextFile } from "./text-file.ts";

export type Env = Readonly<Record<string, string | undefined>>;

const maxFileBytes = 64 * 1024;
/** Of all interpolated text together, so that references cannot multiply one file without end. */
const maxTotalLength = 4 * 1024 * 1024;

export interface Sources {
  readonly env: Env;
  /** Where relative paths start. */
  readonly directory: string;
  /** Every `${file:…}` read, by absolute path: each is read once. */
  readonly files: Map<string, Promise<TextFile>>;
}

/**
 * Puts variables, files and the schema's defaults into the tree. It happens after parsing and on
 * scalars only, so that no value can bring keys, lists or tags with it.
 */
export async function interpolate(
  tree: YamlNode,
  schema: JsonSchema,
  sources: Sources,
  problems: Problems,
): Promise<YamlNode> {
  let length = 0;

  const walk = async (node: YamlNode, forms: Forms): Promise<YamlNode> => {
    if (node.kind === "scalar") return fillScalar(node, forms);
    const children = new Map<string, YamlNode>();
    for (const [key, inner] of node.children) {
      const innerForms = node.kind === "list" ? formsOfItem(forms) : formsOfKey(forms, key);
      children.set(key, await walk(inner, innerForms));
    }
    if (node.kind === "mapping") addDefaults(node, children, forms);
    return { ...node, children, value: plainValue(node.kind, children) };
  };

  const fillScalar = async (node: YamlNode, forms: Forms): Promise<YamlNode> => {
    const secret = isSecretPlace(forms);
    if (typeof node.value !== "string" || !node.value.includes("${")) {
      if (secret) refuseLiteral(node);
      return node;
    }
    const pieces = splitReferences(node.value);
    if (typeof pieces === "string") {
      if (secret) refuseLiteral(node, pieces);
      else problems.error({ at: node, code: "invalid_interpolation", message: pieces });
      return { ...node, origin: "a malformed reference" };
    }
    if (secret) checkSecret(node, pieces);
    const parts = [];
    for (const piece of pieces) {
      const part = await fillPiece(node, piece, secret);
      length += part.length;
      if (length > maxTotalLength) return refuseLength(node);
      parts.push(part);
    }
    const text = parts.join("");
    const references = pieces.filter(isReference);
    if (references.length === 0) return { ...node, value: text };
    const origin = escapeText(references.map(describeReference).join(" and "), 128);
    const whole = node.plain && pieces.length === 1;
    return { ...node, origin, value: whole && wantsNoText(forms) ? coreScalar(text) : text };
  };

  const refuseLength = (node: YamlNode): YamlNode => {
    const message = `variables and files add up to more than ${maxTotalLength} characters`;
    problems.error({ at: node, code: "too_large", message });
    return { ...node, value: "", origin: "too much text" };
  };

  const checkSecret = (node: YamlNode, pieces: readonly Piece[]): void => {
    if (!pieces.some(isReference)) refuseLiteral(node);
    if (pieces.some((piece) => piece.kind === "variable" && piece.fallback !== undefined))
      refuseLiteral(node, "a default is a literal too; write ${VARIABLE} or ${file:/path}");
  };

  const refuseLiteral = (node: YamlNode, help = "write ${VARIABLE} or ${file:/path}"): void =>
    problems.error({
      at: node,
      code: "literal_secret",
      message: `${label(node)} is a secret and must not be written in the file`,
      help,
    });

  const fillPiece = async (node: YamlNode, piece: Piece, secret: boolean): Promise<string> => {
    if (piece.kind === "text") return piece.text;
    return piece.kind === "file" ? fillFile(node, piece.path, secret) : fillVariable(node, piece);
  };

  const fillVariable = (node: YamlNode, piece: Extract<Piece, { kind: "variable" }>): string => {
    const { name, fallback, complaint } = piece;
    const value = Object.hasOwn(sources.env, name) ? sources.env[name] : undefined;
    const present = value !== undefined && (value !== "" || (fallback ?? complaint) === undefined);
    if (present) return value;
    if (fallback !== undefined) return fallback;
    const said = complaint === undefined || complaint === "" ? "" : `: ${escapeText(complaint)}`;
    const state = value === undefined ? "not set" : "empty";
    const message = `environment variable ${name} is ${state}${said}`;
    const help = "set it where the gateway is started; variables are read at start only";
    problems.error({ at: node, code: "unset_variable", message, help });
    return "";
  };

  const fillFile = async (node: YamlNode, path: string, secret: boolean): Promise<string> => {
    const absolute = resolve(sources.directory, path);
    const reading = sources.files.get(absolute) ?? readTextFile(absolute, maxFileBytes);
    sources.files.set(absolute, reading);
    const file = await reading;
    const shown = escapeText(path, 128);
    if (!file.ok) {
      const message = `cannot read ${shown}: ${file.reason}`;
      const help = `look at ${escapeText(absolute, 256)}, as the user that runs the gateway`;
      problems.error({ at: node, code: file.code, message, help });
      return "";
    }
    if (secret && file.worldReadable)
      problems.warn({
        at: node,
        code: "world_readable_secret",
        message: `every user of this machine can read ${shown}`,
        help: `chmod o-r ${shown}`,
      });
    return file.text.replace(/\r?\n$/, "");
  };

  return walk(tree, formsOf(schema));
}

function isReference(piece: Piece): piece is Exclude<Piece, { kind: "text" }> {
  return piece.kind !== "text";
}

/** Adds what the schema says about keys that are absent; they stand where their mapping stands. */
function addDefaults(node: YamlNode, children: Map<string, YamlNode>, forms: Forms): void {
  for (const [key, value] of defaultsAt(forms)) {
    if (children.has(key)) continue;
    children.set(key, defaultNode(joinPath(node.path, key), value, formsOfKey(forms, key), node));
  }
}

function defaultNode(path: string, value: JsonValue, forms: Forms, parent: YamlNode): YamlNode {
  const { position, keyPosition } = parent;
  const base = { path, position, keyPosition, written: false, plain: false, origin: undefined };
  const children = new Map<string, YamlNode>();
  if (Array.isArray(value)) {
    for (const [index, item] of (value as readonly JsonValue[]).entries()) {
      const itemPath = joinPath(path, index);
      children.set(String(index), defaultNode(itemPath, item, formsOfItem(forms), parent));
    }
    return { ...base, kind: "list", value, children };
  }
  if (!isJsonObject(value)) return { ...base, kind: "scalar", value, children };
  for (const [key, inner] of Object.entries(value))
    children.set(key, defaultNode(joinPath(path, key), inner, formsOfKey(forms, key), parent));
  const made: YamlNode = { ...base, kind: "mapping", value, children };
  addDefaults(made, children, forms);
  return { ...made, value: plainValue("mapping", children) };
}

/** YAML 1.2 §10.3.2, the core schema's numbers and booleans; any other text stays a string. */
function coreScalar(text: string): JsonValue {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  if (/^0o[0-7]+$/.test(text) || /^0x[0-9A-Fa-f]+$/.test(text)) return Number(text);
  const number = /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) ? number : text;
}
