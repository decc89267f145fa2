/** A slot that a request's path was built around: what comes before it no value may change. */
export interface Expected {
  readonly origin: string;
  /** Base path and the literal start of the template. */
  readonly prefix: string;
}

/**
 * How another program would read a request's path, written without a look at how ours is built:
 * the URL standard's parser, on the bytes as sent and after each of three decodings, each also with
 * the path parameters of every segment dropped.
 *
 * @returns The reading that leaves the prefix, or undefined.
 */
export function findEscape(path: string, { origin, prefix }: Expected): string | undefined {
  const sent = new URL(origin + path);
  if (sent.origin !== origin || sent.search !== "" || sent.hash !== "") return sent.href;
  if (sent.pathname !== path) return `normalised to ${sent.pathname}`;
  let text = path;
  for (let round = 0; round <= 3; round++) {
    for (const reading of [text, withoutParameters(text)]) {
      const url = new URL(origin + reading);
      if (url.origin !== origin || !`${url.pathname}/`.startsWith(prefix)) return url.href;
    }
    text = decodeOnce(text);
  }
  return undefined;
}

function withoutParameters(path: string): string {
  return path
    .split("/")
    .map((segment) => segment.split(";", 1)[0])
    .join("/");
}

/** UTF-8 where it is, else byte by byte, as lenient servers do. */
function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(parseInt(hex, 16)),
    );
  }
}
