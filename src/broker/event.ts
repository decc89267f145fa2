/** What the broker did, for audit and metrics. Names of people and clients, never a token or code. */
export interface BrokerEvent {
  readonly event:
    | "broker.register"
    | "broker.consent"
    | "broker.login"
    | "broker.token"
    | "broker.refresh"
    | "broker.exchange"
    | "broker.revoke"
    | "broker.refuse";
  readonly outcome: "success" | "denied" | "failure";
  /** Stable and snake_case; undefined with success. */
  readonly reason: string | undefined;
  readonly sub: string | undefined;
  readonly clientId: string | undefined;
  /** For the operator: what exactly was wrong, in words. */
  readonly detail: string | undefined;
}

export type Tell = (event: BrokerEvent) => void;
