import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { site } from "./site.ts";

const yaml = `version: 1
server: {url: https://mcp.acme.com, listen: "\${PORT}"}
auth:
  issuers:
    - issuer: https://sso.acme.com/realms/acme
      preset: keycloak
      scopes: {implies: {admin: [read]}}
  clients:
    corp: {issuer: https://sso.acme.com, id: tollgate, secret: "\${CLIENT_SECRET}"}
apis:
  things:
    spec: "https://specs.acme.com/things.yaml?key=\${SPEC_KEY}"
    credential: {static: {header: X-Key, value: "Key \${API_KEY}"}}
    tools: [{match: {tags: [a]}}]
  orders:
    spec: orders.yaml
    credential: {exchange: {preset: entra, client: corp, scope: "api://orders/.default"}}
    tools: [{match: {tags: [a]}}]
`;
const env = {
  PORT: "3000",
  CLIENT_SECRET: "canary-client",
  SPEC_KEY: "canary-spec",
  API_KEY: "canary-key",
};

test("S81: config show prints what the file means, and no secret", async () => {
  const { dir, run } = await site();
  await writeFile(join(dir, "gateway.yaml"), yaml);
  const { code, stdout, stderr } = await run(["config", "show"], env);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).not.toContain("canary");
  const shown = parse(stdout) as Record<string, unknown>;
  expect(shown).toMatchObject({
    server: { url: "https://mcp.acme.com", listen: "3000" },
    auth: {
      mode: "oauth",
      issuers: [
        {
          preset: "keycloak",
          typ: "any",
          roles: ["realm_access.roles"],
          scopes: { from: ["scope", "scp"], implies: { admin: ["read"] } },
          maxLifetime: "24h",
        },
      ],
      clients: { corp: { id: "tollgate", secret: "***" } },
    },
    apis: {
      things: {
        spec: "https://specs.acme.com/things.yaml?***",
        credential: { static: { header: "X-Key", value: "***" } },
      },
      orders: {
        credential: {
          exchange: {
            preset: "entra",
            grant: "jwt-bearer",
            parameters: { requested_token_use: "on_behalf_of" },
          },
        },
      },
    },
  });
  const { stdout: json } = await run(["config", "show", "--json"], env);
  expect(JSON.parse(json)).toEqual(shown);
});

test("with --origin each value says where it is from", async () => {
  const { dir, run } = await site();
  await writeFile(join(dir, "gateway.yaml"), yaml);
  const { stdout } = await run(["config", "show", "--origin"], env);
  const lines = stdout.split("\n").map((line) => line.trim());
  expect(lines).toContain("preset: keycloak # line 6");
  expect(lines).toContain("typ: any # preset");
  expect(lines).toContain("- preferred_username: service-account-* # preset");
  expect(lines).toContain("maxLifetime: 24h # default");
  expect(lines).toContain('listen: "3000" # ${PORT}');
  expect(lines).toContain('secret: "***" # ${CLIENT_SECRET}');
  expect(parse(stdout)).toEqual(parse((await run(["config", "show"], env)).stdout));
});

test("a file with faults is not shown but explained", async () => {
  const { dir, run } = await site();
  await writeFile(join(dir, "gateway.yaml"), yaml.replace("preset: keycloak", "preset: keykloak"));
  const { code, stdout, stderr } = await run(["config", "show"], env);
  expect([code, stdout]).toEqual([78, ""]);
  expect(stderr).toContain('did you mean "keycloak"');
});
