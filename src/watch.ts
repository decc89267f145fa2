import { createHash } from "node:crypto";
import { lstatSync, watch, type FSWatcher } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Wait for the end of a burst of events, then for two equal reads: editors write in pieces. */
const debounceMs = 250;
const settleMs = 100;
/** Network file systems and some volume drivers send no events. */
const pollMs = 30_000;

/** What the files say, as one hash; a file that cannot be read counts as absent. */
export async function fingerprint(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of [...new Set(files)].toSorted()) {
    const bytes = await readFile(file).catch(() => Buffer.alloc(0));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** Where a change of this file shows: its directory, and where that is a link, the link's. */
function directoriesOf(file: string): string[] {
  const directory = dirname(resolve(file));
  const link = lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  return link ? [directory, dirname(directory)] : [directory];
}

export interface FileWatch {
  /** Watches these instead. */
  readonly follow: (files: readonly string[]) => void;
  readonly close: () => void;
}

/**
 * Calls `onChange` after the files came to rest. Directories are watched, not files: a watch on a
 * file goes deaf when an editor or a mounted ConfigMap replaces it.
 */
export function watchFiles(onChange: () => Promise<void>): FileWatch {
  let watchers: FSWatcher[] = [];
  let files: readonly string[] = [];
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let closed = false;

  const settle = async (): Promise<void> => {
    let before = await fingerprint(files);
    for (let tries = 0; tries < 20; tries++) {
      await sleep(settleMs, undefined, { ref: false });
      const after = await fingerprint(files);
      if (after === before) break;
      before = after;
    }
    if (!closed) await onChange();
  };
  const trigger = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      running = running.then(settle);
    }, debounceMs);
  };
  const poll = setInterval(trigger, pollMs).unref();
  const stop = (): void => {
    for (const watcher of watchers) watcher.close();
    watchers = [];
  };
  return {
    follow(wanted) {
      stop();
      files = wanted;
      for (const directory of new Set(wanted.flatMap(directoriesOf))) {
        try {
          const watcher = watch(directory, { persistent: false }, trigger);
          // Polling goes on where watching cannot.
          watcher.on("error", () => watcher.close());
          watchers.push(watcher);
        } catch {
          // The directory is gone or the system has no more watches: polling goes on.
        }
      }
    },
    close() {
      closed = true;
      stop();
      clearTimeout(timer);
      clearInterval(poll);
    },
  };
}
