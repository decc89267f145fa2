import { isJsonObject, type JsonValue } from "../base/json.ts";

/** One of several equal items is enough of a finding. */
export function hasTwins(items: readonly JsonValue[]): boolean {
  const seen = new Set<string>();
  for (const item of items) {
    const text = JSON.stringify(sorted(item));
    if (seen.has(text)) return true;
    seen.add(text);
  }
  return false;
}

/** Members in the order of their names: equal values become equal texts. */
function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sorted);
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}
