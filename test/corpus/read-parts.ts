import { isJsonObject, type JsonObject, type JsonValue } from "../../src/base/json.ts";

/** The parts of a multipart/form-data body (RFC 7578) beside what was given, member by member. */
export function readParts(
  given: JsonObject,
  contentType: string,
  body: Buffer,
): { readonly given: unknown; readonly found: unknown } {
  const boundary = /boundary="?([^";]+)/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error(`no boundary in ${contentType}`);
  const parts = body
    .toString("latin1")
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => part.split(/\r\n\r\n(.*)\r\n/s))
    .map(([head = "", content = ""]) => ({
      name: Buffer.from(/; name="([^"]*)"/.exec(head)?.[1] ?? "", "latin1").toString(),
      content: Buffer.from(content, "latin1"),
    }));
  const found = Object.entries(given).map(([name, member]) => {
    const own = parts.filter((part) => part.name === name);
    const items = Array.isArray(member) ? (member as readonly JsonValue[]) : [member];
    const texts = own.map(({ content }, i) => readPart(items[i] ?? null, content));
    return [name, Array.isArray(member) ? texts : texts[0]] as const;
  });
  return {
    given: Object.fromEntries(
      Object.entries(given).map(([name, member]) => [
        name,
        Array.isArray(member)
          ? (member as readonly JsonValue[]).map(expectPart)
          : expectPart(member),
      ]),
    ),
    found: Object.fromEntries(found),
  };
}

function isFile(value: JsonValue): value is { readonly data: string } {
  return isJsonObject(value) && typeof value["data"] === "string";
}

function expectPart(value: JsonValue): unknown {
  if (isFile(value)) return value.data;
  return typeof value === "string" || isJsonObject(value) ? value : JSON.stringify(value);
}

function readPart(like: JsonValue, content: Buffer): unknown {
  if (isFile(like)) return content.toString("base64");
  return isJsonObject(like) ? (JSON.parse(content.toString()) as unknown) : content.toString();
}
