import { expect, test } from "vitest";
import {
  createCircuit,
  type Circuit,
  type CircuitState,
  type Ending,
} from "../../src/limits/circuit.ts";

interface Made {
  readonly circuit: Circuit;
  readonly states: CircuitState[];
  /** One request after the other, all with this end; those that are refused count as such. */
  readonly ask: (endings: readonly Ending[]) => number;
  readonly pass: (ms: number) => void;
}

function make(): Made {
  let moment = 1_000_000;
  const states: CircuitState[] = [];
  const circuit = createCircuit({
    now: () => moment,
    random: () => 0.5,
    onChange: (state) => states.push(state),
  });
  return {
    circuit,
    states,
    pass: (ms) => (moment += ms),
    ask(endings) {
      let refused = 0;
      for (const ending of endings) {
        try {
          circuit.record(ending, circuit.admit(), moment);
        } catch {
          refused++;
        }
      }
      return refused;
    },
  };
}

const times = (count: number, ending: Ending): readonly Ending[] =>
  Array.from({ length: count }, () => ending);

test("it opens at half of twenty, and not before", () => {
  const { circuit, ask } = make();
  ask([...times(10, "ok"), ...times(9, "failed")]);
  expect(circuit.state()).toBe("closed");
  ask(["failed"]);
  expect(circuit.state()).toBe("open");
  expect(ask(times(5, "ok"))).toBe(5);
});

test("fewer than half leave it closed however many they are", () => {
  const { circuit, ask } = make();
  for (let i = 0; i < 200; i++) ask(["ok", "failed", "ok"]);
  expect(circuit.state()).toBe("closed");
});

test("what is older than ten seconds counts no more", () => {
  const { circuit, ask, pass } = make();
  ask(times(19, "failed"));
  pass(10_001);
  ask(times(19, "failed"));
  expect(circuit.state()).toBe("closed");
  pass(3_000);
  ask(["failed"]);
  expect(circuit.state()).toBe("open");
});

test("five connections in a row that fail open it, four and a good one do not", () => {
  const { circuit, ask } = make();
  ask([...times(4, "unreachable"), "ok", ...times(4, "unreachable")]);
  expect(circuit.state()).toBe("closed");
  ask(["unreachable"]);
  expect(circuit.state()).toBe("open");
});

test("what nobody can judge counts for nothing", () => {
  const { circuit, ask } = make();
  ask(times(100, "unknown"));
  expect(circuit.state()).toBe("closed");
});

test("after its pause one is tried at a time, and three good ones close it", () => {
  const { circuit, states, ask, pass } = make();
  ask(times(5, "unreachable"));
  pass(4_999);
  expect(ask(["ok"])).toBe(1);
  pass(1);
  const probe = circuit.admit();
  expect(() => circuit.admit()).toThrow(expect.objectContaining({ code: "breaker_open" }));
  circuit.record("ok", probe, 0);
  expect(ask(["ok", "ok"])).toBe(0);
  expect(states).toEqual(["open", "half-open", "closed"]);
});

test("each bad probe doubles the pause, up to a minute", () => {
  const { ask, pass } = make();
  ask(times(5, "unreachable"));
  for (const seconds of [5, 10, 20, 40, 60, 60]) {
    pass(seconds * 1_000 - 1);
    expect(ask(["ok"])).toBe(1);
    pass(1);
    expect(ask(["failed"])).toBe(0);
  }
});

test("a probe that nobody can judge lets another one try", () => {
  const { circuit, ask, pass } = make();
  ask(times(5, "unreachable"));
  pass(5_000);
  ask(["unknown", "ok", "ok", "ok"]);
  expect(circuit.state()).toBe("closed");
});

test("a slow request from before says nothing about a probe", () => {
  const { circuit, ask, pass } = make();
  const slow = circuit.admit();
  ask(times(5, "unreachable"));
  pass(5_000);
  const probe = circuit.admit();
  circuit.record("failed", slow, 0);
  expect(circuit.state()).toBe("half-open");
  circuit.record("ok", probe, 0);
  expect(ask(["ok", "ok"])).toBe(0);
  expect(circuit.state()).toBe("closed");
});

test("the refusal says when to come back", () => {
  const { circuit, ask, pass } = make();
  ask(times(5, "unreachable"));
  pass(1_500);
  expect(() => circuit.admit()).toThrow(
    expect.objectContaining({
      retryAfterMs: 3_500,
      message: expect.stringContaining("after 4 seconds"),
    }),
  );
});
