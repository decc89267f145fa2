import type { JsonSchema } from "../../base/json.ts";
import { list, section, text } from "./shape.ts";
import { fieldPath } from "./units.ts";

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
        "JMESPath expression: its result takes the place of the JSON answer. An answer that is not JSON is then an error.",
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
    maxTokens: {
      type: "integer",
      description:
        "Budget of the text, at four characters a token. A longer JSON answer keeps its shape and the first items of its lists, with a `_truncated` note.",
      default: 25_000,
      minimum: 100,
      maximum: 1_000_000,
      examples: [4000],
    },
  },
);
