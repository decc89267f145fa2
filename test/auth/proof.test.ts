import { createHash, randomUUID } from "node:crypto";
import {
  calculateJwkThumbprint,
  CompactSign,
  exportJWK,
  generateKeyPair,
  type CryptoKey,
  type JWK,
} from "jose";
import { expect, test } from "vitest";
import {
  createAuthenticate,
  type Authenticate,
  type AuthenticateDeps,
} from "../../src/auth/authenticate.ts";
import { compileChallenge } from "../../src/auth/challenge.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import { createReplays } from "../../src/auth/replays.ts";
import { compileMetadata } from "../../src/auth/metadata.ts";
import { AuthError } from "../../src/base/errors.ts";
import {
  bearer,
  createIssuer,
  createWorld,
  endpoint,
  issuerConfig,
  oauth,
  outcome,
  resource,
  type Claims,
  type TestIssuer,
  type World,
  depsOf,
} from "./issuer.ts";

interface ProofGate {
  readonly world: World;
  readonly issuer: TestIssuer;
  readonly authenticate: Authenticate;
  readonly jwk: JWK;
  /** Bound to the key of `prove`. */
  readonly token: string;
  readonly prove: (change?: Claims, header?: Claims, key?: CryptoKey) => Promise<string>;
  readonly present: (proofs: readonly string[], scheme?: string) => Promise<string>;
}

async function createProofGate(
  dpop: "off" | "optional" | "required" = "optional",
  partsOf: (now: () => number) => Partial<AuthenticateDeps> = () => ({}),
): Promise<ProofGate> {
  const world = createWorld();
  const issuer = await createIssuer(world);
  const config = { ...oauth(issuerConfig(issuer.url)), dpop };
  const keys = createKeySets(config.issuers, { fetch: globalThis.fetch, store: noKeyStore }, world);
  const deps = depsOf(keys, world, partsOf(world.now));
  const authenticate = createAuthenticate(config, endpoint, deps, world);
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(publicKey);
  const token = await issuer.sign({ cnf: { jkt: await calculateJwkThumbprint(jwk) } });
  const prove: ProofGate["prove"] = (change = {}, header = {}, key = privateKey) => {
    const claims = {
      htm: "POST",
      htu: resource,
      iat: world.ms / 1000,
      jti: randomUUID(),
      ath: createHash("sha256").update(token).digest("base64url"),
      ...change,
    };
    return new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk, ...header })
      .sign(key);
  };
  const present: ProofGate["present"] = (proofs, scheme = "DPoP") =>
    outcome(
      authenticate([
        "Authorization",
        `${scheme} ${token}`,
        ...proofs.flatMap((proof, i) => [i % 2 === 0 ? "DPoP" : "dpop", proof]),
      ]),
    );
  return { world, issuer, authenticate, jwk, token, prove, present };
}

test("a bound token is accepted with a proof of its own, each time", async () => {
  const { authenticate, token, prove, present } = await createProofGate();
  expect(await present([await prove()])).toBe("ok");
  expect(await present([await prove()])).toBe("ok");
  expect(await present([await prove({ htu: `${resource}?a=b#c` })])).toBe("ok");
  // Known as it is, it is never let in without looking at the proof.
  const connection = {};
  for (let i = 0; i < 2; i++)
    expect(
      authenticate.known(["Authorization", `DPoP ${token}`], undefined, connection),
    ).toBeUndefined();
});

test.each<[string, Claims, string]>([
  ["another method", { htm: "GET" }, "wrong_method"],
  ["no method", { htm: undefined }, "wrong_method"],
  ["another path", { htu: `${resource}/x` }, "wrong_url"],
  ["another host", { htu: "https://evil.test/mcp" }, "wrong_url"],
  ["no URL", { htu: "mcp" }, "wrong_url"],
  ["no ath", { ath: undefined }, "wrong_token"],
  ["another token's ath", { ath: "x" }, "wrong_token"],
  ["ten minutes ago", { iat: 1_800_000_000 - 600 }, "proof_time"],
  ["in ten minutes", { iat: 1_800_000_000 + 600 }, "proof_time"],
  ["no time", { iat: undefined }, "proof_time"],
  ["a time as text", { iat: "1800000000" }, "proof_time"],
  ["no jti", { jti: undefined }, "proof_id"],
  ["an endless jti", { jti: "x".repeat(257) }, "proof_id"],
])("H13: a proof with %s is refused", async (_what, change, reason) => {
  const { prove, present } = await createProofGate();
  expect(await present([await prove(change)])).toBe(`401 ${reason}`);
});

test("H13: a proof counts once, and for two minutes it is remembered", async () => {
  const { world, prove, present } = await createProofGate();
  const proof = await prove();
  expect(await present([proof])).toBe("ok");
  expect(await present([proof])).toBe("401 replayed_proof");
  world.ms += 59_000;
  expect(await present([proof])).toBe("401 replayed_proof");
  world.ms += 2_000;
  expect(await present([proof])).toBe("401 proof_time");
});

test("H13: a flood of proofs never makes room for one that was shown before", async () => {
  const { world, prove, present } = await createProofGate("optional", (now) => ({
    replays: createReplays({ entries: 20, perHolder: 20 }, now),
  }));
  const captured = await prove();
  expect(await present([captured])).toBe("ok");
  for (let i = 0; i < 19; i++) expect(await present([await prove()])).toBe("ok");
  expect(await present([await prove()])).toBe("503 too_many_proofs");
  expect(await present([captured])).toBe("401 replayed_proof");
  world.ms += 60_000;
  expect(await present([captured])).toBe("401 replayed_proof");
  expect(await present([await prove()])).toBe("503 too_many_proofs");
  world.ms += 61_000;
  expect(await present([await prove()])).toBe("ok");
});

test("who shows too many proofs, with whatever token, takes the room of nobody else", async () => {
  const { issuer, authenticate, jwk, prove, present } = await createProofGate(
    "optional",
    (now) => ({ replays: createReplays({ entries: 20, perHolder: 2 }, now) }),
  );
  const cnf = { jkt: await calculateJwkThumbprint(jwk) };
  const presentOf = async (sub: string): Promise<string> => {
    const token = await issuer.sign({ sub, cnf, jti: randomUUID() });
    const proof = await prove({ ath: createHash("sha256").update(token).digest("base64url") });
    return outcome(authenticate(["Authorization", `DPoP ${token}`, "DPoP", proof]));
  };
  expect([await present([await prove()]), await presentOf("alice")]).toEqual(["ok", "ok"]);
  expect(await presentOf("alice")).toBe("503 too_many_proofs");
  expect(await presentOf("bob")).toBe("ok");
});

test("H13: a proof from the future is remembered for as long as it is good", async () => {
  const { world, prove, present } = await createProofGate();
  const proof = await prove({ iat: world.ms / 1000 + 60 });
  expect(await present([proof])).toBe("ok");
  world.ms += 120_000;
  expect(await present([proof])).toBe("401 replayed_proof");
});

test("H13: of many who show one proof at once, one gets in", async () => {
  const { prove, present } = await createProofGate();
  const proof = await prove();
  const answers = await Promise.all(Array.from({ length: 20 }, () => present([proof])));
  expect(answers.filter((answer) => answer === "ok")).toHaveLength(1);
});

test("H13: none, two, or something else than a proof", async () => {
  const { prove, present, token } = await createProofGate();
  expect(await present([])).toBe("401 one_proof");
  expect(await present([await prove(), await prove()])).toBe("401 one_proof");
  expect(await present(["x".repeat(8_193)])).toBe("401 one_proof");
  for (const text of ["x", "a.b.c", token])
    expect(await present([text])).toBe("401 malformed_proof");
});

test("H13: the key must be public, asymmetric, that of the signature and that of the token", async () => {
  const { jwk, prove, present } = await createProofGate();
  const other = await generateKeyPair("ES256", { extractable: true });
  const otherJwk = await exportJWK(other.publicKey);
  expect(await present([await prove({}, { jwk: otherJwk }, other.privateKey)])).toBe(
    "401 wrong_key",
  );
  expect(await present([await prove({}, {}, other.privateKey)])).toBe("401 malformed_proof");
  const leaked = await exportJWK(other.privateKey);
  expect(await present([await prove({}, { jwk: leaked }, other.privateKey)])).toBe(
    "401 malformed_proof",
  );
  for (const header of [
    { typ: "JWT" },
    { typ: undefined },
    { jwk: undefined },
    { jwk: { kty: "oct", k: "AAAA" } },
    { jwk: { ...jwk, k: "AAAA" } },
  ])
    expect(await present([await prove({}, header)])).toBe("401 malformed_proof");
  const secret = Buffer.alloc(32, 1);
  const symmetric = { kty: "oct", k: secret.toString("base64url") } as JWK;
  const mac = await new CompactSign(Buffer.from("{}"))
    .setProtectedHeader({ alg: "HS256", typ: "dpop+jwt", jwk: symmetric })
    .sign(secret);
  expect(await present([mac])).toBe("401 malformed_proof");
});

test("H14: a bound token is no bearer token, and a bearer token is not bound", async () => {
  const { issuer, authenticate, prove, present } = await createProofGate();
  expect(await present([await prove()], "Bearer")).toBe("401 sender_constrained");
  expect(await present([await prove()])).toBe("ok");
  expect(await present([await prove()], "Bearer")).toBe("401 sender_constrained");
  const plain = await issuer.sign();
  const shown = ["Authorization", `DPoP ${plain}`, "DPoP", await prove()];
  expect(await outcome(authenticate(shown))).toBe("401 not_bound");
  expect(await outcome(authenticate(bearer(plain)))).toBe("ok");
});

test("a token that is bound to a key and a certificate needs both", async () => {
  const gate = await createProofGate("optional", () => ({ certificates: true }));
  const { issuer, authenticate, prove, jwk } = gate;
  const cnf = { jkt: await calculateJwkThumbprint(jwk), "x5t#S256": "own" };
  const token = await issuer.sign({ cnf });
  const ath = createHash("sha256").update(token).digest("base64url");
  const present = async (proof: string[], certificate: string | undefined): Promise<string> => {
    const shown = ["Authorization", `DPoP ${token}`, ...proof];
    return outcome(authenticate(shown, undefined, "POST", () => certificate));
  };
  const proof = async (): Promise<string[]> => ["DPoP", await prove({ ath })];
  expect(await present(await proof(), "own")).toBe("ok");
  expect(await present(await proof(), "other")).toBe("401 wrong_certificate");
  expect(await present(await proof(), undefined)).toBe("401 wrong_certificate");
  expect(await present([], "own")).toBe("401 one_proof");
  const other = await issuer.sign({ cnf: { ...cnf, kid: "x" } });
  expect(await outcome(authenticate(bearer(other)))).toBe("401 sender_constrained");
  // What came by no connection shows no certificate.
  const bound = await issuer.sign({ cnf: { "x5t#S256": "own" } });
  expect(await outcome(authenticate.authenticateToken(bound))).toBe("401 sender_constrained");
  expect(await outcome(authenticate(bearer(bound), undefined, "POST", () => "own"))).toBe("ok");
  expect(authenticate.known(bearer(bound))).toBeUndefined();
});

test("where proofs are required, a bearer token is refused, known or not", async () => {
  const { issuer, authenticate, prove, present } = await createProofGate("required");
  const headers = bearer(await issuer.sign());
  expect(await outcome(authenticate(headers))).toBe("401 dpop_required");
  expect(await outcome(authenticate(headers))).toBe("401 dpop_required");
  expect(await present([await prove()])).toBe("ok");
});

test.each([{ jkt: "" }, { jkt: 1 }, { jkt: "a", "x5t#S256": "b" }, { "x5t#S256": "b" }, {}, null])(
  "H14: a token bound by cnf %j is refused, whatever is shown with it",
  async (cnf) => {
    const { issuer, authenticate, prove } = await createProofGate();
    const token = await issuer.sign({ cnf });
    const shown = ["Authorization", `DPoP ${token}`, "DPoP", await prove()];
    expect(await outcome(authenticate(shown))).toBe("401 sender_constrained");
  },
);

test("challenges name both schemes, Bearer first, and metadata says what is required", () => {
  const config = { ...oauth(issuerConfig("https://idp.test")), dpop: "required" as const };
  const refuse = compileChallenge({
    metadataUrl: "https://m.test",
    scopes: [],
    advertise: () => [],
    dpop: true,
  });
  const algs = 'algs="ES256 EdDSA Ed25519 PS256 RS256"';
  const { status, headers, body } = refuse(new AuthError("invalid_dpop_proof", "wrong_url"));
  expect(status).toBe(401);
  expect(headers["www-authenticate"]).toEqual([
    'Bearer error="invalid_token", error_description="wrong url", resource_metadata="https://m.test"',
    `DPoP error="invalid_dpop_proof", ${algs}`,
  ]);
  expect(JSON.parse(body)).toMatchObject({ error: "invalid_dpop_proof" });
  expect(refuse(new AuthError("missing_token", "no_token")).headers["www-authenticate"]).toEqual([
    'Bearer resource_metadata="https://m.test"',
    `DPoP ${algs}`,
  ]);
  expect(
    JSON.parse(compileMetadata(config, { resource }, { only: true, certificates: false }).body),
  ).toMatchObject({
    dpop_bound_access_tokens_required: true,
    dpop_signing_alg_values_supported: ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"],
  });
});
