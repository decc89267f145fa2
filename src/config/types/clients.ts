import type { Position } from "../../base/issue.ts";
import type { Secret } from "../../base/secret.ts";

export interface ClientConfig {
  readonly name: string;
  readonly issuer: string;
  /** undefined: from the issuer's metadata. */
  readonly tokenUrl: string | undefined;
  readonly id: string;
  readonly auth: ClientAuthConfig;
  readonly position: Position;
}

export type ClientAuthConfig =
  /** The token endpoint asks no one who they are: Google's, for tokens of a workload pool. */
  | { readonly kind: "none" }
  | { readonly kind: "client_secret_basic"; readonly secret: Secret }
  | { readonly kind: "client_secret_post"; readonly secret: Secret }
  | {
      readonly kind: "private_key_jwt";
      /** PKCS #8 PEM. undefined only for a client of the embedded broker: the gateway makes a key pair at start. */
      readonly key: Secret | undefined;
      readonly algorithm: string;
      readonly keyId: string | undefined;
      /** PEM of the key's certificate; its thumbprint goes into the header as `x5t#S256`. */
      readonly certificate: string | undefined;
      /** `aud` of the assertion. */
      readonly assertionAudience: "issuer" | "tokenUrl";
    }
  /** RFC 8705 §2: PEM of the certificate and of its key. */
  | { readonly kind: "tls_client_auth"; readonly certificate: string; readonly key: Secret }
  /** Absolute path of a file that the platform keeps filled with a fresh JWT about this workload. */
  | { readonly kind: "workload"; readonly tokenFile: string };
