import { expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { minuteOf } from "../../src/core/late/minute.ts";
import { nestScope } from "../../src/core/scope.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import { createLateCalls, type LateCalls } from "../../src/process/late-calls.ts";

const NOON = Date.UTC(2026, 10, 28, 12);
const USAGE = { ...NO_USAGE, input: 10, output: 3, cacheRead: 4 };
const traces = {
  node: nestScope(undefined, { agent: "a" }),
  ticket: undefined,
  span: undefined,
  reading: { speed: undefined, geo: "us" },
  target: { host: undefined },
};
let sequence = 0;
const call = (fields: Partial<SettledCall> = {}): SettledCall => ({
  ...{ id: `${sequence++}`, scope: { agent: "a", rootAgent: "a", key: "k" }, provider: "openai", model: "gpt-5" },
  ...{ format: "openai-chat", stream: true, ending: "completed", quality: "reported", status: 200, usage: USAGE },
  ...{ costUsd: 1, priced: "true", startedAt: NOON + 1_000, durationMs: 500 },
  ...fields,
});
const add = (late: LateCalls, one: SettledCall): void =>
  late.record(
    one,
    one.usage === undefined ? [] : [{ model: one.model, usage: one.usage, costNano: 1e9 }],
    traces as never,
  );

test("reported calls add up by key, model and the minutes that they began and ended in", () => {
  const late = createLateCalls("me");
  for (const one of [
    call(),
    call(),
    call({ startedAt: NOON + 59_900 }),
    call({ startedAt: NOON + 60_000, durationMs: 0 }),
    call({ model: "other" }),
    call({ scope: { agent: "b", rootAgent: "b", key: "k2" } }),
    call({ provider: "anthropic" }),
    call(),
  ])
    add(late, one);
  const { minutes, calls } = late.take();
  expect(calls).toEqual([]);
  const from = minuteOf(NOON);
  expect(
    minutes.map((one) => [one.provider, one.key, one.model, one.from - from, one.until - from, one.requests]),
  ).toEqual([
    ["openai", "k", "gpt-5", 0, 0, 3],
    ["openai", "k", "gpt-5", 0, 60_000, 1],
    ["openai", "k", "gpt-5", 60_000, 60_000, 1],
    ["openai", "k", "other", 0, 0, 1],
    ["openai", "k2", "gpt-5", 0, 0, 1],
    ["anthropic", "k", "gpt-5", 0, 0, 1],
  ]);
  expect(minutes[0]).toMatchObject({ inputUncached: 18, cacheRead: 12, output: 9 });
});

test("what was taken comes again as a total when it changed, when it could not be written, and to a store that lost it", () => {
  const late = createLateCalls("me");
  add(late, call());
  add(late, call({ quality: "estimated", responseId: "r" }));
  const first = late.take();
  expect(first).toMatchObject({
    calls: [{ responseId: "r", terms: { geo: "us", guessedProvider: true } }],
    minutes: [{ requests: 1 }],
  });
  expect(late.take()).toEqual({ calls: [], minutes: [] });
  add(late, call());
  expect(late.take()).toMatchObject({ calls: [], minutes: [{ requests: 2 }] });
  late.putBack(first);
  expect(late.take()).toMatchObject({ calls: [{ responseId: "r" }], minutes: [{ requests: 2 }] });
  late.retell();
  expect(late.take()).toMatchObject({ calls: [{ responseId: "r" }], minutes: [{ requests: 2 }] });
  late.drop(first.calls[0]?.id ?? "");
  late.retell();
  expect(late.take()).toMatchObject({ calls: [], minutes: [{ requests: 2 }] });
});

test("memory stays bounded, however many calls break off and keys there are", () => {
  const late = createLateCalls("me");
  for (let one = 0; one < 30_000; one += 1) {
    const scope = { agent: "a", rootAgent: "a", key: `k${one}` };
    add(late, call({ quality: "estimated" }));
    add(late, call({ scope }));
    if (one % 100 === 0) late.take();
  }
  late.retell();
  const { calls, minutes } = late.take();
  expect(calls).toHaveLength(5_000);
  expect(calls.at(-1)?.id).toBe([...late.pending.keys()].at(-1));
  expect(minutes.length).toBeLessThanOrEqual(10_000);
});
