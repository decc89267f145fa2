import type { JsonSchema } from "../../base/json.ts";
import { idpPresetNames } from "../idp-presets.ts";
import { redisKeys } from "./redis.ts";
import { choice, exactlyOne, flag, list, named, oneOrMany, section, text } from "./shape.ts";
import { fieldPath, hostAndPort, hostName, idNames, listen, scopeToken } from "./units.ts";

const personSchema: JsonSchema = section(
  {
    description:
      "Where the provider says what about a person: names of claims, with dots between levels. They lead into the ID token and the userinfo answer; with `oauth2` into the answer of `userUrl`, `organizations` of `organizationsUrl`, and `token` for the answer of the token endpoint.",
    default: {},
    examples: [{ groups: "roles" }],
  },
  [],
  {
    subject: {
      ...fieldPath,
      description: "What never changes and never comes back: never a name or an address.",
      default: "sub",
      examples: ["oid"],
    },
    name: oneOrMany(
      {
        description: "For people; the first that is there.",
        default: ["name", "preferred_username"],
        examples: ["name"],
      },
      fieldPath,
    ),
    email: {
      ...fieldPath,
      description: "The e-mail address.",
      default: "email",
      examples: ["upn"],
    },
    emailVerified: {
      ...fieldPath,
      description: "Whether the provider checked it.",
      default: "email_verified",
      examples: ["xms_edov"],
    },
    groups: {
      ...fieldPath,
      description: "The groups, a list.",
      default: "groups",
      examples: ["roles"],
    },
    organization: {
      ...fieldPath,
      description: "The organisation or organisations.",
      default: "organization",
      examples: ["hd"],
    },
  },
);

const allowSchema: JsonSchema = {
  description:
    "Who may enter; every rule that is given must hold, at login and at each refresh. The bare word `everyone`: whoever can log in there.",
  "x-default": "everyone; required with the presets google, github and notion",
  examples: ["everyone", { emailDomains: ["acme.com"] }],
  anyOf: [
    { type: "string", enum: ["everyone"] },
    section(
      { description: "Rules." },
      [],
      {
        emailDomains: list(
          {
            description:
              "Domains of e-mail addresses, any of them. Asks for `emailVerified` as well.",
            default: [],
            examples: [["acme.com"]],
          },
          hostName,
          { uniqueItems: true },
        ),
        emailVerified: flag({
          description: "The provider must say that it checked the e-mail address.",
          "x-default": "true with `emailDomains`, else false",
          examples: [true],
        }),
        groups: list(
          { description: "Groups, any of them.", default: [], examples: [["mcp-users"]] },
          text({ description: "A group as the provider names it.", examples: ["mcp-users"] }),
          { uniqueItems: true },
        ),
        organizations: list(
          {
            description:
              "Organisations, any of them: Google's `hd`, the login of a GitHub organisation, a tenant.",
            default: [],
            examples: [["acme.com"]],
          },
          text({ description: "One organisation.", examples: ["acme"] }),
          { uniqueItems: true },
        ),
      },
    ),
  ],
};

function endpoint(description: string, example: string): JsonSchema {
  return text({ description, "x-default": "—", examples: [example] });
}

const idpSchema: JsonSchema = section(
  { description: "One identity provider, by a name that its callback and its people carry." },
  ["client"],
  {
    preset: choice(
      {
        description: "Fills in what a product needs; `tollgate config show` prints it.",
        default: "generic",
        examples: ["entra"],
      },
      idpPresetNames,
    ),
    client: text({
      description:
        "Which of `auth.clients` the broker is there. Its redirect URI is `<broker.issuer>/idp/callback`, with several providers `/idp/<name>/callback`.",
      examples: ["corp"],
    }),
    title: text({
      description: "What people call it: `Continue with …`.",
      "x-default": "its name",
      examples: ["Acme account"],
    }),
    protocol: choice(
      {
        description: "`openid` with discovery and ID tokens, or `oauth2` without either.",
        default: "openid",
        examples: ["oauth2"],
      },
      ["openid", "oauth2"],
    ),
    scope: list(
      {
        description: "Scopes that the broker asks for.",
        default: ["openid", "profile", "email"],
        examples: [["openid", "email", "offline_access"]],
      },
      scopeToken,
      { uniqueItems: true },
    ),
    params: named(
      {
        description: "More parameters of the authorization request.",
        default: {},
        examples: [{ prompt: "select_account" }],
      },
      { minLength: 1 },
      text({ description: "The value.", examples: ["select_account"] }),
    ),
    allowedHosts: list(
      {
        description: "Hosts beside the issuer's that its metadata may name as endpoints.",
        default: [],
        examples: [["graph.microsoft.com"]],
      },
      hostAndPort,
      { uniqueItems: true },
    ),
    authorizationUrl: endpoint(
      "With `oauth2`: where people log in.",
      "https://github.com/login/oauth/authorize",
    ),
    tokenUrl: text({
      description: "With `oauth2`: where the code is exchanged.",
      "x-default": "`tokenUrl` of the client",
      examples: ["https://github.com/login/oauth/access_token"],
    }),
    userUrl: endpoint("With `oauth2`: says who a token is of.", "https://api.github.com/user"),
    emailsUrl: endpoint(
      "With `oauth2`: their e-mail addresses, a list of `{email, primary, verified}`; the primary one counts.",
      "https://api.github.com/user/emails",
    ),
    organizationsUrl: endpoint(
      "With `oauth2`: their organisations, a list.",
      "https://api.github.com/user/orgs",
    ),
    tokenRequest: choice(
      {
        description: "How the token endpoint wants its request: as the standard says, or as JSON.",
        default: "form",
        examples: ["json"],
      },
      ["form", "json"],
    ),
    person: personSchema,
    claims: named(
      {
        description:
          "What the broker's access tokens say about a person besides `sub`: a claim and the way to its value. A value that is not there is left out.",
        default: { name: "name", email: "email" },
        examples: [{ department: "department", groups: "groups" }],
      },
      { pattern: "^[a-zA-Z][a-zA-Z0-9_]{0,63}$" },
      { ...fieldPath, description: "The way to the value.", examples: ["groups"] },
    ),
    allow: allowSchema,
    onRefresh: choice(
      {
        description:
          "`verify`: every refresh asks the provider whether the person still is there and may enter; `skip`: a person who left keeps access until the grant ends.",
        default: "verify",
        examples: ["skip"],
      },
      ["verify", "skip"],
    ),
  },
);

const clientSchema: JsonSchema = section(
  { description: "One MCP client that is registered by hand; the name is its client_id." },
  ["redirectUris"],
  {
    secret: text({
      description: "Its secret.",
      "x-default": "a public client",
      "x-secret": true,
      examples: ["${CLAUDE_SECRET}"],
    }),
    redirectUris: list(
      {
        description: "Where it may send people back to, byte for byte; a loopback port is free.",
        examples: [["https://claude.ai/api/mcp/auth_callback"]],
      },
      text({ description: "One URI.", examples: ["http://localhost:8123/callback"] }),
      { minItems: 1, uniqueItems: true },
    ),
  },
);

const registrationSchema: JsonSchema = section(
  {
    description: "Which MCP clients may ask people to log in.",
    default: {},
    examples: [{ dynamic: "off" }],
  },
  [],
  {
    dynamic: choice(
      {
        description:
          "Dynamic registration (RFC 7591): `open` to clients with allowed redirect URIs, or `off`.",
        default: "open",
        examples: ["off"],
      },
      ["open", "off"],
    ),
    documents: {
      description:
        "Client ID metadata documents: a client_id that is an https URL. `any` public host, or the hosts whose documents are read; an empty list turns them off.",
      default: "any",
      examples: [["claude.ai", "vscode.dev"]],
      anyOf: [
        { type: "string", enum: ["any"] },
        { type: "array", items: hostAndPort, uniqueItems: true },
      ],
    },
    privateHosts: list(
      {
        description: "Hosts whose documents may be at a private or loopback address.",
        default: [],
        examples: [["agents.acme.internal"]],
      },
      hostAndPort,
      { uniqueItems: true },
    ),
    clients: named(
      {
        description: "Clients that are registered here.",
        default: {},
        examples: [{ claude: { redirectUris: ["https://claude.ai/api/mcp/auth_callback"] } }],
      },
      idNames,
      clientSchema,
    ),
  },
);

const encryptionKeys: JsonSchema = {
  description:
    "Keys of 32 bytes in base64 or hex, e.g. of `openssl rand -base64 32`. The first seals what is written; the others still open what was written before, so a new key is put in front.",
  examples: [["${file:/run/secrets/broker.key}"]],
  type: "array",
  minItems: 1,
  items: text({
    description: "One key.",
    "x-secret": true,
    examples: ["${file:/run/secrets/broker.key}"],
  }),
};

const storeSchema: JsonSchema = {
  description:
    "Where grants, clients and keys are kept. The bare word `memory`: a restart forgets everything. `lmdb`: files of one node. `redis`: shared by several replicas.",
  default: "memory",
  examples: [
    "memory",
    { lmdb: { dir: "var/broker", encryptionKeys: ["${file:/run/secrets/broker.key}"] } },
  ],
  anyOf: [
    { type: "string", enum: ["memory"] },
    section(
      { description: "One kind with its settings." },
      [],
      {
        lmdb: section(
          {
            description: "Files in a directory of this machine; not on a network drive.",
            "x-default": "—",
            examples: [
              { dir: "var/broker", encryptionKeys: ["${file:/run/secrets/broker.key}"] },
            ],
          },
          ["encryptionKeys"],
          {
            dir: text({
              description: "The directory, relative to gateway.yaml; made when it does not exist.",
              default: "var/broker",
              examples: ["/var/lib/tollgate/broker"],
            }),
            encryptionKeys,
          },
        ),
        redis: section(
          {
            description: "Redis 7 or Valkey, without eviction and with persistence.",
            "x-default": "—",
            examples: [
              {
                url: "redis://redis.internal:6379",
                encryptionKeys: ["${file:/run/secrets/broker.key}"],
              },
            ],
          },
          ["url", "encryptionKeys"],
          {
            ...redisKeys("tollgate:broker:", "acme:broker:"),
            encryptionKeys,
          },
        ),
      },
      exactlyOne(["lmdb", "redis"]),
    ),
  ],
};

export const brokerSchema: JsonSchema = section(
  {
    description:
      "The embedded authorization server: for companies whose identity provider registers no clients and binds no audience, and for development. Absent: tokens come from elsewhere.",
    "x-default": "no broker",
    examples: [{ issuer: "http://localhost:4000", upstream: "dev" }],
  },
  ["issuer", "upstream"],
  {
    issuer: text({
      description:
        "Its issuer and origin: https, or http on a loopback host; no path, no trailing slash. It may be `server.url`.",
      examples: ["https://auth.acme.com", "http://localhost:4000"],
    }),
    listen: listen({
      description: "Where it accepts connections; not where the gateway or admin listens.",
      "x-default":
        "127.0.0.1 and the port of `issuer`; no listener of its own when `issuer` is `server.url`",
      examples: ["127.0.0.1:4000"],
    }),
    upstream: {
      description:
        "Where people log in: identity providers by name, or the bare word `dev`: a built-in page with the users alice and bob, on loopback only.",
      examples: ["dev", { acme: { preset: "entra", client: "corp" } }],
      anyOf: [
        { type: "string", enum: ["dev"] },
        {
          ...named({ description: "Identity providers." }, idNames, idpSchema),
          minProperties: 1,
        },
      ],
    },
    registration: registrationSchema,
    redirects: section(
      {
        description: "Where a client that registered itself may send people back to.",
        default: {},
        examples: [{ allowed: ["https://agents.acme.com/callback"] }],
      },
      [],
      {
        known: flag({
          description:
            "Allow the callbacks of Claude, ChatGPT, Cursor and VS Code, and every loopback listener.",
          default: true,
          examples: [false],
        }),
        allowed: list(
          {
            description: "Further redirect URIs, byte for byte.",
            default: [],
            examples: [["https://agents.acme.com/callback"]],
          },
          text({ description: "One URI.", examples: ["https://agents.acme.com/callback"] }),
          { uniqueItems: true },
        ),
      },
    ),
    consent: choice(
      {
        description:
          "`always`: the consent page comes at every authorization. `remember`: for 30 days not again in the same browser for the same client, redirect URI and scopes.",
        default: "always",
        examples: ["remember"],
      },
      ["always", "remember"],
    ),
    store: storeSchema,
    assertionIssuers: named(
      {
        description:
          "Experimental: issuers whose identity assertions (ID-JAG) are exchanged for access tokens, with the URL of their keys. Each is the issuer of an entry of `upstream`, whose `allow` holds for them as well.",
        default: {},
        examples: [{ "https://sso.acme.com": "https://sso.acme.com/jwks.json" }],
      },
      { minLength: 1 },
      text({ description: "Their JWK set.", examples: ["https://sso.acme.com/jwks.json"] }),
    ),
  },
);
