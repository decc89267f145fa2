import { createServer, request as forward } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { listen, type Running } from "./listen.ts";

/** An authorization server as far as a resource server looks at one: metadata and keys. */
export interface Issuer extends Running {
  /** An access token for one person at one resource. */
  readonly token: (resource: string) => Promise<string>;
}

export async function startIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const key = { ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" };
  const documents = new Map<string, () => object>([
    ["/jwks", () => ({ keys: [key] })],
    [
      "/.well-known/oauth-authorization-server",
      () => ({ issuer: running.url, jwks_uri: `${running.url}/jwks` }),
    ],
  ]);
  const running = await listen(
    createServer((request, response) => {
      const document = documents.get(request.url ?? "");
      if (document === undefined) response.writeHead(404).end();
      else response.setHeader("content-type", "application/json").end(JSON.stringify(document()));
    }),
  );
  return {
    ...running,
    token: (resource) =>
      new SignJWT({ client_id: "conformance", jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: "ES256", kid: "1", typ: "at+jwt" })
        .setIssuer(running.url)
        .setSubject("somebody")
        .setAudience(resource)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey),
  };
}

/**
 * The suite cannot send headers of our choice; this adds the token and changes nothing else. What
 * one side closes, the other sees closed.
 */
export function startProxy(
  target: () => { readonly port: number; readonly token: string },
): Promise<Running> {
  return listen(
    createServer((incoming, outgoing) => {
      const { port, token } = target();
      const headers = [...incoming.rawHeaders, "authorization", `Bearer ${token}`];
      const { method, url } = incoming;
      const inner = forward({
        host: "127.0.0.1",
        port,
        method,
        path: url,
        headers,
        setHost: false,
      });
      inner.on("response", (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        // The head of an event stream must not wait for its first event.
        outgoing.flushHeaders();
        answer.pipe(outgoing);
        answer.on("error", () => outgoing.destroy());
      });
      inner.on("error", () => outgoing.destroy());
      outgoing.on("close", () => inner.destroy());
      incoming.pipe(inner);
    }),
  );
}
