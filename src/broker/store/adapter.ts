/** What oidc-provider keeps. */
export interface Payload {
  readonly uid?: string;
  readonly consumed?: number;
  readonly grantId?: string;
  /** Seconds since the epoch. */
  readonly exp?: number;
  readonly [key: string]: unknown;
}

/** The storage interface of oidc-provider for one of its models. */
export interface Adapter {
  readonly upsert: (id: string, payload: Payload, expiresIn?: number) => Promise<void>;
  readonly find: (id: string) => Promise<Payload | undefined>;
  readonly findByUid: (uid: string) => Promise<Payload | undefined>;
  readonly consume: (id: string) => Promise<void>;
  readonly destroy: (id: string) => Promise<void>;
  readonly revokeByGrantId: (grantId: string) => Promise<void>;
}
