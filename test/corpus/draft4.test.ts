import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";

import type { JsonObject, JsonSchema, JsonValue } from "../../src/base/json.ts";
import { createChecker } from "../../src/tools/check.ts";
import { inputSchema } from "../../src/tools/input-schema.ts";
import { convertComponent } from "../openapi/load-text.ts";
import { packaged } from "./documents.ts";

interface Group {
  readonly description: string;
  readonly schema: JsonObject;
  readonly tests: readonly {
    readonly description: string;
    readonly data: JsonValue;
    readonly valid: boolean;
  }[];
}

/** JSON-Schema-Test-Suite: what draft-04 says, which is what 2.0 and 3.0 took over. */
const folder = packaged("json-schema-test-suite/tests/draft4");

const suites = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => {
    const groups = JSON.parse(readFileSync(join(folder, file), "utf8")) as readonly Group[];
    return { file, groups: groups.filter(({ schema }) => !refersOutside(schema)) };
  })
  .filter(({ groups }) => groups.length > 0);

test("the suite is there", () => {
  const groups = suites.flatMap((suite) => suite.groups);
  expect(groups.flatMap(({ tests }) => tests).length).toBeGreaterThan(200);
});

describe.each(suites)("$file", ({ groups }) => {
  test.each(groups)("$description", async ({ schema, tests }) => {
    const { api } = await convertComponent(inDocument(schema), { version: "3.0.3" });
    const layout = {
      places: [],
      properties: { value: { $ref: "#/$defs/S" } },
      required: ["value"],
      hiddenProperties: [],
      issues: [],
      headers: [],
    };
    const converted = inputSchema(layout, api.schemas);
    const client = new Ajv2020({ strict: false, logger: false }).compile(converted);
    const check = createChecker()(converted, new Set());
    const verdicts = tests.map(({ description, data }) => ({
      description,
      client: client({ value: data }),
      gateway: check({ value: data }).length === 0,
    }));
    expect(verdicts).toEqual(
      tests.map(({ description, valid }) => ({ description, client: valid, gateway: valid })),
    );
  });
});

/** In a document `#` is the document, not the schema. */
function inDocument(schema: JsonObject): JsonObject {
  const text = JSON.stringify(schema).replaceAll('"$ref":"#', '"$ref":"#/components/schemas/S');
  return JSON.parse(text) as JsonObject;
}

/** `id` and the meta-schema's address need the network, or a registry of schemas. */
function refersOutside(schema: JsonSchema): boolean {
  return /"id":|"\$ref":\s*"http/.test(JSON.stringify(schema));
}
