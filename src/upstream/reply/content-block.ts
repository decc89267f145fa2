import { hash } from "node:crypto";
import { parseMediaType } from "./media-type.ts";
import type { ContentBlock } from "./reply.ts";
import type { ResponseHeaders } from "../request/message.ts";

/** Visible ASCII without what would break out of a quoted string: RFC 3986 §2. */
const uriPattern = /^[!#-;=?-[\]_a-z~]{1,2048}$/;
const absolute = /^[a-z][a-z\d+.-]*:/i;

export function textBlock(text: string): ContentBlock {
  return { type: "text", text };
}

/** A text with an address of its own. */
export function textResource(uri: string, mimeType: string, text: string): ContentBlock {
  return { type: "resource", resource: { uri, mimeType, text } };
}

/**
 * Bytes as image, sound or embedded file. Beyond `maxBytes` only a note is left: base64 of a large
 * file would fill the context of a model that cannot read it.
 *
 * @param uri Of an embedded file; without one it is named by its content, so that equal answers
 *   stay equal.
 */
export function binaryBlock(
  body: Buffer,
  mimeType: string,
  maxBytes: number,
  uri: string | undefined,
): ContentBlock {
  if (body.length > maxBytes)
    return textBlock(
      `[${mimeType}, ${body.length} bytes: left out, the limit is ${maxBytes} bytes]`,
    );
  const family = parseMediaType(mimeType)?.family;
  if (family === "image" || family === "audio")
    return { type: family, data: body.toString("base64"), mimeType };
  const blob = body.toString("base64");
  return { type: "resource", resource: { uri: uri ?? contentUri(body), mimeType, blob } };
}

function contentUri(body: Buffer): string {
  return `tollgate://result/${hash("sha256", body, "base64url").slice(0, 22)}`;
}

/**
 * The address a body has by its own headers: Content-Location (RFC 9110 §8.7), else Content-ID as
 * a `cid:` URI (RFC 2392). A relative one is put below the gateway's own scheme, because the
 * caller does not know the API's address.
 */
export function resourceUri(headers: ResponseHeaders): string | undefined {
  const location = headers.get("content-location")?.trim();
  if (location !== undefined && uriPattern.test(location))
    return absolute.test(location) ? location : `tollgate://result/${location.replace(/^\/+/, "")}`;
  const id = headers.get("content-id")?.trim().replace(/^<|>$/g, "");
  return id !== undefined && uriPattern.test(id) ? `cid:${id}` : undefined;
}
