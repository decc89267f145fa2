/** Without its fragment; undefined when there is nothing that it could be relative to. */
export function absolute(ref: string, base: string | undefined): string | undefined {
  try {
    const url = base === undefined ? new URL(ref) : new URL(ref, base);
    url.hash = "";
    return url.href;
  } catch {
    return undefined;
  }
}
