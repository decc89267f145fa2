import { expect, test } from "vitest";
import { createRevocations, type Revocation } from "../../src/auth/revocation.ts";
import { createWorld } from "./issuer.ts";

const start = 1_800_000_000_000;
let ids = 0;

function ended(change: Partial<Revocation>): Revocation {
  return {
    iss: "https://a.test",
    id: String(ids++),
    sub: undefined,
    sid: undefined,
    issuedUntil: start,
    endsAt: start + 60_000,
    ...change,
  };
}

interface Shown {
  readonly iss?: string;
  readonly sub?: string;
  readonly sid?: string;
  readonly iat?: number;
}

function token({ iss = "https://a.test", sub = "alice", ...claims }: Shown) {
  return { iss, sub, claims: { iat: start / 1000 - 10, ...claims } };
}

test.each<[string, Partial<Revocation>, Shown, boolean]>([
  ["a person, before", { sub: "alice" }, {}, true],
  ["a person, in the same second", { sub: "alice" }, { iat: start / 1000 }, true],
  ["a person, after a new login", { sub: "alice" }, { iat: start / 1000 + 1 }, false],
  ["a person, with a session", { sub: "alice" }, { sid: "s1" }, true],
  ["a person, without iat", { sub: "alice" }, { iat: undefined as unknown as number }, true],
  ["somebody else", { sub: "alice" }, { sub: "bob" }, false],
  ["a namesake at another issuer", { sub: "alice" }, { iss: "https://b.test" }, false],
  ["a session", { sid: "s1" }, { sid: "s1" }, true],
  ["a session, refreshed later", { sid: "s1" }, { sid: "s1", iat: start / 1000 + 9 }, true],
  ["another session", { sid: "s1" }, { sid: "s2" }, false],
  ["a session of whom, a token of none", { sid: "s1" }, {}, false],
  ["a person's session", { sid: "s1", sub: "alice" }, { sid: "s1" }, true],
  ["another session of the person", { sid: "s1", sub: "alice" }, { sid: "s2" }, false],
  ["a token of none of the person", { sid: "s1", sub: "alice" }, {}, true],
  ["the same after a new login", { sid: "s1", sub: "alice" }, { iat: start / 1000 + 1 }, false],
])("a logout of %s", (_what, logout, shown, expected) => {
  const revocations = createRevocations(createWorld());
  expect(revocations.covers(token(shown))).toBe(false);
  expect(revocations.revoke(ended(logout))).toBe(true);
  expect(revocations.covers(token(shown))).toBe(expected);
});

test("a mark ends with the last token that it could be about", () => {
  const world = createWorld();
  const revocations = createRevocations(world);
  revocations.revoke(ended({ sid: "s1", sub: "alice" }));
  world.ms += 59_999;
  expect(revocations.covers(token({ sid: "s1" }))).toBe(true);
  world.ms += 1;
  expect([token({ sid: "s1" }), token({})].map(revocations.covers)).toEqual([false, false]);
});

test("an event counts once, and an older one takes nothing back", () => {
  const revocations = createRevocations(createWorld());
  const event = ended({ sub: "alice" });
  expect([event, event].map(revocations.revoke)).toEqual([true, false]);
  expect(revocations.revoke({ ...event, iss: "https://b.test" })).toBe(true);
  revocations.revoke(ended({ sub: "alice", issuedUntil: start - 30_000, endsAt: start + 1 }));
  expect(revocations.covers(token({}))).toBe(true);
});

test("ended marks make room; without room everybody of that issuer logs in again", () => {
  const world = createWorld();
  const revocations = createRevocations(world, 100);
  const fill = (iss: string, from: number, count: number): void => {
    for (let i = from; i < from + count; i++) {
      revocations.revoke(ended({ iss, sub: `p${i}`, endsAt: world.ms + 1_000 }));
    }
  };
  const a = "https://a.test";
  fill(a, 0, 99);
  world.ms += 1_000;
  fill(a, 99, 99);
  const alice = token({ iat: start / 1000 - 1 });
  expect(revocations.covers(alice)).toBe(false);
  expect(world.lines).toEqual([]);

  fill(a, 198, 10);
  expect(world.lines).toMatchObject([
    { event: "revocations_full", fields: { issuer: a, entries: 100 } },
  ]);
  expect(revocations.covers(alice)).toBe(true);
  expect(revocations.covers({ ...alice, iss: "https://b.test" })).toBe(false);
  expect(revocations.covers(token({ iat: start / 1000 + 1 }))).toBe(false);
});
