import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { metrics, trace } from "@opentelemetry/api";
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { afterEach, describe, expect, test } from "vitest";
import { readIntake } from "../src/datadog/intake.ts";
import { readOtel } from "../src/meter/export/endpoint.ts";
import { NOTHING_SENT } from "../src/meter/export/exporter.ts";
import { createSeconds } from "../src/meter/export/seconds.ts";
import { claimSlot, type Slot } from "../src/meter/export/slots.ts";
import { contextWith } from "../src/meter/otel-global.ts";
import { part, settledCall, USAGE } from "./fixtures/calls.ts";
import { type Exporting, type ExportingOptions, newStateDir, startExporting } from "./fixtures/exporting.ts";
import { type OtlpReceiver, startOtlpReceiver } from "./servers/otlp-receiver.ts";

const COST = "spendfuse.cost";
const open: { readonly receivers: OtlpReceiver[]; readonly exporting: Exporting[] } = { receivers: [], exporting: [] };

afterEach(async () => {
  for (const { exporter } of open.exporting.splice(0)) exporter.stop();
  for (const receiver of open.receivers.splice(0)) await receiver.close();
  metrics.disable();
  trace.disable();
});

async function receive(port = 0): Promise<OtlpReceiver> {
  const receiver = await startOtlpReceiver(port);
  open.receivers.push(receiver);
  return receiver;
}

function exportTo(receiver: OtlpReceiver | undefined, options: ExportingOptions = {}): Exporting {
  const exporting = startExporting({ ...(receiver && { url: receiver.url }), ...options });
  open.exporting.push(exporting);
  return exporting;
}

/** A clock that stands still until it is set. */
function clock(start = 1_790_000_000_000): { now: () => number; set(ms: number): void; add(ms: number): void } {
  let ms = start;
  return { now: () => ms, set: (to) => void (ms = to), add: (more) => void (ms += more) };
}

function spoolOf({ spoolDir }: Exporting): readonly string[] {
  try {
    return readdirSync(spoolDir).sort();
  } catch {
    return [];
  }
}

describe("exporting by itself", () => {
  test("delta, gzip, headers, resource; one point a series, in whole seconds", async () => {
    const receiver = await receive();
    const { instruments, exporter } = exportTo(receiver);
    instruments.record(settledCall("a"), [part(5)]);
    instruments.record(settledCall("a"), [part(7)]);
    await exporter.flush();
    expect(receiver.requests).toHaveLength(1);
    expect(receiver.requests[0]).toMatchObject({ path: "/v1/metrics", headers: { "content-encoding": "gzip", "x-key": "secret" } });
    const [point] = receiver.points(COST);
    expect(point).toMatchObject({ value: 12e-9, unit: "USD", kind: "sum", temporality: 1 });
    expect(point?.tags).toMatchObject({ agent: "a", instance: "host-0" });
    expect(point?.resource).toMatchObject({ "service.name": "test", "service.instance.id": "host-0" });
    expect(point && point.second > point.start).toBe(true);
    expect(receiver.total("spendfuse.tokens")).toBe(2 * (USAGE.input + USAGE.output));
    expect(receiver.points("gen_ai.client.inference.duration")[0]).toMatchObject({ kind: "histogram", count: 2, value: 3 });
    await exporter.flush();
    expect(receiver.requests).toHaveLength(1);
  });

  test("the timer does it without being asked", async () => {
    const receiver = await receive();
    const { instruments } = exportTo(receiver, { intervalMs: 30 });
    instruments.record(settledCall("a"), [part(5)]);
    await receiver.until(() => receiver.total(COST) === 5);
    instruments.record(settledCall("a"), [part(7)]);
    await receiver.until(() => receiver.total(COST) === 12);
  });

  test("flushes within one second are dated one second apart, so that none overwrites another", async () => {
    const receiver = await receive();
    const time = clock();
    const { instruments, exporter } = exportTo(receiver, { now: time.now });
    for (let flush = 0; flush < 5; flush++) {
      instruments.record(settledCall("a"), [part(1)]);
      await exporter.flush();
    }
    expect(receiver.total(COST)).toBe(5);
    const seconds = receiver.points(COST).map(({ second }) => second);
    expect(seconds).toEqual([0, 1, 2, 3, 4].map((more) => 1_790_000_000 + more));
  });

  test("flushes too fast to be dated near the clock wait, and lose nothing", async () => {
    const receiver = await receive();
    const time = clock();
    const { instruments, exporter } = exportTo(receiver, { now: time.now });
    for (let flush = 0; flush < 310; flush++) {
      instruments.record(settledCall("a"), [part(1)]);
      await exporter.flush();
    }
    expect(receiver.points(COST)).toHaveLength(301);
    time.add(60_000);
    await exporter.flush();
    expect(receiver.total(COST)).toBe(310);
  });

  test("10,000 agents: requests stay below 400 KB and the sum is exact to the nano-dollar", async () => {
    const receiver = await receive();
    const { instruments, exporter } = exportTo(receiver);
    let truth = 0;
    for (let agent = 0; agent < 10_000; agent++) {
      const nano = 1 + ((agent * 7_919) % 1_000_003);
      truth += nano;
      const scope = { agent: `agent-${agent}-${"é".repeat(60)}`, rootAgent: "root", team: "t".repeat(150), project: "p" };
      instruments.record(settledCall(scope.agent, { scope }), [part(nano)]);
    }
    await exporter.flush();
    expect(receiver.requests.length).toBeGreaterThan(5);
    for (const { bytes } of receiver.requests) expect(bytes).toBeLessThan(400_000);
    expect(receiver.total(COST)).toBe(truth);
    expect(receiver.total("spendfuse.calls")).toBe(10_000);
  });

  test("spans: our own tracer from the first moment, children under their parents", async () => {
    const receiver = await receive();
    const { exporter } = exportTo(receiver, { traces: true });
    const agent = exporter.tracer?.startSpan("invoke_agent a", { kind: 0, attributes: { "gen_ai.agent.name": "a", left: undefined } });
    const call = exporter.tracer?.startSpan("chat gpt-5", { kind: 2 }, contextWith(agent));
    call?.setAttributes({ "gen_ai.usage.input_tokens": 5, "gen_ai.usage.cost.amount": 0.5, ok: true });
    call?.end();
    call?.setAttributes({ late: 1 });
    call?.end();
    agent?.end();
    await exporter.flush();
    expect(receiver.requests.map(({ path }) => path)).toEqual(["/v1/traces"]);
    const [child, parent] = receiver.spans;
    expect(receiver.spans).toHaveLength(2);
    expect(child).toMatchObject({ name: "chat gpt-5", parentSpanId: parent?.spanId, traceId: parent?.traceId });
    expect(child?.attributes).toEqual({ "gen_ai.usage.input_tokens": "5", "gen_ai.usage.cost.amount": "0.5", ok: "true" });
    expect(parent?.attributes).toEqual({ "gen_ai.agent.name": "a" });
    expect(exportTo(receiver).exporter.tracer).toBeUndefined();
  });

  test("protobuf, where it is asked for", async () => {
    const receiver = await receive();
    const { instruments, exporter, endpoint } = exportTo(receiver, { traces: true });
    for (const target of [endpoint.metrics, endpoint.traces]) Object.assign(target ?? {}, { encoding: "protobuf" });
    instruments.record(settledCall("a"), [part(5)]);
    exporter.tracer?.startSpan("s").end();
    await exporter.flush();
    expect(receiver.requests.map(({ headers }) => headers["content-type"])).toEqual([
      "application/x-protobuf",
      "application/x-protobuf",
    ]);
  });

  test("without an endpoint nothing is sent, and one line says so", async () => {
    const { instruments, exporter, warnings } = exportTo(undefined, { intervalMs: 20 });
    instruments.record(settledCall("a"), [part(5)]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await exporter.flush();
    expect(exporter.save()).toBe(false);
    expect(warnings).toEqual([NOTHING_SENT]);
  });
});

describe("beside the user's meter provider", () => {
  function userProvider(): { exported: InMemoryMetricExporter; provider: MeterProvider } {
    const exported = new InMemoryMetricExporter(AggregationTemporality.DELTA);
    const provider = new MeterProvider({
      readers: [new PeriodicExportingMetricReader({ exporter: exported, exportIntervalMillis: 3_600_000 })],
    });
    metrics.setGlobalMeterProvider(provider);
    return { exported, provider };
  }

  const nanoOf = (exported: InMemoryMetricExporter): number =>
    exported
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics)
      .flatMap((scope) => scope.metrics)
      .filter(({ descriptor }) => descriptor.name === COST)
      .flatMap(({ dataPoints }) => dataPoints)
      .reduce((sum, { value }) => sum + Math.round((value as number) * 1e9), 0);

  test("it takes our metrics, ours sends nothing, and flush() flushes it", async () => {
    const receiver = await receive();
    const { exported } = userProvider();
    const { instruments, exporter, warnings } = exportTo(receiver);
    instruments.record(settledCall("a"), [part(5)]);
    await exporter.flush();
    expect(nanoOf(exported)).toBe(5);
    expect(receiver.requests).toHaveLength(0);
    expect(warnings).toEqual([]);
  });

  test("one that appears later takes over without a gap or a double", async () => {
    const receiver = await receive();
    const { instruments, exporter } = exportTo(receiver);
    instruments.record(settledCall("a"), [part(5)]);
    await exporter.flush();
    instruments.record(settledCall("a"), [part(7)]);
    const { exported, provider } = userProvider();
    instruments.record(settledCall("a"), [part(100)]);
    await exporter.flush();
    await provider.shutdown();
    instruments.record(settledCall("a"), [part(1_000)]);
    await exporter.flush();
    expect([receiver.total(COST), nanoOf(exported)]).toEqual([1_005, 107]);
  });

  test("without a call after its start the timer notices it", async () => {
    const { instruments } = exportTo(undefined, { intervalMs: 20 });
    instruments.record(settledCall("a"), [part(5)]);
    const { exported, provider } = userProvider();
    await new Promise((resolve) => setTimeout(resolve, 80));
    await provider.shutdown();
    expect(nanoOf(exported)).toBe(5);
  });

  test("what it has not collected at the end goes to our own endpoint", async () => {
    const receiver = await receive();
    const { exported } = userProvider();
    const { instruments, exporter } = exportTo(receiver);
    instruments.record(settledCall("a"), [part(5)]);
    expect(exporter.save()).toBe(true);
    metrics.disable();
    await exporter.flush();
    expect([receiver.total(COST), nanoOf(exported)]).toEqual([5, 0]);
  });
});
