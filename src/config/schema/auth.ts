import type { JsonSchema } from "../../base/json.ts";
import { choice, flag, list, named, oneOrMany, section, text } from "./shape.ts";
import { duration, idNames, scopeToken } from "./units.ts";

const issuerSchema: JsonSchema = section(
  { description: "One authorization server whose access tokens are accepted." },
  ["issuer"],
  {
    issuer: text({
      description:
        "Compared byte for byte with the token's `iss`. https, or http on a loopback host; a path is allowed.",
      examples: ["https://sso.acme.com/realms/acme", "http://localhost:4000"],
    }),
    audience: oneOrMany(
      {
        description: "Accepted `aud` values, compared byte for byte.",
        "x-default": "the resource URL of the endpoint",
        examples: ["https://mcp.acme.com/mcp", ["https://mcp.acme.com/mcp", "tollgate"]],
      },
      { type: "string", minLength: 1 },
    ),
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
    clockSkew: duration({
      description: "Tolerance for differing clocks, 0s to 120s.",
      default: "30s",
      examples: ["60s"],
    }),
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
        description: "How it authenticates to the token endpoint (RFC 7591 §2).",
        default: "client_secret_basic",
        examples: ["private_key_jwt"],
      },
      ["client_secret_basic", "client_secret_post", "private_key_jwt"],
    ),
    secret: text({
      description: "The client secret; for the two `client_secret_…` methods.",
      "x-default": "required by `client_secret_…`",
      "x-secret": true,
      examples: ["${CLIENT_SECRET}", "${file:/run/secrets/client}"],
    }),
    key: text({
      description: "The private key as PKCS #8 PEM; for `private_key_jwt`.",
      "x-default":
        "required by `private_key_jwt`; with the broker's issuer a key pair is made at start",
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
    stepUp: flag({
      description:
        "A tool whose scopes the caller lacks is listed and answers 403 with all it needs; false hides it instead.",
      default: true,
      examples: [false],
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
  },
);
