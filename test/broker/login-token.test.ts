import { decodeJwt } from "jose";
import { expect, test, vi } from "vitest";
import type { Principal } from "../../src/base/principal.ts";
import { Secret } from "../../src/base/secret.ts";
import { createReadLogin } from "../../src/gateway/read-login.ts";
import { load, goodWith } from "../config/world.ts";
import { office, tokens, type Office } from "./office.ts";

/** A caller as the gateway believes them, and how it gets at the token of their login. */
async function caller(at: Office): Promise<{
  principal: Principal;
  loginToken: (principal: Principal, refused?: string) => Promise<string>;
}> {
  const { access } = await tokens(at, "carol");
  const { iss = "", sub = "", ...claims } = decodeJwt(access);
  const { broker } = await load(goodWith("  upstream: dev", "  upstream: {acme: {client: corp}}"));
  if (broker === undefined) throw new Error("no broker");
  const config = { broker: { ...broker, issuer: at.issuer } } as Parameters<
    typeof createReadLogin
  >[0];
  const readLogin = createReadLogin(config, () => at.broker);
  const principal: Principal = {
    iss,
    sub,
    name: undefined,
    clientId: undefined,
    scopes: new Set(),
    roles: [],
    claims: claims as Principal["claims"],
    expiresAt: Number.POSITIVE_INFINITY,
    tokenHash: "hash",
    token: new Secret(access),
  };
  return {
    principal,
    loginToken: async (...asked) => (await readLogin(...asked)).accessToken,
  };
}

async function whoIs(at: Office, token: string): Promise<unknown> {
  const answer = await fetch(`${at.company.issuer}/me`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return answer.status === 200 ? ((await answer.json()) as { sub: string }).sub : answer.status;
}

test("the company's token of this login is there for an exchange, and renewed when it ends", async () => {
  const at = await office();
  const { principal, loginToken } = await caller(at);
  const first = await loginToken(principal);
  expect(await whoIs(at, first)).toBe("carol");
  expect(first).not.toBe(principal.token?.reveal());
  expect(await loginToken(principal)).toBe(first);
  vi.useFakeTimers({ now: Date.now() + 3_590_000, toFake: ["Date"] });
  try {
    const second = await loginToken(principal);
    expect(second).not.toBe(first);
    expect(await whoIs(at, second)).toBe("carol");
  } finally {
    vi.useRealTimers();
  }
});

test("a login that ended at the company sends the person to log in again", async () => {
  const at = await office();
  const { principal, loginToken } = await caller(at);
  at.company.people.delete("carol");
  vi.useFakeTimers({ now: Date.now() + 3_590_000, toFake: ["Date"] });
  try {
    await expect(loginToken(principal)).rejects.toMatchObject({
      name: "AuthError",
      reason: "login_ended",
    });
  } finally {
    vi.useRealTimers();
  }
});

test("a company that does not answer is no reason to log in again", async () => {
  const at = await office();
  const { principal, loginToken } = await caller(at);
  at.company.down = true;
  vi.useFakeTimers({ now: Date.now() + 3_590_000, toFake: ["Date"] });
  try {
    await expect(loginToken(principal)).rejects.toMatchObject({
      name: "CallError",
      code: "temporarily_unavailable",
    });
  } finally {
    vi.useRealTimers();
  }
});

test("somebody with a token of another issuer has no login here", async () => {
  const at = await office();
  const { principal, loginToken } = await caller(at);
  await expect(loginToken({ ...principal, iss: "https://sso.example" })).rejects.toMatchObject({
    code: "credential_unavailable",
  });
  const foreign = { ...principal, claims: { sid: "another" } };
  await expect(loginToken(foreign)).rejects.toMatchObject({ reason: "login_ended" });
});

test("a token that an API refused is renewed once, whoever of its callers comes back", async () => {
  const at = await office();
  const { principal, loginToken } = await caller(at);
  const first = await loginToken(principal);
  const renewed = await Promise.all([1, 2, 3].map(() => loginToken(principal, first)));
  expect(new Set(renewed).size).toBe(1);
  expect(renewed[0]).not.toBe(first);
  // Who still holds the old one gets what replaced it.
  expect(await loginToken(principal, first)).toBe(renewed[0]);
  expect(await loginToken(principal)).toBe(renewed[0]);
});
