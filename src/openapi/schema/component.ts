/** The directed graph to look at: what `key` leads to. */
export type Edges = (key: string) => readonly string[];

interface Visit {
  readonly key: string;
  readonly next: Iterator<string>;
}

/**
 * Numbers the strongly connected components of a graph (Tarjan), as far as it is asked for: two
 * nodes lie on one cycle exactly if they have the same number. Every edge is followed once, without
 * recursion.
 */
export function createComponents(edges: Edges): (key: string) => number {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const component = new Map<string, number>();
  const stack: string[] = [];

  const enter = (key: string): Visit => {
    index.set(key, index.size);
    low.set(key, index.size - 1);
    stack.push(key);
    return { key, next: edges(key)[Symbol.iterator]() };
  };
  const lower = (key: string, to: number | undefined): void => {
    low.set(key, Math.min(low.get(key) ?? 0, to ?? 0));
  };
  const close = (key: string): void => {
    if (low.get(key) !== index.get(key)) return;
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      component.set(top, index.get(key) ?? 0);
      if (top === key) return;
    }
  };

  return (key) => {
    const path = index.has(key) ? [] : [enter(key)];
    for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
      const { value: to, done } = visit.next.next();
      if (done === true) {
        path.pop();
        close(visit.key);
        const above = path.at(-1);
        if (above !== undefined) lower(above.key, low.get(visit.key));
      } else if (!index.has(to)) path.push(enter(to));
      // What already has a number lies behind, on no cycle with this node.
      else if (!component.has(to)) lower(visit.key, index.get(to));
    }
    return component.get(key) ?? -1;
  };
}
