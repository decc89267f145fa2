import type { SchemaValidateFunction } from "ajv";
import { isJsonObject, type JsonObject } from "../base/json.ts";

/** OpenAPI's format registry. */
const ranges: Readonly<Record<string, readonly [least: bigint, most: bigint]>> = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

interface Decimal {
  readonly digits: bigint;
  /** Of them behind the point. */
  readonly scale: number;
}

/**
 * The keyword `digitsWithin`: bounds of numbers, kept by a text of digits (see checked-schema.ts).
 * Compared without ever being a double; findings are those of the keywords themselves.
 */
export const digitsWithin: SchemaValidateFunction = (bounds: unknown, text: unknown) => {
  digitsWithin.errors = [];
  const broken = typeof text === "string" && isJsonObject(bounds) && findFault(text, bounds);
  if (!broken) return true;
  digitsWithin.errors = [broken];
  return false;
};

/** Comparing takes longer than linear time. */
const maxDigits = 1_000;

function findFault(text: string, bounds: JsonObject): Broken | undefined {
  if (text.length > maxDigits) {
    const message = `must not have more than ${maxDigits} digits`;
    return { keyword: "maxLength", message, params: {} };
  }
  const value = readDecimal(text);
  // Of another form: `pattern` says so.
  return value === undefined ? undefined : findBroken(value, bounds);
}

type Broken = NonNullable<SchemaValidateFunction["errors"]>[number];

function findBroken(value: Decimal, { format, ...bounds }: JsonObject): Broken | undefined {
  const range = typeof format === "string" ? ranges[format] : undefined;
  if (range !== undefined) {
    const [least, most] = range;
    if (value.digits < least) return beyond("minimum", ">=", least);
    if (value.digits > most) return beyond("maximum", "<=", most);
  }
  for (const [keyword, bound] of Object.entries(bounds)) {
    if (typeof bound !== "number") continue;
    const limit = readDecimal(spellPlainly(bound));
    if (limit === undefined) continue;
    if (keyword === "multipleOf") {
      if (!isMultiple(value, limit))
        return { keyword, message: `must be multiple of ${bound}`, params: {} };
      continue;
    }
    const [comparison, holds] = comparisons[keyword as Comparing];
    if (!holds(compare(value, limit))) return beyond(keyword, comparison, bound);
  }
  return undefined;
}

function beyond(keyword: string, comparison: string, limit: unknown): Broken {
  return { keyword, params: { comparison, limit: String(limit) } };
}

type Comparing = "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum";

const comparisons: Readonly<Record<Comparing, readonly [string, (sign: bigint) => boolean]>> = {
  minimum: [">=", (sign) => sign >= 0n],
  maximum: ["<=", (sign) => sign <= 0n],
  exclusiveMinimum: [">", (sign) => sign > 0n],
  exclusiveMaximum: ["<", (sign) => sign < 0n],
};

function readDecimal(text: string): Decimal | undefined {
  const [, whole, fraction = ""] = /^(-?\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  return { digits: BigInt(whole + fraction), scale: fraction.length };
}

/** A bound is a double already; what needs an exponent is no bound that a text could come near. */
function spellPlainly(bound: number): string {
  return Number.isInteger(bound) ? BigInt(bound).toString() : String(bound);
}

/** Negative, 0n or positive. */
function compare(a: Decimal, b: Decimal): bigint {
  const [x, y] = aligned(a, b);
  return x - y;
}

function isMultiple(value: Decimal, of: Decimal): boolean {
  const [x, y] = aligned(value, of);
  return y === 0n || x % y === 0n;
}

function aligned(a: Decimal, b: Decimal): readonly [bigint, bigint] {
  const scale = Math.max(a.scale, b.scale);
  const at = (number: Decimal): bigint => number.digits * 10n ** BigInt(scale - number.scale);
  return [at(a), at(b)];
}
