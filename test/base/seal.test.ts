import { randomBytes } from "node:crypto";

import fc from "fast-check";
import { expect, test } from "vitest";

import { createSealer, readSealKey } from "../../src/base/seal.ts";
import { Secret } from "../../src/base/secret.ts";

const newKey = (): Secret => new Secret(randomBytes(32).toString("base64"));
const text = Buffer.from("a token of alice");

test("opens for its place only", () => {
  const { seal, open } = createSealer([newKey()], "test");
  const sealed = seal(text, "row/alice");
  expect(open(sealed, "row/alice")).toEqual(text);
  expect(open(sealed, "row/bob")).toBeUndefined();
  expect(sealed.includes("alice")).toBe(false);
});

test("the same text is never sealed the same way", () => {
  const { seal } = createSealer([newKey()], "test");
  expect(seal(text, "a")).not.toEqual(seal(text, "a"));
});

test("any change of any bit is seen", () => {
  const { seal, open } = createSealer([newKey()], "test");
  const sealed = seal(text, "a");
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(open(changed, "a")).toBeUndefined();
  }
  for (let length = 0; length < sealed.length; length++)
    expect(open(sealed.subarray(0, length), "a")).toBeUndefined();
});

test("whatever comes, it opens or it does not, and throws nothing", () => {
  const { open } = createSealer([newKey()], "test");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(open(bytes, "a")).toBeUndefined();
    }),
  );
});

test("a new key in front seals, the old one still opens, and it can be told which is which", () => {
  const [old, next] = [newKey(), newKey()];
  const before = createSealer([old], "test").seal(text, "a");
  const both = createSealer([next, old], "test");
  expect(both.open(before, "a")).toEqual(text);
  expect(both.isCurrent(before)).toBe(false);
  const after = both.seal(text, "a");
  expect(both.isCurrent(after)).toBe(true);
  expect(createSealer([old], "test").open(after, "a")).toBeUndefined();
  expect(createSealer([next], "test").open(after, "a")).toEqual(text);
});

test("one key for two purposes is two keys", () => {
  const key = newKey();
  const sealed = createSealer([key], "one").seal(text, "a");
  expect(createSealer([key], "other").open(sealed, "a")).toBeUndefined();
});

test("without a key one is made that no other has", () => {
  const sealed = createSealer([], "test").seal(text, "a");
  expect(createSealer([], "test").open(sealed, "a")).toBeUndefined();
});

test.each(["base64", "base64url", "hex"] as const)("a key may be written as %s", (form) => {
  const key = randomBytes(32);
  expect(readSealKey(`${key.toString(form)}\n`)).toEqual(key);
});

test.each([
  "",
  "password",
  randomBytes(16).toString("hex"),
  randomBytes(31).toString("base64"),
  randomBytes(33).toString("base64"),
  "g".repeat(64),
])("%j is no key", (written) => {
  expect(readSealKey(written)).toBeUndefined();
});
