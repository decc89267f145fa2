import { expect, test } from "vitest";

import type { ProviderConfig } from "../../src/config/types/connections.ts";
import type { CredentialConfig } from "../../src/config/types/credential.ts";
import { explainCredential } from "../../src/upstream/credential/explain.ts";
import { clientConfig } from "./credential-world.ts";

const position = { file: "gateway.yaml", line: 1, column: 1 };
const corp = clientConfig({ issuer: "https://sso.test" });
const there = clientConfig({ name: "tracker", issuer: "https://tracker.test", id: "at-tracker" });
const provider: ProviderConfig = {
  name: "tracker",
  title: "Issue tracker",
  client: "tracker",
  authorizationUrl: undefined,
  revocationUrl: undefined,
  parameters: new Map(),
  scope: ["issues:read"],
  position,
};

const explain = (credential: CredentialConfig) =>
  explainCredential(
    { credential },
    { security: [] },
    {
      url: "https://mcp.test",
      clients: new Map([corp, there].map((client) => [client.name, client])),
      providers: new Map([[provider.name, provider]]),
    },
  );

test("a connection is the person's own account there, and nobody is asked here", () => {
  const hops = explain({ kind: "connection", provider: "tracker", scope: ["issues:read"] });
  expect(hops).toMatchObject([
    {
      grant: "connected account at tracker",
      issuer: "https://tracker.test",
      client: "at-tracker",
      scope: ["issues:read"],
      kept: "per person",
      cache: "none",
    },
  ]);
});

test("a login's token is the broker's to know", () => {
  const hops = explain({ kind: "login", idp: "acme", title: "Acme", client: "corp" });
  expect(hops).toMatchObject([
    {
      grant: "login at acme",
      issuer: "https://sso.test",
      client: "tollgate",
      kept: "per token",
      cache: "none",
    },
  ]);
});

test("cross-app access has two hops: the assertion, and what it is redeemed for", () => {
  const hops = explain({
    kind: "idJag",
    client: "corp",
    at: "tracker",
    resource: ["https://api.tracker.test"],
    scope: ["issues:read"],
    subjectTokenType: "urn:ietf:params:oauth:token-type:access_token",
  });
  expect(hops).toMatchObject([
    {
      grant: "token-exchange",
      issuer: "https://sso.test",
      client: "tollgate",
      audience: ["https://tracker.test"],
      resource: ["https://api.tracker.test"],
      scope: ["issues:read"],
      requestedTokenType: "urn:ietf:params:oauth:token-type:id-jag",
      kept: "never",
    },
    {
      grant: "jwt-bearer",
      issuer: "https://tracker.test",
      client: "at-tracker",
      kept: "per token",
      cache: "miss",
    },
  ]);
  expect(JSON.stringify(hops)).not.toContain("s3cret");
});
