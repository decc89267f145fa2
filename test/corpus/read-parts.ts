import { isJsonObject, type JsonValue } from "../../src/base/json.ts";

interface Part {
  readonly name: string;
  readonly content: Buffer;
}

/** The parts of a multipart/form-data body (RFC 7578). */
export function splitParts(contentType: string, body: Buffer): readonly Part[] {
  const boundary = /boundary="?([^";]+)/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error(`no boundary in ${contentType}`);
  return body
    .toString("latin1")
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => part.split(/\r\n\r\n(.*)\r\n/s))
    .map(([head = "", content = ""]) => ({
      name: Buffer.from(/; name="([^"]*)"/.exec(head)?.[1] ?? "", "latin1").toString(),
      content: Buffer.from(content, "latin1"),
    }));
}

/** One member of a body beside what was given. */
export function readMember(
  name: string,
  member: JsonValue,
  parts: readonly Part[],
): { readonly given: unknown; readonly found: unknown } {
  const own = parts.filter((part) => part.name === name);
  const items = Array.isArray(member) ? (member as readonly JsonValue[]) : [member];
  const texts = own.map(({ content }, i) => readPart(items[i] ?? null, content));
  return Array.isArray(member)
    ? { given: items.map(expectPart), found: texts }
    : { given: expectPart(member), found: texts[0] };
}

/** A part has no percent-encoding, so its delimiters are spelled as a query would have them. */
export function pairOf({ name, content }: Part): string {
  return `${name}=${content.toString().replaceAll(" ", "%20").replaceAll("|", "%7C")}`;
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
