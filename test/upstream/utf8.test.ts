import fc from "fast-check";
import { expect, test } from "vitest";
import { measureUtf8 } from "../../src/upstream/reply/utf8.ts";

/** Characters of one to four bytes, at any distance from the four that are looked at together. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc
    .array(fc.constantFrom("a", "é", "漢", "😀", "~"), { maxLength: 40 })
    .map((all) => all.join("")),
);

/** All places between two characters. */
function placesIn(value: string): readonly string[] {
  const characters = Array.from(value);
  return [...characters.keys(), characters.length].map((n) => characters.slice(0, n).join(""));
}

test("a part of a text has as many units as it has as a string", () => {
  fc.assert(
    fc.property(text, fc.nat(40), fc.nat(40), (value, a, b) => {
      const places = placesIn(value);
      const [first, second] = [places[a % places.length] ?? "", places[b % places.length] ?? ""];
      const [before, until] = first.length < second.length ? [first, second] : [second, first];
      const utf8 = measureUtf8(Buffer.from(value));
      const [start, end] = [Buffer.byteLength(before), Buffer.byteLength(until)];
      const units = until.length - before.length;
      expect(utf8.unitsOf(start, end)).toBe(units);
      for (const room of [units - 1, units, units + 1, Math.floor(units / 3), units * 3, 0]) {
        expect([room, utf8.fits(start, end, room)]).toEqual([room, units <= room]);
      }
    }),
    { numRuns: 5_000 },
  );
});

test("the end of so many units is behind whole characters", () => {
  fc.assert(
    fc.property(text, fc.nat(40), fc.integer({ min: -1, max: 50 }), (value, from, units) => {
      const places = placesIn(value);
      const before = places[from % places.length] ?? "";
      const fitting = places.filter(
        (place) => place.length >= before.length && place.length - before.length <= units,
      );
      const end = measureUtf8(Buffer.from(value)).endOfUnits(Buffer.byteLength(before), units);
      expect(end).toBe(Buffer.byteLength(fitting.at(-1) ?? before));
    }),
    { numRuns: 5_000 },
  );
});

test("a pair of surrogates that does not fit is left out, wherever its four bytes begin", () => {
  for (const before of ["", "a", "aa", "aaa", "aaaa", "aaaaaa"]) {
    const utf8 = measureUtf8(Buffer.from(`${before}😀aaaaaaa`));
    expect(utf8.endOfUnits(0, before.length + 1)).toBe(before.length);
    expect(utf8.endOfUnits(0, before.length + 2)).toBe(before.length + 4);
  }
});
