import type { JsonSchema } from "../../base/json.ts";
import { redisKeys } from "./redis.ts";
import { list, named, section, text } from "./shape.ts";
import { idNames, scopeToken } from "./units.ts";

const parameterNames = { pattern: "^[A-Za-z0-9_.:-]{1,128}$" };

export const connectionsSchema: JsonSchema = section(
  {
    description:
      "Accounts that people connect at third parties, each with their own login there. A call that needs one that is missing gets a link; the page behind it asks the company login who is there before anything is connected.",
    "x-default": "nobody can connect anything",
    examples: [
      {
        keys: ["${file:/run/secrets/connections.key}"],
        dir: "var/connections",
        login: { client: "corp" },
        providers: { tracker: { client: "tracker", title: "Issue tracker" } },
      },
    ],
  },
  ["login", "providers"],
  {
    keys: list(
      {
        description:
          "Keys of 32 bytes as base64 or hex, which encrypt the tokens of people (AES-256-GCM): the first encrypts, all decrypt. To change keys put the new one first; what is kept is encrypted anew at once, and the log line `vault_rekeyed` says when the old key can go.",
        "x-default": "made at start; needed with `dir` and `redis`",
        examples: [["${file:/run/secrets/2027.key}", "${file:/run/secrets/2026.key}"]],
      },
      text({
        description: "One key.",
        "x-secret": true,
        examples: ["${file:/run/secrets/2027.key}"],
      }),
      { minItems: 1 },
    ),
    dir: text({
      description:
        "Directory, relative to gateway.yaml, that keeps connections over a restart. Made when it does not exist; nobody else may read it, and only one gateway may use it.",
      "x-default": "in memory: connections end with the process",
      examples: ["/var/lib/tollgate/connections"],
    }),
    redis: section(
      {
        description:
          "Redis 7 or Valkey, without eviction and with persistence, that keeps connections for several replicas; instead of `dir`.",
        "x-default": "—",
        examples: [{ url: "rediss://redis.internal:6380" }],
      },
      ["url"],
      redisKeys("tollgate:connections:", "acme:connections:"),
    ),
    login: section(
      {
        description:
          "How the page finds out who is there: a login (OpenID Connect) at the issuer of callers' tokens, with `SERVER_URL/login/callback` as redirect URI.",
        examples: [{ client: "corp" }],
      },
      ["client"],
      {
        client: text({
          description:
            "A name of `auth.clients`, at one of `auth.issuers`, so that `sub` means the same person in both.",
          examples: ["corp"],
        }),
        scope: list(
          {
            description: "Scopes of the login.",
            default: ["openid"],
            examples: [["openid", "profile"]],
          },
          scopeToken,
          { minItems: 1, uniqueItems: true },
        ),
      },
    ),
    providers: named(
      {
        description:
          "The third parties, by a name that credentials use and that is part of the link.",
        minProperties: 1,
        examples: [{ tracker: { client: "tracker" } }],
      },
      idNames,
      section({ description: "One third party." }, ["client"], {
        client: text({
          description:
            "A name of `auth.clients`, registered there with `SERVER_URL/connect/NAME/callback` as redirect URI.",
          examples: ["tracker"],
        }),
        title: text({
          description: "What people call it.",
          "x-default": "its name",
          examples: ["Issue tracker"],
        }),
        authorizationUrl: text({
          description: "Its authorization endpoint.",
          "x-default": "`authorization_endpoint` of the metadata of the client's issuer",
          examples: ["https://tracker.example/oauth/authorize"],
        }),
        revocationUrl: text({
          description: "Its revocation endpoint (RFC 7009), told when somebody disconnects.",
          "x-default": "`revocation_endpoint` of the metadata, if the issuer has any",
          examples: ["https://tracker.example/oauth/revoke"],
        }),
        parameters: named(
          {
            description: "More parameters of the authorization request.",
            default: {},
            examples: [{ access_type: "offline", prompt: "consent" }],
          },
          parameterNames,
          { type: "string" },
        ),
      }),
    ),
  },
);
