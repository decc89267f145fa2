import { describe, expect, test } from "vitest";

import { createIssuerMetadata } from "../../src/upstream/credential/issuer-metadata.ts";
import {
  type Answer,
  type Asked,
  type AuthorizationServer,
  bearerParts,
  clientConfig,
  createRoom,
  createTestPorts,
  exchange,
  person,
  startServer,
  type TestPorts,
} from "./credential-world.ts";

async function world(answer: (asked: Asked, origin: string) => Answer): Promise<{
  server: AuthorizationServer;
  ports: TestPorts;
  metadata: (issuer: string) => Promise<string>;
}> {
  const server: AuthorizationServer = await startServer((asked) => answer(asked, server.origin));
  const ports = createTestPorts();
  const find = createIssuerMetadata(fetch, ports);
  return { server, ports, metadata: async (issuer) => (await find(issuer)).tokenUrl };
}

const missing: Answer = { status: 404, body: "" };

describe("discovery", () => {
  test.each([
    {
      name: "RFC 8414, inserted before the path",
      path: "/realms/acme",
      serves: "/.well-known/oauth-authorization-server/realms/acme",
    },
    {
      name: "OpenID Connect, appended to the path",
      path: "/realms/acme",
      serves: "/realms/acme/.well-known/openid-configuration",
    },
    {
      name: "an issuer without a path",
      path: "",
      serves: "/.well-known/oauth-authorization-server",
    },
    { name: "an issuer that is a slash", path: "/", serves: "/.well-known/openid-configuration" },
  ])("finds the token endpoint: $name", async ({ path, serves }) => {
    const { server, metadata } = await world((asked, origin) =>
      asked.path === serves
        ? { body: { issuer: `${origin}${path}`, token_endpoint: `${origin}/t` } }
        : missing,
    );
    expect(await metadata(`${server.origin}${path}`)).toBe(`${server.origin}/t`);
    expect(server.asked.at(-1)?.path).toBe(serves);
  });

  test("goes on to the second form when the first speaks for another issuer", async () => {
    const { server, metadata } = await world(({ path }, origin) => ({
      body: {
        issuer: path.includes("oauth-authorization-server") ? origin : `${origin}/tenant`,
        token_endpoint: path.includes("oauth-authorization-server")
          ? `${origin}/no`
          : `${origin}/t`,
      },
    }));
    expect(await metadata(`${server.origin}/tenant`)).toBe(`${server.origin}/t`);
  });

  test.each([
    [
      "another issuer (K01)",
      (o: string) => ({ issuer: `${o}/`, token_endpoint: `${o}/t` }),
      "issuer_mismatch",
    ],
    ["no issuer", (o: string) => ({ token_endpoint: `${o}/t` }), "issuer_mismatch"],
    [
      "a link-local token endpoint (K02)",
      (o: string) => ({ issuer: o, token_endpoint: "http://169.254.169.254/t" }),
      "foreign_token_endpoint",
    ],
    [
      "a token endpoint at another host",
      (o: string) => ({ issuer: o, token_endpoint: "https://evil.test/t" }),
      "foreign_token_endpoint",
    ],
    [
      "a host hidden behind userinfo",
      (o: string) => ({ issuer: o, token_endpoint: `${o}@evil.test/t` }),
      "foreign_token_endpoint",
    ],
    [
      "a file",
      (o: string) => ({ issuer: o, token_endpoint: "file:///etc/passwd" }),
      "foreign_token_endpoint",
    ],
    [
      "a token endpoint that is no URL",
      (o: string) => ({ issuer: o, token_endpoint: "/t" }),
      "no_metadata",
    ],
    ["no token endpoint", (o: string) => ({ issuer: o }), "no_metadata"],
  ])("refuses %s", async (_name, body, code) => {
    const { server, metadata } = await world((_asked, origin) => ({
      body: JSON.stringify(body(origin)),
    }));
    await expect(metadata(server.origin)).rejects.toMatchObject({ code });
  });

  test("does not follow a redirect", async () => {
    const thief = await startServer(() => missing);
    const { server, metadata } = await world(() => ({
      status: 302,
      headers: { location: thief.origin },
      body: "",
    }));
    await expect(metadata(server.origin)).rejects.toMatchObject({ code: "redirected" });
    expect(thief.asked).toHaveLength(0);
  });
});

describe("the kept answer", () => {
  test("serves 10 minutes, one request for all who ask, and on while the issuer fails", async () => {
    let up = true;
    const { server, ports, metadata } = await world((_asked, origin) =>
      up ? { body: { issuer: origin, token_endpoint: `${origin}/t` } } : { status: 503, body: "" },
    );
    await Promise.all(Array.from({ length: 10 }, () => metadata(server.origin)));
    ports.forward(599_999);
    await metadata(server.origin);
    expect(server.asked).toHaveLength(1);
    up = false;
    ports.forward(1);
    expect(await metadata(server.origin)).toBe(`${server.origin}/t`);
    expect(server.asked).toHaveLength(2);
    await metadata(server.origin);
    expect(server.asked).toHaveLength(2);
    expect(ports.lines).toMatchObject([{ event: "issuer_metadata_stale" }]);
    ports.forward(30_000);
    await metadata(server.origin);
    expect(server.asked).toHaveLength(3);
  });

  test("stays when the issuer starts to answer for someone else", async () => {
    let issuer: string | undefined;
    const { server, ports, metadata } = await world((_asked, origin) => ({
      body: { issuer: issuer ?? origin, token_endpoint: `${origin}/${issuer ?? "t"}` },
    }));
    await metadata(server.origin);
    issuer = "https://evil.test";
    ports.forward(600_000);
    expect(await metadata(server.origin)).toBe(`${server.origin}/t`);
  });
});

test("an issuer that starts after the gateway is found by a later call", async () => {
  let up = false;
  const { server, ports } = await world(({ path }, origin) => {
    if (!up) return { status: 503, body: "" };
    if (path === "/t") return { body: { access_token: "inner", token_type: "Bearer" } };
    return { body: { issuer: origin, token_endpoint: `${origin}/t` } };
  });
  const client = clientConfig({ issuer: server.origin, tokenUrl: undefined });
  const credential = createRoom([client], ports)(exchange);
  expect(server.asked).toHaveLength(0);
  await expect(credential.get(person("outer"), undefined)).rejects.toMatchObject({
    code: "temporarily_unavailable",
  });
  up = true;
  expect(await credential.get(person("outer"), undefined)).toEqual(bearerParts("inner"));
});
