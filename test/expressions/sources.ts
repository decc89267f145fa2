import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

const root = fileURLToPath(new URL("../../src/", import.meta.url));
const load = createRequire(new URL("packages/package.json", import.meta.url));

interface Expression {
  readonly source: string;
  readonly flags: string;
  readonly file: string;
}

/** What is used of acorn, which is installed beside and not with the product. */
interface Acorn {
  readonly parse: (text: string, options: object) => { readonly body: unknown };
}

/** Every regular expression that the program is built with, by how it is written. */
export function readExpressions(): {
  readonly written: ReadonlyMap<string, Expression>;
  /** Files that make others at run time. */
  readonly made: readonly string[];
} {
  const written = new Map<string, Expression>();
  const made = new Set<string>();
  for (const { file, tree } of readTrees())
    visit(tree, ({ type, regex, callee }) => {
      if (type === "Literal" && regex)
        written.set(`/${regex.pattern}/${regex.flags}`, {
          source: regex.pattern,
          flags: regex.flags,
          file,
        });
      if (callee?.name === "RegExp") made.add(file);
    });
  return { written, made: [...made] };
}

/** Comparisons of two values of which one is called so, as they are written. */
export function readComparisons(called: RegExp): readonly string[] {
  const found = new Set<string>();
  for (const { tree, text } of readTrees())
    visit(tree, ({ type, operator, left, right, start, end }) => {
      if (type !== "BinaryExpression" || !/^[!=]==?$/.test(operator ?? "")) return;
      const sides = [left, right].flatMap((side) => (side ? [side] : []));
      if (sides.some(isConstant) || !sides.flatMap(namesOf).some((name) => called.test(name)))
        return;
      found.add(text.slice(start, end));
    });
  return [...found];
}

function isConstant({ type, name }: Node): boolean {
  return type === "Literal" || type === "UnaryExpression" || name === "undefined";
}

/** Of a variable, a member, or what a function gives. */
function namesOf({ name, property, callee, expression }: Node): readonly string[] {
  const own = [name, property?.name, property?.value].filter((one) => typeof one === "string");
  return [...own, ...[callee, expression].flatMap((inner) => (inner ? namesOf(inner) : []))];
}

interface Tree {
  readonly file: string;
  readonly text: string;
  readonly tree: unknown;
}

/** Of the sources without their types, which the parser does not read. */
function readTrees(): readonly Tree[] {
  const { parse } = load("acorn") as Acorn;
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .toSorted()
    .map((file) => {
      const source = readFileSync(join(root, file), "utf8");
      const text = transformSync(source, { loader: "ts", target: "esnext" }).code;
      return {
        file,
        text,
        tree: parse(text, { ecmaVersion: "latest", sourceType: "module" }).body,
      };
    });
}

function visit(node: unknown, see: (node: Node) => void): void {
  if (typeof node !== "object" || node === null) return;
  see(node as Node);
  for (const value of Object.values(node)) visit(value, see);
}

interface Node {
  readonly type?: string;
  readonly regex?: { readonly pattern: string; readonly flags: string };
  readonly name?: string;
  readonly value?: unknown;
  readonly callee?: Node;
  readonly property?: Node;
  readonly expression?: Node;
  readonly operator?: string;
  readonly left?: Node;
  readonly right?: Node;
  readonly start: number;
  readonly end: number;
}

interface Verdict {
  readonly status: "safe" | "vulnerable" | "unknown";
  readonly complexity?: { readonly summary: string };
}

/** @returns How its time grows with the text; `safe` when that is linear. */
export async function judge({ source, flags }: Expression): Promise<Verdict> {
  // The program in JavaScript; the others are binaries of 30 MB.
  process.env["RECHECK_BACKEND"] = "pure";
  const { check } = load("recheck") as {
    readonly check: (source: string, flags: string, options: object) => Promise<Verdict>;
  };
  // The same text every time, so that a verdict is one.
  return check(source, flags, { timeout: 15_000, randomSeed: 1 });
}
