import fc from "fast-check";
import { expect, test } from "vitest";
import { createEscapedText } from "../../src/upstream/reply/escaped-text.ts";
import { cutText } from "../../src/upstream/reply/plain-text.ts";
import { json, mapper, reply, textOf } from "./reply-fixture.ts";

interface Escaped {
  readonly text: string;
  readonly chars: number;
  readonly isCut: boolean;
}

/** @param cuts Where one piece of the body ends and the next begins. */
function escape(
  body: Buffer,
  cuts: readonly number[],
  { isJson, maxChars = 1_000_000 }: { readonly isJson: boolean; readonly maxChars?: number },
): Escaped {
  const escaped = createEscapedText({
    isJson,
    maxChars,
    allocate: (bytes) => Buffer.alloc(bytes, 0x58),
  });
  const places = [0, ...cuts.filter((at) => at < body.length), body.length].toSorted(
    (a, b) => a - b,
  );
  const pieces = places.slice(1).map((end, i) => escaped.push(body.subarray(places[i], end)));
  const written = Buffer.concat([...pieces, escaped.end()]);
  const text = JSON.parse(`"${written.toString()}"`) as string;
  return { text, chars: escaped.chars(), isCut: escaped.isCut() };
}

const whole = mapper({}, { maxTextChars: 1_000_000 });
const asText = { "content-type": "text/plain" };
const cuts = fc.array(fc.nat(120), { maxLength: 12 });

/** Controls, quotes, and characters of every length in UTF-8. */
const characters = fc.string({
  unit: fc.constantFrom(
    ...Array.from('ab "\\/\t\n\r\u0000\u001f\u007f\u0080\u009f\u00a0é\u07ff\u2028€\ufeff\uffff😀𐀀'),
  ),
  maxLength: 80,
});
/** And bytes that are no characters. */
const bytes = fc
  .array(
    fc.oneof(
      characters.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 6 }).map((raw) => Buffer.from(raw)),
      fc
        .constantFrom("f09f98", "e282", "c2", "efbbbf", "f0808080", "eda080", "ff")
        .map((hex) => Buffer.from(hex, "hex")),
    ),
    { maxLength: 8 },
  )
  .map((pieces) => Buffer.concat(pieces));

test("a text in pieces reads as the whole of it does", () => {
  fc.assert(
    fc.property(bytes, cuts, (body, at) => {
      const [first = 0, second = 0] = body;
      // UTF-16 is held whole.
      fc.pre(!(first === 0xff && second === 0xfe) && !(first === 0xfe && second === 0xff));
      const expected = textOf(reply(200, asText, Buffer.concat([Buffer.from("x"), body]), whole));
      const marked = Buffer.concat([Buffer.from("x"), body]);
      expect(escape(marked, at, { isJson: false }).text).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
});

test.each([[[]], [[1]], [[2]], [[3]], [[1, 2, 3]], [[0, 1, 1, 3, 4]]])(
  "a byte order mark in front is no part of the text, in pieces that end at %j",
  (at) => {
    const body = Buffer.from("\ufeffa\ufeffb");
    expect(escape(body, at, { isJson: false }).text).toBe("a\ufeffb");
    const list = Buffer.from("\ufeff[1]");
    expect(escape(list, at, { isJson: true }).text).toBe("[1]");
  },
);

test("a byte order mark in front is no part of the text that is held whole either", () => {
  const body = Buffer.from("\ufeffa\ufeffb");
  expect(textOf(reply(200, asText, body, whole))).toBe("a\ufeffb");
});

/** With white space between tokens, and in strings. */
const spaced = fc
  .tuple(
    fc.jsonValue({
      maxDepth: 4,
      stringUnit: fc.constantFrom(...Array.from('a "\\\u007f\u0085é€😀\n')),
    }),
    fc.constantFrom("", "\t", " ", "   "),
    fc.constantFrom("", "\n", " \r\n\t"),
  )
  .map(([value, indent, end]) => end + JSON.stringify(value, null, indent) + end);

test("JSON in pieces reads as the compact JSON that the whole of it becomes", () => {
  fc.assert(
    fc.property(spaced, cuts, (text, at) => {
      const expected = textOf(reply(200, json, text, whole));
      expect(escape(Buffer.from(text), at, { isJson: true }).text).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
});

test("JSON that is too long is cut where a value ends, and closed: it is JSON again", () => {
  fc.assert(
    fc.property(spaced, cuts, fc.nat(120), (text, at, maxChars) => {
      const compact = escape(Buffer.from(text), [], { isJson: true }).text;
      // Where pieces end is as chance has it, and a piece may have no place to cut at.
      const {
        text: kept,
        chars,
        isCut,
      } = escape(Buffer.from(text), at, { isJson: true, maxChars });
      expect(isCut).toBe(compact.length > maxChars);
      expect(kept.length).toBeLessThanOrEqual(maxChars);
      expect(compact.startsWith(kept.slice(0, chars))).toBe(true);
      expect(kept.slice(chars)).toMatch(/^[\]}]*$/);
    }),
    { numRuns: 3_000 },
  );
});

/** Objects and lists, of which there is always a beginning. */
const nested = fc.oneof(
  fc.array(fc.jsonValue({ maxDepth: 3 })),
  fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
);

test("in one piece it can always be closed", () => {
  fc.assert(
    fc.property(nested, fc.integer({ min: 2, max: 200 }), (value, maxChars) => {
      const { text } = escape(Buffer.from(JSON.stringify(value)), [], { isJson: true, maxChars });
      expect(() => JSON.parse(text) as unknown).not.toThrow();
      expect(text.length).toBeLessThanOrEqual(maxChars);
    }),
    { numRuns: 3_000 },
  );
});

test.each([
  { text: '{"a":[1,2,{"b":"x,y"}],"c":3}', maxChars: 20, kept: '{"a":[1,2,{}]}' },
  { text: '{"a":[1,2,{"b":"x,y"}],"c":3}', maxChars: 24, kept: '{"a":[1,2,{"b":"x,y"}]}' },
  { text: '["a\\\\",1]', maxChars: 8, kept: '["a\\\\"]' },
  { text: "[[],[[]]]", maxChars: 8, kept: "[[],[]]" },
  { text: '"a long string"', maxChars: 5, kept: '"a lo' },
])("$text in $maxChars characters is $kept", ({ text, maxChars, kept }) => {
  expect(escape(Buffer.from(text), [], { isJson: true, maxChars }).text).toBe(kept);
});

test("what is nested too deep is cut as text", () => {
  const body = Buffer.from("[".repeat(300));
  expect(escape(body, [250], { isJson: true, maxChars: 280 })).toEqual({
    text: "[".repeat(280),
    chars: 280,
    isCut: true,
  });
});

test("whatever is declared as JSON stands inside a string, and keeps to its budget", () => {
  const most = fc.constantFrom(0, 1, 7, 40, 1_000_000);
  fc.assert(
    fc.property(bytes, cuts, most, (body, at, maxChars) => {
      const { text } = escape(body, at, { isJson: true, maxChars });
      expect(text.length).toBeLessThanOrEqual(maxChars);
    }),
    { numRuns: 20_000 },
  );
});

test("what is too long is cut where the whole of it would be, and never inside a character", () => {
  fc.assert(
    fc.property(characters, cuts, fc.nat(60), (text, at, maxChars) => {
      const plain = escape(Buffer.from(`x${text}`), [], { isJson: false }).text;
      const kept = cutText(plain, maxChars);
      expect(escape(Buffer.from(`x${text}`), at, { isJson: false, maxChars })).toEqual({
        text: kept,
        chars: kept.length,
        isCut: plain.length > maxChars,
      });
    }),
    { numRuns: 3_000 },
  );
});

test("white space behind the last place is no more text", () => {
  const body = Buffer.from("[1]  \n ");
  expect(escape(body, [3], { isJson: true, maxChars: 3 })).toEqual({
    text: "[1]",
    chars: 3,
    isCut: false,
  });
});
