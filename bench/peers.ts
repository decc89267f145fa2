import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cpuOf, rssOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import { median, quantile } from "./pair.ts";
import { freePort, pinSelf } from "./process.ts";
import { describeMachine, printTable } from "./report.ts";
import { updatePage } from "./sections.ts";
import { installPeers, ownSubjects, peerSubjects, type Running, type Subject } from "./subject.ts";
import { runStreamLoad } from "./stream-load.ts";
import { peersTables, type PeerLevel, type PeerRow, type PeersReport } from "./tables.ts";
import { clientCore, legacyCall, openStream, startUpstream } from "./target.ts";

/**
 * The same API and document through other servers and through Tollgate, in slices that take turns,
 * so that a slow minute of the machine meets all of them. Every server is called as its clients call
 * it: `initialize` first, the session's header on every call, a session for each connection.
 */

/**
 * Slices are of a fixed count, except where a server is so slow that `maxSliceMs` would pass: the
 * whole run has to end within 8 minutes on a busy machine too.
 */
const plan = { rounds: 5, starts: 3, warmConnections: 16, maxWarmMs: 18_000, maxSliceMs: 2_200 };
const connectionCounts: readonly number[] = [1, 16, 64];

/** One that runs, with the sessions of its connections. */
interface Candidate {
  readonly subject: Subject;
  readonly port: number;
  readonly running: Running;
  readonly startMs: number;
  readonly idleMb: number;
  readonly clients: Client[];
  readonly levels: PeerLevel[];
  /** The next id: above every number in the answers, so that it is found only where it is the id. */
  nextId: number;
  failed: string | null;
}

async function startBest(subject: Subject, port: number): Promise<Candidate> {
  subject.prepare(port);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 1; ; i++) {
    const candidate = await startOnce(subject, port);
    best = Math.min(best, candidate.startMs);
    if (i === plan.starts) return { ...candidate, startMs: best };
    await candidate.running.close();
  }
}

async function startOnce(subject: Subject, port: number): Promise<Candidate> {
  const startedAt = performance.now();
  const running = await subject.start(port);
  try {
    const clients = [await openClient(subject, port)];
    const startMs = performance.now() - startedAt;
    const idleMb = rssOf(running.pid) / 2 ** 20;
    const fresh = { levels: [], nextId: 1_000_000, failed: null };
    return { subject, port, running, startMs, idleMb, clients, ...fresh };
  } catch (error) {
    await running.close();
    throw error;
  }
}

/** What one connection sends. */
interface Client {
  readonly call: (id: number) => string;
  readonly openStream: string;
}

async function openClient(subject: Subject, port: number): Promise<Client> {
  const session = await subject.session?.(port);
  if (session === undefined) return { call: legacyCall({ port }), openStream: "" };
  const { tool, headers } = session;
  return { call: legacyCall({ port, name: tool, headers }), openStream: openStream(port, headers) };
}

type Slice = Omit<PeerLevel, "connections">;

async function runSlice(one: Candidate, connections: number, count: number): Promise<Slice> {
  const { port, clients, subject, running } = one;
  const clientOf = (connection: number): Client => {
    const client = clients[subject.sharesSession ? 0 : connection];
    if (client === undefined) throw new TypeError("a connection without session");
    return client;
  };
  const load = {
    port,
    connections,
    count,
    request: (id: number, connection: number) => clientOf(connection).call(id),
    expect: "Item 1",
    ...(subject.session === undefined ? {} : { firstId: one.nextId }),
  };
  const before = cpuOf(running.pid);
  const { latencies, wallMs } = subject.repliesOnStream
    ? await runStreamLoad(load, (connection) => clientOf(connection).openStream)
    : await runLoad(load);
  one.nextId += count;
  return {
    callsPerSecond: count / (wallMs / 1_000),
    p50Ms: median(latencies),
    p99Ms: quantile(latencies, 0.99),
    cpuMicros: (cpuOf(running.pid) - before) / count,
  };
}

async function openClients(one: Candidate, connections: number): Promise<void> {
  while (one.clients.length < (one.subject.sharesSession ? 1 : connections)) {
    one.clients.push(await openClient(one.subject, one.port));
  }
}

/** Until the compiler of the server has seen enough. */
async function warmUp(one: Candidate): Promise<void> {
  const connections = plan.warmConnections;
  await openClients(one, connections);
  const deadline = performance.now() + plan.maxWarmMs;
  for (let done = 0; done < one.subject.warmCalls && performance.now() < deadline; done += 250) {
    await runSlice(one, connections, 250);
  }
}

/** @returns How many calls are a slice, after one that is not counted. */
async function tryLevel(one: Candidate, connections: number): Promise<number> {
  await openClients(one, connections);
  const least = connections * 2;
  const { callsPerSecond } = await runSlice(one, connections, Math.max(least, 100));
  const possible = Math.round((callsPerSecond * plan.maxSliceMs) / 1_000);
  return Math.max(least, Math.min(one.subject.sliceCalls, possible));
}

/** A server that fails is measured no further, and says why; the others go on. */
async function attempt<T>(one: Candidate, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    one.failed = reasonOf(error);
    await one.running.close();
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 600) : String(error);
}

async function measureLevel(all: readonly Candidate[], connections: number): Promise<void> {
  process.stderr.write(`${connections} connections …\n`);
  const counts = new Map<Candidate, number>();
  const slices = new Map<Candidate, Slice[]>();
  for (const one of all) {
    const count = await attempt(one, () => tryLevel(one, connections));
    if (count !== undefined) counts.set(one, count);
  }
  for (let round = 0; round < plan.rounds; round++) {
    const order = round % 2 === 0 ? all : all.toReversed();
    for (const one of order.filter(({ failed }) => failed === null)) {
      const slice = await attempt(one, () => runSlice(one, connections, counts.get(one) ?? 0));
      if (slice) slices.set(one, [...(slices.get(one) ?? []), slice]);
    }
  }
  for (const one of all.filter(({ failed }) => failed === null)) {
    const values = (pick: (slice: Slice) => number): number[] => (slices.get(one) ?? []).map(pick);
    one.levels.push({
      connections,
      callsPerSecond: median(values(({ callsPerSecond }) => callsPerSecond)),
      p50Ms: Math.min(...values(({ p50Ms }) => p50Ms)),
      p99Ms: Math.min(...values(({ p99Ms }) => p99Ms)),
      cpuMicros: median(values(({ cpuMicros }) => cpuMicros)),
    });
  }
}

async function measureAll(subjects: readonly Subject[]): Promise<readonly PeerRow[]> {
  const candidates: Candidate[] = [];
  const absent: PeerRow[] = [];
  try {
    for (const subject of subjects) {
      process.stderr.write(`starting ${subject.name} …\n`);
      const { name, version } = subject;
      try {
        candidates.push(await startBest(subject, subject.port ?? (await freePort())));
      } catch (error) {
        const none = { startMs: null, idleMb: null, loadedMb: null, levels: [] };
        absent.push({ name, version, ...none, failed: reasonOf(error) });
      }
    }
    for (const one of candidates) {
      process.stderr.write(`warming ${one.subject.name} …\n`);
      await attempt(one, () => warmUp(one));
    }
    for (const connections of connectionCounts) {
      const alive = candidates.filter(({ failed }) => failed === null);
      await measureLevel(alive, connections);
    }
    return [...candidates.map(describe), ...absent];
  } finally {
    for (const { running } of candidates) await running.close();
  }
}

function describe({ subject, running, startMs, idleMb, levels, failed }: Candidate): PeerRow {
  const { name, version } = subject;
  const loadedMb = failed === null ? rssOf(running.pid) / 2 ** 20 : null;
  return { name, version, startMs, idleMb, loadedMb, levels, failed };
}

const made = { machine: describeMachine(), measuredAt: new Date().toISOString() };
pinSelf(clientCore);
installPeers();
const fullPort = await freePort();
const upstream = await startUpstream(`http://127.0.0.1:${fullPort}/mcp`);
try {
  const rows = await measureAll([...ownSubjects(upstream, fullPort), ...peerSubjects(upstream)]);
  const report: PeersReport = { ...made, connections: connectionCounts, rows };
  for (const { title, head, rows: shown } of peersTables(report)) {
    process.stdout.write(`\n${title}\n`);
    printTable(head, shown);
  }
  const file = join(import.meta.dirname, "../bench/peers/results.json");
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  updatePage(join(import.meta.dirname, ".."));
} finally {
  await upstream.close();
}
