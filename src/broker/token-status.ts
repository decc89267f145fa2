import type { Context, Provider } from "oidc-provider/lib/provider.js";
import { isJsonObject } from "../base/json.ts";
import type { Tell } from "./event.ts";
import type { Resources } from "./resource.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { Store } from "./store/store.ts";
import { verifyAccessToken, type VerifiedToken } from "./token.ts";

export interface TokenStatusDeps {
  readonly issuer: string;
  readonly keys: SigningKeys;
  readonly resources: Resources;
  readonly store: Store;
  readonly tell: Tell;
  readonly now: () => number;
}

/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of access tokens. oidc-provider keeps none of
 * them, because they are signed, and refuses both after it has authenticated the client.
 */
export function answerForTokens(provider: Provider, deps: TokenStatusDeps): void {
  const verified = async ({ oidc }: Context): Promise<VerifiedToken | undefined> => {
    const audiences = deps.resources().map(({ resource }) => resource);
    const against = { issuer: deps.issuer, keys: deps.keys, nowMs: deps.now() };
    const token = await verifyAccessToken(String(oidc.params?.["token"]), audiences, against).catch(
      () => undefined,
    );
    const grantId = token?.payload["sid"];
    const alive = typeof grantId === "string" && (await deps.store.grantExists(grantId));
    return alive ? token : undefined;
  };
  provider.use(async (ctx, next) => {
    await next();
    if (!isJsonObject(ctx.body) || ctx.body["error"] !== "unsupported_token_type") return;
    if (ctx.path === "/introspect") {
      const token = await verified(ctx);
      ctx.status = 200;
      const { sid: _grant, ...claims } = token?.payload ?? {};
      ctx.body = token ? { active: true, token_type: "Bearer", ...claims } : { active: false };
    }
    if (ctx.path === "/revoke") {
      const token = await verified(ctx);
      // Of another client, or worth nothing: the same answer as for one that was revoked.
      if (token !== undefined && token.clientId === ctx.oidc.client?.clientId) {
        const { sub, clientId } = token;
        await deps.store.endGrant(String(token.payload["sid"]));
        const about = { reason: undefined, sub, clientId, detail: undefined };
        deps.tell({ event: "broker.revoke", outcome: "success", ...about });
      }
      ctx.status = 200;
      ctx.body = "";
    }
  });
}
