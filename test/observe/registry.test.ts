import { expect, test } from "vitest";
import { createRegistry } from "../../src/observe/metrics/registry.ts";

test("counters, gauges and histograms in the text format of Prometheus", () => {
  const registry = createRegistry();
  const seen = registry.counter({ name: "seen_total", help: "Seen.", labels: ["kind", "reason"] });
  seen.add(["a", ""]);
  seen.add(["a", ""], 2);
  seen.add(['q"\\\n', "r"]);
  const took = registry.histogram({
    name: "took_seconds",
    help: "Took.",
    labels: ["of"],
    bounds: [0.1, 1],
  });
  for (const value of [0.05, 0.1, 0.5, 7]) took.series(["x"]).observe(value);
  registry.collect({ name: "now", help: "Now.", labels: [], type: "gauge" }, () => [
    { labels: [], value: 3 },
  ]);
  expect(registry.expose()).toBe(`# HELP seen_total Seen.
# TYPE seen_total counter
seen_total{kind="a"} 3
seen_total{kind="q\\"\\\\\\n",reason="r"} 1
# HELP took_seconds Took.
# TYPE took_seconds histogram
took_seconds_bucket{of="x",le="0.1"} 2
took_seconds_bucket{of="x",le="1"} 3
took_seconds_bucket{of="x",le="+Inf"} 4
took_seconds_sum{of="x"} 7.65
took_seconds_count{of="x"} 4
# HELP now Now.
# TYPE now gauge
now 3
`);
});

test("labels that nobody bounded are", () => {
  const registry = createRegistry();
  const seen = registry.counter({ name: "seen_total", help: "Seen.", labels: ["kind"] });
  for (let i = 0; i < 6_000; i++) seen.add([String(i)]);
  const lines = registry.expose().split("\n");
  expect(lines.length).toBeLessThan(5_010);
  expect(lines).toContain('seen_total{kind="_other"} 1000');
});
