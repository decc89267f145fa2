import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonSchema, JsonValue } from "../../src/base/json.ts";
import type { ArgsMode, Detector, RedactConfig } from "../../src/config/types/audit.ts";
import { compileArgs } from "../../src/observe/record/args.ts";
import { compileDetect } from "../../src/observe/record/detect.ts";
import { createDigest } from "../../src/observe/record/digest.ts";
import { compileShow, type Shown } from "../../src/observe/record/redact.ts";

const detectors: readonly Detector[] = ["pan", "iban", "jwt", "aws-key", "private-key"];
const usual: RedactConfig = { keys: [], detectors, schema: true };
const full: ArgsMode & { kind: "full" } = { kind: "full" };

function show(
  args: JsonObject,
  {
    mode = full,
    redact = usual,
    schema = {},
    room = 2_000,
  }: {
    readonly mode?: Parameters<typeof compileShow>[0];
    readonly redact?: RedactConfig;
    readonly schema?: JsonSchema;
    readonly room?: number;
  } = {},
): Shown {
  return compileShow(mode, redact, schema)(args, room);
}

test("only the named arguments are shown, with those around them", () => {
  const args = { id: "A1", filter: { status: "open", note: "n" }, other: 1, list: [{ a: 1 }] };
  const fields = ["id", "filter.status", "list", "absent"];
  expect(show(args, { mode: { kind: "fields", fields, masks: new Map() } }).fields).toEqual({
    id: "A1",
    filter: { status: "open" },
    list: [{ a: 1 }],
  });
});

test("masks show a part", () => {
  const masks = new Map([
    ["email", "keep-domain"],
    ["customer.card", "last4"],
    ["short", "last4"],
    ["odd", "keep-domain"],
  ] as const);
  const args = {
    email: "alice@acme.test",
    customer: { card: "4111 1111 1111 1111", name: "x" },
    short: "1234567",
    odd: "no at",
  };
  expect(show(args, { mode: { kind: "fields", fields: [], masks } }).fields).toEqual({
    email: "***@acme.test",
    customer: { card: "***1111" },
    short: "***",
    odd: "***",
  });
});

test.each([
  "password",
  "newPassword",
  "api_key",
  "X-Api-Key",
  "client_secret",
  "accessToken",
  "Authorization",
  "Set-Cookie",
  "SSN",
  "card-number",
  "private.key",
])("%s is hidden at any depth", (name) => {
  const { fields, redacted } = show({ a: [{ b: { [name]: { deep: ["value"] } } }] });
  expect(fields).toEqual({ a: [{ b: { [name]: "***" } }] });
  expect(redacted).toEqual([`a[0].b.${name}`]);
});

test("names of one's own are hidden too", () => {
  const redact = { ...usual, keys: ["patient_id", "*salary*"] };
  expect(show({ PatientId: 1, baseSalaryEur: 2, impatient: 3 }, { redact }).fields).toEqual({
    PatientId: "***",
    baseSalaryEur: "***",
    impatient: 3,
  });
});

describe("detectors", () => {
  test.each([
    { kind: "pan", text: "card 4111 1111 1111 1111 please" },
    { kind: "pan", text: "5500005555555559" },
    { kind: "iban", text: "to GB82 WEST 1234 5698 7654 32" },
    { kind: "iban", text: "DE89370400440532013000" },
    { kind: "jwt", text: "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc" },
    { kind: "aws-key", text: "AKIAIOSFODNN7EXAMPLE" },
    { kind: "private-key", text: "-----BEGIN EC PRIVATE KEY-----\nMHc" },
    { kind: "email", text: "write to alice@acme.test" },
    { kind: "phone", text: "call +49 (30) 1234-567" },
  ] as const)("$kind: $text", ({ kind, text }) => {
    expect(compileDetect([kind])(text)).toBe(kind);
  });

  test.each([
    "4111 1111 1111 1112",
    "00000000000000",
    "DE88370400440532013000",
    "A1-B2-C3",
    "2026-11-26T00:00:00Z",
    "the eyes have it",
  ])("%s is nothing", (text) => {
    expect(compileDetect([...detectors, "email"])(text)).toBeUndefined();
  });

  test("hide the whole value, numbers and names of members as well", () => {
    const { fields, redacted } = show({
      note: "AKIAIOSFODNN7EXAMPLE",
      card: 4111111111111111,
      map: { AKIAIOSFODNN7EXAMPLE: 1 },
    });
    expect(fields).toEqual({ note: "***", card: "***", map: { "***": 1 } });
    expect(redacted).toEqual(["note", "card"]);
  });

  test("take no longer than their text, whatever it is", () => {
    const detect = compileDetect([...detectors, "email", "phone"]);
    const texts = ["a", "1 ", "1", "eyJ", "a@", "+1 ", "A", "-----BEGIN ", "AB12 "];
    for (const text of texts) expect(detect(text.repeat(2_000_000))).toBeUndefined();
  });
});

test("what the document marks is hidden, through references and choices", () => {
  const schema: JsonSchema = {
    type: "object",
    properties: {
      login: { $ref: "#/$defs/login" },
      any: { anyOf: [{ type: "object", properties: { x: { "x-sensitive": true } } }] },
      rows: { type: "array", items: { properties: { key: { writeOnly: true } } } },
      map: { additionalProperties: { format: "password" } },
    },
    $defs: {
      login: {
        allOf: [{ properties: { phrase: { format: "password" }, user: {} } }],
        properties: { next: { $ref: "#/$defs/login" } },
      },
    },
  };
  const args = {
    login: { phrase: "p", user: "u", next: { phrase: "p", user: "v" } },
    any: { x: "p", y: 1 },
    rows: [{ key: "p", no: 2 }],
    map: { a: "p" },
  };
  expect(show(args, { schema }).fields).toEqual({
    login: { phrase: "***", user: "u", next: { phrase: "***", user: "v" } },
    any: { x: "***", y: 1 },
    rows: [{ key: "***", no: 2 }],
    map: { a: "***" },
  });
  expect(show(args, { schema, redact: { ...usual, schema: false } }).fields).toEqual(args);
});

test("what has no room is left out and told", () => {
  const args = { a: "x".repeat(1_000), b: "y".repeat(100), c: Array(100).fill(7), d: "z" };
  const { fields, cut } = show(args, { room: 700 });
  expect(cut).toBe(true);
  expect(Buffer.byteLength(JSON.stringify(fields))).toBeLessThan(800);
  expect(fields).toMatchObject({ a: `${"x".repeat(256)}…`, b: "y".repeat(100) });
  let deep: JsonValue = "end";
  for (let i = 0; i < 10_000; i++) deep = { deep };
  expect(show({ deep }).cut).toBe(true);
});

test("nothing that moves a cursor or hides text comes through", () => {
  const evil = "\u001B[2J\u202E\u2028\n\u0000";
  const text = JSON.stringify(show({ [`k${evil}`]: `v${evil}`, list: [evil] }));
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
});

const canary = "canary-7f3a";

/** Arguments with the canary in some place where it must be hidden, and what else comes to mind. */
const places: fc.Arbitrary<JsonObject> = fc
  .letrec<{ readonly node: JsonValue }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc
        .constantFrom("password", "API-Key", "refresh_token", "clientSecret", "marked")
        .chain((name) => tie("node").map((inner) => ({ [name]: [canary, inner] }))),
      fc.constantFrom(
        `eyJhbGciOiJIUzI1NiJ9.${canary}`,
        `AKIAIOSFODNN7EXAMPLE ${canary}`,
        `${canary} 4111111111111111`,
        `-----BEGIN PRIVATE KEY-----\n${canary}`,
      ),
      fc.array(tie("node"), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie("node"), { maxKeys: 4 }),
    ),
  }))
  .node.map((node) => ({ node }));

const marked: JsonSchema = {
  $defs: {
    any: {
      properties: { marked: { "x-sensitive": true } },
      additionalProperties: { $ref: "#/$defs/any" },
      items: { $ref: "#/$defs/any" },
    },
  },
  $ref: "#/$defs/any",
};

test("no generated place shows what must be hidden, and no record grows beyond its room", () => {
  const describeArgs = compileArgs(
    { args: { default: full, tools: [] }, redact: usual },
    { name: "t", inputSchema: marked },
  );
  const digest = createDigest();
  fc.assert(
    fc.property(places, (args) => {
      const text = describeArgs(args, digest, "");
      expect(text).not.toContain(canary);
      expect(Buffer.byteLength(text)).toBeLessThan(2_900);
      expect(JSON.parse(`{${text.slice(1)}}`)).toMatchObject({ args: { mode: "full" } });
    }),
    { numRuns: 10_000 },
  );
});

test("the first pattern that fits a tool counts", () => {
  const args = {
    default: { kind: "none" },
    tools: [
      { pattern: "orders_secret", mode: { kind: "digest" } },
      { pattern: "orders_*", mode: { kind: "full" } },
    ],
  } as const;
  const modeOf = (name: string): string =>
    compileArgs({ args, redact: usual }, { name, inputSchema: {} })({ id: 1 }, () => "d", "");
  expect(modeOf("orders_secret")).toBe(',"args":{"mode":"digest","digest":"d","bytes":8}');
  expect(modeOf("orders_get")).toBe(
    ',"args":{"mode":"full","fields":{"id":1},"digest":"d","bytes":8}',
  );
  expect(modeOf("users_get")).toBe("");
});
