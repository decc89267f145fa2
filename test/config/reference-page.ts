import { isJsonObject, type JsonSchema, type JsonValue } from "../../src/base/json.ts";

/** docs/configuration.md, made of the schema: a heading and a table for every mapping. */
export function renderReference(schema: JsonSchema): string {
  return [
    "# gateway.yaml, version 1",
    "<!-- Made from src/config/schema by `UPDATE_GOLDEN=1 npx vitest run test/config`; do not edit. -->",
    introduction,
    ...renderSection("", schema, "Top level"),
  ]
    .join("\n\n")
    .concat("\n");
}

const introduction = `Unknown keys are refused; keys that begin with \`x-\` are ignored. All findings are reported at once, as
\`file:line:column\`. Relative paths start at the directory of gateway.yaml. The same rules as JSON Schema
for editors: \`schema/gateway.schema.json\`.

**Units.** Durations: \`500ms\`, \`10s\`, \`2m\`, \`1h\`. Sizes: \`1MiB\`, \`64kB\` or a number of bytes. Listeners:
\`host:port\`, \`"[::1]:port"\`, \`:port\` (every IPv4 interface) or a port number (loopback).

**Interpolation.** Values, never keys, may hold references; they are replaced after the file is parsed:

| Form | Becomes |
| --- | --- |
| \`\${NAME}\` | The environment variable; not set is an error. |
| \`\${NAME:-text}\` | The variable, or the text when it is unset or empty. |
| \`\${NAME:?text}\` | The variable, or an error that says the text when it is unset or empty. |
| \`\${file:path}\` | The content of a file of at most 64 KiB, without its last newline. |
| \`$\${\` | A literal \`\${\`. |

An unquoted value that is one reference is read as a number or boolean where the key wants one; a quoted one stays a
string. Keys marked **secret** take \`\${NAME}\`, \`\${NAME:?text}\` and \`\${file:path}\` only; a secret file that every user can
read is a warning.`;

function renderSection(path: string, schema: JsonSchema, title: string): string[] {
  const properties = objectOf(schema["properties"]);
  const required = new Set(schema["required"] as readonly string[] | undefined);
  const rows = Object.entries(properties).map(([key, value]) => {
    const property = objectOf(value);
    const note = property["x-secret"] === true ? "**secret** " : "";
    return `| \`${key}\` | ${typeOf(property)} | ${defaultOf(property, required.has(key))} | ${note}${cell(property["description"])} | ${examplesOf(property)} |`;
  });
  const table = [
    "| Key | Type | Default | Meaning | Example |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
  const heading = `## ${path === "" ? title : `\`${path}\``}`;
  const choice = choiceOf(schema);
  const own = [
    heading,
    ...textOf(schema["description"]),
    ...choice,
    ...(rows.length > 0 ? [table] : []),
  ];
  const inner = Object.entries(properties).flatMap(([key, value]) =>
    sectionsUnder(path === "" ? key : `${path}.${key}`, objectOf(value)),
  );
  return [...own, ...inner];
}

/** Mappings below a key: its own, one per user-chosen name, or one per list item. */
function sectionsUnder(path: string, schema: JsonSchema): string[] {
  const branches = (schema["anyOf"] ?? [schema]) as readonly JsonSchema[];
  return branches.flatMap((branch) => {
    const described = { ...branch, description: schema["description"] ?? "" };
    if (isJsonObject(branch["properties"]) && Object.keys(branch["properties"]).length > 0)
      return renderSection(path, described, path);
    const named = branch["additionalProperties"];
    if (isJsonObject(named)) return sectionsUnder(`${path}.NAME`, named);
    const items = branch["items"];
    return isJsonObject(items) ? sectionsUnder(`${path}[]`, items) : [];
  });
}

function choiceOf(schema: JsonSchema): string[] {
  const branches = schema["oneOf"] as
    | readonly { readonly required: readonly string[] }[]
    | undefined;
  if (branches === undefined) return [];
  const keys = branches.flatMap((branch) => branch.required.map((key) => `\`${key}\``));
  return [`Exactly one of ${keys.join(", ")}.`];
}

function typeOf(schema: JsonSchema): string {
  const branches = schema["anyOf"] as readonly JsonSchema[] | undefined;
  if (branches !== undefined) return [...new Set(branches.map(typeOf))].join(" or ");
  if (schema["const"] !== undefined) return `\`${JSON.stringify(schema["const"])}\``;
  const values = schema["enum"] as readonly string[] | undefined;
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  if (schema["type"] === undefined) return "anything";
  if (schema["type"] === "array") return `list of ${typeOf(objectOf(schema["items"]))}`;
  const types = [schema["type"]].flat() as readonly string[];
  return types.map((type) => (type === "object" ? "mapping" : type)).join(" or ");
}

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (required) return "**required**";
  if (schema["default"] !== undefined) return code(schema["default"]);
  return cell(schema["x-default"]);
}

function examplesOf(schema: JsonSchema): string {
  const examples = (schema["examples"] ?? []) as readonly JsonValue[];
  return examples.map(code).join("<br>");
}

function code(value: JsonValue): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `\`${text.replaceAll("|", "\\|")}\``;
}

function cell(value: JsonValue | undefined): string {
  return typeof value === "string" ? value.replaceAll("|", "\\|") : "";
}

function textOf(value: JsonValue | undefined): string[] {
  return typeof value === "string" && value !== "" ? [value] : [];
}

function objectOf(value: JsonValue | undefined): JsonSchema {
  return isJsonObject(value) ? value : {};
}
