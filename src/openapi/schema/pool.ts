import { createHash } from "node:crypto";

import { isJsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";
import { type Finding, Unconvertible, type Warn } from "../document/finding.ts";
import { child, descend, formatPointer, type Node, type Pointer } from "../document/node.ts";
import type { SchemaPool } from "../operation/operation.ts";
import { documentName, withinDocument } from "../document/place.ts";
import type { References } from "../document/reference.ts";
import type { Source } from "../document/source.ts";
import type { Survey } from "../document/survey.ts";
import type { DialectAt } from "../document/version.ts";
import { openClosedParts } from "./closed.ts";
import type { Conversion } from "./conversion.ts";
import { convertSchema } from "./convert.ts";
import { createCycleGuard } from "./cycle.ts";
import type { Hides } from "./read-only.ts";
import { isKnownDialect } from "./refer.ts";

/** Of one named schema or one operation's own: what exceeds it accepts anything. */
const maxSubschemas = 20_000;

export interface Schemas {
  readonly pool: SchemaPool;
  /** @throws Unconvertible The schema itself, or one it leads to, is of a dialect that is not known. */
  readonly inline: (node: Node, warn: Warn) => JsonSchema;
}

interface Model {
  readonly source: Source;
  readonly dialectAt: DialectAt;
  readonly references: References;
  readonly survey: Survey;
  readonly hides: Hides;
}

interface Entry {
  readonly node: Node;
  readonly base: boolean;
  schema: JsonSchema | undefined;
  /** Why no operation may use the schema. */
  failure: Finding | undefined;
}

/**
 * Names every schema once and converts it when it is first asked for. Names depend on the document
 * only, never on the order of questions.
 *
 * @param warn Told about named schemas when they are converted, once each.
 */
export function createSchemas(model: Model, warn: Warn): Schemas {
  const { source, dialectAt, references, survey, hides } = model;
  const home = dialectAt([]).schemas;
  const document: Node = { value: source.root, at: [] };
  const entries = new Map<string, Entry>();
  const names = new Map<string, string>();
  const leavesCycle = createCycleGuard(references);

  const register = (
    key: string,
    entry: Omit<Entry, "schema" | "failure">,
    wish: string,
  ): string => {
    // By digest and not by number, so that a name does not depend on how many came before.
    const name = entries.has(wish) ? `${wish}_${digestOf(key)}` : wish;
    names.set(key, name);
    entries.set(name, { ...entry, schema: undefined, failure: undefined });
    return name;
  };

  const components = descend(document, home);
  const written = isJsonObject(components?.value) ? Object.keys(components.value) : [];
  for (const key of written) {
    const node = components && child(components, key);
    if (node) register(formatPointer(node.at), { node, base: false }, legalName(key));
  }

  const nameOf: Conversion["nameOf"] = (at, base) => {
    const pointer = formatPointer(at);
    const key = base ? `${pointer} base` : pointer;
    const known = names.get(key);
    if (known !== undefined) return known;
    const node = descend(document, at) ?? { value: {}, at };
    return register(key, { node, base }, `${legalName(shortName(at))}_${digestOf(key)}`);
  };

  const convertNode = (
    { node, base }: Pick<Entry, "node" | "base">,
    outcome: Pick<Conversion, "warn" | "fail">,
  ): JsonSchema => {
    const isComponent =
      node.at.length === home.length + 1 &&
      home.every((key, i) => node.at[i] === key) &&
      !base;
    const keepAnchors = isComponent || !names.has(formatPointer(node.at));
    const around = { dialectAt, references, survey, hides, nameOf, leavesCycle, keepAnchors };
    return convertSchema(node, { ...around, ...outcome, budget: { left: maxSubschemas } }, base);
  };

  const resolveEntry = (name: string): Entry | undefined => {
    const entry = entries.get(name);
    if (entry === undefined || entry.schema !== undefined) return entry;
    entry.schema = convertNode(entry, {
      warn,
      fail: (finding) => (entry.failure ??= finding),
    });
    return entry;
  };

  /** Only a document with a foreign dialect pays for looking at everything a schema leads to. */
  const requireKnownDialects = (schema: JsonSchema): void => {
    if (![...survey.dialects].some((uri) => !isKnownDialect(uri))) return;
    const seen = new Set<string>();
    const open = [...refsOf(schema)];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const entry = resolveEntry(name);
      if (entry?.failure !== undefined) throw new Unconvertible(entry.failure);
      if (entry?.schema !== undefined) open.push(...refsOf(entry.schema));
    }
  };

  const named = (name: string): JsonSchema | undefined => resolveEntry(name)?.schema;
  const finished = new Map<string, JsonSchema | undefined>();
  /** After the conversion, because it looks at schemas whose conversion leads back here. */
  const finish = (name: string): JsonSchema | undefined => {
    if (!finished.has(name)) {
      const schema = named(name);
      finished.set(name, schema && openClosedParts(schema, named));
    }
    return finished.get(name);
  };

  const convertInline = (node: Node, warnInline: Warn): JsonSchema => {
    const fail = (finding: Finding): never => {
      throw new Unconvertible(finding);
    };
    const schema = convertNode({ node, base: false }, { warn: warnInline, fail });
    requireKnownDialects(schema);
    return openClosedParts(schema, named);
  };

  /** By what was written. Thousands of parameters are of a few kinds, which they share. */
  const flat = new Map<string, JsonSchema>();
  return {
    pool: { get: finish },
    inline(node, warnInline) {
      const text = flatText(node.value);
      if (text === undefined) return convertInline(node, warnInline);
      const { name, schemaDialect } = dialectAt(node.at);
      const key = `${name} ${schemaDialect} ${text}`;
      const known = flat.get(key);
      if (known !== undefined) return known;
      let isPlain = true;
      const schema = convertInline(node, (finding) => {
        isPlain = false;
        warnInline(finding);
      });
      // What is wrong with it is said at each place.
      if (isPlain) flat.set(key, schema);
      return schema;
    },
  };
}

const maxFlatWords = 16;
const maxFlatLength = 1_000;

/** Of a short schema that holds and names no other: it means the same wherever it stands. */
function flatText(value: JsonValue): string | undefined {
  if (!isJsonObject(value)) return undefined;
  const words = Object.entries(value);
  const isFlat =
    words.length <= maxFlatWords &&
    words.every(([word, held]) => !word.startsWith("$") && isPlainValue(held));
  const text = isFlat ? JSON.stringify(value) : "";
  return text !== "" && text.length <= maxFlatLength ? text : undefined;
}

/** A text, a number that JSON can write, and the like, or a short list of them. */
function isPlainValue(value: JsonValue): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "string") return value.length <= maxFlatLength;
  if (!Array.isArray(value)) return typeof value !== "object" || value === null;
  return (
    value.length <= maxFlatWords &&
    value.every((item: JsonValue) => !Array.isArray(item) && isPlainValue(item))
  );
}

function digestOf(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 8);
}

/** `A.properties.b` for `#/components/schemas/A/properties/b`: a hint, made unique by a digest. */
function shortName(at: Pointer): string {
  const file = documentName(at);
  if (file === undefined) return at.slice(-3).join(".");
  // A whole file is named like it, a part of it by its last step.
  return withinDocument(at).at(-1) ?? file.replace(/^.*\//, "").replace(/\.\w+$/, "");
}

function legalName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_.-]/g, "_").slice(0, 100) || "_";
}

/** Every `#/$defs/NAME` in a converted schema, whose depth the conversion has bounded. */
function refsOf(schema: JsonSchema): string[] {
  const found: string[] = [];
  const open: unknown[] = [schema];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== "object" || next === null) continue;
    if (isJsonObject(next) && typeof next["$ref"] === "string")
      found.push(next["$ref"].slice("#/$defs/".length));
    for (const inner of Object.values(next)) open.push(inner);
  }
  return found;
}
