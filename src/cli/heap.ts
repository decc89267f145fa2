import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Of the young generation. More of it makes calls no cheaper; with half of it each pays 2 µs. */
const mostYoungBytes = 16 * 1024 * 1024;
/** Beyond what was in use after a collection, when the next one is due. */
const startPercent = 60;
const periodMs = 1_000;

export interface HeapBounds {
  /** The start is over. */
  readonly started: () => void;
  /** V8 decides again. */
  readonly close: () => void;
}

/**
 * Makes V8 keep less memory than it would take for itself. It lets the young generation grow with what
 * outlives a collection, as if that were the load: what a start makes does, for good, and with a
 * thousand tools 32 MB are taken that calls need at no time. And it puts the first full collection off
 * until long after the start, to which half of the garbage belongs. So while the gateway starts the
 * young generation does not grow, and the old one is collected sooner; from then on V8 collects as it
 * likes, and lets the young generation grow with the calls as far as they gain from it.
 *
 * To be called when most of the code is loaded: what Node has compiled in advance fits its own flags
 * only, and takes 20 ms more with others.
 */
export function boundHeap(): HeapBounds {
  let timer: NodeJS.Timeout | undefined;
  let grows = true;
  const letGrow = (wanted: boolean): void => {
    if (wanted === grows) return;
    grows = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`);
  };
  const collectSooner = (percent: number): void =>
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  letGrow(false);
  collectSooner(startPercent);
  return {
    started() {
      collectSooner(0);
      timer ??= setInterval(() => letGrow(youngBytes() < mostYoungBytes), periodMs).unref();
    },
    close() {
      clearInterval(timer);
      collectSooner(0);
      letGrow(true);
    },
  };
}

function youngBytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
  return young?.space_size ?? 0;
}
