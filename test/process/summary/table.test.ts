import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import type { Usage } from "../../../src/core/usage.ts";
import { summaryLines } from "../../../src/process/summary/table.ts";
import { createTotals, OTHERS } from "../../../src/process/summary/totals.ts";

const USAGE: Usage = {
  ...{ input: 1_000, output: 100, cacheRead: 0, cacheWrite: 0, cacheWrite1h: 0, reasoning: 0, webSearches: 0 },
} as Usage;

function call(agent: string, of: Partial<SettledCall> = {}): SettledCall {
  return {
    ...{ id: "1", scope: { agent, rootAgent: agent }, provider: "openai", model: "gpt-5", format: "openai-chat" },
    ...{ stream: false, ending: "completed", quality: "reported", priced: "true", startedAt: 0, durationMs: 1 },
    ...of,
  } as SettledCall;
}

const part = (costNano: number | undefined, usage: Partial<Usage> = {}) => [
  { model: "gpt-5", usage: { ...USAGE, ...usage }, costNano },
];

describe("the table at the end of a process", () => {
  test("nothing metered: no table", () => {
    expect(summaryLines(createTotals(), 1)).toEqual([]);
  });

  test("one agent, everything reported: no column that is empty, and no total", () => {
    const totals = createTotals();
    totals.add(call("writer"), part(2_250_000));
    totals.add(call("writer"), part(250_000_000));
    expect(summaryLines(totals, 12.34)).toEqual([
      "cost $0.25 in 2 calls by 1 agent in 12 s",
      "agent   calls  input  output   cost  figures",
      "writer      2  2,000     200  $0.25  reported",
    ]);
  });

  test("endings, quality, cached input, charges and what has no price are told apart", () => {
    const totals = createTotals();
    totals.add(call("cheap"), part(1_000));
    totals.add(call("dear", { ending: "canceled", quality: "estimated" }), part(2_000_000_000, { cacheRead: 400 }));
    totals.add(call("dear", { ending: "canceled", quality: "unknown", priced: "none" }), []);
    totals.add(call("dear", { ending: "failed", quality: "unknown", priced: "none" }), []);
    totals.add(call("dear", { ending: "blocked", quality: "unknown", priced: "none" }), []);
    totals.add(call("dear", { priced: "false" }), part(undefined));
    totals.charge({
      ...{ scope: { agent: "searcher", rootAgent: "searcher" }, what: "search", costNano: 8_000_000 },
      ...{ units: undefined, at: 0 },
    });
    expect(summaryLines(totals, 3_700)).toEqual([
      "cost ≥ $2.01 in 5 calls by 3 agents in 1 h 1 min",
      "agent     calls  canceled  failed  refused  charges  input  cached  output       cost  figures",
      "dear          4         2       1        1        0  2,000     400     200    ≥ $2.00  1 estimated, 1 unknown, 1 without a full price",
      "searcher      0         0       0        0        1      0       0       0    $0.0080  reported",
      "cheap         1         0       0        0        0  1,000       0     100  < $0.0001  reported",
      "total         5         2       1        1        1  3,000     400     300    ≥ $2.01  1 estimated, 1 unknown, 1 without a full price",
    ]);
  });

  test("a call of unknown cost is not $0", () => {
    const totals = createTotals();
    totals.add(call("writer", { priced: "false" }), part(undefined));
    expect(summaryLines(totals, 90)[0]).toBe("cost unknown in 1 call by 1 agent in 1 min");
  });

  test("agents without number: the dearest are shown, the rest in one row, and memory is bounded", () => {
    const totals = createTotals();
    for (let index = 0; index < 5_000; index++) totals.add(call(`agent-${index}`), part(1_000_000));
    expect(totals.rows()).toHaveLength(1_001);
    expect(totals.rows()[0]).toMatchObject([OTHERS, { completed: 4_000 }]);
    const lines = summaryLines(totals, 1);
    expect(lines).toHaveLength(1 + 1 + 20 + 2);
    expect(lines.at(-2)).toMatch(/^981 more agents +981 /);
    expect(lines.at(-1)).toMatch(/^total +5,000 .* \$5\.00 /);
  });
});
