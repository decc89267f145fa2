import type { JsonObject } from "../base/json.ts";

/**
 * How well-known identity providers log people in, as keys of `broker.upstream.NAME`. Data only:
 * whatever the operator writes stands, and `tollgate config show` prints the rest.
 */
const presets: Readonly<Record<string, JsonObject>> = {
  generic: {},
  google: {
    title: "Google",
    // No refresh token without these two, and none for a second login without the prompt.
    params: { access_type: "offline", prompt: "consent" },
    allowedHosts: ["oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com"],
    person: { organization: "hd" },
  },
  entra: {
    title: "Microsoft",
    scope: ["openid", "profile", "email", "offline_access"],
    allowedHosts: ["graph.microsoft.com"],
    // `sub` is another one for each client; `email` is whatever the person's administrator wrote.
    person: { subject: "oid", emailVerified: "xms_edov", organization: "tid" },
  },
  okta: { title: "Okta", scope: ["openid", "profile", "email", "groups", "offline_access"] },
  auth0: {
    title: "Auth0",
    scope: ["openid", "profile", "email", "offline_access"],
    person: { organization: "org_id" },
  },
  keycloak: {
    title: "Keycloak",
    scope: ["openid", "profile", "email"],
    person: { organization: "organization" },
  },
  // Lists of 100, not of 30: whoever stands further behind would be refused.
  github: {
    title: "GitHub",
    protocol: "oauth2",
    scope: ["read:user", "user:email", "read:org"],
    authorizationUrl: "https://github.com/login/oauth/authorize",
    tokenUrl: "https://github.com/login/oauth/access_token",
    userUrl: "https://api.github.com/user",
    emailsUrl: "https://api.github.com/user/emails?per_page=100",
    organizationsUrl: "https://api.github.com/user/orgs?per_page=100",
    person: { subject: "id", name: ["name", "login"], organization: "organizations.login" },
  },
  notion: {
    title: "Notion",
    protocol: "oauth2",
    scope: [],
    params: { owner: "user" },
    authorizationUrl: "https://api.notion.com/v1/oauth/authorize",
    tokenUrl: "https://api.notion.com/v1/oauth/token",
    tokenRequest: "json",
    // Its tokens do not end, and nothing says that a person left.
    onRefresh: "skip",
    person: {
      subject: "token.owner.user.id",
      name: ["token.owner.user.name"],
      email: "token.owner.user.person.email",
      organization: "token.workspace_id",
    },
    claims: { name: "token.owner.user.name", email: "token.owner.user.person.email" },
  },
};

export const idpPresetNames: readonly string[] = Object.keys(presets);

/** Providers that let in whoever has an account there, which is everyone. */
export const publicIdps: ReadonlySet<string> = new Set(["google", "github", "notion"]);

export function idpPreset(name: string | undefined): JsonObject {
  return (name !== undefined && Object.hasOwn(presets, name) ? presets[name] : undefined) ?? {};
}
