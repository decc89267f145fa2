import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";

export interface Issuer {
  readonly url: string;
  readonly jwksUrl: string;
  /** A token that the API accepts, except for what `claims` and `header` change. */
  readonly token: (claims?: Claims, header?: TokenHeader) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** undefined leaves a usual claim out. */
export type Claims = Readonly<Record<string, unknown>>;

export interface TokenHeader {
  readonly typ?: string;
  /** Signs with a key that the issuer does not publish. */
  readonly stranger?: boolean;
}

/** An authorization server reduced to its keys, on a real port. */
export async function startIssuer(): Promise<Issuer> {
  const own = await generateKeyPair("ES256");
  const stranger = await generateKeyPair("ES256");
  const keys = { keys: [{ ...(await exportJWK(own.publicKey)), kid: "k1", alg: "ES256" }] };
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/jwk-set+json").end(JSON.stringify(keys));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    jwksUrl: `${url}/jwks.json`,
    token(claims, header) {
      const key = header?.stranger ? stranger.privateKey : own.privateKey;
      return sign({ ...usualClaims(url), ...claims }, header?.typ ?? "at+jwt", key);
    },
    close: () => stop(server),
  };
}

function usualClaims(iss: string): Claims {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss,
    sub: "alice",
    aud: "courses-api",
    iat: now,
    exp: now + 300,
    scope: "courses:read courses:write",
  };
}

function sign(claims: Claims, typ: string, key: CryptoKey): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "k1", typ }).sign(key);
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
