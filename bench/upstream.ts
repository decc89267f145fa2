import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/**
 * The internal API and the authorization server of every target: `/items/{id}` answers 1 KB of
 * JSON, `/bytes/{n}` about n bytes; `/jwks`, `/token` and the metadata are what the gateway asks.
 * Prints one line of JSON once it listens: its port, and access tokens for the audience given.
 */
const [audience = "", wantedTokens = "1"] = process.argv.slice(2);

const { publicKey, privateKey } = await generateKeyPair("ES256");
const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };

/** A list like the ones that APIs give: some numbers, mostly words. */
function itemsOf(bytes: number): Buffer {
  const items: object[] = [];
  let length = 0;
  for (let id = 1; length < bytes; id++) {
    const item = {
      id,
      name: `Item ${id}`,
      note: 'A plain text with "quotes" and an é.',
      stock: id % 7,
    };
    items.push(item);
    length += JSON.stringify(item).length + 1;
  }
  return Buffer.from(JSON.stringify({ items }));
}

const known = new Map<string, Buffer>();
function bodyOf(path: string): Buffer {
  const kept = known.get(path);
  if (kept !== undefined) return kept;
  const made = itemsOf(path.startsWith("/bytes/") ? Number(path.slice("/bytes/".length)) : 1_000);
  known.set(path, made);
  return made;
}

const server = createServer((request, response) => {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  if (path.startsWith("/items/")) {
    // One body for every item, or the map would grow with the run.
    send(bodyOf("/items/"));
    return;
  }
  if (path.startsWith("/bytes/")) {
    send(bodyOf(path));
    return;
  }
  const { host } = request.headers;
  const origin = `http://${host}`;
  if (path === "/jwks") send(Buffer.from(JSON.stringify({ keys: [jwk] })));
  else if (path === "/.well-known/oauth-authorization-server") {
    const metadata = {
      issuer: origin,
      jwks_uri: `${origin}/jwks`,
      token_endpoint: `${origin}/token`,
    };
    send(Buffer.from(JSON.stringify(metadata)));
  } else if (path === "/token") {
    request.resume();
    request.on("end", () => {
      send(
        Buffer.from(
          JSON.stringify({
            access_token: "a-token-for-the-api",
            issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
            token_type: "Bearer",
            expires_in: 3600,
          }),
        ),
      );
    });
  } else response.writeHead(404).end();

  function send(body: Buffer): void {
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
    response.end(body);
  }
});
server.keepAliveTimeout = 600_000;
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = server.address();
if (typeof address !== "object" || address === null) throw new TypeError("no port");
const issuer = `http://127.0.0.1:${address.port}`;
const now = Math.floor(Date.now() / 1000);
const tokens = await Promise.all(
  Array.from({ length: Number(wantedTokens) }, (_, index) =>
    new SignJWT({
      iss: issuer,
      aud: audience,
      sub: `person-${index}`,
      client_id: "bench",
      scope: "mcp:tools items:read",
      department: "sales",
      iat: now,
      exp: now + 3600,
      jti: `token-${index}`,
    })
      .setProtectedHeader({ alg: "ES256", kid: "k1", typ: "at+jwt" })
      .sign(privateKey),
  ),
);
process.stdout.write(`${JSON.stringify({ port: address.port, tokens })}\n`);
