import type { CancelSignal } from "../base/cancel.ts";
import { CallError } from "../base/errors.ts";
import type { Principal } from "../base/principal.ts";
import { createBulkhead, type Bulkhead, type BulkheadSize } from "./bulkhead.ts";
import { createCircuit, type Circuit, type CircuitState } from "./circuit.ts";
import { createPrincipals, identityOf, type Principals } from "./principals.ts";
import { RateError, type LimitName } from "./rate-error.ts";
import type { Rate, TakeRate } from "./rate.ts";
import { createRetryBudget, type RetryBudget } from "./retry-budget.ts";

/** What a call is counted by. */
interface Entering {
  readonly principal: Principal;
  readonly cancel: CancelSignal | undefined;
}

type Leave = () => void;

/** Lets one call in or waits for its place. @throws CallError `busy`, `rate_limited`, `cancelled` */
export type Enter = (call: Entering) => Leave | Promise<Leave>;

export interface EnterRules {
  readonly api: string;
  readonly tool: string;
  readonly apiSize: BulkheadSize;
  /** undefined: that of the API is enough. */
  readonly toolSize: BulkheadSize | undefined;
  readonly principalSize: BulkheadSize;
  /** Calls under way, whoever makes them. */
  readonly total: number;
  readonly rates: Readonly<Record<Exclude<LimitName, "address">, Rate | undefined>>;
}

/** What limits remember. One for the life of the gateway: a reload must not forget who is inside. */
export interface Limits {
  readonly compileEnter: (rules: EnterRules) => Enter;
  readonly circuitOf: (api: string) => Circuit;
  readonly circuits: () => Iterable<readonly [api: string, state: CircuitState]>;
  readonly budgetOf: (api: string) => RetryBudget;
  /** As many calls as may be are under way. */
  readonly isFull: () => boolean;
  /** Calls at this moment, those that wait for a place included. */
  readonly underWay: () => number;
}

export interface LimitsDeps {
  readonly now: () => number;
  readonly random: () => number;
  readonly take: TakeRate;
  readonly onCircuit: (api: string, state: CircuitState) => void;
}

export function createLimits({ now, random, take, onCircuit }: LimitsDeps): Limits {
  const bulkheads = new Map<string, Bulkhead>();
  const circuits = new Map<string, Circuit>();
  const budgets = new Map<string, RetryBudget>();
  const count: Count = { inside: 0, max: Number.POSITIVE_INFINITY };
  let principals: Principals | undefined;

  const bulkheadOf = (key: string, size: BulkheadSize, busy: string): Bulkhead => {
    const known = bulkheads.get(key);
    known?.resize(size);
    return known ?? keep(bulkheads, key, createBulkhead(size, busy));
  };
  return {
    compileEnter(rules) {
      const { api, tool, apiSize, toolSize, principalSize, total } = rules;
      const text = "is busy with other calls. Try again in a few seconds.";
      count.max = total;
      const ofApi = bulkheadOf(api, apiSize, `The API ${text}`);
      const ofTool = toolSize && bulkheadOf(`${api}\n${tool}`, toolSize, `This tool ${text}`);
      if (principals) principals.resize(principalSize);
      else principals = createPrincipals(principalSize);
      const { of } = principals;
      const common = ofTool ? [ofApi, ofTool] : [ofApi];
      const takePlaces = (call: Entering): Leave | Promise<Leave> => {
        if (count.inside >= count.max) throw new CallError("busy", `The gateway ${text}`);
        const own = of(call.principal);
        return pass(own === undefined ? common : [own, ...common], call, count);
      };
      const takeRates = compileRates(rules, take);
      return takeRates === undefined
        ? takePlaces
        : async (call) => {
            await takeRates(call.principal);
            return takePlaces(call);
          };
    },
    circuitOf: (api) =>
      circuits.get(api) ??
      keep(
        circuits,
        api,
        createCircuit({ now, random, onChange: (state) => onCircuit(api, state) }),
      ),
    *circuits() {
      for (const [api, circuit] of circuits) yield [api, circuit.state()];
    },
    budgetOf: (api) => budgets.get(api) ?? keep(budgets, api, createRetryBudget()),
    isFull: () => count.inside >= count.max,
    underWay: () => count.inside,
  };
}

function keep<V>(map: Map<string, V>, key: string, value: V): V {
  map.set(key, value);
  return value;
}

interface Count {
  inside: number;
  max: number;
}

/** Most calls find a place everywhere at once. */
function pass(doors: readonly Bulkhead[], call: Entering, count: Count): Leave | Promise<Leave> {
  count.inside++;
  for (let i = 0; i < doors.length; i++) {
    let waiting: Promise<void> | undefined;
    try {
      waiting = doors[i]?.enter(call.cancel);
    } catch (error) {
      leave(doors, i, count);
      throw error;
    }
    if (waiting !== undefined) return waitFor(waiting, { doors, call, count, at: i });
  }
  return () => leave(doors, doors.length, count);
}

function leave(doors: readonly Bulkhead[], passed: number, count: Count): void {
  count.inside--;
  for (let i = 0; i < passed; i++) doors[i]?.leave();
}

async function waitFor(first: Promise<void>, { doors, call, count, at }: Waiting): Promise<Leave> {
  let passed = at;
  try {
    await first;
    for (passed = at + 1; passed < doors.length; passed++) await doors[passed]?.enter(call.cancel);
  } catch (error) {
    leave(doors, passed, count);
    throw error;
  }
  return () => leave(doors, passed, count);
}

interface Waiting {
  readonly doors: readonly Bulkhead[];
  readonly call: Entering;
  readonly count: Count;
  /** Where it waits. */
  readonly at: number;
}

/** The narrowest first: what it refuses is not counted by the others. undefined: there are none. */
function compileRates(
  { tool, rates }: EnterRules,
  take: TakeRate,
): ((principal: Principal) => Promise<void>) | undefined {
  const keys = {
    tool: (principal: Principal) => `${identityOf(principal)}\n${tool}`,
    external: identityOf,
    principal: identityOf,
    client: ({ iss, clientId }: Principal) => clientId && `${iss}\n${clientId}`,
  };
  const steps = (["tool", "external", "principal", "client"] as const).flatMap((limit) => {
    const rate = rates[limit];
    return rate === undefined ? [] : [{ limit, rate, keyOf: keys[limit] }];
  });
  if (steps.length === 0) return undefined;
  return async (principal) => {
    for (const { limit, rate, keyOf } of steps) {
      const key = keyOf(principal);
      if (key === undefined) continue;
      const waitMs = await take(`${limit}\n${key}`, rate);
      if (waitMs > 0) throw new RateError(limit, waitMs);
    }
  };
}
