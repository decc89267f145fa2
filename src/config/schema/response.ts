import type { JsonSchema } from "../../base/json.ts";
import { choice, list, section, text } from "./shape.ts";
import { fieldPath, token } from "./units.ts";

export const responseSchema: JsonSchema = section(
  {
    description: "What the model sees of a success. Errors of the API are not changed by it.",
    default: {},
    examples: [{ select: "items[].{id: id, status: status}", maxTokens: 4000 }],
  },
  [],
  {
    select: text({
      description:
        "JMESPath expression: its result takes the place of the JSON answer. An answer that is not JSON is then an error. With `$`, a variable, arithmetic, or functions that copy text, where work grows faster than the answer, it has 100 ms; such a call then fails with `select_timeout`.",
      "x-default": "the whole answer",
      examples: ["items[?status == 'open'].{id: id, name: name}"],
    }),
    fields: list(
      {
        description:
          "Names of the members to keep, dots between levels; lists are looked into. Applied after `select`.",
        default: [],
        examples: [["id", "customer.name", "items.sku"]],
      },
      fieldPath,
      { uniqueItems: true },
    ),
    headers: list(
      {
        description:
          "Response headers the model is told after a success, e.g. a version or a total.",
        default: [],
        examples: [["ETag", "X-Total-Count"]],
      },
      { type: "string", ...token },
      { uniqueItems: true },
    ),
    schema: choice(
      {
        description:
          "What the tool promises about its answer (`outputSchema`): `none`; `permissive`, the names and descriptions of the declared schema, which every answer fits; `strict`, the declared schema, and an answer that does not fit is an error.",
        default: "none",
        examples: ["permissive"],
      },
      ["none", "permissive", "strict"],
    ),
    maxPages: {
      type: "integer",
      description:
        "Pages that one call may fetch and join, for GET and QUERY operations whose query has an argument for paging. 1 leaves it to the model to ask for the next one.",
      default: 1,
      minimum: 1,
      maximum: 20,
      examples: [5],
    },
    maxTokens: {
      type: "integer",
      description:
        "Budget of the text, at four characters a token. A longer JSON answer keeps its shape and the first items of its lists, with a `_truncated` note; of one above 1MiB that is passed on while it arrives the beginning is kept.",
      default: 25_000,
      minimum: 100,
      maximum: 1_000_000,
      examples: [4000],
    },
  },
);
