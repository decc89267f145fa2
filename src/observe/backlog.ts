/** Which records stand in the bytes that a sink has not taken. */
export interface Backlog {
  /** One write that was not taken at once. */
  readonly add: (records: number, bytes: number) => void;
  readonly isEmpty: () => boolean;
  /** @param waiting Bytes that the slowest sink still has: the last ones that were added. */
  readonly records: (waiting: number) => number;
}

interface Write {
  readonly records: number;
  readonly bytes: number;
}

export function createBacklog(): Backlog {
  // The oldest first.
  const writes = new Set<Write>();
  let records = 0;
  let bytes = 0;
  return {
    add(count, size) {
      writes.add({ records: count, bytes: size });
      records += count;
      bytes += size;
    },
    isEmpty: () => writes.size === 0,
    records(waiting) {
      for (const write of writes) {
        // A part of it may be among those that wait.
        if (bytes - write.bytes < waiting) break;
        writes.delete(write);
        records -= write.records;
        bytes -= write.bytes;
      }
      return records;
    },
  };
}
