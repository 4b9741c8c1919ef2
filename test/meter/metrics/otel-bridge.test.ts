import { expect, test } from "vitest";
import { METRICS } from "../../../src/core/names.ts";
import { createPump } from "../../../src/meter/metrics/otel-bridge.ts";
import { createTables } from "../../../src/meter/metrics/tables.ts";
import type { OtelMeterProvider } from "../../../src/meter/tracing/otel-types.ts";

/** A provider that notes what its histogram and its gauges get, and collects when told to. */
function noteValues() {
  const seconds: number[] = [];
  const observed: number[] = [];
  const callbacks: ((result: { observe(value: number): void }) => void)[] = [];
  const gauge = { addCallback: (callback: (typeof callbacks)[number]) => callbacks.push(callback) };
  const meter = {
    createCounter: () => ({ add: () => {} }),
    createHistogram: () => ({ record: (value: number) => seconds.push(value) }),
    createObservableGauge: () => gauge,
  };
  return {
    seconds,
    observed,
    provider: { getMeter: () => meter } as unknown as OtelMeterProvider,
    collect() {
      for (const callback of callbacks) callback({ observe: (value) => observed.push(value) });
    },
  };
}

const OPTIONS = { version: "1", processName: () => "i", spoolPending: () => 0, gauges: () => [], onFault: () => {} };
const durations = Array.from({ length: 1_003 }, (_, index) => index / 1_000);

test("durations reach the provider once, with its next collection, a full buffer, or the end of the pump", () => {
  const { provider, seconds, collect } = noteValues();
  const pump = createPump(provider, createTables(100), OPTIONS);
  pump.record(1, {});
  expect(seconds).toEqual([]);
  collect();
  collect();
  expect(seconds).toEqual([1]);
  for (const duration of durations) pump.record(duration, {});
  expect(seconds).toEqual([1, ...durations.slice(0, 1_000)]);
  pump.stop();
  expect(seconds).toEqual([1, ...durations]);
  collect();
  expect(seconds).toHaveLength(1_004);
});

test("a gauge's value that is no number is left out, and a fault", () => {
  const { provider, observed, collect } = noteValues();
  const faults: string[] = [];
  const points = [
    { tags: { scope: "a" }, value: 0.5 },
    { tags: { scope: "b" }, value: Number.NaN },
  ];
  createPump(provider, createTables(100), {
    ...OPTIONS,
    gauges: () => [{ metric: METRICS.budgetUsed, points }],
    onFault: (error) => faults.push(String(error)),
  });
  collect();
  expect(observed.toSorted()).toEqual([0, 0.5]);
  expect(faults).toEqual([`Error: a point of ${METRICS.budgetUsed.name} is no number and was left out`]);
});
