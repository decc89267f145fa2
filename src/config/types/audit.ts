import type { Secret } from "../../base/secret.ts";
import type { OtlpConfig } from "./telemetry.ts";

/** Where audit records go. */
export type SinkConfig =
  | {
      readonly kind: "file";
      readonly dir: string;
      /** undefined: the file grows until somebody else moves it. */
      readonly rotation: RotationConfig | undefined;
    }
  | { readonly kind: "stdout" }
  | SyslogConfig
  | WebhookConfig
  | (OtlpConfig & { readonly kind: "otlp" });

/** RFC 5424 over TCP or TLS. */
export interface SyslogConfig {
  readonly kind: "syslog";
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** PEM; undefined: the certificates that Node trusts. */
  readonly ca: string | undefined;
}

export interface WebhookConfig {
  readonly kind: "webhook";
  readonly url: string;
  /** Signs every batch. */
  readonly secret: Secret;
}

export type ArgsMode =
  /** Size and keyed digest, as every other but `none` has them too. */
  | { readonly kind: "digest" }
  | { readonly kind: "none" }
  | { readonly kind: "full" }
  | {
      readonly kind: "fields";
      /** Names, with dots between levels. */
      readonly fields: readonly string[];
      readonly masks: ReadonlyMap<string, Mask>;
    };

export type Mask = "keep-domain" | "last4";

/** What is not shown of arguments that are. */
export interface RedactConfig {
  /** Names beside the usual ones; `*` at the ends stands for any characters. */
  readonly keys: readonly string[];
  readonly detectors: readonly Detector[];
  /** What the document marks. */
  readonly schema: boolean;
}

export type Detector = "email" | "pan" | "iban" | "jwt" | "aws-key" | "private-key" | "phone";

/** When an audit file ends and what becomes of it. */
export interface RotationConfig {
  readonly maxBytes: number;
  readonly everyMs: number;
  /** Full files that are kept. */
  readonly keep: number;
  readonly compress: boolean;
}

export interface AuditConfig {
  readonly sinks: readonly SinkConfig[];
  /** What records say of arguments. */
  readonly args: {
    readonly default: ArgsMode;
    /** The first pattern that fits a tool's name counts; `*` stands for any characters. */
    readonly tools: readonly { readonly pattern: string; readonly mode: ArgsMode }[];
  };
  /** What they say of answers: their size, and a keyed digest. */
  readonly result: "size" | "digest";
  readonly redact: RedactConfig;
  /** What a record must have reached before its call is answered. */
  readonly durability: "buffered" | "flushed" | "fsync";
  /** Which calls are refused while records cannot be written: all, none, or those that may change something. */
  readonly onFailure: "deny" | "allow" | "deny-unsafe";
  /** Ed25519, PKCS #8 PEM; signs checkpoints. */
  readonly signingKey: Secret | undefined;
}
