import { isUtf8 } from "node:buffer";
import type { WireRequest } from "./message.ts";

/** A request for people and scripts to read. */
export interface ShownRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** null: none is sent. */
  readonly body: string | null;
  /** Only where the bytes are no text. */
  readonly bodyEncoding?: "base64";
}

/** @param origin Where it goes, e.g. `http://courses.internal:8080`. */
export function showRequest(origin: string, request: WireRequest): ShownRequest {
  const { method, path, headers: list, body } = request;
  const headers: Record<string, string> = {};
  for (let i = 0; i + 1 < list.length; i += 2) headers[list[i] ?? ""] = list[i + 1] ?? "";
  return { method, url: `${origin}${path}`, headers, ...showBody(body) };
}

function showBody(body: WireRequest["body"]): Pick<ShownRequest, "body" | "bodyEncoding"> {
  if (body === undefined || typeof body === "string") return { body: body ?? null };
  const bytes = Buffer.from(body);
  return isUtf8(bytes)
    ? { body: bytes.toString() }
    : { body: bytes.toString("base64"), bodyEncoding: "base64" };
}
