import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { METRICS } from "../../../src/core/names.ts";
import { nestScope, TAG_LENGTH } from "../../../src/core/scope.ts";
import { createTagBounds, declaredTags, MAX_TAG_VALUES, OTHER } from "../../../src/core/tags/tags.ts";
import { createInstruments, type Taken } from "../../../src/meter/metrics/instruments.ts";
import { chargeName } from "../../../src/pricing/charge.ts";
import { part, settledCall } from "../../fixtures/calls.ts";

const TAGS = ["customer", "feature", "release"];

function instrumentsFor(seriesLimit?: number, max?: number) {
  const bounds = createTagBounds(max);
  return createInstruments({ processName: () => "h-0", tags: TAGS, bounds, ...(seriesLimit && { seriesLimit }) });
}

function pointsOf(taken: readonly Taken[], name: string) {
  const metric = taken.find((one) => one.metric.name === name);
  return metric?.kind === "sum" ? metric.points : [];
}

function callOf(agent: string, given: object) {
  const tags = declaredTags(given, TAGS);
  const { scope } = nestScope(undefined, { agent, ...(tags && { tags }) });
  return settledCall("a", { scope });
}

test("cost and tokens of calls on a subscription are series of their own, even when folded", () => {
  for (const seriesLimit of [1_900, 0]) {
    const instruments = instrumentsFor(seriesLimit);
    instruments.record(settledCall("a"), [part(5)]);
    instruments.record(settledCall("a", { priced: "plan" }), [part(7)]);
    instruments.record(settledCall("a"), [part(11)]);
    const taken = instruments.take();
    const costs = pointsOf(taken, METRICS.cost.name).map(({ value, tags }) => [value, tags.priced]);
    expect(costs).toEqual([
      [16e-9, undefined],
      [7e-9, "plan"],
    ]);
    for (const { name } of [METRICS.tokens, METRICS.calls])
      expect(pointsOf(taken, name).filter(({ tags }) => tags.priced === "plan")).not.toEqual([]);
  }
});

describe("tags of the user's own", () => {
  test("are on cost, tokens, calls and blocked calls, in one order however they were set", () => {
    const instruments = instrumentsFor();
    const outer = nestScope(undefined, { agent: "a", tags: { feature: "chat" } });
    const one = nestScope(outer, { tags: { customer: "acme" } }).scope;
    const other = nestScope(undefined, { agent: "a", tags: { customer: "acme", feature: "chat" } }).scope;
    for (const scope of [one, other]) instruments.record(settledCall("a", { scope }), [part(5)]);
    instruments.blocked(one, "budget", "enforce");
    const taken = instruments.take();
    expect(pointsOf(taken, METRICS.cost.name)).toEqual([
      { value: 1e-8, tags: expect.objectContaining({ agent: "a", customer: "acme", feature: "chat" }) },
    ]);
    for (const { name } of [METRICS.tokens, METRICS.calls, METRICS.blockedCalls]) {
      expect(pointsOf(taken, name).map(({ tags }) => [tags.customer, tags.feature])).not.toEqual([]);
      for (const { tags } of pointsOf(taken, name)) expect([tags.customer, tags.feature]).toEqual(["acme", "chat"]);
    }
  });

  test("of other values than the first 100 add up in other", () => {
    const instruments = instrumentsFor();
    for (let index = 0; index < 150; index++) instruments.record(callOf("a", { customer: `c${index}` }), [part(1)]);
    const points = pointsOf(instruments.take(), METRICS.cost.name);
    expect(points).toHaveLength(MAX_TAG_VALUES + 1);
    expect(points.find(({ tags }) => tags.customer === OTHER)?.value).toBeCloseTo(50e-9, 15);
  });

  const word = fc.stringMatching(/^[a-z]{1,3}$/);
  const calls = fc.array(
    fc.record({
      agent: fc.constantFrom("a", "b", "c", "d"),
      tags: fc.record({ customer: word, feature: word, release: word }, { requiredKeys: [] }),
      cost: fc.integer({ min: 1, max: 1_000 }),
    }),
    { minLength: 1, maxLength: 200 },
  );

  test("keep the number of values and of series bounded, and the sum exact", () => {
    fc.assert(
      fc.property(calls, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 8, max: 60 }), (given, max, limit) => {
        const instruments = instrumentsFor(limit, max);
        for (const { agent, tags, cost } of given) instruments.record(callOf(agent, tags), [part(cost)]);
        const points = pointsOf(instruments.take(), METRICS.cost.name);
        expect(Math.round(points.reduce((sum, { value }) => sum + value * 1e9, 0))).toBe(
          given.reduce((sum, { cost }) => sum + cost, 0),
        );
        for (const name of TAGS) {
          const values = new Set(points.flatMap(({ tags }) => tags[name] ?? []));
          expect(values.size).toBeLessThanOrEqual(max + 1);
        }
        expect(points.filter(({ tags }) => tags.agent !== OTHER).length).toBeLessThanOrEqual(limit);
        expect(new Set(points.map(({ tags }) => JSON.stringify(tags))).size).toBe(points.length);
      }),
      { numRuns: 200 },
    );
  });

  /** What a caller may hand over as a name or a value. */
  const hostile = fc.oneof(
    fc.constantFrom(
      "",
      " ",
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
      "other",
      "a,b:c",
      "\u0000",
      "\ud800",
    ),
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.string({ unit: "grapheme", maxLength: 12 }),
    fc.integer({ min: 1, max: 40 }).map((length) => "Ä".repeat(length * 100)),
    fc.stringMatching(/^[a-z]{1,2}$/),
  );
  const spending = fc.array(
    fc.record({
      agent: hostile,
      tags: fc.dictionary(fc.oneof(fc.constantFrom(...TAGS), hostile), hostile, { maxKeys: 5 }),
      cost: fc.integer({ min: 1, max: 1_000_000 }),
      what: fc.option(hostile, { nil: undefined }),
    }),
    { minLength: 1, maxLength: 150 },
  );

  test("whatever is given as agent, tag or charge, each instrument is bounded and its sum exact to the nano-dollar", () => {
    fc.assert(
      fc.property(spending, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 8, max: 60 }), (given, max, limit) => {
        const instruments = instrumentsFor(limit, max);
        const sums = { calls: 0, cost: 0, charges: 0 };
        for (const { agent, tags, cost, what } of given) {
          const call = callOf(agent, tags);
          if (what === undefined) {
            instruments.record(call, [part(cost)]);
            sums.cost += cost;
            sums.calls += 1;
          } else {
            instruments.charge({ scope: call.scope, what: chargeName(what) || "x", costNano: cost, units: 1, at: 0 });
            sums.charges += cost;
          }
        }
        const taken = instruments.take();
        const sumOf = (name: string, factor: number): number =>
          Math.round(pointsOf(taken, name).reduce((sum, { value }) => sum + value * factor, 0));
        expect(sumOf(METRICS.cost.name, 1e9)).toBe(sums.cost);
        expect(sumOf(METRICS.charges.name, 1e9)).toBe(sums.charges);
        expect(sumOf(METRICS.calls.name, 1)).toBe(sums.calls);
        for (const { metric } of taken) {
          const points = pointsOf(taken, metric.name);
          expect(points.filter(({ tags }) => tags.agent !== OTHER).length).toBeLessThanOrEqual(limit);
          expect(new Set(points.map(({ tags }) => JSON.stringify(tags))).size).toBe(points.length);
          for (const name of [...TAGS, "what"]) {
            const values = new Set(points.flatMap(({ tags }) => tags[name] ?? []));
            expect(values.size).toBeLessThanOrEqual(max + 1);
          }
          for (const [name, value] of points.flatMap(({ tags }) => Object.entries(tags))) {
            // The names of OpenTelemetry's own attributes are longer than ours.
            if (!name.startsWith("gen_ai")) expect(`${name}:${value}`.length).toBeLessThanOrEqual(TAG_LENGTH);
            expect(value).not.toBe("");
          }
        }
      }),
      { numRuns: 200 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1) },
    );
    expect(({} as Record<string, unknown>).customer).toBeUndefined();
  });

  test("100,000 values of each are no more series than the limit, and nothing is lost", () => {
    const instruments = instrumentsFor();
    for (let index = 0; index < 100_000; index++) {
      const call = callOf(`agent-${index % 5000}`, {
        customer: `c${index}`,
        feature: `f${index}`,
        release: `r${index}`,
      });
      instruments.record(call, [part(3)]);
      instruments.charge({ scope: call.scope, what: chargeName(`tool ${index}`), costNano: 7, units: 1, at: 0 });
    }
    const taken = instruments.take();
    for (const [name, nano] of [
      [METRICS.cost.name, 300_000],
      [METRICS.charges.name, 700_000],
    ] as const) {
      const points = pointsOf(taken, name);
      expect(points.length).toBeLessThanOrEqual(2_000);
      expect(Math.round(points.reduce((sum, { value }) => sum + value * 1e9, 0))).toBe(nano);
      for (const tag of TAGS) {
        expect(new Set(points.flatMap(({ tags }) => tags[tag] ?? [])).size).toBeLessThanOrEqual(MAX_TAG_VALUES + 1);
      }
    }
  });

  test("never take the place of an agent", () => {
    const instruments = instrumentsFor(40);
    for (let index = 0; index < 60; index++) instruments.record(callOf("a", { customer: `c${index}` }), [part(1)]);
    for (const agent of ["b", "c", "d"]) instruments.record(callOf(agent, { customer: "new" }), [part(1)]);
    const agents = pointsOf(instruments.take(), METRICS.cost.name).map(({ tags }) => tags.agent);
    expect(new Set(agents)).toEqual(new Set(["a", "b", "c", "d"]));
  });
});
