/** One record of the audit log. */
export type AuditRecord = Readonly<Record<string, unknown>>;

const lifetime = new Set(["server.start", "server.stop", "audit.checkpoint", "tool.list"]);

export function readRecords(text: string): readonly AuditRecord[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AuditRecord);
}

/** What callers and operators did and how it ended; without starts, stops, checkpoints, lists and intents. */
export function readEnds(text: string): AuditRecord[] {
  return readRecords(text).filter(
    ({ event, phase }) => !lifetime.has(String(event)) && phase !== "intent",
  );
}
