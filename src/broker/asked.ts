import type { Client, Interaction, Provider } from "oidc-provider/lib/provider.js";
import { findResource, ownScopes, type Resources } from "./resource.ts";

/** What a client asks a person for. */
export interface Asked {
  readonly client: Client;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly resource: string;
  readonly ownScopes: readonly string[];
  readonly resourceScopes: readonly string[];
}

/** undefined when client or resource are gone meanwhile. */
export async function readAsked(
  { provider, resources }: { readonly provider: Provider; readonly resources: Resources },
  { params }: Interaction,
): Promise<Asked | undefined> {
  const { client_id: clientId, redirect_uri: redirectUri, resource: indicator, scope } = params;
  if (typeof clientId !== "string" || typeof redirectUri !== "string") return undefined;
  const client = await provider.Client.find(clientId);
  const resource = typeof indicator === "string" ? findResource(resources(), indicator) : undefined;
  if (client === undefined || resource === undefined) return undefined;
  const requested = typeof scope === "string" ? scope.split(" ") : [];
  return {
    client,
    clientId,
    redirectUri,
    resource: resource.resource,
    ownScopes: requested.filter((name) => ownScopes.includes(name)),
    resourceScopes: requested.filter((name) => resource.scopes.includes(name)),
  };
}

/** A grant of its own for every decision: what was allowed before is never widened. */
export async function saveGrant(provider: Provider, asked: Asked, sub: string): Promise<string> {
  const grant = new provider.Grant({ accountId: sub, clientId: asked.clientId });
  if (asked.ownScopes.length > 0) grant.addOIDCScope(asked.ownScopes.join(" "));
  if (asked.resourceScopes.length > 0) {
    grant.addResourceScope(asked.resource, asked.resourceScopes.join(" "));
  }
  return grant.save();
}

/** Ends the session this request started in; otherwise the resumed request would insist on it. */
export async function endSession(provider: Provider, interaction: Interaction): Promise<void> {
  const { session } = interaction;
  if (session === undefined) return;
  await (await provider.Session.findByUid(session.uid))?.destroy();
  interaction.session = undefined;
  await interaction.persist();
}
