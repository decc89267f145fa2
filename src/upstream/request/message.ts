import type { Reply } from "../reply/reply.ts";

/** A request as it goes to the wire: no parsing happens after this. */
export interface WireRequest {
  readonly method: string;
  /** Base path + template + query, beginning with `/`, only `!`–`~`, no `#`. */
  readonly path: string;
  /** Name, value, name, value, … */
  readonly headers: readonly string[];
  readonly body: string | Uint8Array | undefined;
}

/** An API's whole answer, decompressed. */
export interface WireResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
  /** What remains to be said when the body went to the caller while it came, and is empty here. */
  readonly rest?: Reply;
}

export interface ResponseHeaders {
  /** @param name In lower case. @returns Repeated headers are joined with `, `. */
  readonly get: (name: string) => string | undefined;
}
