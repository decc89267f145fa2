import fc from "fast-check";
import { expect, test } from "vitest";
import { AuthError } from "../../src/base/errors.ts";
import { anonymous, createAnonymous } from "../../src/auth/anonymous.ts";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import {
  bearer,
  createGate,
  createKey,
  depsOf,
  issuerConfig,
  oauth,
  outcome,
  endpoint,
} from "./issuer.ts";

test("a verified token is known at once, as the same principal", async () => {
  const { issuer, authenticate } = await createGate();
  const headers = bearer(await issuer.sign());
  expect(authenticate.known(headers)).toBeUndefined();
  const principal = await authenticate(headers);
  expect(authenticate.known(headers)).toBe(principal);
  expect(await authenticate(headers)).toBe(principal);
});

test("what a connection showed last is believed no longer than the token, and nobody else's", async () => {
  const { issuer, authenticate, present, world } = await createGate();
  const connection = {};
  const first = await issuer.sign({ sub: "alice", exp: world.ms / 1000 + 60 });
  const second = await issuer.sign({ sub: "bob" });
  for (const token of [first, second]) await present(token);
  const subjectOf = (token: string): string | undefined =>
    authenticate.known(bearer(token), undefined, connection)?.sub;
  expect([first, first, second, first].map(subjectOf)).toEqual(["alice", "alice", "bob", "alice"]);
  const two = [...bearer(first), ...bearer(first)];
  expect(() => authenticate.known(two, undefined, connection)).toThrow(AuthError);
  expect(() => authenticate.known(["Host", "h"], undefined, connection)).toThrow(AuthError);
  world.ms += 90_000;
  expect(subjectOf(first)).toBeUndefined();
});

test("known refuses what needs no verification", async () => {
  const { authenticate } = await createGate();
  expect(() => authenticate.known(["Host", "h"])).toThrow(AuthError);
  expect(() => authenticate.known(bearer("a"), "access_token=b")).toThrow(AuthError);
});

test("one token shown many times at once is verified once", async () => {
  const { issuer, authenticate } = await createGate();
  const headers = bearer(await issuer.sign());
  const principals = await Promise.all(Array.from({ length: 50 }, () => authenticate(headers)));
  expect(new Set(principals).size).toBe(1);
  expect(issuer.jwksRequests()).toBe(1);
});

test("a known token expires on time", async () => {
  const { issuer, authenticate, present, world } = await createGate();
  const token = await issuer.sign({ exp: world.ms / 1000 + 60 });
  expect(await present(token)).toBe("ok");
  world.ms += 89_000;
  expect(authenticate.known(bearer(token))).toBeUndefined();
  expect(await present(token)).toBe("ok");
  world.ms += 1_000;
  expect(await present(token)).toBe("401 expired");
});

test("a known token is verified again after ten minutes", async () => {
  const { issuer, authenticate, world } = await createGate();
  const headers = bearer(await issuer.sign({ exp: world.ms / 1000 + 3_600 }));
  await authenticate(headers);
  world.ms += 600_000 - 1;
  expect(authenticate.known(headers)).toBeDefined();
  world.ms += 1;
  expect(authenticate.known(headers)).toBeUndefined();
});

test("a known token is refused once its key has left the key set", async () => {
  const { issuer, authenticate, present, world } = await createGate();
  const token = await issuer.sign();
  expect(await present(token)).toBe("ok");
  const successor = await createKey("k2");
  issuer.jwks.keys = [successor.jwk];
  // An unknown kid, after the cooldown, makes the gateway fetch.
  world.ms += 30_000;
  await present(await issuer.sign({}, { kid: "nobody" }));
  expect(authenticate.known(bearer(token))).toBeUndefined();
  expect(await present(token)).toBe("401 unknown_key");
  expect(await present(await issuer.sign({}, {}, successor))).toBe("ok");
});

test("a connection that showed a token is not believed once the key has left the key set", async () => {
  const { issuer, authenticate, present, world } = await createGate();
  const token = await issuer.sign();
  const connection = {};
  const known = (): string | undefined =>
    authenticate.known(bearer(token), undefined, connection)?.sub;
  expect(await present(token)).toBe("ok");
  expect([known(), known()]).toEqual(["alice", "alice"]);
  issuer.jwks.keys = [(await createKey("k2")).jwk];
  world.ms += 30_000;
  await present(await issuer.sign({}, { kid: "nobody" }));
  expect(known()).toBeUndefined();
});

test("a known token survives a refresh that keeps its key", async () => {
  const { issuer, authenticate, present, world } = await createGate();
  const headers = bearer(await issuer.sign());
  const principal = await authenticate(headers);
  issuer.jwks.keys = [(await createKey("k2")).jwk, structuredClone(issuer.key.jwk)];
  world.ms += 30_000;
  await present(await issuer.sign({}, { kid: "nobody" }));
  expect(issuer.jwksRequests()).toBe(2);
  expect(authenticate.known(headers)).toBe(principal);
});

test("a refused token is not remembered as good, nor a good one as refused", async () => {
  const { issuer, present, world } = await createGate();
  const token = await issuer.sign({ nbf: world.ms / 1000 + 60 });
  expect(await present(token)).toBe("401 not_yet_valid");
  world.ms += 60_000;
  expect(await present(token)).toBe("ok");
});

test("a token from the environment passes the same checks", async () => {
  const { issuer, authenticate, world } = await createGate();
  const { authenticateToken } = authenticate;
  const token = await issuer.sign();
  expect((await authenticateToken(token)).sub).toBe("alice");
  expect(await outcome(authenticateToken(""))).toBe("401 malformed_token");
  expect(await outcome(authenticateToken(`${token}\n`))).toBe("401 malformed_token");
  expect(await outcome(authenticateToken("a".repeat(8_193)))).toBe("401 token_too_large");
  expect(await outcome(authenticateToken(await issuer.sign({ scope: "x" })))).toBe(
    "403 baseline_scope_missing",
  );
  world.ms += 330_000;
  expect(await outcome(authenticateToken(token))).toBe("401 expired");
});

test("S75: one token's principal is never served for another token", async () => {
  const { issuer, authenticate } = await createGate();
  const people = ["alice", "bob", "carol"];
  const tokens = new Map<string, string>();
  for (const sub of people)
    for (const scope of ["mcp:tools", "mcp:tools admin"])
      tokens.set(await issuer.sign({ sub, scope }), `${sub} ${scope}`);
  const good = [...tokens.keys()];
  const spoiled = fc
    .tuple(fc.constantFrom(...good), fc.nat(), fc.constantFrom("A", "z", "0", "-", "_", "."))
    .map(([token, at, char]) => {
      const index = at % token.length;
      return token.slice(0, index) + char + token.slice(index + 1);
    });
  const mixed = fc
    .tuple(fc.constantFrom(...good), fc.constantFrom(...good), fc.constantFrom(0, 1, 2))
    .map(([a, b, part]) => a.split(".").with(part, b.split(".")[part]!).join("."));
  const ownerOf = async (token: string): Promise<string | undefined> => {
    try {
      const principal = await authenticate(bearer(token));
      const own = principal.token?.reveal() === token;
      return own ? `${principal.sub} ${[...principal.scopes].join(" ")}` : "foreign token";
    } catch (error) {
      if (error instanceof AuthError) return undefined;
      throw error;
    }
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.constantFrom(...good), spoiled, mixed), { maxLength: 8 }),
      async (shown) => {
        const owners = await Promise.all(shown.map(ownerOf));
        expect(owners).toEqual(shown.map((token) => tokens.get(token)));
      },
    ),
    { numRuns: 300 },
  );
});

test("no claims make the gate fail otherwise than by refusing", async () => {
  const { issuer, authenticate } = await createGate({ typ: "any" });
  const names = [
    "aud",
    "sub",
    "exp",
    "nbf",
    "iat",
    "client_id",
    "azp",
    "scope",
    "scp",
    "cnf",
    "typ",
  ];
  const claims = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
  await fc.assert(
    fc.asyncProperty(claims, async (change) => {
      const answer = authenticate(bearer(await issuer.sign(change)));
      expect(await outcome(answer)).toMatch(/^(ok|401 \w+|403 \w+)$/);
    }),
    { numRuns: 500 },
  );
});

test("an issuer without a key set is a mistake of the wiring", async () => {
  const { keys, world } = await createGate();
  const config = oauth(issuerConfig("https://other.test"));
  expect(() => createAuthenticate(config, endpoint, depsOf(keys, world), world)).toThrow(TypeError);
});

test("with auth none everybody is anonymous, whatever is sent", async () => {
  const authenticate = createAnonymous();
  expect(await authenticate(["Authorization", "Bearer a", "Authorization", "b"])).toBe(anonymous);
  expect(authenticate.known([])).toBe(anonymous);
  expect(await authenticate.authenticateToken("x")).toBe(anonymous);
  expect(anonymous).toMatchObject({ iss: "", token: undefined, tokenHash: "" });
  expect(Object.isFrozen(anonymous)).toBe(true);
});
