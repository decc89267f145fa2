// What this room uses of oidc-provider ~9.13, which ships no types. The files are imported one by
// one because the package's index prints a warning on Node 20.

declare module "oidc-provider/lib/provider.js" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  export interface Client {
    readonly clientId: string;
    readonly clientName?: string;
    readonly redirectUris: readonly string[];
    readonly grantTypeAllowed: (type: string) => boolean;
    /** Its id is the URL of the document that describes it. */
    readonly clientIdMetadataDocument?: boolean;
    /** It is part of the configuration. */
    readonly noManage?: boolean;
  }

  /** A parameter given more than once is an array. */
  export type Params = Readonly<Record<string, string | readonly string[] | undefined>>;

  export interface OidcContext {
    readonly route: string;
    readonly params?: Params;
    readonly client?: Client;
    readonly account?: { readonly accountId: string };
    readonly result?: {
      readonly consent?: { readonly grantId?: string };
      readonly login?: { readonly accountId: string };
    };
    /** Says whom the request is about. */
    readonly entity: (name: "Account", account: { readonly accountId: string }) => void;
  }

  export interface Context {
    readonly path: string;
    readonly req: IncomingMessage;
    /** undefined before a route of oidc-provider took the request. */
    readonly oidc: OidcContext;
    status: number;
    type: string;
    body: unknown;
    readonly set: (headers: Record<string, string>) => void;
    readonly remove: (header: string) => void;
  }

  export interface Grant {
    readonly addOIDCScope: (scope: string) => void;
    readonly addResourceScope: (resource: string, scope: string) => void;
    readonly save: () => Promise<string>;
  }

  export interface Interaction {
    readonly uid: string;
    /** Random, kept from the login page to the consent page, never sent to the browser. */
    readonly cid: string;
    prompt: {
      readonly name: string;
      readonly reasons: readonly string[];
      readonly details: object;
    };
    readonly params: Params;
    session?: { readonly accountId: string; readonly uid: string } | undefined;
    readonly persist: () => Promise<unknown>;
  }

  export interface InteractionResult {
    readonly login?: { readonly accountId: string; readonly remember?: boolean };
    readonly consent?: { readonly grantId: string };
    readonly error?: string;
    readonly error_description?: string;
  }

  export class Provider {
    constructor(issuer: string, configuration: object);
    /** Believe `x-forwarded-proto`, which the door writes. */
    proxy: boolean;
    readonly Client: { readonly find: (id: string) => Promise<Client | undefined> };
    readonly Grant: new (owner: { accountId: string; clientId: string }) => Grant;
    readonly Session: {
      readonly findByUid: (uid: string) => Promise<{ destroy: () => Promise<void> } | undefined>;
    };
    callback(): (req: IncomingMessage, res: ServerResponse) => Promise<void>;
    use(middleware: (ctx: Context, next: () => Promise<void>) => Promise<void>): this;
    on(event: "error", listener: (error: Error) => void): this;
    on(event: "grant.success", listener: (ctx: Context) => void): this;
    on(event: string, listener: (ctx: Context, error: ProviderError) => void): this;
    registerGrantType(
      name: string,
      handler: (ctx: Context) => Promise<void>,
      params: readonly string[],
      repeatable: readonly string[],
    ): void;
    interactionDetails(req: IncomingMessage, res: ServerResponse): Promise<Interaction>;
    interactionFinished(
      req: IncomingMessage,
      res: ServerResponse,
      result: InteractionResult,
      options?: { mergeWithLastSubmission: boolean },
    ): Promise<void>;
  }

  export interface ProviderError extends Error {
    readonly error_description?: string;
    readonly error_detail?: string;
    allow_redirect?: boolean;
  }
}

declare module "oidc-provider/lib/helpers/errors.js" {
  export class InvalidGrant extends Error {
    constructor(detail: string);
  }
  export class InvalidClient extends Error {
    constructor(description: string, options: { readonly detail: string });
  }
  export class CustomOIDCProviderError extends Error {
    constructor(error: string, description: string);
    status: number;
    statusCode: number;
  }
  export class InvalidRequest extends Error {
    constructor(description: string);
  }
  export class InvalidScope extends Error {
    constructor(description: string, scope: string);
  }
  export class InvalidTarget extends Error {
    constructor(detail: string);
  }
}

declare module "oidc-provider/lib/helpers/interaction_policy/index.js" {
  import type { Context } from "oidc-provider/lib/provider.js";

  export class Check {
    readonly reason: string;
    constructor(
      reason: string,
      description: string,
      error: string,
      check: (ctx: Context) => boolean,
    );
  }
  export class Prompt {
    readonly name: string;
    readonly checks: { readonly add: (check: Check) => void };
    constructor(about: { name: string; requestable: boolean }, ...checks: readonly Check[]);
  }
  export interface Policy extends Array<Prompt> {
    remove(name: string): void;
    get(name: string): Prompt | undefined;
    add(prompt: Prompt): void;
  }
  export function base(): Policy;
}
