import { createHash } from "node:crypto";
import { readlinkSync, watch, type FSWatcher } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Wait for the end of a burst of events, then for two equal reads: editors write in pieces. */
const debounceMs = 250;
const settleMs = 100;
/** Network file systems and some volume drivers send no events. */
const pollMs = 30_000;

/**
 * What the files say, as one hash; a file that cannot be read counts as absent. Paths count from the
 * directory of the first: two replicas may keep the same files at different places.
 */
export async function fingerprint(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  const base = dirname(files[0] ?? "");
  for (const file of [...new Set(files)].toSorted()) {
    const bytes = await readFile(file).catch(() => Buffer.alloc(0));
    hash.update(`${relative(base, file)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** As many links as the system itself follows before it calls them a loop. */
const maxLinks = 40;

/**
 * The paths at which a change of what this file says shows: every link on the way to it, the file
 * itself, and its directory, which may be replaced as a whole.
 */
function placesOf(file: string): string[] {
  const places: string[] = [];
  let path = resolve(file);
  for (let link = findLink(path); link && places.length < maxLinks; link = findLink(path)) {
    places.push(link.path);
    path = resolve(dirname(link.path), link.target, relative(link.path, path));
  }
  return [...places, path, dirname(path)];
}

/** The outermost, as the system resolves them: only then does `..` in a target mean what it says. */
function findLink(path: string): { readonly path: string; readonly target: string } | undefined {
  const parent = dirname(path);
  if (parent === path) return undefined;
  const outer = findLink(parent);
  if (outer) return outer;
  try {
    return { path, target: readlinkSync(path) };
  } catch {
    // No link, or nothing there yet.
    return undefined;
  }
}

/** What to watch: names by directory. */
function namesByDirectory(files: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  for (const place of files.flatMap(placesOf)) {
    const known = names.get(dirname(place)) ?? new Set();
    names.set(dirname(place), known.add(basename(place)));
  }
  return names;
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
      for (const [directory, names] of namesByDirectory(wanted)) {
        // A neighbour that is written all the time, say a log, must not put a reload off for ever.
        const look = (_: string, name: string | null): void => {
          if (name === null || names.has(name)) trigger();
        };
        try {
          const watcher = watch(directory, { persistent: false }, look);
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
