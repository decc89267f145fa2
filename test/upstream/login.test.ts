import { expect, test } from "vitest";
import type { CredentialConfig } from "../../src/config/types/credential.ts";
import type { Login } from "../../src/upstream/credential/login.ts";
import { bearerParts, createRoom, createTestPorts, person } from "./credential-world.ts";

const config: CredentialConfig = { kind: "login", idp: "hub", title: "GitHub", client: "hub" };

/** A credential whose logins a test answers, and what it was asked. */
function room(answer: (refused: string | undefined) => Partial<Login>) {
  const ports = createTestPorts();
  const asked: (string | undefined)[] = [];
  const credential = createRoom([], ports, {
    readLogin: async (_principal, refused) => {
      asked.push(refused);
      return { idp: "hub", accessToken: "a-token", expiresAt: undefined, ...answer(refused) };
    },
  })(config);
  return { credential, asked, ports };
}

test("who logged in at another provider is told where to log in", async () => {
  const { credential } = room(() => ({ idp: "elsewhere" }));
  await expect(credential.get(person("x"), undefined)).rejects.toMatchObject({
    code: "credential_unavailable",
    message: expect.stringContaining("GitHub"),
  });
});

test("a token is kept for a minute", async () => {
  const { credential, asked, ports } = room(() => ({}));
  const alice = person("x");
  for (const [later, times] of [
    [0, 1],
    [59_000, 1],
    [1_000, 2],
  ] as const) {
    ports.forward(later);
    await credential.get(alice, undefined);
    expect(asked).toHaveLength(times);
  }
});

test("a token is never kept beyond its end", async () => {
  const { credential, asked, ports } = room(() => ({ expiresAt: ports.now() + 50_000 }));
  const alice = person("x");
  for (let i = 0; i < 3; i++)
    expect(await credential.get(alice, undefined)).toEqual(bearerParts("a-token"));
  expect(asked).toHaveLength(1);
  ports.forward(20_000);
  await credential.get(alice, undefined);
  expect(asked).toHaveLength(2);
});

test("two callers never share one, and callers at once ask once", async () => {
  const { credential, asked } = room(() => ({}));
  await Promise.all([1, 2, 3].map(async () => credential.get(person("x"), undefined)));
  expect(asked).toHaveLength(1);
  await credential.get(person("y"), undefined);
  expect(asked).toHaveLength(2);
});

test("what an API refused is named when the next one is asked for; a second refusal is the end", async () => {
  const { credential, asked } = room((refused) => ({
    accessToken: refused === undefined ? "a-token" : "another",
  }));
  const alice = person("x");
  const first = await credential.get(alice, undefined);
  expect(credential.invalidate(alice, first)).toBe(true);
  const second = await credential.get(alice, undefined);
  expect([asked, second]).toEqual([[undefined, "a-token"], bearerParts("another")]);
  expect(credential.invalidate(alice, second)).toBe(false);
  await expect(credential.get(alice, undefined)).rejects.toMatchObject({
    code: "upstream_unauthorized",
  });
});

test("without a broker nobody has a login, and the caller's own token is no substitute", async () => {
  const nobody = createRoom([], createTestPorts())(config);
  await expect(nobody.get(person("x"), undefined)).rejects.toMatchObject({
    code: "credential_unavailable",
  });
});
