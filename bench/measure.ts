/** One gateway.yaml, loaded and compiled without any validator. Prints what it took as JSON. */
export interface Measured {
  readonly tools: number;
  readonly ms: number;
  /** The most that the process ever held. */
  readonly rssMb: number;
  /** What the finished gateway holds. */
  readonly heapMb: number;
}

/** The part of the built package that is measured. */
interface Built {
  readonly createGateway: (options: object) => Promise<{
    readonly snapshot: { readonly catalog: { readonly tools: ReadonlyMap<string, object> } };
    readonly close: () => Promise<void>;
  }>;
}

const built = new URL("../dist/index.js", import.meta.url).href;
const { createGateway } = (await import(built)) as Built;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const heapBefore = heapNow();
const start = performance.now();
const gateway = await createGateway({
  file: process.argv[2],
  env: {},
  info: { name: "tollgate", version: "0.0.0" },
  ports: { now: () => Date.now(), log: silent },
  fetch,
  writeAudit: async () => {},
  pressure: undefined,
});
const ms = performance.now() - start;
const rssMb = process.resourceUsage().maxRSS / 1_024;
const heapMb = heapNow() - heapBefore;
const result: Measured = { tools: gateway.snapshot.catalog.tools.size, ms, rssMb, heapMb };
process.stdout.write(`${JSON.stringify(result)}\n`);
await gateway.close();

/** Twice, because the first round only frees what the second one can collect. */
function heapNow(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}
