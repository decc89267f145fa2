/**
 * The wait an API asks for with Retry-After (RFC 9110 §10.2.3), given as seconds or as a date.
 *
 * @param now Milliseconds since the epoch.
 * @returns Whole seconds from now, at least 0; undefined when absent or unreadable.
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text);
  if (text.length > 64 || !/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined;
  // The asctime form names no zone, but every HTTP-date is in GMT (RFC 9110 §5.6.7).
  const at = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}
