import type { JsonObject, JsonSchema } from "../../base/json.ts";
import { exactlyOne, oneOrMany, section, text } from "./shape.ts";
import { scopeToken, token } from "./units.ts";

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
        exchange: section(
          {
            description: "A token for this API and this person, by token exchange (RFC 8693).",
            "x-default": "—",
            examples: [{ client: "corp", audience: "courses-api", scope: ["courses:read"] }],
          },
          ["client"],
          grant,
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
      exactlyOne(["exchange", "clientCredentials", "static", "none"]),
    ),
  ],
};
