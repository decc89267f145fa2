import { Ajv2020 } from "ajv/dist/2020.js";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { isJsonObject, type JsonValue } from "../../src/base/json.ts";
import { gatewaySchema } from "../../src/config/schema/gateway.ts";
import { renderReference } from "./reference-page.ts";

test.each([
  { file: "schema/gateway.schema.json", text: `${JSON.stringify(gatewaySchema, null, 2)}\n` },
  { file: "docs/configuration.md", text: renderReference(gatewaySchema) },
])("$file is what the schema says", ({ file, text }) => {
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, text);
  expect(readFileSync(path, "utf8")).toBe(text);
});

interface Property {
  readonly path: string;
  readonly required: boolean;
  readonly schema: { readonly [key: string]: JsonValue };
}

function propertiesOf(schema: JsonValue | undefined, path = ""): readonly Property[] {
  if (!isJsonObject(schema)) return [];
  const required = (schema["required"] ?? []) as readonly string[];
  const properties = isJsonObject(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  const branches = (schema["anyOf"] ?? []) as readonly JsonValue[];
  return [
    ...properties.flatMap(([key, value]) => {
      const inner = `${path}.${key}`;
      const own = {
        path: inner,
        required: required.includes(key),
        schema: value as Property["schema"],
      };
      return [own, ...propertiesOf(value, inner)];
    }),
    ...branches.flatMap((branch) => propertiesOf(branch, path)),
    ...propertiesOf(schema["items"], `${path}[]`),
    ...propertiesOf(schema["additionalProperties"], `${path}.*`),
  ];
}

test("the schema is legal 2020-12: the gateway trusts it to be", () => {
  const ajv = new Ajv2020({ strict: false });
  expect(ajv.validateSchema(gatewaySchema), ajv.errorsText()).toBe(true);
});

test.each(propertiesOf(gatewaySchema))("$path says all about itself", ({ schema, required }) => {
  expect(schema["description"]).toMatch(/^[\s\S]{8,}\.$/);
  expect(required || (schema["default"] ?? schema["x-default"]) !== undefined).toBe(true);
  expect((schema["examples"] as readonly unknown[]).length).toBeGreaterThan(0);
});

test("every mapping with fixed keys refuses unknown ones", () => {
  const open = propertiesOf(gatewaySchema).filter(
    ({ schema }) => isJsonObject(schema["properties"]) && schema["additionalProperties"] !== false,
  );
  expect(open).toEqual([]);
});
