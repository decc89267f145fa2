/**
 * Whether in the text itself or any of three percent-decodings a piece between slashes is `.` or
 * `..`, or is read as one: before path parameters (`..;x`) that some servers strip, before what ends
 * a path once it is decoded (`?`, `#`, NUL), or with the tabs, line ends and outer blanks that the
 * URL standard drops.
 */
export function climbs(text: string): boolean {
  let current = unbroken(text);
  for (let round = 0; round < 4; round++) {
    if (step.test(current)) return true;
    if (!current.includes("%")) return false;
    const decoded = unbroken(decode(current));
    if (decoded === current) return false;
    current = decoded;
  }
  return false;
}

// oxlint-disable-next-line no-control-regex -- control characters are exactly what hides a step
const step = /(?:^|[/\\])[\u0000-\u0020]*\.\.?[\u0000-\u0020]*(?:[;?#/\\\u0000]|$)/;

/** Without what the URL standard drops anywhere in a URL: `%<tab>2e` is a dot after all. */
function unbroken(text: string): string {
  return text.replace(/[\t\n\r]/g, "");
}

/** Byte-wise, so that `%ff%2e%2e` does not hide what comes after an invalid sequence. */
function decode(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
