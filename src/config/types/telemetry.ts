import type { Secret } from "../../base/secret.ts";

/** An OpenTelemetry collector. */
export interface OtlpConfig {
  /** Without trailing slash and without `/v1/…`. */
  readonly endpoint: string;
  readonly headers: ReadonlyMap<string, Secret>;
}

export interface TracesConfig extends OtlpConfig {
  /** Share of traces that are recorded, from 0 to 1. */
  readonly ratio: number;
}
