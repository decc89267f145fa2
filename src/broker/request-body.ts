import { IncomingMessage } from "node:http";

/** @throws BodyTooLarge when the sender goes on after `maxBytes`. */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop early must not end the connection: the refusal still has to go out.
  const body = req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

/** True for one media type, whatever its parameters. */
export function hasType(req: IncomingMessage, type: string): boolean {
  return req.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() === type;
}

/**
 * The same request with another body. oidc-provider reads the body from the stream and warns about
 * one that somebody parsed before, so a changed body has to look like it just came in.
 */
export function withBody(req: IncomingMessage, body: string): IncomingMessage {
  const bytes = Buffer.from(body);
  const copy = new IncomingMessage(req.socket);
  copy.method = req.method ?? "POST";
  copy.url = req.url ?? "/";
  copy.httpVersion = req.httpVersion;
  copy.headers = { ...req.headers, "content-length": String(bytes.length) };
  delete copy.headers["transfer-encoding"];
  copy.complete = true;
  copy.push(bytes);
  copy.push(null);
  return copy;
}
