import type { Listen } from "../types/server.ts";
import { child, nameOf } from "../node.ts";
import { isLoopback } from "../units.ts";
import type { Scope } from "./scope.ts";

interface Listener {
  readonly section: string;
  readonly listen: Listen;
}

/** Two listeners cannot have one address; the later section is at fault. */
export function checkListeners({ root, problems }: Scope, listeners: readonly Listener[]): void {
  for (const [index, { section, listen }] of listeners.entries()) {
    const other = listeners.slice(0, index).find((one) => collide(one.listen, listen));
    const node = child(root, section);
    if (other === undefined || node === undefined) continue;
    problems.error({
      at: child(node, "listen") ?? nameOf(node),
      code: "listen_conflict",
      message: `${section} would listen on port ${listen.port}, as ${other.section} does`,
    });
  }
}

/** Port 0 is a free one every time. All loopback names count as one: which they are differs. */
export function collide(a: Listen, b: Listen): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  return (
    a.host === b.host ||
    isWildcard(a) ||
    isWildcard(b) ||
    (isLoopback(a.host) && isLoopback(b.host))
  );
}

function isWildcard({ host }: Listen): boolean {
  return host === "0.0.0.0" || host === "::";
}
