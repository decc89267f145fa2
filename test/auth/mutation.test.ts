import fc from "fast-check";
import { expect, test } from "vitest";
import { AuthError } from "../../src/base/errors.ts";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import type { JsonObject } from "../../src/base/json.ts";
import type { IssuerConfig } from "../../src/config/types/auth.ts";
import {
  bearer,
  createGate,
  createWorld,
  depsOf,
  endpoint,
  goodClaims,
  issuerConfig,
  oauth,
  sign,
  type Gate,
} from "./issuer.ts";

const mutations = 100_000;
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~";

/** The same numbers for the same seed, so that a failure can be seen again. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Mutate = (token: string, random: (below: number) => number) => string;

const decode = (part = ""): string => Buffer.from(part, "base64url").toString("latin1");
const encode = (text: string): string => Buffer.from(text, "latin1").toString("base64url");

function inPart(change: (text: string, random: (below: number) => number) => string): Mutate {
  return (token, random) => {
    const parts = token.split(".");
    const at = random(3);
    return parts.with(at, encode(change(decode(parts[at]), random))).join(".");
  };
}

const kinds: readonly Mutate[] = [
  // One character becomes another.
  (token, random) => {
    const at = random(token.length);
    return token.slice(0, at) + alphabet[random(alphabet.length)]! + token.slice(at + 1);
  },
  // One is lost, one is put in, two change places, a tail is lost or said twice.
  (token, random) => {
    const at = random(token.length);
    return token.slice(0, at) + token.slice(at + 1);
  },
  (token, random) => {
    const at = random(token.length + 1);
    return token.slice(0, at) + alphabet[random(alphabet.length)]! + token.slice(at);
  },
  (token, random) => {
    const at = random(token.length - 1);
    return token.slice(0, at) + token[at + 1]! + token[at]! + token.slice(at + 2);
  },
  (token, random) => token.slice(0, random(token.length)),
  (token, random) => token + token.slice(-1 - random(20)),
  // Bits and bytes under a correct encoding.
  inPart((text, random) => {
    const at = random(text.length);
    const code = text.charCodeAt(at) ^ (1 << random(8));
    return text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
  }),
  inPart((text, random) => text.slice(0, random(text.length)) + text),
  inPart((text, random) => text.slice(random(text.length)) || "x"),
  // Readable changes of header and claims under the old signature.
  (token, random) => {
    const [header, payload, signature] = token.split(".");
    const claims = JSON.parse(decode(payload)) as Record<string, unknown>;
    const names = Object.keys(claims);
    const name = names[random(names.length)]!;
    const value = claims[name];
    claims[name] = typeof value === "number" ? value + 1 + random(1_000) : `${String(value)}x`;
    return [header, encode(JSON.stringify(claims)), signature].join(".");
  },
  (token, random) => {
    const [header, payload, signature] = token.split(".");
    const fields = JSON.parse(decode(header)) as Record<string, unknown>;
    const algs = ["none", "None", "HS256", "RS256", "PS256", "ES384", "EdDSA", ""];
    if (random(2) === 0) fields["alg"] = algs[random(algs.length)];
    else fields["jwk"] = { n: random(1_000) };
    return [encode(JSON.stringify(fields)), payload, signature].join(".");
  },
];

test(`${mutations} mutations of a good token are all refused`, { timeout: 300_000 }, async () => {
  const { issuer, authenticate } = await createGate();
  const token = await issuer.sign({ jti: "original" });
  await authenticate(bearer(token));
  const random = createRandom(20_260_728);
  const reasons = new Map<string, number>();
  let refused = 0;
  for (let turn = 0; refused < mutations; turn++) {
    const mutant = kinds[turn % kinds.length]!(token, random);
    if (mutant === token) continue;
    try {
      await authenticate(bearer(mutant));
      expect.unreachable(`accepted ${mutant}`);
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      reasons.set(error.reason, (reasons.get(error.reason) ?? 0) + 1);
      refused++;
    }
  }
  // It got past the form often enough for the signature to be what refused it.
  expect(reasons.get("bad_signature")).toBeGreaterThan(mutations / 10);
  expect(issuer.jwksRequests()).toBe(1);
});

const everyRule: Partial<IssuerConfig> = {
  typ: "any",
  tenant: "t",
  exclusive: true,
  clients: ["cursor"],
  scopes: {
    from: ["scope", "scp", "permissions", "a.b"],
    prefix: "p/",
    advertise: "",
    implies: new Map([["mcp:tools", ["x"]]]),
  },
  nameClaims: ["name", "a.b"],
  roleClaims: ["roles", "a.b.c"],
  require: new Map([["a.b", { kind: "all", values: ["x", 1, true] }]]),
  machine: [
    new Map<string, string | null>([
      ["gty", "m*"],
      ["sid", null],
    ]),
  ],
};

const claimNames = [
  ..."iss aud sub exp nbf iat client_id azp cid appid scope scp permissions cnf typ tid".split(" "),
  ..."nonce token_use name roles a a.b gty sid jti __proto__ constructor toString".split(" "),
];

test.each([{}, everyRule])(
  "claims of any kind are believed or refused, and nothing else happens (%#)",
  async (rules) => {
    const gate: Gate = await createGate(rules);
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom("mcp:tools", "cursor", "t", 0, -1, 1e308, 1_800_000_100, null, [], {}),
    );
    const claims = fc.dictionary(fc.constantFrom(...claimNames), value);
    await fc.assert(
      fc.asyncProperty(claims, fc.boolean(), async (change, whole) => {
        const token = whole
          ? await sign(JSON.stringify(change), {}, gate.issuer.key)
          : await gate.issuer.sign(change);
        await gate.authenticate(bearer(token)).then(
          (principal) => expect(Object.isFrozen(principal)).toBe(true),
          (error: unknown) => expect(error).toBeInstanceOf(AuthError),
        );
      }),
      { numRuns: 2_000 },
    );
  },
  60_000,
);

test("50,000 tokens keep the cache within its bound, and the last ones are known", async () => {
  const world = createWorld();
  const iss = "https://sso.acme.test";
  const client = { client: "gateway", url: undefined, cacheMs: 30_000, everyMs: undefined };
  const issuer = issuerConfig(iss, { tokens: "introspect", introspection: client });
  const config = { ...oauth(issuer), cache: { entries: 7_000, maxAgeMs: 600_000 } };
  const keys = createKeySets([], { fetch: globalThis.fetch, store: noKeyStore }, world);
  const answer = { active: true, ...goodClaims(iss, world) } as JsonObject;
  const introspect = new Map([[iss, async () => answer]]);
  const authenticate = createAuthenticate(
    config,
    endpoint,
    depsOf(keys, world, { introspect }),
    world,
  );
  const known = (id: number): boolean => authenticate.known(bearer(`token-${id}`)) !== undefined;
  for (let id = 0; id < 50_000; id++) await authenticate(bearer(`token-${id}`));
  expect([known(0), known(42_999), known(43_000), known(49_999)]).toEqual([
    false,
    false,
    true,
    true,
  ]);
  const all = Array.from({ length: 50_000 }, (_, id) => known(id));
  expect(all.filter(Boolean)).toHaveLength(7_000);
});
