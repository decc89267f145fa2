/** One record of the audit log. */
export type AuditRecord = Readonly<Record<string, unknown>>;

const lifetime = new Set([
  "server.start",
  "server.stop",
  "audit.checkpoint",
  "audit.gap",
  "audit.remove",
  "tool.list",
  "token.exchange",
]);

export function readRecords(text: string): readonly AuditRecord[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AuditRecord);
}

/** What callers and operators did and how it ended; without lists, intents and what the log says of itself. */
export function readEnds(text: string): AuditRecord[] {
  return readRecords(text).filter(
    ({ event, phase }) => !lifetime.has(String(event)) && phase !== "intent",
  );
}
