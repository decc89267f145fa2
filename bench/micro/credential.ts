import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Principal } from "../../src/base/principal.ts";
import { Secret } from "../../src/base/secret.ts";
import type { ApiConfig } from "../../src/config/types/apis.ts";
import type { ClientConfig } from "../../src/config/types/clients.ts";
import { createCredential } from "../../src/upstream/credential/credential.ts";
import type { Credential } from "../../src/upstream/credential/credential-parts.ts";
import { createIssuerMetadata } from "../../src/upstream/credential/issuer-metadata.ts";
import { noLogin } from "../../src/upstream/credential/login.ts";
import { createSigningKeys } from "../../src/upstream/credential/signing-keys.ts";
import { createFetchAs } from "../../src/upstream/credential/tls-fetch.ts";
import { createTokenCache } from "../../src/upstream/credential/token-cache.ts";
import type { MicroRow } from "./row.ts";

const position = { file: "gateway.yaml", line: 1, column: 1 };
const url = "http://127.0.0.1:1/token";
const client: ClientConfig = {
  name: "corp",
  issuer: "http://127.0.0.1:1",
  tokenUrl: url,
  id: "tollgate",
  auth: { kind: "client_secret_post", secret: new Secret("a-secret-of-the-benchmark") },
  position,
};
const type = "urn:ietf:params:oauth:token-type:access_token";
const people = 10_000;

/** 1 ms in the unit of the yardstick, which takes 3.6 µs. */
const millisecond = 280;

/**
 * A kept token of each of 10,000 people, found again: as many as the gateway keeps. And new ones, all
 * the work of which but the login service's own must fit into a millisecond.
 */
export async function credentialRows(): Promise<{
  readonly rows: readonly MicroRow[];
  readonly close: () => void;
}> {
  const credential = createBenchCredential(url, answerAtOnce());
  const service = await startService();
  const overHttp = createBenchCredential(service.url, fetch);
  const principals = Array.from({ length: people }, (_, i) => personOf(i));
  for (const principal of principals) await credential.get(principal, undefined);
  let next = people;
  const cold = (from: Credential) => async (count: number) => {
    for (let i = 0; i < count; i++) await from.get(personOf(next++), undefined);
  };
  const rows: readonly MicroRow[] = [
    {
      name: "exchanged token, new, without the network",
      atMost: millisecond,
      count: 2_000,
      run: cold(createBenchCredential(url, answerAtOnce())),
    },
    {
      name: "exchanged token, new, over HTTP with a login service that answers at once",
      atMost: millisecond,
      count: 500,
      run: cold(overHttp),
    },
    {
      name: "exchanged token, kept",
      atMost: 0.5,
      count: 200_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          const principal = principals[i % people];
          if (principal === undefined) throw new TypeError("nobody");
          if (credential.get(principal, undefined) instanceof Promise)
            throw new TypeError("the token was not kept");
        }
      },
    },
  ];
  return { rows, close: service.close };
}

const reply = (count: number): object => ({
  access_token: `${count}.${"a".repeat(1_000)}`,
  token_type: "Bearer",
  expires_in: 3_600,
});

function answerAtOnce(): typeof fetch {
  let count = 0;
  return async () => Response.json(reply(count++));
}

async function startService(): Promise<{ readonly url: string; readonly close: () => void }> {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(reply(count++)));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/token`, close };
}

function createBenchCredential(tokenUrl: string, send: typeof fetch): Credential {
  const ports = {
    now: () => Date.now(),
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  };
  const api = {
    id: "items",
    position,
    identityHeaders: new Map<string, readonly string[]>(),
    credential: {
      kind: "exchange",
      grant: "token-exchange",
      subject: "caller",
      client: "corp",
      audience: ["items"],
      resource: [],
      scope: ["items:read"],
      scopeGranularity: "operation",
      addedScopes: [],
      parameters: new Map<string, string>(),
      verifyAudience: true,
      subjectTokenType: type,
      requestedTokenType: type,
      actor: "none",
      cache: { maxMs: 600_000, failureMs: 5_000 },
      retry: true,
      stepUp: undefined,
    },
  } satisfies Partial<ApiConfig>;
  const compiled = createCredential(
    api as unknown as ApiConfig,
    {
      fetch: send,
      fetchAs: createFetchAs(undefined),
      clients: new Map([[client.name, { ...client, tokenUrl }]]),
      clientKeys: new Map(),
      offeredScopes: new Set(),
      issuer: "http://127.0.0.1:3999",
      connections: undefined,
      signingKeys: createSigningKeys(ports.now),
      tokens: createTokenCache(ports, 10_000, () => {}),
      readLogin: noLogin,
      metadata: createIssuerMetadata(send, ports),
    },
    ports,
  );
  return compiled({ scopes: [], operation: { security: [] } });
}

function personOf(i: number): Principal {
  const token = `token-${i}`;
  return {
    iss: "http://127.0.0.1:1",
    sub: `person-${i}`,
    name: undefined,
    clientId: "client",
    scopes: new Set(["mcp:tools"]),
    roles: [],
    claims: {},
    expiresAt: Date.now() + 3_600_000,
    tokenHash: createHash("sha256").update(token).digest("base64url"),
    token: new Secret(token),
  };
}
