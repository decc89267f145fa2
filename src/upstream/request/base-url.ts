import { climbs } from "../../tools/dot-segment.ts";

/** Where an API is: the pool is made for `origin`, every path starts with `basePath`. */
export interface BaseUrl {
  readonly origin: string;
  /** Without trailing slash; empty for the root. */
  readonly basePath: string;
}

/**
 * Read once, at load.
 *
 * @throws TypeError when the text is no absolute http(s) URL of origin and path.
 */
export function readBaseUrl(text: string): BaseUrl {
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`${url.protocol} is not http or https`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new TypeError("only scheme, host, port and path are allowed");
  }
  const basePath = url.pathname.replace(/^(.*[^/])?\/*$/s, "$1");
  // `//host` is read as another origin by whoever parses the path on its own.
  if (basePath.startsWith("//") || climbs(basePath)) {
    throw new TypeError("the path has an empty, . or .. segment");
  }
  return { origin: url.origin, basePath };
}
