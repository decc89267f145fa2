import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../base/errors.ts";
import type { Issue, Position } from "../base/issue.ts";
import type { Ports } from "../base/ports.ts";
import { collide } from "../config/compile/listeners.ts";
import type { Config } from "../config/config.ts";
import type { Listen } from "../config/types/server.ts";

/** What listens at one address, until that is another. */
export interface Listener {
  /** @throws the error of the system when the address cannot be had */
  readonly listen: () => Promise<{ readonly port: number }>;
  /** Goes on accepting, but no connection outlives its next answer. */
  readonly drain: () => void;
  /** Stops accepting, and ends when the address is free. */
  readonly release: () => Promise<void>;
  /** Waits for what is under way; then that is cut. Asked again, the shorter time counts. */
  readonly close: (timeoutMs: number) => Promise<void>;
}

interface Written {
  readonly listen: Listen;
  readonly listenPosition: Position;
}

interface PlaceParts<L extends Listener> {
  /** Of gateway.yaml. */
  readonly section: string;
  /** undefined: this configuration has none. */
  readonly written: (config: Config) => Written | undefined;
  readonly create: (config: Config, listen: Listen) => L;
  /** How long a listener that is let go still accepts, at least. */
  readonly delayMs: number;
}

/** A listener of gateway.yaml, wherever that says it is. */
export interface Place<L extends Listener> {
  /**
   * Once; before and when the gateway stops, nothing is opened.
   *
   * @returns The port; undefined: this configuration has no such listener.
   */
  readonly open: (config: Config) => Promise<number | undefined>;
  /** Binds the address of another configuration beside the present one. @throws ConfigError `listen_failed` */
  readonly prepare: (config: Config) => Promise<Move>;
  /** The present one first; the others are on their way out. */
  readonly listeners: () => readonly L[];
  readonly drain: () => void;
  readonly close: (timeoutMs: number) => Promise<void>;
}

/** An address that is bound and not yet the one that counts. */
export interface Move {
  readonly take: () => void;
  readonly undo: () => Promise<void>;
}

interface Open<L> {
  readonly listen: Listen;
  readonly listener: L;
}

interface Leaving<L> extends Open<L> {
  /** Ends when its address is free. */
  readonly released: Promise<void>;
  /** Waits no longer before it stops accepting. */
  readonly hurry: () => void;
  /** Ends with its last connection. */
  readonly ended: Promise<void>;
}

/** A client that asks at all asks within that, and is then told to connect again. */
const leastDelayMs = 1_000;
/** No call takes longer. */
const longestMs = 600_000;

export function createPlace<L extends Listener>(
  { section, written, create, delayMs }: PlaceParts<L>,
  { log }: Ports,
): Place<L> {
  let state: "unopened" | "open" | "stopping" = "unopened";
  let current: Open<L> | undefined;
  const leaving = new Set<Leaving<L>>();

  const bind = async (config: Config, listen: Listen): Promise<Open<L> & { port: number }> => {
    const listener = create(config, listen);
    try {
      const { port } = await listener.listen();
      return { listen, listener, port };
    } catch (error) {
      await listener.close(0);
      throw error;
    }
  };

  const leave = ({ listen, listener }: Open<L>): void => {
    const over = new AbortController();
    const release = async (): Promise<void> => {
      listener.drain();
      await sleep(Math.max(delayMs, leastDelayMs), undefined, over).catch(() => undefined);
      await listener.release();
    };
    const released = release();
    const end = async (): Promise<void> => {
      await released;
      await listener.close(longestMs);
      leaving.delete(one);
      log.info("listener_closed", { section, listen: spell(listen) });
    };
    const one = { listen, listener, released, hurry: () => over.abort(), ended: end() };
    leaving.add(one);
  };

  const free = async (listen: Listen): Promise<void> => {
    for (const one of leaving) {
      if (!collide(one.listen, listen)) continue;
      one.hurry();
      await one.released;
    }
  };

  return {
    async open(config) {
      const wanted = written(config);
      const bound = wanted && (await bind(config, wanted.listen));
      if (state !== "unopened") {
        await bound?.listener.close(0);
        throw new Error(`${section} is opened once, and not in a gateway that stops`);
      }
      state = "open";
      current = bound;
      return bound?.port;
    },
    async prepare(config) {
      const wanted = written(config);
      const before = current?.listen;
      if (state !== "open" || spell(before) === spell(wanted?.listen)) return noMove;
      let bound: Open<L> | undefined;
      if (wanted !== undefined) {
        await free(wanted.listen);
        bound = await bind(config, wanted.listen).catch((error: unknown) => {
          throw new ConfigError([explain(error, { section, wanted, before })]);
        });
      }
      const undo = async (): Promise<void> => bound?.listener.close(0);
      return {
        take() {
          if (state !== "open") {
            void undo();
            return;
          }
          const old = current;
          current = bound;
          log.info("listener_moved", {
            section,
            from: spell(before) ?? null,
            to: spell(wanted?.listen) ?? null,
          });
          if (old !== undefined) leave(old);
        },
        undo,
      };
    },
    listeners: () => [current, ...leaving].flatMap((one) => (one ? [one.listener] : [])),
    drain() {
      state = "stopping";
      current?.listener.drain();
    },
    async close(timeoutMs) {
      state = "stopping";
      for (const one of leaving) one.hurry();
      const open = [current, ...leaving].filter((one) => one !== undefined);
      const ended = [...leaving].map((one) => one.ended);
      await Promise.all([...open.map(({ listener }) => listener.close(timeoutMs)), ...ended]);
    },
  };
}

const noMove: Move = { take: () => {}, undo: async () => {} };

/** All of them or none. @throws ConfigError with every address that cannot be had */
export async function prepareMoves(
  places: readonly Pick<Place<Listener>, "prepare">[],
  config: Config,
): Promise<Move> {
  const moves: Move[] = [];
  const issues: Issue[] = [];
  const undo = async (): Promise<void> => {
    await Promise.all(moves.map((move) => move.undo()));
  };
  for (const place of places) {
    try {
      moves.push(await place.prepare(config));
    } catch (error) {
      if (!(error instanceof ConfigError)) {
        await undo();
        throw error;
      }
      issues.push(...error.issues);
    }
  }
  if (issues.length > 0) {
    await undo();
    throw new ConfigError(issues);
  }
  return {
    take() {
      for (const move of moves) move.take();
    },
    undo,
  };
}

function spell(listen: Listen): string;
function spell(listen: Listen | undefined): string | undefined;
function spell(listen: Listen | undefined): string | undefined {
  if (listen === undefined) return undefined;
  const { host, port } = listen;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

interface Failed {
  readonly section: string;
  readonly wanted: Written;
  readonly before: Listen | undefined;
}

/** An error that is not the system's is a bug. */
function explain(error: unknown, { section, wanted, before }: Failed): Issue {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) throw error;
  const { listen, listenPosition: position } = wanted;
  const own = code === "EADDRINUSE" && before !== undefined && collide(before, listen);
  return {
    severity: "error",
    code: "listen_failed",
    message: `${section} cannot listen on ${spell(listen)}: ${own ? `${spell(before)} is open until that is` : (reasons[code] ?? code)}`,
    position,
    help: own ? "take another port, or restart the gateway" : "free the address, or take another",
  };
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another listener has the port (EADDRINUSE)",
  EACCES: "this user may not have the port (EACCES)",
  EADDRNOTAVAIL: "this machine has no such address (EADDRNOTAVAIL)",
  ENOTFOUND: "the name has no address (ENOTFOUND)",
};
