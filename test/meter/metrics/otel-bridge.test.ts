import { expect, test } from "vitest";
import { createPump } from "../../../src/meter/metrics/otel-bridge.ts";
import { createTables } from "../../../src/meter/metrics/tables.ts";
import type { OtelMeterProvider } from "../../../src/meter/tracing/otel-types.ts";

/** A provider that notes what its histogram gets, and collects when told to. */
function noteDurations() {
  const seconds: number[] = [];
  const callbacks: ((result: { observe(): void }) => void)[] = [];
  const gauge = { addCallback: (callback: (typeof callbacks)[number]) => callbacks.push(callback) };
  const meter = {
    createCounter: () => ({ add: () => {} }),
    createHistogram: () => ({ record: (value: number) => seconds.push(value) }),
    createObservableGauge: () => gauge,
  };
  return {
    seconds,
    provider: { getMeter: () => meter } as unknown as OtelMeterProvider,
    collect() {
      for (const callback of callbacks) callback({ observe: () => {} });
    },
  };
}

const OPTIONS = { version: "1", instance: () => "i", spoolPending: () => 0, gauges: () => [], onFault: () => {} };
const durations = Array.from({ length: 1_003 }, (_, index) => index / 1_000);

test("durations reach the provider once, with its next collection, a full buffer, or the end of the pump", () => {
  const { provider, seconds, collect } = noteDurations();
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
