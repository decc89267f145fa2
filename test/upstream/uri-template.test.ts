import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../src/base/json.ts";
import type { Style } from "../../src/openapi/operation/operation.ts";
import { joinPairs } from "../../src/upstream/request/form.ts";
import {
  compileExpansion,
  compilePairs,
  encodedDelimiters,
} from "../../src/upstream/request/style.ts";
import { encodeLiteral, encodeName, encodeText } from "../../src/upstream/request/text-encoding.ts";

/** uri-templates/uritemplate-test, as the package `uri-templates` ships it. */
interface Group {
  readonly variables: Readonly<Record<string, JsonValue>>;
  readonly testcases: readonly (readonly [
    template: string,
    expanded: string | readonly string[],
  ])[];
}

/** The operators of RFC 6570 that are styles of OpenAPI; the others are not. */
const styles: Readonly<Record<string, Style>> = {
  "": "simple",
  ".": "label",
  ";": "matrix",
  "?": "form",
  "&": "form",
};

interface Expression {
  readonly operator: string;
  readonly variables: readonly { readonly name: string; readonly explode: boolean }[];
}

/** Literal text and expressions in turn; undefined when OpenAPI has no words for one of them. */
function parse(template: string): readonly (string | Expression)[] | undefined {
  const parts = template.split(/\{([^}]*)\}/).map((part, i) => {
    if (i % 2 === 0) return part;
    const [, operator = "", list = ""] = /^([^\w%]?)(.*)$/.exec(part) ?? [];
    // `{x:3}` cuts a value short; OpenAPI has nothing like it.
    if (!(operator in styles) || list.includes(":")) return undefined;
    const variables = list
      .split(",")
      .map((name) => ({ name: name.replace("*", ""), explode: name.endsWith("*") }));
    return { operator, variables };
  });
  return parts.every((part) => part !== undefined) ? parts : undefined;
}

function expand(parts: readonly (string | Expression)[], values: Group["variables"]): string {
  return parts
    .map((part) => (typeof part === "string" ? encodeLiteral(part) : expandOne(part, values)))
    .join("");
}

/** Every variable is a parameter of its own; between them stands what the request would have. */
function expandOne({ operator, variables }: Expression, values: Group["variables"]): string {
  const style = styles[operator] ?? "simple";
  const texts = variables.flatMap(({ name, explode }) => {
    const shape = {
      // The names of some cases are already encoded.
      name: encodeName(decodeURIComponent(name)),
      style,
      explode,
      itemStyles: [],
      encode: encodeText,
      encodeKey: encodeText,
      delimiters: encodedDelimiters,
    };
    const value = values[name] ?? null;
    const text =
      style === "form"
        ? joinPairs(compilePairs(shape, "repeat")(value), "&")
        : compileExpansion(shape)(value);
    return text === undefined || (style === "form" && text === "") ? [] : [text];
  });
  if (texts.length === 0) return "";
  if (style === "form") return operator + texts.join("&");
  return texts.join(style === "simple" ? "," : "");
}

const load = createRequire(import.meta.url);
const file = (name: string): Readonly<Record<string, Group>> =>
  load(`uri-templates/test/uritemplate-test/${name}.json`) as Readonly<Record<string, Group>>;

describe.each([
  { name: "spec-examples", cases: 31 },
  { name: "spec-examples-by-section", cases: 63 },
  { name: "extended-tests", cases: 18 },
])("$name", ({ name, cases }) => {
  const rows = Object.entries(file(name)).flatMap(([group, { variables, testcases }]) =>
    testcases.flatMap(([template, expanded]) => {
      const parts = parse(template);
      return parts === undefined ? [] : [{ group, template, parts, variables, expanded }];
    }),
  );

  test("has as many cases as can be said in OpenAPI", () => {
    expect(rows).toHaveLength(cases);
  });

  test.each(rows)("$group: $template", ({ parts, variables, expanded }) => {
    expect([expanded].flat()).toContain(expand(parts, variables));
  });
});
