import { beforeAll, describe, expect, test } from "vitest";
import { settleLate } from "../../../src/billing/late/settle-late.ts";
import type { LateVendor, VendorMinute } from "../../../src/billing/late/vendors/late-vendor.ts";
import type { LateCall, LateSettlement } from "../../../src/core/late/late-call.ts";
import { addUsage, type MinuteTotal, minuteOf, NO_MINUTE } from "../../../src/core/late/minute.ts";
import { NO_USAGE, type Usage } from "../../../src/core/usage.ts";
import { openPriceBook } from "../../../src/pricing/open.ts";
import type { PriceSource } from "../../../src/pricing/price.ts";
import { createRandom } from "../../random.ts";

const MINUTE = 60_000;
const NOON = Date.UTC(2026, 10, 28, 12);
let price: PriceSource;
beforeAll(async () => {
  price = await openPriceBook({ prices: [], discounts: [] });
});

/** A call as it was: what the vendor counted of it, and whether its caller left. */
interface Made {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly usage: Usage;
  readonly left: boolean;
  /** Whether it went around the meter. */
  readonly unmetered?: boolean;
  /** How long the vendor went on, in milliseconds. */
  readonly lingers?: number;
}

/** Calls of a key that is never idle: several a minute, each for many seconds. */
function busy(seed: number, leftShare = 0.02): Made[] {
  const random = createRandom(seed);
  return Array.from({ length: 600 }, (_, index): Made => {
    const startedAt = NOON + index * 10_000 + Math.floor(random() * 9_000);
    const left = random() < leftShare;
    const usage = { ...NO_USAGE, input: 100 + Math.floor(random() * 900), output: 1 + Math.floor(random() * 300) };
    return {
      startedAt,
      endedAt: startedAt + 5_000 + Math.floor(random() * 40_000),
      usage,
      left,
      lingers: left ? 800 : 0,
    };
  });
}

/** Settles what was left by what a vendor counts that files a call under this one of its times. */
async function settle(made: readonly Made[], rule: "startedAt" | "endedAt", now = NOON + 120 * MINUTE) {
  const calls = made.flatMap(({ left, startedAt, endedAt, unmetered, usage }, index): LateCall[] =>
    left && !unmetered
      ? [
          {
            id: `p/${index}`,
            responseId: "",
            group: {
              ...{ day: NOON - (NOON % 86_400_000), provider: "openai", model: "gpt-5", tier: "default", key: "prod" },
              ...{ agent: "a", rootAgent: "a", team: "", project: "", quality: "estimated", priced: "true" },
            },
            usage: { ...usage, output: Math.ceil(usage.output / 2) },
            costNano: 1,
            startedAt,
            endedAt,
            terms: {},
          },
        ]
      : [],
  );
  const minutes = made.flatMap(({ left, startedAt, endedAt, usage, unmetered }): MinuteTotal[] => {
    if (left || unmetered) return [];
    const total = { ...{ provider: "openai", key: "prod", model: "gpt-5-2025-08-07" }, ...NO_MINUTE };
    addUsage(total, usage);
    return [{ ...total, from: minuteOf(startedAt), until: minuteOf(endedAt) }];
  });
  const rows = made.map(({ usage, lingers = 0, ...times }): VendorMinute => {
    const { webSearches: _, ...sums } = { ...NO_MINUTE };
    const at = times[rule] + (rule === "endedAt" ? lingers : 0);
    const counted = { ...sums, requests: 1, inputUncached: usage.input, output: usage.output };
    return { minute: minuteOf(at), key: "key_1", model: "gpt-5-2025-08-07", tier: "default", ...counted };
  });
  const settlements = new Map<string, LateSettlement>();
  const asked: (readonly [number, number])[] = [];
  const vendor: LateVendor = {
    ...{ name: "openai", title: "OpenAI", providers: ["openai"], variables: ["KEY"], needs: "", urlVariable: "" },
    open: () => ({}),
  };
  await settleLate({
    store: {
      late: () => ({ calls, settlements, minutes }),
      settle(call, settlement) {
        settlements.set(call.id, settlement);
        return true;
      },
    },
    vendor,
    reports: {
      names: async () => [{ kind: "key", id: "key_1", name: "prod" }],
      async minutes(from, until) {
        asked.push([from, until]);
        return rows.filter(({ minute }) => minute >= from && minute < until);
      },
    },
    price,
    aliases: {},
    now: () => now,
    patience: { sleep: async () => {}, random: () => 0 },
    at: now,
    by: "poll",
    attempts: new Map(),
    onInvalid(error) {
      throw error;
    },
  });
  const usageOf = (id: string): Usage | undefined => made[Number(id.slice(2))]?.usage;
  return {
    left: calls.length,
    settled: [...settlements].map(([id, { usage }]) => ({ told: usage, truth: usageOf(id) })),
    asked,
  };
}

const sumOf = (usages: readonly (Usage | undefined)[]): readonly number[] => [
  usages.reduce((sum, usage) => sum + (usage?.input ?? 0), 0),
  usages.reduce((sum, usage) => sum + (usage?.output ?? 0), 0),
];

describe.each(["startedAt", "endedAt"] as const)("a key that is never idle, counted by %s", (rule) => {
  test.each([1, 2, 3, 4, 5])("settles all, %d", async (seed) => {
    const { settled, left, asked } = await settle(busy(seed), rule);
    expect(left).toBeGreaterThan(4);
    expect(settled).toHaveLength(left);
    expect(sumOf(settled.map(({ told }) => told))).toEqual(sumOf(settled.map(({ truth }) => truth)));
    expect(asked.every(([from, until]) => until - from <= 24 * 60 * MINUTE)).toBe(true);
  });

  test("settles nothing of minutes in which the key was also used without the meter", async () => {
    const made = busy(7).map((one, index) => (index % 4 === 1 ? { ...one, left: false, unmetered: true } : one));
    expect((await settle(made, rule)).settled).toEqual([]);
  });
});

test("a vendor whose minutes follow no rule settles nothing", async () => {
  const made = busy(9).map((one, index) => ({ ...one, lingers: (index % 7) * 25_000 }));
  const { settled } = await settle(made, "endedAt");
  expect(settled).toEqual([]);
});

test("calls of a quiet key are exact by either rule, also across the minutes", async () => {
  const usage = { ...NO_USAGE, input: 500, output: 77 };
  const one = (at: number, left: boolean): Made => ({ startedAt: NOON + at, endedAt: NOON + at + 50_000, usage, left });
  for (const rule of ["startedAt", "endedAt"] as const) {
    const { settled, left } = await settle([one(0, false), one(30_000, true), one(20 * MINUTE + 40_000, true)], rule);
    expect(left).toBe(2);
    expect(settled).toHaveLength(2);
    for (const { told, truth } of settled) expect(told).toEqual(truth);
  }
});
