import type { JsonSchema } from "../../base/json.ts";
import { presetNames } from "../presets.ts";
import { choice, exactlyOne, flag, list, named, oneOrMany, section, text } from "./shape.ts";
import { claimName, duration, hostName, idNames, scopeToken } from "./units.ts";

const claimScopes: JsonSchema = section(
  {
    description: "How its tokens say what their holder may do.",
    default: {},
    examples: [{ from: ["scp", "roles"], advertise: "api://tollgate/" }],
  },
  [],
  {
    from: oneOrMany(
      {
        description:
          "Claims that hold scopes: a text that is split on spaces, a list, or a mapping by its keys; `scope` is a text only. A name may lead into mappings with dots.",
        default: ["scope", "scp"],
        examples: ["permissions", ["scope", "realm_access.roles"]],
      },
      claimName,
    ),
    prefix: {
      type: "string",
      description:
        "Taken off the front of scopes that have it; `{resource}` stands for the URL of the endpoint.",
      default: "",
      examples: ["https://mcp.acme.com/mcp/"],
    },
    advertise: {
      type: "string",
      description:
        "Put in front of scopes in challenges and the protected-resource metadata, for issuers that want them in full; `{resource}` as above.",
      default: "",
      examples: ["api://tollgate/"],
    },
    implies: named(
      {
        description: "Scopes that include others, however many steps away.",
        default: {},
        examples: [{ admin: ["courses:read", "courses:write"] }],
      },
      scopeToken,
      list(
        { description: "The scopes that are included.", examples: [["courses:read"]] },
        scopeToken,
        { minItems: 1, uniqueItems: true },
      ),
    ),
  },
);

const claimValue: JsonSchema = {
  type: ["string", "boolean", "integer"],
  description: "The claim is this value, or a list that has it.",
};

const claimTest: JsonSchema = {
  description: "What one claim must say.",
  anyOf: [
    claimValue,
    section(
      { description: "More than one value." },
      [],
      {
        any: list(
          {
            description: "At least one of these is the claim, or in its list.",
            "x-default": "—",
            examples: [["mcp-users", "mcp-admins"]],
          },
          claimValue,
          { minItems: 1, uniqueItems: true },
        ),
        all: list(
          {
            description: "All of these are in the claim's list.",
            "x-default": "—",
            examples: [["staff", "trained"]],
          },
          claimValue,
          { minItems: 1, uniqueItems: true },
        ),
      },
      exactlyOne(["any", "all"]),
    ),
  ],
};

const issuerSchema: JsonSchema = section(
  { description: "One authorization server whose access tokens are accepted." },
  ["issuer"],
  {
    issuer: text({
      description:
        "Compared byte for byte with the token's `iss`. https, or http on a loopback host; a path is allowed. `{tid}` in it stands for each of `tenants`.",
      examples: ["https://sso.acme.com/realms/acme", "http://localhost:4000"],
    }),
    preset: choice(
      {
        description:
          "The product, for defaults of the other keys that fit its tokens; `tollgate config show` prints them.",
        default: "generic",
        examples: ["keycloak"],
      },
      presetNames,
    ),
    tokens: choice(
      {
        description:
          "`jwt`: signed tokens; `introspect`: the issuer is asked about each (RFC 7662); `auto`: signed ones by their signature, all others by asking.",
        default: "jwt",
        examples: ["auto"],
      },
      ["jwt", "introspect", "auto"],
    ),
    introspection: section(
      {
        description: "How the issuer is asked.",
        "x-default": "required by `introspect` and `auto`",
        examples: [{ client: "corp" }],
      },
      ["client"],
      {
        client: text({
          description: "Which of `auth.clients` asks.",
          examples: ["corp"],
        }),
        url: text({
          description: "The introspection endpoint.",
          "x-default": "`introspection_endpoint` of the metadata of the client's issuer",
          examples: ["https://sso.acme.com/introspect"],
        }),
        cache: duration({
          description: "How long an answer counts, 1s to 10m; a revoked token is accepted so long.",
          default: "30s",
          examples: ["5s"],
        }),
        every: duration({
          description:
            "Ask about signed tokens as well, at their first use and so often after it, 1s to 1h: a revoked one is accepted so long.",
          "x-default": "signed tokens are judged by their signature alone",
          examples: ["60s"],
        }),
      },
    ),
    tenants: list(
      {
        description:
          "Tenants whose tokens are accepted: `tid` must be one of them, and the one of the token's `iss`. Needed with `{tid}` in `issuer`.",
        "x-default": "with `preset: entra` the first part of the issuer's path; else `tid` is not looked at",
        examples: [["72f988bf-86f1-41af-91ab-2d7cd011db47"]],
      },
      { type: "string", pattern: "^[0-9A-Za-z._-]{1,128}$", patternErrorMessage: "must be the id of one tenant" },
      { minItems: 1, uniqueItems: true },
    ),
    audience: oneOrMany(
      {
        description:
          "Accepted `aud` values, compared byte for byte. The bare word `none`: `aud` is not looked at, because the product never sets it; then `clients` is required.",
        "x-default": "the resource URL of the endpoint",
        examples: ["https://mcp.acme.com/mcp", ["https://mcp.acme.com/mcp", "tollgate"]],
      },
      { type: "string", minLength: 1 },
    ),
    exclusive: flag({
      description: "Refuse tokens that are for anybody else as well.",
      default: false,
      examples: [true],
    }),
    typ: choice(
      {
        description:
          "`at+jwt` demands the header of RFC 9068; `any` also accepts tokens that are provably not ID tokens.",
        default: "at+jwt",
        examples: ["any"],
      },
      ["at+jwt", "any"],
    ),
    algorithms: list(
      {
        description: "Accepted signature algorithms. Symmetric ones and `none` never are.",
        default: ["ES256", "PS256", "RS256", "EdDSA", "Ed25519"],
        examples: [["ES256"]],
      },
      {
        type: "string",
        enum: [
          "ES256",
          "ES384",
          "ES512",
          "PS256",
          "PS384",
          "PS512",
          "RS256",
          "RS384",
          "RS512",
          "EdDSA",
          "Ed25519",
        ],
      },
      { minItems: 1, uniqueItems: true },
    ),
    jwksUrl: text({
      description: "Where its public keys are.",
      "x-default": "`jwks_uri` of the issuer's metadata",
      examples: ["https://sso.acme.com/realms/acme/protocol/openid-connect/certs"],
    }),
    jwks: section(
      {
        description: "How its keys are kept.",
        default: {},
        examples: [{ hosts: ["www.googleapis.com"] }],
      },
      [],
      {
        hosts: list(
          {
            description: "Further hosts that its metadata may name in `jwks_uri`; its own always may be.",
            default: [],
            examples: [["www.googleapis.com"]],
          },
          hostName,
          { uniqueItems: true },
        ),
        staleFor: duration({
          description:
            "How long the last good keys serve while it cannot be reached, also after a restart; 1m to 168h.",
          default: "6h",
          examples: ["1h"],
        }),
        cooldown: duration({
          description: "Between two fetches for key ids that nobody knows, 1s to 10m.",
          default: "30s",
          examples: ["10s"],
        }),
        startup: choice(
          {
            description:
              "`require`: not ready until there are keys; `lazy`: they are fetched for its first token.",
            default: "require",
            examples: ["lazy"],
          },
          ["require", "lazy"],
        ),
      },
    ),
    backChannelLogout: section(
      {
        description:
          "Let the issuer end logins at once (OpenID Connect Back-Channel Logout 1.0): it sends logout tokens to `/backchannel-logout` of `server.url`. The tokens of that session or person from before are then refused, in this process, for as long as they could be good.",
        "x-default": "there is no such path",
        examples: [{ audience: ["tollgate"] }],
      },
      ["audience"],
      {
        audience: oneOrMany(
          {
            description:
              "Accepted `aud` values of logout tokens: the clients that have the path as their `backchannel_logout_uri`.",
            examples: ["tollgate", ["claude", "cursor"]],
          },
          { type: "string", minLength: 1 },
        ),
      },
    ),
    clockSkew: duration({
      description: "Tolerance for differing clocks, 0s to 120s.",
      default: "30s",
      examples: ["60s"],
    }),
    maxLifetime: duration({
      description: "Longest time from `iat` to `exp`, 1m to 168h.",
      default: "24h",
      examples: ["1h"],
    }),
    client: oneOrMany(
      {
        description: "Claims that name the OAuth client. Those that are there must agree.",
        default: ["client_id", "azp", "cid", "appid"],
        examples: ["azp"],
      },
      claimName,
    ),
    clients: list(
      {
        description: "The only clients whose tokens are accepted.",
        "x-default": "every client",
        examples: [["claude", "cursor"]],
      },
      { type: "string", minLength: 1 },
      { minItems: 1, uniqueItems: true },
    ),
    scopes: claimScopes,
    name: oneOrMany(
      {
        description: "Claims for `principal.name`: the first that is a text.",
        default: ["name", "preferred_username", "email"],
        examples: ["upn"],
      },
      claimName,
    ),
    roles: oneOrMany(
      {
        description: "Claims for `principal.roles`, read like scopes.",
        default: ["roles", "groups"],
        examples: ["resource_access.tollgate.roles"],
      },
      claimName,
    ),
    require: named(
      {
        description:
          "Further claims that a token must have; without them its holder gets 403. A name may lead into mappings with dots.",
        default: {},
        examples: [{ email_verified: true, groups: { any: ["mcp-users"] } }],
      },
      claimName,
      claimTest,
    ),
    machine: list(
      {
        description:
          "What makes a token one of a client alone, besides `sub` being the client: one entry of which all claims fit. `*` at the end of a text stands for anything, nothing (`null`) for a claim that is absent.",
        default: [{ idtyp: "app" }, { gty: "client-credentials" }],
        examples: [[{ preferred_username: "service-account-*" }]],
      },
      named({ description: "Claims and what they say.", minProperties: 1 }, claimName, {
        type: ["string", "boolean", "integer", "null"],
        description: "The value, a text with `*` at its end, or nothing.",
      }),
    ),
    allowMachine: flag({
      description: "Accept tokens that speak for a client alone and not for a person.",
      default: false,
      examples: [true],
    }),
  },
);

const clientSchema: JsonSchema = section(
  { description: "One OAuth client that the gateway itself is, named by credentials." },
  ["issuer", "id"],
  {
    issuer: text({
      description: "The authorization server it is registered at.",
      examples: ["https://sso.acme.com/realms/acme"],
    }),
    tokenUrl: text({
      description: "Its token endpoint.",
      "x-default": "`token_endpoint` of the issuer's metadata",
      examples: ["https://sso.acme.com/realms/acme/protocol/openid-connect/token"],
    }),
    id: text({ description: "The client_id.", examples: ["tollgate"] }),
    auth: choice(
      {
        description:
          "How it authenticates to the token endpoint (RFC 7591 §2); `none` for `preset: google-sts` only.",
        default: "client_secret_basic",
        examples: ["private_key_jwt"],
      },
      [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "tls_client_auth",
        "workload",
        "none",
      ],
    ),
    secret: text({
      description: "The client secret; for the two `client_secret_…` methods.",
      "x-default": "required by `client_secret_…`",
      "x-secret": true,
      examples: ["${CLIENT_SECRET}", "${file:/run/secrets/client}"],
    }),
    key: text({
      description: "The private key as PKCS #8 PEM; for `private_key_jwt` and `tls_client_auth`.",
      "x-default":
        "required by both; with the broker's issuer a key pair for `private_key_jwt` is made at start",
      "x-secret": true,
      examples: ["${file:/run/secrets/key.pem}"],
    }),
    algorithm: choice(
      {
        description: "Signature algorithm of `private_key_jwt`.",
        default: "ES256",
        examples: ["RS256"],
      },
      ["ES256", "PS256", "RS256"],
    ),
    keyId: text({
      description: "`kid` in the header of `private_key_jwt`.",
      "x-default": "no `kid`",
      examples: ["2026-01"],
    }),
    certificate: text({
      description:
        "PEM certificate of the key. `tls_client_auth` shows it in the TLS handshake; `private_key_jwt` puts its thumbprint into the header `x5t#S256`, as Entra wants.",
      "x-default": "required by `tls_client_auth`",
      examples: ["${file:/run/secrets/certificate.pem}"],
    }),
    assertionAudience: choice(
      {
        description:
          "`aud` of `private_key_jwt`: the issuer, or its token endpoint as Okta and Entra want.",
        default: "issuer",
        examples: ["tokenUrl"],
      },
      ["issuer", "tokenUrl"],
    ),
    tokenFile: text({
      description:
        "A file with a JWT that the platform renews, e.g. a projected service account token; for `workload`. Read anew for every request.",
      "x-default": "required by `workload`",
      examples: ["/var/run/secrets/tokens/tollgate"],
    }),
  },
);

export const authSchema: JsonSchema = section(
  {
    description: "Who may call: whose tokens are accepted, and which OAuth clients the gateway is.",
    examples: [{ issuers: [{ issuer: "https://sso.acme.com/realms/acme" }] }, { mode: "none" }],
  },
  [],
  {
    mode: choice(
      {
        description: "`oauth`: every request needs an access token. `none`: on loopback only.",
        default: "oauth",
        examples: ["none"],
      },
      ["oauth", "none"],
    ),
    scopes: list(
      {
        description:
          "Baseline scopes: required on every token, named in the challenge and in the protected-resource metadata.",
        default: [],
        examples: [["mcp:tools"]],
      },
      scopeToken,
      { uniqueItems: true },
    ),
    when: text({
      description:
        "CEL over `principal`, `tool` and `args` that must hold for every tool, besides those of apis and rules. An error is a refusal, and so are arguments for which loops within loops (`all`, `exists`, `map`, `filter`) could take more than a million steps. `matches` takes a written-out RE2 pattern.",
      "x-default": "no condition",
      examples: ['"mcp-users" in principal.roles'],
    }),
    stepUp: flag({
      description:
        "A tool whose scopes the caller lacks is listed and answers 403 with all it needs; false hides it instead.",
      default: true,
      examples: [false],
    }),
    dpop: choice(
      {
        description:
          "Tokens that are bound to a key, whose possession is proven on each request (RFC 9449). `off`: they are refused; `required`: all others are.",
        default: "off",
        examples: ["optional"],
      },
      ["off", "optional", "required"],
    ),
    deny: section(
      {
        description:
          "Tokens that are refused whatever they say, from the next reload of this file on.",
        default: {},
        examples: [{ sub: ["mallory"] }],
      },
      [],
      Object.fromEntries(
        [
          ["jti", "Of single tokens, by `jti`."] as const,
          ["sub", "Of people, by `sub`."] as const,
          ["clients", "Of OAuth clients, by client id."] as const,
        ].map(([key, description]) => [
          key,
          list(
            { description, default: [], examples: [["a1b2c3"]] },
            { type: "string", minLength: 1 },
            { uniqueItems: true },
          ),
        ]),
      ),
    ),
    cache: section(
      {
        description: "Verified tokens, kept for each endpoint so that each is verified once.",
        default: {},
        examples: [{ entries: 50_000 }],
      },
      [],
      {
        entries: {
          type: "integer",
          description: "How many; the least recently used goes first.",
          minimum: 1,
          maximum: 1_000_000,
          default: 10_000,
          examples: [50_000],
        },
        maxAge: duration({
          description: "After how long a token is verified again, 1s to 1h.",
          default: "10m",
          examples: ["1m"],
        }),
      },
    ),
    keysDir: text({
      description:
        "Directory, relative to gateway.yaml, that keeps the last good keys of issuers, so that a restart while one is down works. Made when it does not exist; nobody else may write there.",
      default: "var/keys",
      examples: ["/var/lib/tollgate/keys"],
    }),
    issuers: list(
      {
        description: "Whose access tokens are accepted; at least one with `mode: oauth`.",
        default: [],
        examples: [[{ issuer: "https://sso.acme.com/realms/acme" }]],
      },
      issuerSchema,
    ),
    clients: named(
      {
        description: "OAuth clients that the gateway itself is, by a name that credentials use.",
        default: {},
        examples: [
          { corp: { issuer: "https://sso.acme.com", id: "tollgate", secret: "${SECRET}" } },
        ],
      },
      idNames,
      clientSchema,
    ),
    signingKeys: list(
      {
        description:
          "P-256 private keys as PKCS #8 PEM for `signedJwt`: the first signs, all are published. For several replicas, and to change keys: put the new one first, and keep the old one until its tokens have ended.",
        "x-default": "made at start and changed every 24 hours",
        examples: [["${file:/run/secrets/2027.pem}", "${file:/run/secrets/2026.pem}"]],
      },
      text({
        description: "One key.",
        "x-secret": true,
        examples: ["${file:/run/secrets/2027.pem}"],
      }),
      { minItems: 1 },
    ),
  },
);
