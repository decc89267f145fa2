import { readdirSync, readFileSync, writeFileSync } from "node:fs";

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
  return [pid, ...childrenOf(pid)].reduce((sum, one) => sum + memoryOf(one, "VmRSS"), 0);
}

/** The most that a process has held since `resetPeak`, in bytes. */
export function peakRssOf(pid: number): number {
  return memoryOf(pid, "VmHWM");
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function memoryOf(pid: number, what: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`^${what}:\\s+(\\d+) kB$`, "m").exec(read(`/proc/${pid}/status`));
  return Number(line?.[1] ?? 0) * 1024;
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
