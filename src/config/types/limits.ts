/** So many within any such time. */
export interface RateConfig {
  readonly count: number;
  readonly periodMs: number;
}

export interface LimitsConfig {
  readonly maxRequestBytes: number;
  /** Of an API's response body, counted after decompression. */
  readonly maxResponseBytes: number;
  /** Calls that wait for a place, of one API or one person, and for how long. */
  readonly queue: number;
  readonly queueMs: number;
  /** Calls under way of one person. */
  readonly maxPrincipalCalls: number;
  /** Calls under way. */
  readonly maxCalls: number;
  readonly rates: {
    readonly principal: RateConfig | undefined;
    readonly client: RateConfig | undefined;
    /** Of one tool by one person. */
    readonly tool: RateConfig | undefined;
    /** Of all tools that reach out of the company by one person. */
    readonly external: RateConfig | undefined;
    /** Requests, whoever sends them. */
    readonly address: RateConfig | undefined;
  };
  /** For a whole call: waiting for a place, the credential and the API. */
  readonly callTimeoutMs: number;
  /** From when on requests are turned away because the event loop is late. */
  readonly shedding: { readonly maxLoopDelayMs: number; readonly afterMs: number };
  /** Of clients, at the public listener. */
  readonly maxConnections: number;
  /** At one endpoint. */
  readonly maxListenStreams: number;
  /** Tokens for APIs that are kept in memory. */
  readonly maxTokens: number;
}
