/**
 * Whether in the text itself or any of three percent-decodings a piece between slashes is `.` or
 * `..`, or starts with `.;` or `..;` (path parameters that some servers strip).
 */
export function climbs(text: string): boolean {
  let current = text;
  for (let round = 0; round < 4; round++) {
    if (current.split(/[/\\]/).some((piece) => /^\.{1,2}(?:;|$)/.test(piece))) return true;
    const decoded = decode(current);
    if (decoded === undefined || decoded === current) return false;
    current = decoded;
  }
  return false;
}

/** Byte-wise, so that `%ff%2e%2e` does not hide what comes after an invalid sequence. */
function decode(text: string): string | undefined {
  if (!text.includes("%")) return undefined;
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
