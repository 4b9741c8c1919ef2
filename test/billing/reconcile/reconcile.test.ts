import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Charge, VendorUsage } from "../../../src/billing/reconcile/bill.ts";
import { type BillLine, type ReconcileInput, reconcile } from "../../../src/billing/reconcile/reconcile.ts";
import type { MeteredRow } from "../../../src/core/metered.ts";

const DAY = Date.UTC(2026, 10, 1);

const row = (fields: Partial<MeteredRow> = {}): MeteredRow => ({
  day: DAY,
  provider: "openai",
  model: "gpt-5",
  tier: "default",
  key: "prod",
  agent: "a",
  rootAgent: "a",
  team: "",
  project: "",
  quality: "reported",
  priced: "true",
  calls: 1,
  cost: 0,
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite: 0,
  output: 0,
  webSearches: 0,
  ...fields,
});

const charge = (fields: Partial<Charge> = {}): Charge => ({
  day: DAY,
  project: "proj",
  key: "key_1",
  model: "gpt-5",
  tier: undefined,
  type: "output",
  nano: 0n,
  ...fields,
});

const usage = (fields: Partial<VendorUsage> = {}): VendorUsage => ({
  day: DAY,
  project: "proj",
  key: "key_1",
  model: "gpt-5",
  tier: undefined,
  counts: {},
  requests: undefined,
  ...fields,
});

const run = (fields: Partial<ReconcileInput>): readonly BillLine[] =>
  reconcile({
    charges: [],
    usages: [],
    metered: [],
    links: new Map([["key_1", "prod"]]),
    unbilledTiers: new Set(),
    open: false,
    discounted: false,
    ...fields,
  });

/** By agent, `-` for ungoverned: billed, metered, and the reasons. */
const short = (lines: readonly BillLine[]) =>
  Object.fromEntries(
    lines.map(({ bearer, billed, metered, reasons, why, key }) => [
      `${bearer?.agent ?? "-"} ${key}`,
      [billed, metered, { ...reasons, ...why }],
    ]),
  );

describe("the bill is laid on who was metered", () => {
  test("by tokens of the same kind, not by money of all kinds", () => {
    const lines = run({
      charges: [
        charge({ type: "input_uncached", nano: 1_000n, quantity: 100 }),
        charge({ type: "output", nano: 9_000n, quantity: 90 }),
      ],
      metered: [
        row({ agent: "reader", inputUncached: 100, output: 0, cost: 1_000 }),
        row({ agent: "writer", output: 90, cost: 9_000 }),
      ],
    });
    expect(short(lines)).toEqual({ "reader key_1": [1_000n, 1_000n, {}], "writer key_1": [9_000n, 9_000n, {}] });
  });

  test("unmetered spend is ungoverned, with the same key and model", () => {
    const lines = run({
      charges: [charge({ nano: 10_000n, quantity: 100 })],
      metered: [row({ output: 60, cost: 6_000 })],
    });
    expect(short(lines)).toEqual({
      "a key_1": [6_000n, 6_000n, {}],
      "- key_1": [4_000n, 0n, { unmetered: 4_000n }],
    });
  });

  test("a key that another agent used stays that agent's", () => {
    const lines = run({
      links: new Map([
        ["key_1", "prod"],
        ["key_2", "batch"],
      ]),
      charges: [charge({ nano: 500n, quantity: 5 }), charge({ key: "key_2", nano: 700n, quantity: 7 })],
      metered: [row({ output: 5, cost: 500 })],
    });
    expect(short(lines)).toEqual({
      "a key_1": [500n, 500n, {}],
      "- key_2": [700n, 0n, { unmetered: 700n }],
    });
  });

  test("keys that are not linked are reconciled together, by model", () => {
    const lines = run({
      links: new Map(),
      charges: [charge({ key: "key_7", nano: 500n, quantity: 5 }), charge({ key: "key_8", nano: 500n, quantity: 5 })],
      metered: [row({ key: "9f86d081", output: 10, cost: 1_000 })],
    });
    expect(short(lines)).toEqual({ "a key_7": [500n, 500n, {}], "a key_8": [500n, 500n, {}] });
  });

  test("a linked key's calls never explain another key's bill", () => {
    const lines = run({
      charges: [charge({ key: "key_9", nano: 500n, quantity: 5 })],
      metered: [row({ output: 5, cost: 500 })],
    });
    expect(short(lines)).toEqual({
      "- key_9": [500n, 0n, { unmetered: 500n }],
      "a ": [0n, 500n, { not_billed: -500n }],
    });
  });

  test("where the vendor cannot say keys, all of its day is one", () => {
    const lines = run({
      charges: [charge({ key: undefined, nano: 500n, quantity: 5 })],
      metered: [row({ output: 5, cost: 500 })],
    });
    expect(short(lines)).toEqual({ "a ": [500n, 500n, {}] });
  });

  test("dated snapshots are told apart where both sides do", () => {
    const models = ["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"];
    const lines = run({
      charges: models.map((model, index) => charge({ model, nano: BigInt(index + 1) * 100n, quantity: 10 })),
      metered: models.map((model, index) => row({ agent: `${index}`, model, output: 10, cost: (index + 1) * 100 })),
    });
    expect(short(lines)).toEqual({ "0 key_1": [100n, 100n, {}], "1 key_1": [200n, 200n, {}] });
  });

  test("and are one model where the bill does not", () => {
    const lines = run({
      charges: [charge({ model: "gpt-5", nano: 100n, quantity: 10 })],
      metered: [row({ model: "gpt-5-2025-08-07", output: 10, cost: 100 })],
    });
    expect(short(lines)).toEqual({ "a key_1": [100n, 100n, {}] });
  });

  test("tiers are separated, and a batch is ungoverned", () => {
    const lines = run({
      charges: [
        charge({ tier: "standard", nano: 100n, quantity: 10 }),
        charge({ tier: "batch", nano: 50n, quantity: 10 }),
        charge({ tier: "priority", nano: 200n, quantity: 10 }),
      ],
      metered: [
        row({ agent: "slow", output: 10, cost: 100 }),
        row({ agent: "fast", tier: "priority", output: 10, cost: 200 }),
      ],
    });
    expect(short(lines)).toEqual({
      "slow key_1": [100n, 100n, {}],
      "fast key_1": [200n, 200n, {}],
      "- key_1": [50n, 0n, { batch: 50n }],
    });
  });

  test("a web search costs what it costs, whatever model asked for it", () => {
    const lines = run({
      charges: [
        charge({ type: "web_search", model: "", nano: 30_000_000n, quantity: 3 }),
        charge({ nano: 100n, quantity: 1 }),
      ],
      metered: [row({ output: 1, webSearches: 2, cost: 20_000_100 })],
    });
    expect(short(lines)).toEqual({
      "a key_1": [20_000_100n, 20_000_100n, {}],
      "- key_1": [10_000_000n, 0n, { unmetered: 10_000_000n }],
    });
  });

  test("what no call reports is ungoverned", () => {
    const lines = run({
      charges: [charge({ type: "other", model: "", key: "", nano: 5n }), charge({ nano: 100n, quantity: 1 })],
      metered: [row({ output: 1, cost: 100 })],
    });
    expect(short(lines)).toEqual({ "a key_1": [100n, 100n, {}], "- ": [5n, 0n, { tools: 5n }] });
  });

  test("one amount for all tokens follows the metered money", () => {
    const charges = [charge({ type: "tokens", nano: 1_000n, quantity: 100 })];
    const metered = [row({ agent: "a", inputUncached: 70, cost: 200 }), row({ agent: "b", output: 30, cost: 800 })];
    expect(short(run({ charges, metered }))).toEqual({
      "a key_1": [200n, 200n, {}],
      "b key_1": [800n, 800n, {}],
    });
    const more = run({ charges: [charge({ type: "tokens", nano: 1_500n, quantity: 130 })], metered });
    expect(short(more)["- key_1"]).toEqual([500n, 0n, { unmetered: 500n }]);
  });
});

describe("estimates", () => {
  const charges = [charge({ nano: 10_000n, quantity: 100 })];

  test("bear their own error when every request is known", () => {
    const metered = [
      row({ agent: "sure", output: 60, cost: 6_000 }),
      row({ agent: "cut", quality: "estimated", output: 30, cost: 3_000 }),
    ];
    const lines = run({ charges, metered, usages: [usage({ requests: 2 })] });
    expect(short(lines)).toEqual({
      "sure key_1": [6_000n, 6_000n, {}],
      "cut key_1": [4_000n, 3_000n, { estimated: 1_000n }],
    });
  });

  test("do not swallow what others spent", () => {
    const metered = [
      row({ agent: "sure", output: 60, cost: 6_000 }),
      row({ agent: "cut", quality: "estimated", output: 30, cost: 3_000 }),
    ];
    const lines = run({ charges, metered, usages: [usage({ requests: 3 })] });
    expect(short(lines)).toEqual({
      "sure key_1": [6_000n, 6_000n, {}],
      "cut key_1": [3_000n, 3_000n, {}],
      "- key_1": [1_000n, 0n, { unmetered: 1_000n }],
    });
  });

  test("are not in doubt for the requests of batches, which are none of ours", () => {
    const metered = [
      row({ agent: "sure", output: 60, cost: 6_000 }),
      row({ agent: "cut", quality: "estimated", output: 30, cost: 3_000 }),
    ];
    const usages = [usage({ tier: "default", requests: 2 }), usage({ tier: "batch", requests: 40 })];
    expect(short(run({ charges, metered, usages }))).toMatchObject({
      "sure key_1": [6_000n, 6_000n, {}],
      "cut key_1": [4_000n, 3_000n, { estimated: 1_000n }],
    });
  });

  test("that are too high give way to what was reported", () => {
    const metered = [
      row({ agent: "sure", output: 80, cost: 8_000 }),
      row({ agent: "cut", quality: "estimated", output: 50, cost: 5_000 }),
    ];
    expect(short(run({ charges, metered, usages: [usage({ requests: 2 })] }))).toEqual({
      "sure key_1": [8_000n, 8_000n, {}],
      "cut key_1": [2_000n, 5_000n, { estimated: -3_000n }],
    });
  });

  test("an amount for no tokens at all is ungoverned, and not lost", () => {
    const metered = [row({ quality: "estimated", output: 30, cost: 3_000 })];
    const lines = run({ charges: [charge({ nano: 7n, quantity: 0 })], metered, usages: [usage({ requests: 1 })] });
    expect(short(lines)).toMatchObject({ "- key_1": [7n, 0n, { unmetered: 7n }] });
  });

  test("unknown usage is charged with what is left", () => {
    const metered = [
      row({ agent: "sure", output: 80, cost: 8_000 }),
      row({ agent: "blind", quality: "unknown", priced: "none", calls: 1 }),
    ];
    expect(short(run({ charges, metered, usages: [usage({ requests: 2 })] }))).toEqual({
      "sure key_1": [8_000n, 8_000n, {}],
      "blind key_1": [2_000n, 0n, { estimated: 2_000n }],
    });
  });
});

test("a bill that names special tiers means the usual one where it names none", () => {
  const lines = run({
    charges: [charge({ nano: 100n, quantity: 10 }), charge({ tier: "priority", nano: 250n, quantity: 10 })],
    metered: [
      row({ agent: "slow", output: 10, cost: 100 }),
      row({ agent: "fast", tier: "priority", output: 10, cost: 250 }),
    ],
  });
  expect(short(lines)).toEqual({ "slow key_1": [100n, 100n, {}], "fast key_1": [250n, 250n, {}] });
});

test("a discount that the vendor says of one amount alone explains nothing of the sum", () => {
  const charges = [
    charge({ nano: 80_000n, listNano: 100_000n, quantity: 10 }),
    charge({ type: "input_uncached", nano: 40_000n, quantity: 20 }),
  ];
  const metered = (cost: number) => [row({ output: 10, inputUncached: 20, cost })];
  expect(short(run({ charges, metered: metered(105_000) }))).toEqual({
    "a key_1": [120_000n, 105_000n, { price: 15_000n }],
  });
  const both = charges.map((one) => ({ ...one, listNano: (one.nano * 5n) / 4n }));
  expect(short(run({ charges: both, metered: metered(150_000) }))).toEqual({
    "a key_1": [120_000n, 150_000n, { discount: -30_000n }],
  });
});

describe("why the bill differs", () => {
  const metered = [row({ output: 10, cost: 1_000 })];
  test.each<[string, Partial<ReconcileInput>, BillLine["reasons"]]>([
    [
      "unpriced",
      { charges: [charge({ nano: 700n, quantity: 10 })], metered: [row({ output: 10, priced: "false" })] },
      { unpriced: 700n },
    ],
    ["discount", { charges: [charge({ nano: 900n, listNano: 1_000n, quantity: 10 })], metered }, { discount: -100n }],
    [
      "discount and price",
      {
        charges: [charge({ nano: 1_350n, listNano: 1_500n, quantity: 10 })],
        metered: [row({ output: 10, cost: 1_440 })],
      },
      { discount: -150n, price: 60n },
    ],
    [
      "a discount that is metered already",
      { charges: [charge({ nano: 1_000n, listNano: 1_100n, quantity: 10 })], metered },
      {},
    ],
    [
      "a discount that the user has configured",
      { charges: [charge({ nano: 990n, listNano: 1_100n, quantity: 10 })], metered, discounted: true },
      { rounding: -10n },
    ],
    ["rounding", { charges: [charge({ nano: 1_004n, quantity: 10 })], metered }, { rounding: 4n }],
    ["price", { charges: [charge({ nano: 2_000n, quantity: 10 })], metered }, { price: 1_000n }],
    [
      "tier",
      {
        charges: [charge({ nano: 2_500n, quantity: 10 })],
        metered: [row({ tier: "priority", output: 10, cost: 1_000 })],
      },
      { tier: 1_500n },
    ],
    [
      "a tier that the bill does not have",
      {
        charges: [],
        metered: [row({ tier: "priority", output: 10, cost: 1_000 })],
        unbilledTiers: new Set(["priority"]),
      },
      { tier: -1_000n },
    ],
    [
      "inexact",
      {
        charges: [charge({ nano: 2_500n, quantity: 10 })],
        metered: [row({ output: 10, cost: 1_000, priced: "inexact" })],
      },
      { inexact: 1_500n },
    ],
    ["late", { charges: [], metered, open: true }, { late: -1_000n }],
    ["late in part", { charges: [charge({ nano: 400n, quantity: 4 })], metered, open: true }, { late: -600n }],
    [
      "on a day that is open, and all requests counted: not late",
      {
        charges: [charge({ nano: 900n, listNano: 1_000n, quantity: 10 })],
        metered,
        usages: [usage({ requests: 1 })],
        open: true,
      },
      { discount: -100n },
    ],
    ["not billed", { charges: [], metered }, { not_billed: -1_000n }],
    [
      "tools",
      {
        charges: [charge({ nano: 1_000n, quantity: 10 }), charge({ type: "web_search", nano: 30_000n, quantity: 1 })],
        metered: [row({ output: 10, webSearches: 1, cost: 21_000 })],
      },
      { tools: 10_000n },
    ],
  ])("%s", (_name, input, reasons) => {
    const lines = run(input).filter(({ bearer }) => bearer !== undefined);
    expect(lines).toHaveLength(1);
    expect(lines[0]?.reasons).toEqual(reasons);
  });
});

describe("any bill and any calls", () => {
  const models = fc.constantFrom("gpt-5", "gpt-5-2025-08-07", "o3");
  const types = fc.constantFrom<Charge["type"]>(
    "input_uncached",
    "cache_read",
    "cache_write",
    "output",
    "web_search",
    "tokens",
    "other",
  );
  const tiers = fc.constantFrom(undefined, "standard", "batch", "priority");
  const count = fc.integer({ min: 0, max: 1_000_000 });
  const charges = fc.array(
    fc.record({
      day: fc.constant(DAY),
      project: fc.constantFrom("", "p1", "p2"),
      key: fc.constantFrom("", "key_1", "key_2", "key_3", undefined),
      model: models,
      tier: tiers,
      type: types,
      nano: fc.bigInt({ min: -1_000_000_000n, max: 10n ** 18n }),
      listNano: fc.option(fc.bigInt({ min: 0n, max: 10n ** 18n }), { nil: undefined }),
      quantity: fc.option(count, { nil: undefined }),
    }),
    { maxLength: 12 },
  );
  const usages = fc.array(
    fc.record({
      day: fc.constant(DAY),
      project: fc.constantFrom("", "p1"),
      key: fc.constantFrom("", "key_1", "key_2", undefined),
      model: models,
      tier: tiers,
      counts: fc.record({ output: count, input_uncached: count }, { requiredKeys: [] }),
      requests: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
    }),
    { maxLength: 6 },
  );
  const metered = fc.uniqueArray(
    fc.record({
      agent: fc.constantFrom("a", "b", "c"),
      key: fc.constantFrom("prod", "other", "9f86d081", ""),
      model: models,
      tier: fc.constantFrom("", "default", "priority"),
      quality: fc.constantFrom("reported" as const, "estimated" as const, "unknown" as const),
      priced: fc.constantFrom("true" as const, "inexact" as const, "false" as const),
      calls: fc.integer({ min: 0, max: 3 }),
      cost: count,
      inputUncached: count,
      cacheRead: count,
      cacheWrite: count,
      output: count,
      webSearches: fc.integer({ min: 0, max: 3 }),
    }),
    {
      maxLength: 8,
      selector: ({ agent, key, model, tier, quality, priced }) => [agent, key, model, tier, quality, priced].join(),
    },
  );
  const input = fc.record({ charges, usages, metered, open: fc.boolean(), discounted: fc.boolean() });
  const links = new Map([
    ["key_1", "prod"],
    ["key_2", "other"],
  ]);
  const unbilledTiers = new Set(["priority"]);
  const numRuns = 500 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
  const sum = (values: readonly bigint[]): bigint => values.reduce((all, value) => all + value, 0n);

  test("no nano-dollar is lost or doubled, and reasons add up to the difference", () => {
    fc.assert(
      fc.property(input, (given) => {
        const rows = given.metered.map(row);
        const lines = run({ ...given, metered: rows, links, unbilledTiers });
        expect(sum(lines.map(({ billed }) => billed))).toBe(sum(given.charges.map(({ nano }) => nano)));
        expect(sum(lines.map(({ metered }) => metered))).toBe(sum(rows.map(({ cost }) => BigInt(cost))));
        for (const { bearer, billed, metered, reasons, why } of lines) {
          if (bearer) expect(sum(Object.values(reasons))).toBe(billed - metered);
          else expect([sum(Object.values(why)), metered]).toEqual([billed, 0n]);
        }
        for (const { project, key } of lines)
          if (key !== "") expect(given.charges.some((one) => one.key === key && one.project === project)).toBe(true);
      }),
      { numRuns, seed: 5 },
    );
  });

  test("the order does not matter", () => {
    fc.assert(
      fc.property(input, fc.integer(), (given, seed) => {
        const rows = given.metered.map(row);
        const shuffled = {
          ...given,
          charges: shuffle(given.charges, seed),
          usages: shuffle(given.usages, seed),
          metered: shuffle(rows, seed),
          links,
          unbilledTiers,
        };
        expect(run(shuffled)).toEqual(run({ ...given, metered: rows, links, unbilledTiers }));
      }),
      { numRuns, seed: 6 },
    );
  });

  test("no agent pays for others: an agent without calls of a key is never on its line", () => {
    fc.assert(
      fc.property(input, (given) => {
        const rows = given.metered.map(row);
        const coarse = given.charges.some(({ key }) => key === undefined);
        for (const { bearer, key, billed } of run({ ...given, metered: rows, links, unbilledTiers })) {
          const name = links.get(key);
          if (bearer && name !== undefined && billed !== 0n && !coarse)
            expect(rows.some((one) => one.agent === bearer.agent && one.key === name)).toBe(true);
        }
      }),
      { numRuns, seed: 7 },
    );
  });
});

function shuffle<T>(items: readonly T[], seed: number): T[] {
  const keyed = items.map((item, index) => [Math.sin(seed + index * 7.3), item] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}

test.each(["other", "tokens", "web_search"] as const)("a negative amount of type %s is a credit", (type) => {
  const [line, ...others] = run({ charges: [charge({ type, nano: -500n })], metered: [] });
  expect(others).toEqual([]);
  expect([line?.billed, line?.why]).toEqual([-500n, { credit: -500n }]);
});
