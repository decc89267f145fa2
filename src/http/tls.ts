import { hash } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket, type SecureContextOptions, type TlsOptions } from "node:tls";
import type { TlsConfig } from "../config/types/server.ts";

/** What can change while the listener is open. */
export function contextOf({ certificate, key, clientCa }: TlsConfig): SecureContextOptions {
  return {
    cert: certificate,
    key: key.reveal(),
    ...(clientCa === undefined ? {} : { ca: clientCa }),
    minVersion: "TLSv1.2",
  };
}

export function tlsOptionsOf(tls: TlsConfig): TlsOptions {
  return {
    ...contextOf(tls),
    requestCert: tls.clientCertificate !== "off",
    // A certificate that no authority vouches for still proves its key, which a bound token names.
    rejectUnauthorized: tls.clientCertificate === "required",
  };
}

const thumbprints = new WeakMap<Socket, string>();

/**
 * SHA-256 of the client's certificate as `x5t#S256` has it (RFC 8705 §3.1); undefined: none, or none
 * that counts. The handshake has proven that the client has its key.
 */
export function certificateOf(socket: Socket, { clientCa }: TlsConfig): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  if (clientCa !== undefined && !socket.authorized) return undefined;
  const known = thumbprints.get(socket);
  if (known !== undefined) return known;
  const { raw } = socket.getPeerCertificate();
  if (raw === undefined) return undefined;
  const thumbprint = hash("sha256", raw, "base64url");
  thumbprints.set(socket, thumbprint);
  return thumbprint;
}
