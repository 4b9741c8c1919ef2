import { context, metrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { isTracingSuppressed } from "@opentelemetry/core";
import {
  AggregationTemporality,
  createAllowListAttributesProcessor,
  MeterProvider,
  MetricReader,
  type MetricReaderOptions,
  type ResourceMetrics,
  type ViewOptions,
} from "@opentelemetry/sdk-metrics";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GEN_AI_METRICS, METRICS } from "../../../src/core/names.ts";
import { createInstruments, type Instruments, type Taken } from "../../../src/meter/metrics/instruments.ts";
import {
  activeSpan,
  contextWith,
  describeSpan,
  spanOf,
  untraced,
  userMeterProvider,
  userTracer,
  withSpan,
} from "../../../src/meter/tracing/otel-global.ts";
import { part, settledCall, USAGE } from "../../fixtures/calls.ts";

const API = Symbol.for("opentelemetry.js.api.1");

afterEach(() => {
  metrics.disable();
  trace.disable();
  context.disable();
});

function instrumentsFor(options: Partial<Parameters<typeof createInstruments>[0]> = {}): Instruments {
  return createInstruments({ processName: () => "host-0", ...options });
}

/** Sums of what was taken for our own export, in nano-units for cost. */
function sumOf(taken: readonly Taken[], name: string): number {
  const metric = taken.find((one) => one.metric.name === name);
  if (metric?.kind !== "sum") return 0;
  const scale = name === METRICS.cost.name ? 1e9 : 1;
  return metric.points.reduce((sum, { value }) => sum + Math.round(value * scale), 0);
}

function pointsOf(taken: readonly Taken[], name: string) {
  return taken.find((one) => one.metric.name === name)?.points ?? [];
}

class Reader extends MetricReader {
  constructor(temporality: AggregationTemporality, options: MetricReaderOptions = {}) {
    super({ aggregationTemporalitySelector: () => temporality, ...options });
  }
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
  async read(): Promise<ResourceMetrics> {
    const { resourceMetrics, errors } = await this.collect();
    expect(errors).toEqual([]);
    return resourceMetrics;
  }
}

/** Values by agent of one metric as a reader sees them, in nano-units for cost. */
function byAgent(read: ResourceMetrics, name: string = METRICS.cost.name): Record<string, number> {
  const found: Record<string, number> = {};
  for (const metric of read.scopeMetrics.flatMap((scope) => scope.metrics)) {
    if (metric.descriptor.name !== name) continue;
    for (const point of metric.dataPoints) {
      found[String(point.attributes.agent)] = Math.round(
        (point.value as number) * (name === METRICS.cost.name ? 1e9 : 1),
      );
    }
  }
  return found;
}

function providerWith(readers: MetricReader[], views: ViewOptions[] = []): MeterProvider {
  const provider = new MeterProvider({ readers, views });
  metrics.setGlobalMeterProvider(provider);
  return provider;
}

describe("what a call adds", () => {
  test("money, tokens by kind and calls, with the attributes of names.ts", () => {
    const instruments = instrumentsFor();
    const call = settledCall("researcher", {
      scope: { agent: "researcher", rootAgent: "boss", team: "search", project: "p1" },
    });
    instruments.record(call, [part(12_345)]);
    const taken = instruments.take();
    for (const metric of [METRICS.cost, METRICS.tokens, METRICS.calls]) {
      // On money and tokens `priced` is there for a plan's calls alone.
      const expected = metric.attributes.filter((name) => name !== "priced" || metric === METRICS.calls);
      for (const { tags } of pointsOf(taken, metric.name)) expect(Object.keys(tags).sort()).toEqual(expected.sort());
    }
    const tokens = pointsOf(taken, METRICS.tokens.name).map(({ tags, value }) => [tags.token_type, value]);
    expect(Object.fromEntries(tokens)).toEqual({ input_uncached: 200, cache_read: 800, output: 30, reasoning: 20 });
    expect(pointsOf(taken, METRICS.cost.name)).toEqual([
      {
        tags: {
          agent: "researcher",
          root_agent: "boss",
          team: "search",
          project: "p1",
          provider: "openai",
          model: "gpt-5",
          quality: "reported",
          process: "host-0",
        },
        value: 0.000012345,
      },
    ]);
    expect(pointsOf(taken, METRICS.calls.name)[0]?.tags).toMatchObject({
      ending: "completed",
      stream: "true",
      priced: "true",
    });
  });

  test("a team and a project that were not set are left off", () => {
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(1)]);
    const [point] = pointsOf(instruments.take(), METRICS.cost.name);
    expect(Object.keys(point?.tags ?? {})).not.toContain("team");
    expect(Object.keys(point?.tags ?? {})).not.toContain("project");
  });

  test("another model inside the call gets its own money and tokens, but is no call of its own", () => {
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(700), part(300, "gpt-5-mini")]);
    const taken = instruments.take();
    const cost = Object.fromEntries(pointsOf(taken, METRICS.cost.name).map(({ tags, value }) => [tags.model, value]));
    expect(cost).toEqual({ "gpt-5": 7e-7, "gpt-5-mini": 3e-7 });
    expect(sumOf(taken, METRICS.tokens.name)).toBe(2 * (USAGE.input + USAGE.output));
    expect(sumOf(taken, METRICS.calls.name)).toBe(1);
  });

  test("unknown usage and an unknown price add no money, and no zero either", () => {
    const instruments = instrumentsFor();
    instruments.record(settledCall("a", { quality: "unknown", ending: "canceled", priced: "none" }), []);
    instruments.record(settledCall("a", { priced: "false" }), [part(undefined)]);
    const taken = instruments.take();
    expect(pointsOf(taken, METRICS.cost.name)).toEqual([]);
    expect(sumOf(taken, METRICS.calls.name)).toBe(2);
    expect(sumOf(taken, METRICS.tokens.name)).toBe(USAGE.input + USAGE.output);
  });

  test("the standard metrics ride along with their own attributes, and can be switched off", () => {
    const instruments = instrumentsFor();
    instruments.keepDurations();
    instruments.record(settledCall("a"), [part(1)]);
    instruments.record(settledCall("a", { ending: "failed", status: 429, quality: "unknown", priced: "none" }), []);
    const taken = instruments.take();
    expect(sumOf(taken, GEN_AI_METRICS.inputTokens.name)).toBe(USAGE.input);
    expect(sumOf(taken, GEN_AI_METRICS.outputTokens.name)).toBe(USAGE.output);
    const durations = pointsOf(taken, GEN_AI_METRICS.duration.name);
    expect(durations.map(({ tags }) => tags["error.type"])).toEqual([undefined, "429"]);
    expect(durations[0]?.value).toMatchObject({ count: 1, sum: 1.5, min: 1.5, max: 1.5 });
    for (const { metric, points } of taken) {
      for (const { tags } of points) for (const name of Object.keys(tags)) expect(metric.attributes).toContain(name);
    }
    const off = instrumentsFor({ genAi: false });
    off.record(settledCall("a"), [part(1)]);
    expect(off.take().map(({ metric }) => metric.name)).toEqual([
      METRICS.cost.name,
      METRICS.tokens.name,
      METRICS.calls.name,
    ]);
  });

  test("what is taken is taken once", () => {
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(5)]);
    expect(sumOf(instruments.take(), METRICS.cost.name)).toBe(5);
    expect(instruments.take()).toEqual([]);
    instruments.record(settledCall("a"), [part(7)]);
    expect(sumOf(instruments.take(), METRICS.cost.name)).toBe(7);
  });

  test("models that a backend cannot tell apart are one series", () => {
    const instruments = instrumentsFor();
    instruments.record(settledCall("a", { model: "Qwen/Qwen3" }), [part(5, "Qwen/Qwen3")]);
    instruments.record(settledCall("a", { model: "qwen/qwen3" }), [part(7, "qwen/qwen3")]);
    expect(pointsOf(instruments.take(), METRICS.cost.name).map(({ tags, value }) => [tags.model, value])).toEqual([
      ["Qwen/Qwen3", 12e-9],
    ]);
  });
});

describe("many agents", () => {
  test("10,000 agents: never 2,000 series, and the sum is exact to the nano-dollar", () => {
    const instruments = instrumentsFor();
    let truth = 0;
    for (let round = 0; round < 3; round++) {
      for (let agent = 0; agent < 10_000; agent++) {
        const nano = 1 + ((agent * 7_919 + round * 104_729) % 1_000_003);
        truth += nano;
        instruments.record(settledCall(`agent-${agent}`), [part(nano)]);
      }
    }
    const taken = instruments.take();
    expect(sumOf(taken, METRICS.cost.name)).toBe(truth);
    expect(sumOf(taken, METRICS.calls.name)).toBe(30_000);
    expect(sumOf(taken, METRICS.tokens.name)).toBe(30_000 * (USAGE.input + USAGE.output));
    for (const { metric, points } of taken) expect([metric.name, points.length < 2_000]).toEqual([metric.name, true]);
    const cost = pointsOf(taken, METRICS.cost.name);
    expect(cost.filter(({ tags }) => tags.agent !== "other")).toHaveLength(1_900);
    expect(cost.filter(({ tags }) => tags.agent === "other").map(({ tags }) => [tags.root_agent, tags.model])).toEqual([
      ["other", "gpt-5"],
    ]);
  });

  test("when models are without number as well, what is left folds by quality, ending and token type only", () => {
    const instruments = instrumentsFor();
    let truth = 0;
    for (let index = 0; index < 6_000; index++) {
      for (const quality of ["reported", "estimated", "unknown"] as const) {
        for (const ending of ["completed", "canceled", "failed", "blocked"] as const) {
          const model = `model-${index}`;
          truth += 3;
          instruments.record(settledCall(`agent-${index}`, { model, quality, ending, stream: index % 2 === 0 }), [
            part(3, model),
          ]);
        }
      }
    }
    const taken = instruments.take();
    expect(sumOf(taken, METRICS.cost.name)).toBe(truth);
    for (const { metric, points } of taken) expect([metric.name, points.length <= 1_995]).toEqual([metric.name, true]);
    const calls = pointsOf(taken, METRICS.calls.name).filter(({ tags }) => tags.model === "other");
    expect(calls).toHaveLength(12);
    expect(calls[0]?.tags).toMatchObject({
      agent: "other",
      team: "other",
      provider: "other",
      stream: "other",
      process: "host-0",
    });
  });
});

describe("the user's meter provider", () => {
  for (const [name, temporality] of [
    ["delta", AggregationTemporality.DELTA],
    ["cumulative", AggregationTemporality.CUMULATIVE],
  ] as const) {
    test(`${name}: an idle series neither repeats nor loses its money`, async () => {
      const reader = new Reader(temporality);
      providerWith([reader]);
      const instruments = instrumentsFor();
      const seen: Record<string, number>[] = [];
      instruments.record(settledCall("a"), [part(5)]);
      instruments.record(settledCall("b"), [part(100)]);
      seen.push(byAgent(await reader.read()));
      instruments.record(settledCall("a"), [part(7)]);
      seen.push(byAgent(await reader.read()));
      seen.push(byAgent(await reader.read()));
      instruments.record(settledCall("b"), [part(1)]);
      seen.push(byAgent(await reader.read()));
      const delta = [{ a: 5, b: 100 }, { a: 7 }, {}, { b: 1 }];
      const cumulative = [
        { a: 5, b: 100 },
        { a: 12, b: 100 },
        { a: 12, b: 100 },
        { a: 12, b: 101 },
      ];
      expect(seen).toEqual(name === "delta" ? delta : cumulative);
    });
  }

  test("several readers at different moments each see everything", async () => {
    const delta = new Reader(AggregationTemporality.DELTA);
    const cumulative = new Reader(AggregationTemporality.CUMULATIVE);
    providerWith([delta, cumulative]);
    const instruments = instrumentsFor();
    let sum = 0;
    for (let round = 1; round <= 6; round++) {
      instruments.record(settledCall("a"), [part(round)]);
      if (round % 2 === 0) sum += byAgent(await delta.read()).a ?? 0;
    }
    const both = await Promise.all([delta.read(), cumulative.read()]);
    expect(sum + (byAgent(both[0]).a ?? 0)).toBe(21);
    expect(byAgent(both[1]).a).toBe(21);
  });

  test("a view that drops an attribute keeps the whole sum, where an observed total loses all but one series", async () => {
    const reader = new Reader(AggregationTemporality.CUMULATIVE);
    const views = ["spendfuse.cost", "observed"].map((instrumentName) => ({
      instrumentName,
      attributesProcessors: [createAllowListAttributesProcessor(["model"])],
    }));
    const provider = providerWith([reader], views);
    const observed = provider.getMeter("test").createObservableCounter("observed");
    observed.addCallback((result) => {
      result.observe(5e-9, { agent: "a", model: "gpt-5" });
      result.observe(7e-9, { agent: "b", model: "gpt-5" });
    });
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(5)]);
    instruments.record(settledCall("b"), [part(7)]);
    const read = (await reader.read()).scopeMetrics.flatMap((scope) => scope.metrics);
    const value = (name: string) =>
      read.find(({ descriptor }) => descriptor.name === name)?.dataPoints.map((point) => point.value);
    expect(value("spendfuse.cost")).toEqual([12e-9]);
    // What this documents is OpenTelemetry's, and the reason why the pump adds instead of observing.
    expect(value("observed")).toEqual([7e-9]);
  });

  test("beside a large total a single nano-dollar is not lost", async () => {
    const reader = new Reader(AggregationTemporality.DELTA);
    providerWith([reader]);
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(900_000_000_000_001)]);
    expect(byAgent(await reader.read()).a).toBe(900_000_000_000_001);
    instruments.record(settledCall("a"), [part(1)]);
    expect(byAgent(await reader.read()).a).toBe(1);
  });

  test("before, after and in place of another: money goes once, to the provider there at collection", async () => {
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(5)]);
    const first = new Reader(AggregationTemporality.CUMULATIVE);
    providerWith([first]);
    instruments.record(settledCall("a"), [part(7)]);
    expect(instruments.take()).toEqual([]);
    expect(byAgent(await first.read())).toEqual({ a: 12 });
    instruments.record(settledCall("a"), [part(100)]);
    metrics.disable();
    const second = new Reader(AggregationTemporality.CUMULATIVE);
    providerWith([second]);
    instruments.record(settledCall("a"), [part(1_000)]);
    expect(byAgent(await first.read())).toEqual({ a: 12 });
    expect(byAgent(await second.read())).toEqual({ a: 1_100 });
    metrics.disable();
    instruments.record(settledCall("a"), [part(3)]);
    expect(byAgent(await second.read())).toEqual({ a: 1_100 });
    expect(sumOf(instruments.take(), METRICS.cost.name)).toBe(3);
  });

  test("at its shutdown it takes the last interval; what comes later is ours again", async () => {
    let last: Record<string, number> = {};
    const reader = new (class extends Reader {
      protected override async onShutdown(): Promise<void> {
        last = byAgent(await this.read());
      }
    })(AggregationTemporality.DELTA);
    const provider = providerWith([reader]);
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(5)]);
    await provider.shutdown();
    expect(last).toEqual({ a: 5 });
    instruments.record(settledCall("a"), [part(7)]);
    expect(sumOf(instruments.take(), METRICS.cost.name)).toBe(7);
  });

  test("at exit everything that it has not collected can be taken", () => {
    providerWith([new Reader(AggregationTemporality.DELTA)]);
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(5)]);
    expect(instruments.take()).toEqual([]);
    expect(sumOf(instruments.take(true), METRICS.cost.name)).toBe(5);
  });

  test("10,000 agents in cumulative temporality stay exact and bounded over many collections", async () => {
    const reader = new Reader(AggregationTemporality.CUMULATIVE);
    providerWith([reader]);
    const instruments = instrumentsFor();
    let truth = 0;
    let read: ResourceMetrics | undefined;
    for (let round = 0; round < 4; round++) {
      for (let agent = 0; agent < 10_000; agent++) {
        truth += agent;
        instruments.record(settledCall(`agent-${(agent * 31 + round) % 10_000}`), [part(agent)]);
      }
      read = await reader.read();
    }
    const cost = read?.scopeMetrics
      .flatMap((scope) => scope.metrics)
      .find(({ descriptor }) => descriptor.name === METRICS.cost.name);
    const sum = cost?.dataPoints.reduce((total, point) => total + Math.round((point.value as number) * 1e9), 0);
    expect(sum).toBe(truth);
    expect(cost?.dataPoints.length).toBeLessThan(2_000);
    expect(cost?.dataPoints.some(({ attributes }) => "otel.metric.overflow" in attributes)).toBe(false);
  });

  test("durations from before it appeared reach its histogram", async () => {
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(5)]);
    const reader = new Reader(AggregationTemporality.DELTA);
    providerWith([reader]);
    instruments.record(settledCall("a"), [part(5)]);
    const read = (await reader.read()).scopeMetrics.flatMap((scope) => scope.metrics);
    const duration = read.find(({ descriptor }) => descriptor.name === GEN_AI_METRICS.duration.name);
    expect(duration?.dataPoints[0]?.value).toMatchObject({ count: 2, sum: 3 });
    expect(instruments.take()).toEqual([]);
  });

  test("one that fails when it is used is left alone, and the fault is counted", () => {
    const broken = { getMeter: () => { throw new Error("no"); } }; // biome-ignore format: short
    (globalThis as Record<symbol, unknown>)[API] = { metrics: broken };
    const instruments = instrumentsFor();
    instruments.record(settledCall("a"), [part(5)]);
    instruments.record(settledCall("a"), [part(5)]);
    const taken = instruments.take();
    expect(sumOf(taken, METRICS.cost.name)).toBe(10);
    expect(pointsOf(taken, METRICS.faults.name).map(({ tags, value }) => [tags.step, value])).toEqual([
      ["instruments", 1],
    ]);
    delete (globalThis as Record<symbol, unknown>)[API];
  });
});

describe("reading the user's OpenTelemetry", () => {
  beforeEach(() => {
    delete (globalThis as Record<symbol, unknown>)[API];
  });

  test("nothing, a noop and a proxy without its provider are all absent", () => {
    const slots = globalThis as Record<symbol, unknown>;
    for (const slot of [undefined, null, 7, {}, { metrics: {}, trace: {}, context: {} }]) {
      slots[API] = slot;
      expect([userMeterProvider(), userTracer("x"), activeSpan()]).toEqual([undefined, undefined, undefined]);
      expect(withSpan({} as never, () => 5)).toBe(5);
      expect(untraced(() => 6)).toBe(6);
    }
    class NoopMeterProvider {
      getMeter(): unknown {
        return {};
      }
    }
    slots[API] = {
      metrics: new NoopMeterProvider(),
      trace: { getTracer: () => ({}), getDelegateTracer: () => undefined },
    };
    expect([userMeterProvider(), userTracer("x")]).toEqual([undefined, undefined]);
  });

  test("getters that throw are absent too, and what the function throws is thrown on once", () => {
    const throwing = new Proxy({}, { get: () => { throw new Error("trap"); } }); // biome-ignore format: short
    (globalThis as Record<symbol, unknown>)[API] = throwing;
    expect([userMeterProvider(), userTracer("x"), activeSpan()]).toEqual([undefined, undefined, undefined]);
    let runs = 0;
    const failing = () => {
      runs += 1;
      throw new TypeError("mine");
    };
    expect(() => withSpan({} as never, failing)).toThrow(TypeError);
    delete (globalThis as Record<symbol, unknown>)[API];
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    expect(() => withSpan({} as never, failing)).toThrow(TypeError);
    expect(runs).toBe(2);
  });

  test("the active span is read, and ours is made active for others", () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(new TracerProvider());
    const tracer = userTracer("spendfuse");
    const span = tracer?.startSpan("chat gpt-5", { attributes: { "gen_ai.operation.name": "chat" } });
    if (!span) throw new Error("no span");
    expect(activeSpan()).toBeUndefined();
    withSpan(span, () => {
      expect(activeSpan()).toBe(span);
      expect(trace.getActiveSpan()).toBe(span);
      expect(describeSpan(span)).toMatchObject({
        name: "chat gpt-5",
        scope: "spendfuse",
        attributes: { "gen_ai.operation.name": "chat" },
      });
      expect(untraced(() => isTracingSuppressed(context.active()))).toBe(true);
      const child = tracer?.startSpan("child", {}, contextWith(undefined));
      expect(child?.spanContext().traceId).toBe(span.spanContext().traceId);
    });
    const child = tracer?.startSpan("child", {}, contextWith(span));
    expect(child?.spanContext().traceId).toBe(span.spanContext().traceId);
  });

  test("without a context manager a parent is still given", () => {
    const span = new TracerProvider().getTracer("x").startSpan("parent");
    expect(spanOf(contextWith(span as never))).toBe(span);
    expect(spanOf(contextWith(undefined))).toBeUndefined();
  });
});
