import { describe, expect, test } from "vitest";
import { createReceived } from "../../../../src/cli/commands/top/otlp-source.ts";
import { totalsOf } from "../../../../src/cli/commands/top/store-source.ts";
import { type MeteredRow, NOTHING_METERED } from "../../../../src/core/metered.ts";
import type { MetricsRequest } from "../../../../src/sandbox/intake/otlp.ts";

const tag = (key: string, stringValue: string) => ({ key, value: { stringValue } });

function request(
  name: string,
  value: number,
  tags: Readonly<Record<string, string>>,
  aggregationTemporality: number | string = 1,
): MetricsRequest {
  const attributes = Object.entries(tags).map(([key, text]) => tag(key, text));
  const sum = { aggregationTemporality, isMonotonic: true, dataPoints: [{ asDouble: value, attributes }] };
  return {
    resourceMetrics: [
      { resource: { attributes: [tag("service.name", "bots")] }, scopeMetrics: [{ metrics: [{ name, sum }] }] },
    ],
  };
}

describe("metrics that are received", () => {
  test("deltas add up by agent: cost, charges, tokens, calls without those that were refused", () => {
    const received = createReceived("agent");
    for (const _ of [1, 2]) {
      received.take(request("spendfuse.cost", 0.25, { agent: "a", quality: "reported" }));
      received.take(
        request("spendfuse.calls", 3, { agent: "a", ending: "completed", quality: "reported", priced: "true" }),
      );
    }
    received.take(request("spendfuse.charges", 0.5, { agent: "a" }));
    received.take(
      request("spendfuse.calls", 1, { agent: "a", ending: "canceled", quality: "estimated", priced: "true" }),
    );
    received.take(request("spendfuse.calls", 9, { agent: "a", ending: "blocked", quality: "unknown", priced: "none" }));
    received.take(
      request("spendfuse.tokens", 70, { agent: "b", token_type: "output" }, "AGGREGATION_TEMPORALITY_DELTA"),
    );
    received.take(request("other.metric", 70, { agent: "c" }));
    expect([...received.totals]).toEqual([
      ["a", { calls: 7, tokens: 0, nano: 1_000_000_000, inexact: 1 }],
      ["b", { calls: 0, tokens: 70, nano: 0, inexact: 0 }],
    ]);
  });

  test("running totals count what they grew by, also when a process begins again", () => {
    const received = createReceived("agent");
    for (const [value, process] of [
      [1, "0"],
      [3, "0"],
      [10, "1"],
      [3, "0"],
      [0.5, "0"],
    ] as const)
      received.take(request("spendfuse.cost", value, { agent: "a", process }, 2));
    expect(received.totals.get("a")?.nano).toBe(13_500_000_000);
  });

  test("malformed points change nothing", () => {
    const received = createReceived("agent");
    received.take({});
    received.take(request("spendfuse.cost", Number.NaN, { agent: "a" }));
    received.take({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "spendfuse.cost" }] }] }] });
    expect([...received.totals.values()].every(({ nano }) => nano === 0)).toBe(true);
  });
});

test("rows of a store add up by what is asked for", () => {
  const row = (of: Partial<MeteredRow>): MeteredRow => ({
    ...{ day: 0, provider: "openai", model: "gpt-5", tier: "", key: "k", agent: "a", rootAgent: "boss", team: "" },
    ...{ project: "", quality: "reported" as const, priced: "true" as const },
    ...NOTHING_METERED,
    ...of,
  });
  const rows = [
    row({ calls: 2, cost: 5, inputUncached: 10, cacheRead: 1, cacheWrite: 2, output: 3 }),
    row({ calls: 1, cost: 7, agent: "b", quality: "estimated" }),
    row({ calls: 1, cost: 0, agent: "b", priced: "false" }),
    row({ calls: 1, cost: 1, agent: "b", quality: "settled" }),
  ];
  expect([...totalsOf(rows, "agent")]).toEqual([
    ["a", { calls: 2, tokens: 16, nano: 5, inexact: 0 }],
    ["b", { calls: 3, tokens: 0, nano: 8, inexact: 2 }],
  ]);
  expect([...totalsOf(rows, "root_agent").keys()]).toEqual(["boss"]);
  expect([...totalsOf(rows, "team").keys()]).toEqual(["-"]);
});
