import { parse as parseCel } from "@marcbachmann/cel-js";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import type { Principal } from "../../src/base/principal.ts";
import { compileCondition, type Condition } from "../../src/policy/condition.ts";
import { largestIn, measureSteps, maxSteps } from "../../src/policy/steps.ts";
import type { Tool } from "../../src/tools/tool.ts";

const position = { file: "gateway.yaml", line: 3, column: 7 };
const tool = {
  name: "get_user",
  api: "users",
  operation: { id: "get_user", method: "GET", path: "/users", tags: ["people"] },
} as unknown as Tool;
const alice = {
  iss: "https://sso.acme.test",
  sub: "alice",
  name: "Alice",
  clientId: "cursor",
  scopes: new Set(["mcp:tools"]),
  roles: ["staff", "admin"],
  claims: { department: "it", groups: ["a", "b"] },
} as unknown as Principal;

function compile(expression: string): Condition {
  const { condition, issue } = compileCondition({ expression, position });
  if (condition === undefined) throw new Error(issue?.message);
  return condition;
}

function holds(expression: string, args: JsonObject = {}): boolean {
  return compile(expression).holds(tool, alice, args);
}

test.each<[string, JsonObject, boolean]>([
  ['principal.sub == "alice" && tool.name == "get_user"', {}, true],
  ['"admin" in principal.roles', {}, true],
  ['principal.claims.department == "hr"', {}, false],
  ["principal.claims.absent == true", {}, false],
  ["args.items.all(i, i.qty < 5)", { items: [{ qty: 1 }, { qty: 4 }] }, true],
  ["args.items.all(i, i.qty < 5)", { items: [{ qty: 1 }, { qty: 5 }] }, false],
  ["args.roles.exists(r, r in principal.roles)", { roles: ["x", "admin"] }, true],
  ['args.name.matches("^[a-z]+$")', { name: "abc" }, true],
  ['args.name.matches("^[a-z]+$")', { name: "Abc" }, false],
  ['args.name.matches("b")', { name: "abc" }, true],
])("%s with %j gives %s", (expression, args, expected) => {
  expect(holds(expression, args)).toBe(expected);
});

test.each([
  ["size(args) + 'a' == 1", "no such overload: int + string, at 1:1 of the expression"],
  [
    "principal.sub == 'alice' &&\n  tools.name == 'x'",
    "Unknown variable: tools, at 2:3 of the expression",
  ],
  ["args.a.all(x, x ==)", "Unexpected token: RPAREN, at 1:19 of the expression"],
  ["args.s.matches(args.p)", "matches needs its pattern written out"],
  ["args.s.matches('(?=a)')", '"(?=a)" is no regular expression that RE2 takes'],
  ["args.s.matches('(')", '"(" is no regular expression that RE2 takes'],
  ["size(args.s.matches(1))", "matches needs its pattern written out"],
])("%j is refused at load", (expression, message) => {
  const { condition, issue } = compileCondition({ expression, position });
  expect(condition).toBeUndefined();
  expect(issue).toMatchObject({ code: "invalid_condition", message: `when: ${message}`, position });
});

test("a pattern that would take a backtracking engine forever is answered", () => {
  expect(holds('args.s.matches("^(a+)+$")', { s: `${"a".repeat(50_000)}!` })).toBe(false);
  expect(holds('args.s.matches("^(a+)+$")', { s: "a".repeat(50_000) })).toBe(true);
});

test.each([
  ["principal.sub == args.id", 0],
  ["args.id in principal.roles", 0],
  ["args.a.all(x, x > 1)", 1],
  ["args.a.filter(x, x.ok).all(x, x.n > 1)", 1],
  ['args.a.all(x, x in ["a", "b"])', 1],
  ["args.a.all(x, x in args.b)", 2],
  ["args.a.all(x, x.name.startsWith(args.s))", 2],
  ["args.a.all(x, args.b.exists(y, y > 1))", 2],
  ["args.a.all(x, args.b.exists(y, x == y))", 3],
  ["args.a.all(x, args.b.all(y, args.c.all(z, z > 1)))", 3],
])("%s has %d loops inside each other", (expression, levels) => {
  const { condition } = compileCondition({ expression, position });
  expect(condition).toBeDefined();
  expect(measureSteps(parseCel(expression).ast).levels).toBe(levels);
});

test("the largest part of the arguments is what loops could go through", () => {
  expect(largestIn({ a: [1, 2, 3], b: { c: [[], [1, 2, 3, 4]] } })).toBe(4);
  expect(largestIn({ s: "x".repeat(6_400) })).toBe(100);
  expect(largestIn(null)).toBe(1);
  expect(largestIn({ a: Array.from({ length: 200_000 }, () => 0) })).toBe(200_000);
});

test.each<[string, number]>([
  // Each just inside of what its loops may cost, and far outside.
  ["args.a.all(x, x > 1)", 100_000],
  ["args.a.all(x, x in args.a)", 300],
  ["args.a.all(x, args.a.exists(y, x == y))", 30],
])(
  "%s takes %d items, and of four times as many none is looked at but to be counted",
  (expression, count) => {
    let looks = 0;
    const list = (length: number): number[] =>
      new Proxy(
        Array.from({ length }, (_, i) => i + 2),
        {
          get(target, name, receiver) {
            looks++;
            return Reflect.get(target, name, receiver) as unknown;
          },
        },
      );
    expect(holds(expression, { a: list(count) })).toBe(true);
    expect(looks).toBeLessThan(maxSteps);
    looks = 0;
    const many = count * 4;
    expect(holds(expression, { a: list(many) })).toBe(false);
    expect(looks).toBeLessThanOrEqual(many + 1);
  },
);

test("what a token says is bounded like what a caller sends", () => {
  const groups = Array.from({ length: 2_000 }, (_, i) => `g${i}`);
  const many = { ...alice, claims: { groups } } as unknown as Principal;
  const { holds: check } = compile("principal.claims.groups.all(g, g in principal.claims.groups)");
  expect(check(tool, many, {})).toBe(false);
  expect(check(tool, alice, {})).toBe(true);
});
