import type { JsonSchema } from "../../base/json.ts";
import { list, named, oneOrMany, section } from "./shape.ts";

const paths: JsonSchema = {
  type: "string",
  pattern: "^/(?!\\.)[0-9a-z._~-]+(/(?!\\.)[0-9a-z._~-]+)*$",
  patternErrorMessage:
    "must be a path of lower-case letters, digits, - . _ and ~, without a slash at its end",
};

export const endpointsSchema: JsonSchema = named(
  {
    description:
      "The MCP endpoints by path. Each is a resource of its own: its URL is the audience of its tokens, and its tools are those of its apis.",
    "x-default": "`/mcp` with every api",
    minProperties: 1,
    examples: [{ "/mcp": { apis: ["courses"] }, "/admin": { apis: ["users"] } }],
  },
  paths,
  section({ description: "One endpoint." }, ["apis"], {
    apis: list(
      {
        description: "Ids of the apis whose tools it has.",
        examples: [["courses"]],
      },
      { type: "string", minLength: 1 },
      { minItems: 1, uniqueItems: true },
    ),
    audience: oneOrMany(
      {
        description:
          "Accepted `aud` values of its tokens, in place of those of the issuers; with several endpoints these must not be the same.",
        "x-default": "`audience` of the issuer, else the URL of the endpoint",
        examples: ["6731de76-14a6-49ae-97bc-6eba6914391e"],
      },
      { type: "string", minLength: 1 },
    ),
    profile: {
      description:
        "In whose words `tools/list` describes arguments. `gemini` is for hosts that take the Schema object of the Gemini API: no references, no lists of types, no keywords beyond it. Calls are checked the same.",
      type: "string",
      enum: ["default", "gemini"],
      "x-default": "default",
      examples: ["gemini"],
    },
  }),
);
