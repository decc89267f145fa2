/** One MCP endpoint: its own resource and audience, its own tools. */
export interface EndpointConfig {
  /** E.g. `/mcp`. */
  readonly path: string;
  /** Server url + path; the resource indicator (RFC 8707) of this endpoint. */
  readonly resource: string;
  /** Ids of its apis. */
  readonly apis: readonly string[];
  /** Accepted `aud` values in place of those of the issuers; empty: those. */
  readonly audience: readonly string[];
  /** In whose words `tools/list` describes arguments. */
  readonly profile: "default" | "gemini";
}
