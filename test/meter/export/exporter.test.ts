import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { metrics, trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { GEN_AI_METRICS, METRICS } from "../../../src/core/names.ts";
import { readIntake } from "../../../src/datadog/intake.ts";
import { readOtel } from "../../../src/meter/export/endpoint.ts";
import { createSeconds } from "../../../src/meter/export/export-timestamps.ts";
import { NOTHING_SENT } from "../../../src/meter/export/exporter.ts";
import { claimSlot, type Slot } from "../../../src/meter/export/spool/slots.ts";
import { createInstruments } from "../../../src/meter/metrics/instruments.ts";
import { contextWith } from "../../../src/meter/tracing/otel-global.ts";
import { part, settledCall, USAGE } from "../../fixtures/calls.ts";
import {
  type Exporting,
  type ExportingOptions,
  newStateDir,
  removeStateDirs,
  startExporting,
} from "../../fixtures/exporting.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../../servers/otlp-receiver.ts";

const COST = "spendfuse.cost";
const open: { readonly receivers: OtlpReceiver[]; readonly exporting: Exporting[] } = { receivers: [], exporting: [] };

afterEach(async () => {
  for (const { exporter } of open.exporting.splice(0)) exporter.stop();
  for (const receiver of open.receivers.splice(0)) await receiver.close();
  metrics.disable();
  trace.disable();
});

afterAll(removeStateDirs);

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
  return {
    now: () => ms,
    set(to) {
      ms = to;
    },
    add(more) {
      ms += more;
    },
  };
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
    expect(receiver.requests[0]).toMatchObject({
      path: "/v1/metrics",
      headers: { "content-encoding": "gzip", "x-key": "secret" },
    });
    const [point] = receiver.points(COST);
    expect(point).toMatchObject({ value: 12e-9, unit: "USD", kind: "sum", temporality: 1 });
    expect(point?.tags).toMatchObject({ agent: "a", process: "host-0" });
    expect(point?.resource).toMatchObject({ "service.name": "test", "service.instance.id": "host-0" });
    expect(point && point.second > point.start).toBe(true);
    expect(receiver.total("spendfuse.tokens")).toBe(2 * (USAGE.input + USAGE.output));
    expect(receiver.points("gen_ai.client.inference.duration")[0]).toMatchObject({
      kind: "histogram",
      count: 2,
      value: 3,
    });
    await exporter.flush();
    expect(receiver.requests).toHaveLength(1);
  });

  test("each point begins where the one before it in its series ended, also after exports without that series", async () => {
    const receiver = await receive();
    const time = clock();
    const { instruments, exporter } = exportTo(receiver, { now: time.now });
    for (const agent of ["a", "b", "a", "b", "b", "a"]) {
      instruments.record(settledCall(agent), [part(1)]);
      time.add(10_000);
      await exporter.flush();
    }
    const series = new Map<string, { start: number; second: number }[]>();
    for (const point of receiver.points().filter(({ kind }) => kind !== "gauge")) {
      const key = JSON.stringify([point.metric, point.tags]);
      series.set(key, [...(series.get(key) ?? []), point]);
    }
    const ours = [...series.keys()].map((key) => (JSON.parse(key) as [string])[0]);
    expect(ours).toEqual(expect.arrayContaining([COST, "spendfuse.calls", "gen_ai.client.inference.duration"]));
    for (const [key, points] of series) {
      expect(points.length, key).toBe(3);
      for (const [index, { start }] of points.entries())
        if (index > 0) expect(start, key).toBe(points[index - 1]?.second);
    }
  });

  test("the timer does it without being asked", async () => {
    const receiver = await receive();
    const { instruments } = exportTo(receiver, { intervalMs: 30 });
    instruments.record(settledCall("a"), [part(5)]);
    await receiver.until(() => receiver.total(COST) === 5);
    instruments.record(settledCall("a"), [part(7)]);
    await receiver.until(() => receiver.total(COST) === 12);
  });

  test("an idle process says that it is there", async () => {
    const receiver = await receive();
    exportTo(receiver, { intervalMs: 50 });
    await receiver.until(() => receiver.points("spendfuse.spool.pending").length > 1);
    expect(receiver.points("spendfuse.spool.pending")[0]).toMatchObject({ kind: "gauge", value: 0 });
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
      const scope = {
        agent: `agent-${agent}-${"é".repeat(60)}`,
        rootAgent: "root",
        team: "t".repeat(150),
        project: "p",
      };
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
    const agent = exporter.tracer?.startSpan("invoke_agent a", {
      kind: 0,
      attributes: { "gen_ai.agent.name": "a", left: undefined },
    });
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
    expect(child?.attributes).toEqual({
      "gen_ai.usage.input_tokens": "5",
      "gen_ai.usage.cost.amount": "0.5",
      ok: "true",
    });
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
      .flatMap(({ dataPoints }) => dataPoints.map(({ value }) => Math.round((value as number) * 1e9)))
      .reduce((sum, nano) => sum + nano, 0);

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

describe("a point that is no number is left out, alone, and said", () => {
  const BAD = [Number.POSITIVE_INFINITY, Number.NaN, null, "7"];
  const pointsOf = (good: unknown, bad: readonly unknown[]) =>
    [good, ...bad].map((value, index) => ({ tags: { agent: `a${index}` }, value }));
  const histogram = { count: 1, sum: 2, min: 2, max: 2, counts: [1] };
  const badly = [null, ...BAD.map((value) => ({ ...histogram, min: value }))];

  test.each<[string, object, object[]]>([
    ["a sum", { kind: "sum", metric: METRICS.cost, points: pointsOf(5, BAD) }, []],
    ["a histogram", { kind: "histogram", metric: GEN_AI_METRICS.duration, points: pointsOf(histogram, badly) }, []],
    ["a gauge", {}, [{ metric: METRICS.budgetUsed, points: pointsOf(0.5, BAD) }]],
  ])("%s", async (_name, taken, gauges) => {
    const receiver = await receive();
    const instruments = {
      ...createInstruments({ processName: () => "host-0" }),
      take: () => ("kind" in taken ? [taken] : []) as never,
      hasNews: () => true,
      gauges: () => gauges as never,
    };
    const { exporter, warnings } = exportTo(receiver, { instruments });
    await exporter.flush();
    const points = receiver.points().filter(({ metric }) => metric !== METRICS.spoolPending.name);
    expect(points.map(({ tags }) => tags.agent)).toEqual(["a0"]);
    // JSON has neither Infinity nor NaN: a receiver refuses the whole request for a null among its figures.
    for (const { json } of receiver.requests) expect(JSON.stringify(json)).not.toContain("null");
    expect(warnings).toEqual([expect.stringContaining("is no number and was left out")]);
  });
});

describe("when the receiver does not take it", () => {
  /** A port on which nobody listens. */
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  test("down, then up: kept with its timestamps, said once, counted, and replayed exactly", async () => {
    const port = await freePort();
    const time = clock();
    const exporting = startExporting({ url: `http://127.0.0.1:${port}`, now: time.now });
    open.exporting.push(exporting);
    const { instruments, exporter, warnings } = exporting;
    for (let interval = 0; interval < 4; interval++) {
      instruments.record(settledCall("a"), [part(10 ** interval)]);
      await exporter.flush();
      time.add(10_000);
    }
    expect(spoolOf(exporting)).toHaveLength(4);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /export failed: http:\/\/127.0.0.1:\d+ could not be reached \(ECONNREFUSED\); it is kept/,
    );
    const receiver = await receive(port);
    instruments.record(settledCall("a"), [part(10_000)]);
    await exporter.flush();
    expect(receiver.total(COST)).toBe(11_111);
    expect(
      receiver
        .points(COST)
        .map(({ second }) => second)
        .sort(),
    ).toEqual([0, 10, 20, 30, 40].map((more) => 1_790_000_000 + more));
    expect(spoolOf(exporting)).toEqual([]);
    expect(receiver.total("spendfuse.faults", { step: "exporter" })).toBe(4);
    await exporter.flush();
    expect(receiver.points("spendfuse.spool.pending").at(-1)?.value).toBe(0);
  });

  test("an idle process with the receiver down makes no exports of its own faults", async () => {
    const exporting = startExporting({ url: `http://127.0.0.1:${await freePort()}`, intervalMs: 10 });
    open.exporting.push(exporting);
    exporting.instruments.record(settledCall("a"), [part(1)]);
    while (spoolOf(exporting).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(spoolOf(exporting)).toHaveLength(1);
    expect(exporting.warnings).toHaveLength(1);
  });

  test("taken, but the answer is lost: the replay overwrites and does not add", async () => {
    const receiver = await receive();
    receiver.answer(() => ({ takeAndHang: true }));
    const exporting = exportTo(receiver);
    exporting.instruments.record(settledCall("a"), [part(5)]);
    await exporting.exporter.flush({ timeoutMs: 200 });
    expect(spoolOf(exporting)).toHaveLength(1);
    receiver.answer(() => ({}));
    await exporting.exporter.flush();
    expect(receiver.requests).toHaveLength(2);
    expect(receiver.total(COST)).toBe(5);
  });

  test("flush() ends in its time even if nobody answers", async () => {
    const receiver = await receive();
    receiver.answer(() => ({ hang: true }));
    // Were the answer waited for, this would never end.
    const exporting = exportTo(receiver, { timeoutMs: 3_600_000 });
    exporting.instruments.record(settledCall("a"), [part(5)]);
    await Promise.all([exporting.exporter.flush({ timeoutMs: 300 }), exporting.exporter.flush({ timeoutMs: 300 })]);
    expect(spoolOf(exporting)).toHaveLength(1);
  });

  test.each([401, 403])("%d: the fix is named, and all is kept until the key is right", async (status) => {
    const receiver = await receive();
    receiver.answer(() => ({ status }));
    const stateDir = newStateDir();
    const wrong = exportTo(receiver, { stateDir, headers: { "x-key": "wrong" } });
    for (let flush = 1; flush <= 12; flush++) {
      wrong.instruments.record(settledCall("a"), [part(flush)]);
      await wrong.exporter.flush();
    }
    expect(wrong.warnings).toEqual([
      expect.stringContaining(`answered ${status}: check the key; it is kept and will be sent again`),
    ]);
    wrong.exporter.save();
    expect(receiver.total(COST)).toBe(0);
    // The next start, with the key put right.
    receiver.answer(() => ({}));
    const right = exportTo(receiver, { stateDir, headers: { "x-key": "right" } });
    while ((right.exporter.pending() ?? 0) > 0) await right.exporter.flush();
    expect(receiver.total(COST)).toBe((12 * 13) / 2);
    expect(spoolOf(right)).toEqual([]);
    expect(right.warnings).toEqual([]);
  });

  test("400: it is tried three times more, and then given up and counted", async () => {
    const receiver = await receive();
    receiver.answer(() => ({ status: 400 }));
    const exporting = exportTo(receiver);
    const { instruments, exporter, warnings } = exporting;
    instruments.record(settledCall("a"), [part(5)]);
    for (let flush = 0; flush < 6; flush++) await exporter.flush();
    expect(warnings[0]).toMatch(/answered 400; it is kept/);
    expect(warnings[1]).toMatch(/refused again and again and is given up/);
    expect(warnings).toHaveLength(2);
    expect(receiver.requests).toHaveLength(4);
    expect(spoolOf(exporting)).toEqual([expect.stringMatching(/\.dead$/)]);
    expect(exporter.pending()).toBe(0);
    receiver.answer(() => ({}));
    instruments.record(settledCall("a"), [part(7)]);
    await exporter.flush();
    expect(receiver.total(COST)).toBe(7);
    expect(receiver.total("spendfuse.faults", { step: "exporter" })).toBe(2);
  });

  test("200 with a partial success: said, counted, not sent again", async () => {
    const receiver = await receive();
    receiver.answer(() => ({
      body: { partialSuccess: { rejectedDataPoints: "3", errorMessage: "does not accept cumulative" } },
    }));
    const exporting = exportTo(receiver);
    exporting.instruments.record(settledCall("a"), [part(5)]);
    await exporting.exporter.flush();
    expect(exporting.warnings).toEqual([
      expect.stringMatching(/^3 points or spans are lost: .*does not accept cumulative/),
    ]);
    expect(spoolOf(exporting)).toEqual([]);
    receiver.answer(() => ({}));
    await exporting.exporter.flush();
    expect(receiver.total("spendfuse.faults", { step: "exporter" })).toBe(1);
    expect(receiver.requests).toHaveLength(2);
  });

  test.each<[string, number, () => Record<string, string>]>([
    ["Retry-After in seconds", 429, () => ({ "retry-after": "60" })],
    ["Retry-After as a date", 503, () => ({ "retry-after": new Date(Date.now() + 61_000).toUTCString() })],
    ["when Datadog's limit begins anew", 429, () => ({ "x-ratelimit-reset": "60", "x-ratelimit-limit": "100" })],
  ])("what is limited or down is kept, and the time that it asks for is waited: %s", async (_, status, headers) => {
    const receiver = await receive();
    const time = clock();
    const exporting = exportTo(receiver, { now: time.now, intervalMs: 10 });
    receiver.answer(() => ({ status, headers: headers() }));
    exporting.instruments.record(settledCall("a"), [part(5)]);
    time.add(3_000);
    await receiver.until(() => receiver.requests.length === 1);
    receiver.answer(() => ({}));
    for (let wait = 0; wait < 5; wait++) {
      exporting.instruments.record(settledCall("a"), [part(1)]);
      time.add(5_000);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    expect(receiver.requests).toHaveLength(1);
    time.add(60_000);
    await receiver.until(() => receiver.total(COST) === 10);
  });

  test("serializers that cannot be loaded: kept, counted, tried again", async () => {
    const receiver = await receive();
    let broken = true;
    const { loadEncoder } = await import("../../../src/meter/export/encoder.ts");
    const load = () => (broken ? Promise.reject(new Error("not in this bundle")) : loadEncoder());
    const exporting = exportTo(receiver, { load });
    exporting.instruments.record(settledCall("a"), [part(5)]);
    await exporting.exporter.flush();
    expect(exporting.warnings).toEqual([expect.stringContaining("not in this bundle")]);
    broken = false;
    await exporting.exporter.flush();
    expect(receiver.total(COST)).toBe(5);
  });

  test("a bounded spool drops the oldest, and says and counts it", async () => {
    const exporting = startExporting({ url: `http://127.0.0.1:${await freePort()}`, maxSpoolBytes: 6_000 });
    open.exporting.push(exporting);
    for (let interval = 0; interval < 6; interval++) {
      exporting.instruments.record(settledCall("a"), [part(1)]);
      await exporting.exporter.flush();
    }
    const bytes = spoolOf(exporting).reduce((sum, file) => sum + statSync(join(exporting.spoolDir, file)).size, 0);
    expect(bytes).toBeLessThanOrEqual(6_000);
    expect(exporting.warnings.at(-1)).toMatch(/exports are lost: there was no room/);
  });

  test("without a place to keep them, exports wait in memory", async () => {
    const receiver = await receive();
    receiver.answer(() => ({ status: 503 }));
    const exporting = exportTo(receiver, { spoolDir: undefined });
    for (let interval = 0; interval < 3; interval++) {
      exporting.instruments.record(settledCall("a"), [part(1)]);
      await exporting.exporter.flush();
    }
    receiver.answer(() => ({}));
    await exporting.exporter.flush();
    expect(receiver.total(COST)).toBe(3);
  });
});

describe("a spool that several processes share", () => {
  test("what a process left when it ended is sent by the next one, as it was", async () => {
    const receiver = await receive();
    const stateDir = newStateDir();
    const first = exportTo(receiver, { stateDir });
    first.instruments.record(settledCall("a"), [part(5)]);
    expect(first.exporter.save()).toBe(true);
    first.slot.release();
    const next = exportTo(receiver, { stateDir });
    await next.exporter.flush();
    expect(receiver.total(COST)).toBe(5);
    expect(spoolOf(next)).toEqual([]);
  });

  test("a claim is sent by one process only, and is taken back from a dead one", async () => {
    const receiver = await receive();
    const stateDir = newStateDir();
    const first = exportTo(receiver, { stateDir });
    first.instruments.record(settledCall("a"), [part(5)]);
    first.exporter.save();
    const [file = ""] = spoolOf(first);
    const claim = (suffix: string) => renameSync(join(first.spoolDir, file), join(first.spoolDir, file + suffix));
    claim(`~${process.ppid}~`);
    const next = exportTo(receiver, { stateDir });
    await next.exporter.flush();
    expect(receiver.requests).toHaveLength(0);
    const dead = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
    renameSync(join(first.spoolDir, `${file}~${process.ppid}~`), join(first.spoolDir, `${file}~${dead}~123`));
    await next.exporter.flush();
    expect(receiver.total(COST)).toBe(5);
  });

  test("a pid that came back as another process is dead all the same", async () => {
    const receiver = await receive();
    const first = exportTo(receiver);
    first.instruments.record(settledCall("a"), [part(5)]);
    first.exporter.save();
    const [file = ""] = spoolOf(first);
    renameSync(join(first.spoolDir, file), join(first.spoolDir, `${file}~${process.pid}~1`));
    await first.exporter.flush();
    expect(receiver.total(COST)).toBe(process.platform === "linux" ? 5 : 0);
  });

  test("what is meant for another endpoint or tenant stays", async () => {
    const receiver = await receive();
    const stateDir = newStateDir();
    const other = exportTo(receiver, { stateDir, headers: { "x-scope-orgid": "another team" } });
    other.instruments.record(settledCall("a"), [part(5)]);
    other.exporter.save();
    const ours = exportTo(receiver, { stateDir });
    await ours.exporter.flush();
    expect(receiver.requests).toHaveLength(0);
    expect(spoolOf(ours)).toHaveLength(1);
    expect(JSON.stringify(spoolOf(ours))).not.toContain("another");
  });

  test("a file that cannot be read is put aside, and counted", async () => {
    const receiver = await receive();
    const exporting = exportTo(receiver);
    exporting.instruments.record(settledCall("a"), [part(5)]);
    exporting.exporter.save();
    const [file = ""] = spoolOf(exporting);
    writeFileSync(join(exporting.spoolDir, file), "{");
    await exporting.exporter.flush();
    expect(spoolOf(exporting)).toEqual([`${file}.dead`]);
    expect(exporting.warnings).toHaveLength(1);
  });

  test("nobody else can read it", () => {
    const exporting = startExporting({ url: "http://127.0.0.1:9" });
    open.exporting.push(exporting);
    exporting.instruments.record(settledCall("a"), [part(5)]);
    exporting.exporter.save();
    expect(statSync(exporting.spoolDir).mode & 0o077).toBe(0);
    expect(statSync(join(exporting.spoolDir, spoolOf(exporting)[0] ?? "")).mode & 0o077).toBe(0);
  });
});

describe("instances", () => {
  const claim = (dir: string, pid: number, now: () => number, thread = 0): Slot =>
    claimSlot({ dir, host: "host", pid, thread, now });

  test("two processes with equal tags in one second are both counted", async () => {
    const receiver = await receive();
    const stateDir = newStateDir();
    const time = clock();
    const both = [process.pid, process.ppid].map((pid) => exportTo(receiver, { stateDir, pid, now: time.now }));
    for (const { instruments } of both) instruments.record(settledCall("a"), [part(5)]);
    for (const { exporter } of both) await exporter.flush();
    expect(new Set(receiver.points(COST).map(({ second }) => second)).size).toBe(1);
    expect(receiver.total(COST)).toBe(10);
    expect(receiver.points(COST).map(({ tags }) => tags.process)).toEqual(["host-0", "host-1"]);
    // The standard metrics have no `process` tag: their resource tells them apart.
    const durations = receiver.points("gen_ai.client.inference.duration");
    expect(durations.reduce((sum, { count = 0 }) => sum + count, 0)).toBe(2);
  });

  test("a slot is taken again after a release, not before its last second is over", () => {
    const dir = newStateDir();
    const time = clock();
    const first = claim(dir, process.pid, time.now);
    expect([first.name, first.last]).toEqual(["host-0", 0]);
    first.mark(1_790_000_003);
    first.release();
    expect(claim(dir, process.pid, time.now).name).toBe("host-1");
    time.set(1_790_000_003_999);
    expect(claim(dir, process.ppid, time.now).name).toBe("host-2");
    time.set(1_790_000_004_000);
    const next = claim(dir, process.pid, time.now);
    expect([next.name, next.last]).toEqual(["host-0", 1_790_000_003]);
  });

  test("the slot of a dead process is taken over, that of a thread of this one is not", () => {
    const dir = newStateDir();
    const time = clock();
    const dead = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
    claim(dir, dead, time.now).mark(1_789_999_990);
    expect(claim(dir, process.pid, time.now, 0).name).toBe("host-0");
    expect(claim(dir, process.pid, time.now, 1).name).toBe("host-1");
  });

  test("a file that a process died over while it made it does not block the slot for ever", () => {
    const dir = newStateDir();
    mkdirSync(dir, { recursive: true });
    const path = join(dir, "host-0.1");
    writeFileSync(path, "");
    utimesSync(path, 1, 1);
    expect(claim(dir, process.pid, () => Date.now()).name).toBe("host-1");
    expect(claim(dir, process.pid, () => Date.now() + 60_000).name).toBe("host-0");
  });

  test("processes at once get different slots, and those of dead ones again", async () => {
    const COUNT = 6 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
    const dir = newStateDir();
    for (let round = 0; round < 2; round++) {
      const names = await Promise.all(
        Array.from({ length: COUNT }, async () => {
          const child = spawn(process.execPath, [join(import.meta.dirname, "../../fixtures/claim-slot.ts"), dir], {
            stdio: ["pipe", "pipe", "inherit"],
          });
          const name = await new Promise<string>((resolve) =>
            child.stdout.once("data", (data) => resolve(String(data).trim())),
          );
          return { name, child };
        }),
      );
      expect(names.map(({ name }) => name).sort()).toEqual(
        Array.from({ length: COUNT }, (_, number) => `host-${number}`).sort(),
      );
      for (const { child } of names) child.kill("SIGKILL");
      await Promise.all(names.map(({ child }) => new Promise((resolve) => child.once("exit", resolve))));
    }
    expect(readdirSync(dir)).toHaveLength(COUNT);
  });

  test("where slots cannot be agreed on, the pid tells processes apart", () => {
    const file = join(newStateDir(), "file");
    writeFileSync(file, "");
    expect(claim(join(file, "slots"), 77, Date.now, 3).name).toBe("host-p77-t3");
  });

  test("a process goes on after the last second of the one before it", () => {
    const seconds = createSeconds(1_790_000_005, 1_790_000_000_000);
    expect(seconds.next(1_790_000_001_000)).toEqual({ start: 1_790_000_005, end: 1_790_000_006 });
  });
});

describe("where it goes", () => {
  test("the standard variables", () => {
    const { endpoint, resource, intervalMs, notes } = readOtel({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces.example/custom",
      OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20x%2Cy, x-a=1",
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: "x-a=2",
      OTEL_EXPORTER_OTLP_TIMEOUT: "2500",
      OTEL_METRIC_EXPORT_INTERVAL: "15000",
      OTEL_SERVICE_NAME: "shop",
      OTEL_RESOURCE_ATTRIBUTES: "service.name=other,deployment.environment.name=prod%20eu",
    });
    expect(endpoint.metrics).toMatchObject({
      url: "http://collector:4318/v1/metrics",
      headers: { authorization: "Bearer x,y", "x-a": "2" },
      timeoutMs: 2_500,
      compression: "gzip",
      encoding: "json",
    });
    expect(endpoint.traces).toMatchObject({ url: "https://traces.example/custom", headers: { "x-a": "1" } });
    expect(resource).toEqual({ "service.name": "shop", "deployment.environment.name": "prod eu" });
    expect([intervalMs, notes]).toEqual([15_000, []]);
  });

  test("nothing set, switched off, and what is not understood", () => {
    expect(readOtel({})).toMatchObject({ endpoint: {}, intervalMs: 10_000, disabled: false, notes: [] });
    const set = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" };
    expect(readOtel({ ...set, OTEL_SDK_DISABLED: "true" })).toMatchObject({ endpoint: {}, disabled: true });
    expect(Object.keys(readOtel({ ...set, OTEL_METRICS_EXPORTER: "none" }).endpoint)).toEqual(["traces"]);
    expect(Object.keys(readOtel({ ...set, OTEL_TRACES_EXPORTER: "none" }).endpoint)).toEqual(["metrics"]);
    expect(readOtel({ ...set, OTEL_METRICS_EXPORTER: "console, otlp" }).endpoint.metrics).toBeDefined();
    expect(readOtel({ ...set, OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }).endpoint.metrics?.encoding).toBe(
      "protobuf",
    );
    expect(readOtel({ ...set, OTEL_EXPORTER_OTLP_COMPRESSION: "none" }).endpoint.metrics?.compression).toBe("none");
    expect(readOtel({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" }).endpoint).toEqual({});
    expect(readOtel({ ...set, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }).notes.length).toBeGreaterThan(0);
    expect(readOtel({ ...set, OTEL_METRIC_EXPORT_INTERVAL: "soon" })).toMatchObject({
      intervalMs: 10_000,
      notes: [expect.any(String)],
    });
    const secret = readOtel({ ...set, OTEL_EXPORTER_OTLP_HEADERS: "my-secret" }).notes.join();
    expect(secret).toMatch(/not key=value/);
    expect(secret).not.toMatch(/my-secret/);
  });

  test("Datadog's intake", () => {
    expect(readIntake({})).toBeUndefined();
    const intake = readIntake({
      DD_API_KEY: "k",
      DD_SITE: "us5.datadoghq.com",
      DD_SERVICE: "shop",
      DD_ENV: "prod",
      DD_VERSION: "7",
    });
    expect(intake?.endpoint.metrics).toMatchObject({
      url: "https://otlp.us5.datadoghq.com/v1/metrics",
      headers: {
        "dd-api-key": "k",
        "dd-otel-metric-config": expect.stringContaining('"resource_attributes_as_tags":true'),
      },
      encoding: "json",
    });
    expect(intake?.endpoint.traces).toBeUndefined();
    expect(intake?.resource).toEqual({
      "service.name": "shop",
      "deployment.environment.name": "prod",
      "service.version": "7",
    });
    expect(readIntake({ DD_API_KEY: "k", SPENDFUSE_DD_TRACES: "1" })?.endpoint.traces).toMatchObject({
      url: "https://otlp.datadoghq.com/v1/traces",
      headers: { "dd-otlp-source": "llmobs" },
      encoding: "protobuf",
    });
    const wrong = readIntake({ DD_API_KEY: "k", DD_SITE: "https://evil.example/#" });
    expect([wrong?.endpoint, wrong?.notes.length]).toEqual([{}, 1]);
  });
});
