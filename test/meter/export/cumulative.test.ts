import { afterAll, afterEach, describe, expect, test } from "vitest";
import { readOtel } from "../../../src/meter/export/endpoint.ts";
import { reasonOf } from "../../../src/meter/export/refusal-reason.ts";
import { part, settledCall } from "../../fixtures/calls.ts";
import {
  type Exporting,
  type ExportingOptions,
  newStateDir,
  removeStateDirs,
  startExporting,
} from "../../fixtures/exporting.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../../servers/otlp-receiver.ts";

const COST = "spendfuse.cost";
const CUMULATIVE = 2;
const START = 1_790_000_000_000;
let receiver: OtlpReceiver;
const exporting: Exporting[] = [];

afterEach(async () => {
  for (const { exporter } of exporting.splice(0)) exporter.stop();
  await receiver.close();
});
afterAll(removeStateDirs);

function open(options: ExportingOptions): Exporting {
  const one = startExporting({ url: receiver.url, temporality: "cumulative", ...options });
  exporting.push(one);
  return one;
}

/** What Prometheus makes of it: the increases of each series from its first sample on, a fall being a restart. */
function increase(metric: string): number {
  const series = new Map<string, Map<number, number>>();
  for (const { tags, second, value } of receiver.points(metric)) {
    const key = JSON.stringify(Object.entries(tags).sort());
    const samples = series.get(key) ?? new Map<number, number>();
    // Prometheus refuses two different samples of one time.
    if ((samples.get(second) ?? value) !== value) throw new Error(`two values at ${second}`);
    samples.set(second, value);
    series.set(key, samples);
  }
  let sum = 0;
  for (const samples of series.values()) {
    const values = [...samples].sort(([a], [b]) => a - b).map(([, value]) => value);
    for (const [index, value] of values.entries()) {
      const before = values[index - 1];
      if (before !== undefined) sum += value < before ? value : value - before;
    }
  }
  return Math.round(sum * 1e9);
}

describe("cumulative", () => {
  test("totals of all series since the process began, each beginning with a zero", async () => {
    receiver = await startOtlpReceiver();
    let now = START;
    const { instruments, exporter } = open({ now: () => now });
    instruments.record(settledCall("a"), [part(5)]);
    now += 10_000;
    await exporter.flush();
    instruments.record(settledCall("b"), [part(7)]);
    now += 10_000;
    await exporter.flush();
    instruments.record(settledCall("a"), [part(30)]);
    now += 10_000;
    await exporter.flush();
    const points = receiver.points(COST);
    expect(points.every(({ temporality }) => temporality === CUMULATIVE)).toBe(true);
    expect(new Set(points.map(({ start }) => start))).toEqual(new Set([START / 1_000 - 1]));
    const of = (agent: string) =>
      points
        .filter(({ tags }) => tags.agent === agent)
        .map(({ second, value }) => [second - START / 1_000, Math.round(value * 1e9)]);
    expect(of("a")).toEqual([
      [-1, 0],
      [10, 5],
      [20, 5],
      [30, 35],
    ]);
    expect(of("b")).toEqual([
      [10, 0],
      [20, 7],
      [30, 7],
    ]);
    expect(increase(COST)).toBe(42);
    const durations = receiver.points("gen_ai.client.inference.duration").filter(({ tags }) => !("x" in tags));
    expect(durations.at(-1)).toMatchObject({ kind: "histogram", temporality: CUMULATIVE });
    expect(Math.max(...durations.map(({ count }) => count ?? 0))).toBe(2);
    // Gauges have no temporality.
    expect(receiver.points("spendfuse.spool.pending").every(({ kind }) => kind === "gauge")).toBe(true);
  });

  test.each([
    ["the same again", [5], [5]],
    ["more", [5], [9]],
    ["less", [9, 9], [2]],
  ])(
    "a process that takes over the slot and spends %s: nothing is lost, no time is given twice",
    async (_, one, two) => {
      receiver = await startOtlpReceiver();
      const stateDir = newStateDir();
      let now = START;
      for (const spent of [one, two]) {
        const { instruments, exporter, slot } = open({ stateDir, now: () => now });
        for (const nano of spent) {
          instruments.record(settledCall("a"), [part(nano)]);
          now += 500;
          await exporter.flush();
        }
        exporter.stop();
        slot.release();
        now += 5_000;
      }
      expect(new Set(receiver.points(COST).map(({ tags }) => tags.process))).toEqual(new Set(["host-0"]));
      expect(increase(COST)).toBe([...one, ...two].reduce((a, b) => a + b));
    },
  );

  test("a failed export costs nothing once a later one arrives, and money stays whole nano-dollars", async () => {
    receiver = await startOtlpReceiver();
    let now = START;
    const { instruments, exporter } = open({ now: () => now });
    for (let index = 0; index < 51; index++) {
      receiver.answer(() => (index % 3 === 1 ? { status: 503 } : {}));
      instruments.record(settledCall("a"), [part(100_000_003)]);
      now += 10_000;
      await exporter.flush();
    }
    const values = receiver.points(COST).map(({ value }) => value);
    expect(Math.max(...values)).toBe((51 * 100_000_003) / 1e9);
    expect(increase(COST)).toBe(51 * 100_000_003);
  });
});

test.each([
  [undefined, "delta", 0],
  ["", "delta", 0],
  ["delta", "delta", 0],
  ["LowMemory", "delta", 0],
  ["cumulative", "cumulative", 0],
  [" CUMULATIVE ", "cumulative", 0],
  ["other", "delta", 1],
])("the preference %j is %s", (value, temporality, notes) => {
  const env = { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: value };
  const read = readOtel(env);
  expect([read.temporality, read.notes.length]).toEqual([temporality, notes]);
});

const status = Buffer.concat([Buffer.from([0x08, 3, 0x12, 11]), Buffer.from("bad\nrequest")]);

test.each<[string, Buffer, boolean, string]>([
  ["text", Buffer.from("out of order sample\n"), false, "out of order sample"],
  ["JSON", Buffer.from('{"code":3,"message":"bad point"}'), false, "bad point"],
  ["JSON:API", Buffer.from('{"errors":[{"detail":"no metrics"}]}'), false, "no metrics"],
  ["errors in a list", Buffer.from('{"errors":["Forbidden"]}'), false, "Forbidden"],
  ["a google.rpc.Status", status, true, "bad request"],
  ["a broken Status", Buffer.from([0x12, 200]), true, ""],
  ["a page", Buffer.from("<html><body>502</body></html>"), false, ""],
  ["nothing", Buffer.alloc(0), false, ""],
  ["a key that was sent", Buffer.from("wrong key abcdef"), false, "wrong key ***"],
  ["much", Buffer.from("x".repeat(500)), false, `${"x".repeat(200)}…`],
  [
    "Prometheus about deltas",
    Buffer.from('invalid temporality and type combination for metric "spendfuse.cost"'),
    false,
    'invalid temporality and type combination for metric "spendfuse.cost"; set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative',
  ],
])("a refusal that says %s", (_, body, protobuf, reason) => {
  expect(reasonOf({ body, protobuf }, { headers: { "x-key": "abcdef" } })).toBe(reason);
});
