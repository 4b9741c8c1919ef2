import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { METRICS } from "../../../src/core/names.ts";
import { nestScope } from "../../../src/core/scope.ts";
import { createTagBounds, declaredTags, MAX_TAG_VALUES, OTHER } from "../../../src/core/tags/tags.ts";
import { createInstruments, type Taken } from "../../../src/meter/metrics/instruments.ts";
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
  return settledCall(agent, { scope });
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

  test("never take the place of an agent", () => {
    const instruments = instrumentsFor(40);
    for (let index = 0; index < 60; index++) instruments.record(callOf("a", { customer: `c${index}` }), [part(1)]);
    for (const agent of ["b", "c", "d"]) instruments.record(callOf(agent, { customer: "new" }), [part(1)]);
    const agents = pointsOf(instruments.take(), METRICS.cost.name).map(({ tags }) => tags.agent);
    expect(new Set(agents)).toEqual(new Set(["a", "b", "c", "d"]));
  });
});
