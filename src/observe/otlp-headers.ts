import type { OtlpConfig } from "../config/types/telemetry.ts";

/** What a collector is told beside the data, most often a key. */
export function revealHeaders({ headers }: Pick<OtlpConfig, "headers">): Record<string, string> {
  return Object.fromEntries([...headers].map(([name, value]) => [name, value.reveal()]));
}
