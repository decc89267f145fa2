import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { site } from "./site.ts";

const credential =
  "exchange: {client: gateway, preset: zitadel, audience: api, scope: ['orders:read'], parameters: {tenant: acme}}";

test("call --dry-run --as TOKEN explains caller, policy and each token, asks nobody for one", async () => {
  const at = await site({ credential });
  const token = await at.idp.token({ scope: "mcp:tools", exp: Math.floor(Date.now() / 1000) + 60 });
  const args = ["call", "list_orders", "--dry-run", "--as", token];
  const { code, stdout, stderr } = await at.run([...args, "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  const client = { client: "gw", auth: "client_secret_basic", issuer: at.idp.url, tokenUrl: null };
  expect(JSON.parse(stdout)).toEqual({
    method: "GET",
    url: `${at.api.url}/v1/orders`,
    headers: expect.objectContaining({ authorization: "Bearer ***" }),
    body: null,
    explain: {
      caller: {
        iss: at.idp.url,
        sub: "alice",
        clientId: "test-client",
        scopes: ["mcp:tools"],
        expiresAt: expect.stringMatching(/^20\d\d-.*Z$/),
      },
      policy: { allowed: true, reason: null, needs: [] },
      hops: [
        {
          ...client,
          grant: "client_credentials",
          audience: [],
          resource: [],
          scope: [],
          requestedTokenType: null,
          parameters: [],
          kept: "for all",
          cache: "miss",
        },
        {
          ...client,
          grant: "token-exchange",
          audience: ["api"],
          resource: [],
          scope: ["orders:read"],
          requestedTokenType: "urn:ietf:params:oauth:token-type:jwt",
          parameters: ["tenant"],
          kept: "per token",
          cache: "miss",
        },
      ],
    },
  });
  const plain = await at.run(args);
  expect(plain.stdout).toContain(
    `token   token-exchange at ${at.idp.url} as gw by client_secret_basic`,
  );
  expect(plain.stdout).toContain("policy  allowed");
  expect(plain.stdout).toMatch(/^GET http.*\n/);
  expect([...at.idp.tokenRequests, ...at.api.requests]).toEqual([]);
});

test("a refusal is explained with what is missing, and exits 1", async () => {
  const at = await site();
  await writeFile(join(at.dir, "token"), `${await at.idp.token()}\n`);
  const args = ["call", "delete_order", "orderId=7", "--dry-run", "--as", "@token"];
  const { code, stdout } = await at.run([...args, "--json"]);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    explain: {
      caller: { sub: "alice" },
      policy: {
        allowed: false,
        reason: "tool_scope_missing",
        needs: ["mcp:tools", "orders:write"],
      },
      hops: [],
    },
  });
  const plain = await at.run(args);
  expect(plain.stdout).toContain("refused: tool_scope_missing; needs mcp:tools orders:write");
});

test("a token that the gateway would not accept explains nothing", async () => {
  const at = await site();
  const token = await at.idp.token({ aud: "https://elsewhere.test" });
  const { code, stdout, stderr } = await at.run([
    "call",
    "list_orders",
    "--dry-run",
    "--as",
    token,
  ]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("wrong_audience");
});
