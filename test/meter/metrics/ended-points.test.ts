import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { describe, expect, test } from "vitest";
import { METRICS } from "../../../src/core/names.ts";
import { NONE_SHOWN, withEnded } from "../../../src/meter/metrics/ended-points.ts";
import { createPump } from "../../../src/meter/metrics/otel-bridge.ts";
import { createTables } from "../../../src/meter/metrics/tables.ts";
import type { OtelMeterProvider } from "../../../src/meter/tracing/otel-types.ts";

const point = (scope: string, value = 1) => ({ tags: { scope }, value });

describe("a gauge's point that is gone", () => {
  test.each([METRICS.circuitOpen, METRICS.budgetUsed])("$name is given once more, as 0, to each reader", (metric) => {
    let shown = NONE_SHOWN;
    const read = (...current: readonly ReturnType<typeof point>[]) => {
      const taken = withEnded(metric, current, shown);
      shown = taken.shown;
      return taken.points.map(({ tags, value }) => [tags.scope, value]);
    };
    expect(read()).toEqual([]);
    expect(read(point("a"), point("b"))).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
    expect(read(point("b"))).toEqual([
      ["b", 1],
      ["a", 0],
    ]);
    expect(read(point("b"))).toEqual([["b", 1]]);
    expect(read(point("a"))).toEqual([
      ["a", 1],
      ["b", 0],
    ]);
    expect(read()).toEqual([["a", 0]]);
    expect(read()).toEqual([]);
  });

  test("a circuit that its guard shows as 0 has ended once", () => {
    const first = withEnded(METRICS.circuitOpen, [point("a")], NONE_SHOWN);
    const second = withEnded(METRICS.circuitOpen, [point("a", 0)], first.shown);
    expect(second.points).toEqual([point("a", 0)]);
    expect(withEnded(METRICS.circuitOpen, [point("a", 0)], second.shown).points).toEqual([]);
  });

  test("a budget of which nothing is used is no end", () => {
    const { points, shown } = withEnded(METRICS.budgetUsed, [point("a", 0)], NONE_SHOWN);
    expect(points).toEqual([point("a", 0)]);
    expect(withEnded(METRICS.budgetUsed, [], shown).points).toEqual([]);
  });
});

test("every reader of a meter provider gets the 0, in delta and in cumulative", async () => {
  const temporalities = [AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE];
  const exporters = temporalities.map((temporality) => new InMemoryMetricExporter(temporality));
  const readers = exporters.map(
    (exporter) => new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 }),
  );
  const provider = new MeterProvider({ readers });
  let open = [point("agent:a")];
  createPump(provider as unknown as OtelMeterProvider, createTables(100), {
    onFault: (error) => expect.unreachable(String(error)),
    version: "1",
    processName: () => "me",
    spoolPending: () => 0,
    gauges: () => [{ metric: METRICS.circuitOpen, points: open }],
  });
  const last = async (index: number): Promise<unknown> => {
    await readers[index]?.forceFlush();
    const metrics = exporters[index]
      ?.getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics);
    const found = metrics?.find(({ descriptor }) => descriptor.name === METRICS.circuitOpen.name);
    return found?.dataPoints.map(({ value }) => value);
  };
  expect([await last(0), await last(1)]).toEqual([[1], [1]]);
  open = [];
  // The first reader collects more often than the second.
  expect(await last(0)).toEqual([0]);
  await last(0);
  expect(await last(1)).toEqual([0]);
  await provider.shutdown();
});
