import { readdirSync, readFileSync } from "node:fs";

/** CPU time of a process, all threads and child processes, in µs. Linux only: procfs schedstat. */
export function cpuOf(pid: number): number {
  let nanoseconds = 0;
  for (const one of [pid, ...childrenOf(pid)]) {
    for (const thread of list(`/proc/${one}/task`)) {
      nanoseconds += Number(read(`/proc/${one}/task/${thread}/schedstat`).split(" ")[0]);
    }
  }
  return nanoseconds / 1000;
}

function childrenOf(pid: number): readonly number[] {
  return list(`/proc/${pid}/task`).flatMap((thread) => {
    const children = read(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean);
    return children.map(Number).flatMap((child) => [child, ...childrenOf(child)]);
  });
}

/** Resident memory of a process and its child processes, in bytes. */
export function rssOf(pid: number): number {
  let kilobytes = 0;
  for (const one of [pid, ...childrenOf(pid)]) {
    kilobytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${one}/status`))?.[1] ?? 0);
  }
  return kilobytes * 1024;
}

/** A thread that ended while we looked counts no more. */
function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
