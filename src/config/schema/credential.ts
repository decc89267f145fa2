import type { JsonObject, JsonSchema } from "../../base/json.ts";
import { exchangePresetNames } from "../exchange-presets.ts";
import { choice, exactlyOne, flag, list, named, oneOrMany, section, text } from "./shape.ts";
import { duration, scopeToken, token } from "./units.ts";

/** What both token grants ask for. */
const grant: JsonObject = {
  client: text({ description: "A name of `auth.clients`.", examples: ["corp"] }),
  audience: oneOrMany(
    {
      description: "Logical name of the API at the authorization server (RFC 8693 §2.1).",
      "x-default": "not sent",
      examples: ["courses-api"],
    },
    { type: "string", minLength: 1 },
  ),
  resource: oneOrMany(
    {
      description: "Absolute URI of the API (RFC 8707 §2).",
      "x-default": "not sent",
      examples: ["https://courses.internal"],
    },
    { type: "string", minLength: 1 },
  ),
  scope: oneOrMany(
    {
      description: "Scopes to ask for.",
      "x-default": "not sent",
      examples: [["courses:read"]],
    },
    scopeToken,
  ),
};

/** What both grants for a person can say beyond that. */
const perPerson: JsonObject = {
  ...grant,
  scopeGranularity: choice(
    {
      description:
        "`operation`: of `scope`, only what the document's security requirements of the operation ask for, if they ask for any; `api`: always all.",
      default: "operation",
      examples: ["api"],
    },
    ["operation", "api"],
  ),
  addedScopes: list(
    {
      description: "Scopes that the answer may have although they were not asked for.",
      default: [],
      examples: [["openid", "profile"]],
    },
    scopeToken,
  ),
  parameters: named(
    {
      description: "More form fields of the request, as the authorization server wants them.",
      default: {},
      examples: [{ connection: "github" }],
    },
    { pattern: "^[A-Za-z0-9_.:-]{1,128}$" },
    { type: "string" },
  ),
  verifyAudience: flag({
    description:
      "Refuse a token that is a JWT whose `aud` names neither `audience` nor `resource`. Its signature is the API's to check.",
    default: true,
    examples: [false],
  }),
};

const tokenType = "^([a-z0-9_-]+|urn:[!-~]+|https?:[!-~]+)$";

function subjectTokenType(): JsonSchema {
  return text(
    {
      description: "`subject_token_type`: a name of RFC 8693 §3 or a whole URI.",
      default: "access_token",
      examples: ["jwt"],
    },
    { pattern: tokenType },
  );
}

const subject: JsonSchema = choice(
  {
    description:
      "Whose token is exchanged: the caller's own, or the one that the identity provider gave at the login to the embedded broker, which is what a provider knows that did not issue the caller's.",
    default: "caller",
    examples: ["login"],
  },
  ["caller", "login"],
);

const exchangeSchema: JsonSchema = section(
  {
    description: "A token for this API and this person, by token exchange (RFC 8693).",
    "x-default": "—",
    examples: [{ client: "corp", audience: "courses-api", scope: ["courses:read"] }],
  },
  ["client"],
  {
    preset: choice(
      {
        description:
          "Fills the keys below for one product; `tollgate config show` prints what it fills in.",
        default: "generic",
        examples: ["keycloak"],
      },
      exchangePresetNames,
    ),
    grant: choice(
      {
        description:
          "`token-exchange` (RFC 8693), or `jwt-bearer` (RFC 7523 §2.1) with the caller's token as assertion.",
        default: "token-exchange",
        examples: ["jwt-bearer"],
      },
      ["token-exchange", "jwt-bearer"],
    ),
    ...perPerson,
    subject,
    subjectTokenType: subjectTokenType(),
    requestedTokenType: text(
      {
        description:
          "`requested_token_type`, which the answer must then be of: a name of RFC 8693 §3, a whole URI, or `none` to leave it out.",
        default: "access_token",
        examples: ["jwt"],
      },
      { pattern: tokenType },
    ),
    cache: section(
      {
        description: "How long what the server answers is kept, in memory and per caller's token.",
        default: {},
        examples: [{ maxTtl: "2m" }],
      },
      [],
      {
        maxTtl: duration({
          description:
            "A token, at most; never longer than it and the caller's own token live. 1s to 1h.",
          default: "10m",
          examples: ["2m"],
        }),
        negative: duration({
          description:
            "A refusal that would be the same for a while (`invalid_grant`, `invalid_target`, `invalid_scope`, `unauthorized_client`, `access_denied`), 0s to 30s.",
          default: "5s",
          examples: ["30s"],
        }),
      },
    ),
    retry: flag({
      description: "An API that answers 401 gets the request once more, with a fresh token.",
      default: true,
      examples: [false],
    }),
    stepUp: section(
      {
        description:
          "What a client is told to log in with (RFC 9470) when the server wants more of the person (`interaction_required` and its like) and does not say what.",
        "x-default": "a tool error",
        examples: [{ acrValues: ["mfa"], maxAge: "5m" }],
      },
      [],
      {
        acrValues: list(
          {
            description: "`acr_values`, in order of preference.",
            default: [],
            examples: [["mfa"]],
          },
          { type: "string", pattern: "^[!#-\\[\\]-~]+$" },
          { uniqueItems: true },
        ),
        maxAge: duration({
          description: "`max_age`: how long ago the login may be, 1s to 24h.",
          "x-default": "not said",
          examples: ["5m"],
        }),
      },
    ),
    actor: choice(
      {
        description:
          "`self`: a token of the gateway's own goes along as `actor_token`, so that the new one says who acts (RFC 8693 §4.1).",
        default: "none",
        examples: ["self"],
      },
      ["none", "self"],
    ),
  },
);

const staticSchema: JsonSchema = section(
  {
    description:
      "A fixed secret: `bearer`, `basic`, or `value` under the name of a `header`, `query` parameter or `cookie`.",
    examples: [{ header: "X-Api-Key", value: "${API_KEY}" }, { bearer: "${API_TOKEN}" }],
  },
  [],
  {
    bearer: text({
      description: "Sent as `Authorization: Bearer …`.",
      "x-default": "—",
      "x-secret": true,
      examples: ["${API_TOKEN}"],
    }),
    basic: section(
      {
        description: "Sent as `Authorization: Basic …` (RFC 7617).",
        "x-default": "—",
        examples: [{ username: "tollgate", password: "${API_PASSWORD}" }],
      },
      ["username", "password"],
      {
        username: text({ description: "Without a colon.", examples: ["tollgate"] }),
        password: text({
          description: "The password.",
          "x-secret": true,
          examples: ["${API_PASSWORD}"],
        }),
      },
    ),
    header: text(
      { description: "Header name; with `value`.", "x-default": "—", examples: ["X-Api-Key"] },
      token,
    ),
    query: text({
      description: "Query parameter name; with `value`.",
      "x-default": "—",
      examples: ["api_key"],
    }),
    cookie: text(
      { description: "Cookie name; with `value`.", "x-default": "—", examples: ["session"] },
      token,
    ),
    value: text({
      description: "What is sent under that name.",
      "x-default": "required by `header`, `query` and `cookie`",
      "x-secret": true,
      examples: ["${API_KEY}"],
    }),
  },
  exactlyOne(["bearer", "basic", "header", "query", "cookie"]),
);

export const credentialSchema: JsonSchema = {
  description:
    "How the gateway proves itself to the API: exactly one kind. There is no kind that passes the caller's token on.",
  examples: ["none", { exchange: { client: "corp", audience: "courses-api" } }],
  anyOf: [
    { type: "string", enum: ["none"] },
    section(
      { description: "One kind with its settings." },
      [],
      {
        exchange: exchangeSchema,
        jwtBearer: section(
          {
            description:
              "A token for this API and this person, with the caller's token as assertion (RFC 7523 §2.1).",
            "x-default": "—",
            examples: [{ client: "corp", scope: ["courses:read"] }],
          },
          ["client"],
          perPerson,
        ),
        signedJwt: section(
          {
            description:
              "A token that the gateway signs itself: 60 s, for this API and this person. Its keys are at `/.well-known/gateway-jwks.json`, its `iss` is `server.url`.",
            "x-default": "—",
            examples: [{ audience: "courses-api", claims: ["email"] }],
          },
          ["audience"],
          {
            audience: text({ description: "Its `aud`.", examples: ["courses-api"] }),
            claims: list(
              {
                description: "Claims of the caller's token that it repeats.",
                default: [],
                examples: [["email", "groups"]],
              },
              { type: "string", minLength: 1 },
              { uniqueItems: true },
            ),
            typ: text({ description: "In its header.", default: "at+jwt", examples: ["JWT"] }),
          },
        ),
        clientCredentials: section(
          {
            description: "A token for the gateway itself (RFC 6749 §4.4).",
            "x-default": "—",
            examples: [{ client: "corp", scope: ["courses:read"] }],
          },
          ["client"],
          grant,
        ),
        idJag: section(
          {
            description:
              "Experimental (`experimental: [id-jag]`), after a draft that may change: cross-app access. The company login gives an assertion about the person (ID-JAG) for the API's own authorization server, which gives a token for it.",
            "x-default": "—",
            examples: [
              { client: "corp", at: "tracker", resource: "https://api.tracker.example" },
            ],
          },
          ["client", "at"],
          {
            client: text({
              description: "A name of `auth.clients`, at the company login.",
              examples: ["corp"],
            }),
            at: text({
              description:
                "A name of `auth.clients`, at the API's authorization server; its issuer is the `audience` of the assertion.",
              examples: ["tracker"],
            }),
            resource: grant["resource"] ?? {},
            scope: grant["scope"] ?? {},
            subjectTokenType: subjectTokenType(),
          },
        ),
        connection: section(
          {
            description:
              "A token of the account that the person connected at a third party; who has none yet gets a link. Or of the account that they logged in with at the embedded broker, where that is the third party's.",
            "x-default": "—",
            examples: [{ provider: "tracker", scope: ["issues:read"] }, { login: "github" }],
          },
          [],
          {
            provider: text({
              description: "A name of `connections.providers`; this or `login`.",
              "x-default": "—",
              examples: ["tracker"],
            }),
            login: text({
              description:
                "A name of `broker.upstream`: the API gets the token that this identity provider gave at the login, with the scopes that `scope` there asks for.",
              "x-default": "—",
              examples: ["github"],
            }),
            scope: oneOrMany(
              {
                description:
                  "Scopes that the connected account must have granted; people are asked for those of all apis with this provider at once.",
                "x-default": "what the third party gives by itself",
                examples: [["issues:read"]],
              },
              scopeToken,
            ),
          },
          exactlyOne(["provider", "login"]),
        ),
        static: { ...staticSchema, "x-default": "—" },
        none: section(
          {
            description: "No credential. The bare word `none` says the same.",
            "x-default": "—",
            examples: [{}],
          },
          [],
          {},
        ),
      },
      exactlyOne([
        "exchange",
        "jwtBearer",
        "signedJwt",
        "clientCredentials",
        "idJag",
        "connection",
        "static",
        "none",
      ]),
    ),
  ],
};
