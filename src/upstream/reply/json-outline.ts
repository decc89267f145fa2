/** A long array or object: the index behind it, and how many items or members it has. */
interface Extent {
  readonly end: number;
  readonly items: number;
}

/** By where they begin. */
export type Outline = ReadonlyMap<number, Extent>;

/** Draws the outline of a JSON text for whoever reads it from its beginning to its end. */
export interface Survey {
  readonly outline: Outline;
  /** At an opening bracket. */
  readonly enter: (at: number) => void;
  /** At a comma between items or members. */
  readonly next: () => void;
  /** Behind a closing bracket. */
  readonly leave: (end: number) => void;
}

/** To read what is shorter costs less than to remember it. */
const longBytes = 4_096;

export function createSurvey(maxDepth: number): Survey {
  const outline = new Map<number, Extent>();
  const starts = new Uint32Array(maxDepth + 1);
  const items = new Uint32Array(maxDepth + 1);
  let depth = 0;
  return {
    outline,
    enter(at) {
      depth++;
      starts[depth] = at;
      items[depth] = 1;
    },
    next() {
      items[depth]!++;
    },
    leave(end) {
      const start = starts[depth] ?? 0;
      if (end - start > longBytes) outline.set(start, { end, items: items[depth] ?? 0 });
      depth--;
    },
  };
}
