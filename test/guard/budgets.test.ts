import { beforeEach, describe, expect, test, vi } from "vitest";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { nestScope } from "../../src/core/scope.ts";
import { type BudgetLease, createLease, exchange, leave, recall, roll } from "../../src/guard/budgets/budget-lease.ts";
import {
  type Budgets,
  charge,
  countsOf,
  createBudgets,
  dropCount,
  holdsOf,
  releaseHolds,
  settleHolds,
} from "../../src/guard/budgets/budgets.ts";
import { findShortage, forceHolds, takeHolds } from "../../src/guard/budgets/coverage.ts";
import { createReservations } from "../../src/guard/budgets/reservations.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Ask, Spent } from "../../src/limits/gate.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const NODE = nestScope(undefined, { agent: "a", run: "1" });

/** What runs at intervals; a test lets it run when it likes. */
const beats = vi.hoisted(() => [] as (() => void)[]);
vi.mock("node:timers", async (original) => ({
  ...(await original<typeof import("node:timers")>()),
  setInterval: (beat: () => void) => {
    beats.push(beat);
    return { unref() {} };
  },
}));
beforeEach(() => void beats.splice(0));

interface Process {
  readonly clock: { now: number };
  readonly budgets: Budgets;
  readonly lease: BudgetLease;
  readonly said: string[];
}

function begin(store: Store, rows: readonly BudgetConfig[], holder = "one", clock = { now: NOW }): Process {
  const said: string[] = [];
  const lease: BudgetLease = createLease({
    store,
    holder,
    counts: () => budgets.counts,
    drop: (count) => dropCount(budgets, count),
    clock: () => clock.now,
    leaseMs: 10_000,
    timeoutMs: 1_000,
    onFailure: (error) => void said.push(String(error)),
  });
  const budgets: Budgets = createBudgets({
    budgets: rows.flatMap((row) => readBudget(row) as Exclude<ReturnType<typeof readBudget>, string>),
    clock: () => clock.now,
    run: "the process",
    recallMs: 0,
    lease,
    recall: () => {},
    onWarning: ({ scope }) => void said.push(`warning ${scope}`),
    onFull: ({ scope }) => void said.push(`full ${scope}`),
  });
  return { clock, budgets, lease, said };
}

/** Takes what one call of so many tokens, or nano-dollars, needs. */
async function take({ budgets, clock }: Process, amount: number) {
  const holds = holdsOf(countsOf(budgets, NODE), { tokens: amount, costNano: amount });
  return { holds, taken: await takeHolds(budgets, holds, false, clock.now) };
}

const used = ({ budgets }: Process) => [...budgets.counts].map(({ spent, inUse, slice }) => ({ spent, inUse, slice }));

describe("what a call came to", () => {
  test.each<[string, { tokens: number; costNano: number | undefined } | undefined, number]>([
    ["is known", { tokens: 7, costNano: 200 }, 200],
    ["is known, and more than was held", { tokens: 7, costNano: 900 }, 900],
    ["is known to be nothing", { tokens: 0, costNano: 0 }, 0],
    ["is nothing, and nothing needs no price", { tokens: 0, costNano: undefined }, 0],
    ["nobody knows: what was held counts", undefined, 500],
    ["has tokens and no price: what was held counts", { tokens: 7, costNano: undefined }, 500],
  ])("%s", async (_name, spent, expected) => {
    const one = begin(
      openMemory(() => NOW),
      [{ per: "hour", usd: 1 }],
    );
    const { holds, taken } = await take(one, 500);
    expect(taken).toBe("taken");
    expect(used(one)).toMatchObject([{ spent: 0, inUse: 500 }]);
    settleHolds(one.budgets, holds, spent);
    expect(used(one)).toMatchObject([{ spent: expected, inUse: 0 }]);
  });

  test("is a call, whatever it came to, where calls are counted; what comes later is none", async () => {
    const one = begin(
      openMemory(() => NOW),
      [{ per: "hour", calls: 5 }],
    );
    settleHolds(one.budgets, (await take(one, 500)).holds, { tokens: 7, costNano: 9 });
    charge(one.budgets, NODE, { tokens: 70, costNano: 90 });
    expect(used(one)).toMatchObject([{ spent: 1, inUse: 0 }]);
  });

  test("is tokens where tokens are counted, also what comes later", async () => {
    const one = begin(
      openMemory(() => NOW),
      [{ per: "hour", tokens: 5_000 }],
    );
    settleHolds(one.budgets, (await take(one, 500)).holds, { tokens: 7, costNano: 9 });
    charge(one.budgets, NODE, { tokens: 70, costNano: undefined });
    expect(used(one)).toMatchObject([{ spent: 77, inUse: 0 }]);
  });

  test("is nothing when it was no call after all", async () => {
    const one = begin(
      openMemory(() => NOW),
      [{ per: "hour", usd: 1 }],
    );
    releaseHolds(one.budgets, (await take(one, 500)).holds);
    expect(used(one)).toMatchObject([{ spent: 0, inUse: 0 }]);
  });

  test("warns at its share, once a window, and says when all is spent", async () => {
    const one = begin(
      openMemory(() => one.clock.now),
      [{ per: "hour", tokens: 1_000, warnAt: 0.5 }],
    );
    for (const tokens of [499, 1, 499, 1]) charge(one.budgets, NODE, { tokens, costNano: 0 });
    expect(one.said).toEqual(["warning all", "full all"]);
    one.clock.now += 3_600_000;
    charge(one.budgets, NODE, { tokens: 600, costNano: 0 });
    expect(one.said).toEqual(["warning all", "full all", "warning all"]);
  });

  test("is counted in the window in which it is known", async () => {
    const one = begin(
      openMemory(() => one.clock.now),
      [{ per: "hour", tokens: 1_000 }],
    );
    const { holds } = await take(one, 500);
    one.clock.now += 3_600_000;
    settleHolds(one.budgets, holds, { tokens: 300, costNano: 0 });
    expect(used(one)).toMatchObject([{ spent: 300, inUse: 0 }]);
  });
});

test("a count that is dropped from memory still counts while the store does not answer", async () => {
  let away = false;
  const memory = openMemory(() => NOW);
  const store: Store = {
    ...memory,
    alone: false,
    exchange(reports) {
      if (away) throw new Error("away");
      return memory.exchange(reports);
    },
  };
  const one = begin(store, [{ per: "hour", calls: 3 }]);
  for (let call = 0; call < 2; call++) {
    settleHolds(one.budgets, (await take(one, 1)).holds, { tokens: 1, costNano: 1 });
  }
  await Promise.resolve();
  away = true;
  for (const count of one.budgets.counts) dropCount(one.budgets, count);
  const { holds, taken } = await take(one, 1);
  expect(taken).toMatchObject({ type: "unknown" });
  expect(findShortage(one.budgets, holds, false, NOW)).toBeUndefined();
  forceHolds(one.budgets, holds);
  expect(findShortage(one.budgets, holds, false, NOW)).toBe(holds[0]);
});

describe.each([true, false])("a clock that jumps, over a store of its own: %s", (alone) => {
  const YEAR = 365 * 86_400_000;

  async function spend(one: Process, calls: number): Promise<number> {
    let passed = 0;
    for (let call = 0; call < calls; call++) {
      const { holds, taken } = await take(one, 1);
      if (taken !== "taken") continue;
      passed += 1;
      settleHolds(one.budgets, holds, { tokens: 1, costNano: 1 });
    }
    return passed;
  }

  function beginAt(rows: readonly BudgetConfig[]): Process {
    const clock = { now: NOW };
    return begin({ ...openMemory(() => clock.now), alone }, rows, "one", clock);
  }

  test("a year ahead and put right: windows begin again, and what was spent in one still counts", async () => {
    const one = beginAt([{ per: "hour", calls: 10 }]);
    expect(await spend(one, 6)).toBe(6);
    one.clock.now = NOW + YEAR;
    expect(await spend(one, 20)).toBe(10);
    one.clock.now = NOW + 1_000;
    expect(await spend(one, 20)).toBe(4);
    for (const hour of [1, 2, 3]) {
      one.clock.now = NOW + hour * 3_600_000;
      expect(await spend(one, 20)).toBe(10);
    }
  });

  test("a year back and put right, in a moving window", async () => {
    const one = beginAt([{ per: "15m", calls: 10 }]);
    expect(await spend(one, 6)).toBe(6);
    one.clock.now = NOW - YEAR;
    expect(await spend(one, 20)).toBe(10);
    one.clock.now = NOW + 1_000;
    expect(await spend(one, 20)).toBe(4);
    one.clock.now = NOW + 3_600_000;
    expect(await spend(one, 20)).toBe(10);
  });
});

describe("a hold", () => {
  const ask = { node: NODE, format: "openai-chat", cut: () => {} } as unknown as Ask;

  test("of a call that never settles is given back after a quarter of an hour; what it comes to still counts", async () => {
    const one = begin(
      openMemory(() => one.clock.now),
      [{ per: "day", tokens: 1_000 }],
    );
    beats.splice(0);
    const reservations = createReservations(one.budgets, () => one.clock.now);
    const sweep = beats[0] as () => void;
    const [early, late] = [await take(one, 400), await take(one, 300)];
    const ticket = reservations.open(early.holds, ask, NOW);
    reservations.open(late.holds, ask, NOW + 60_000);
    one.clock.now = NOW + 15 * 60_000 - 1;
    sweep();
    expect(used(one)).toMatchObject([{ inUse: 700 }]);
    one.clock.now += 1;
    sweep();
    sweep();
    expect(used(one)).toMatchObject([{ spent: 0, inUse: 300 }]);
    ticket.settle({ tokens: 350, costNano: 0 });
    ticket.settle({ tokens: 350, costNano: 0 });
    expect(used(one)).toMatchObject([{ spent: 350, inUse: 300 }]);
  });

  describe("is corrected once the vendor has said more", () => {
    const DAY = 86_400_000;
    const settled = async (
      spent: Spent | undefined,
      rows: readonly BudgetConfig[] = [{ per: "day", tokens: 1_000 }],
    ) => {
      const one = begin(
        openMemory(() => one.clock.now),
        rows,
      );
      const reservations = createReservations(one.budgets, () => one.clock.now);
      const { holds } = await take(one, 400);
      const ticket = reservations.open(holds, ask, NOW);
      ticket.settle(spent);
      return { one, ticket };
    };
    const spentIn = (one: Process): number[] => used(one).map(({ spent }) => spent);

    test.each<readonly [string, Spent | undefined, number]>([
      ["upwards", { tokens: 100, costNano: 0 }, 250],
      ["downwards", { tokens: 380, costNano: 0 }, 250],
      ["from what it held, where nothing was known", undefined, 250],
    ])("%s, and only the first time", async (_, spent, tokens) => {
      const { one, ticket } = await settled(spent);
      ticket.correct({ tokens, costNano: 0 });
      ticket.correct({ tokens: 999, costNano: 0 });
      expect(used(one)).toMatchObject([{ spent: tokens, inUse: 0 }]);
    });

    test("in money, where no price was known", async () => {
      const { one, ticket } = await settled({ tokens: 100, costNano: undefined }, [{ per: "day", usd: 1e-6 }]);
      expect(spentIn(one)).toEqual([400]);
      ticket.correct({ tokens: 100, costNano: 30 });
      expect(spentIn(one)).toEqual([30]);
    });

    test("without counting a call again", async () => {
      const { one, ticket } = await settled({ tokens: 100, costNano: 0 }, [{ per: "day", calls: 10 }]);
      ticket.correct({ tokens: 7, costNano: 0 });
      expect(spentIn(one)).toEqual([1]);
    });

    test("but not in a window that has ended, nor before it settled", async () => {
      const { one, ticket } = await settled({ tokens: 100, costNano: 0 });
      one.clock.now = NOW + DAY;
      charge(one.budgets, NODE, { tokens: 5, costNano: 0 });
      ticket.correct({ tokens: 300, costNano: 0 });
      expect(spentIn(one)).toEqual([5]);
      const reservations = createReservations(one.budgets, () => one.clock.now);
      const open = reservations.open((await take(one, 50)).holds, ask, one.clock.now);
      open.correct({ tokens: 300, costNano: 0 });
      expect(used(one)).toMatchObject([{ spent: 5, inUse: 50 }]);
    });

    test("what it gives back can be spent, also by another process", async () => {
      const store: Store = { ...openMemory(() => NOW), alone: false };
      const rows = [{ per: "day", tokens: 1_000 }] as const;
      const [one, two] = [begin(store, rows, "one"), begin(store, rows, "two")];
      const reservations = createReservations(one.budgets, () => NOW);
      const ticket = reservations.open((await take(one, 900)).holds, ask, NOW);
      ticket.settle({ tokens: 900, costNano: 0 });
      await exchange(one.lease, [...one.budgets.counts], { tight: false, finalising: false });
      expect((await take(two, 500)).taken).not.toBe("taken");
      ticket.correct({ tokens: 100, costNano: 0 });
      await exchange(one.lease, [...one.budgets.counts], { tight: false, finalising: false });
      expect((await take(two, 500)).taken).toBe("taken");
    });
  });

  test("is settled or given back once", async () => {
    const one = begin(
      openMemory(() => NOW),
      [{ per: "day", tokens: 1_000 }],
    );
    const reservations = createReservations(one.budgets, () => NOW);
    const [first, second] = [await take(one, 400), await take(one, 300)];
    const settling = reservations.open(first.holds, ask, NOW);
    const leaving = reservations.open(second.holds, ask, NOW);
    leaving.release();
    leaving.release();
    leaving.settle(undefined);
    expect(used(one)).toMatchObject([{ spent: 0, inUse: 400 }]);
    settling.settle(undefined);
    settling.release();
    expect(used(one)).toMatchObject([{ spent: 400, inUse: 0 }]);
  });
});

describe("a cap that calls of finalise() alone may use up", () => {
  test("keeps its rest from others", async () => {
    const one = begin(
      openMemory(() => NOW),
      [{ per: "day", tokens: 1_000, finalisation: 0.3 }],
    );
    const finalise = async (amount: number) =>
      takeHolds(one.budgets, holdsOf(countsOf(one.budgets, NODE), { tokens: amount, costNano: 0 }), true, NOW);
    expect((await take(one, 700)).taken).toBe("taken");
    expect((await take(one, 1)).taken).toMatchObject({ type: "short" });
    expect(await finalise(300)).toBe("taken");
    expect(await finalise(1)).toMatchObject({ type: "short" });
  });
});

/** A store that others use as well, and that can lose its answers. */
function shared(clock: () => number): Store & { lose: boolean } {
  const inner = openMemory(clock);
  return Object.assign(
    { ...inner, alone: false },
    {
      lose: false,
      exchange(this: { lose: boolean }, ...args: Parameters<Store["exchange"]>) {
        const standings = inner.exchange(...args);
        if (this.lose) throw new Error("the answer is lost");
        return standings;
      },
    },
  );
}

describe("a window that is over", () => {
  test.each([true, false])("is counted once, though the answer to its last report was lost: %s", async (lost) => {
    const clock = { now: NOW };
    const store = shared(() => clock.now);
    const one = begin(store, [{ per: "hour", tokens: 10_000 }], "one", clock);
    const { holds } = await take(one, 500);
    settleHolds(one.budgets, holds, { tokens: 300, costNano: 0 });
    await exchange(one.lease, [...one.budgets.counts], { tight: false, finalising: false });
    charge(one.budgets, NODE, { tokens: 200, costNano: 0 });
    const total = async () => (await store.counts(10)).map(({ spent }) => spent);
    clock.now += 3_600_000;
    store.lose = lost;
    for (const count of one.budgets.counts) roll(one.lease, count, clock.now);
    await Promise.resolve();
    store.lose = false;
    await exchange(one.lease, [...one.budgets.counts], { tight: false, finalising: false });
    expect(await total()).toEqual([500, 0]);
    expect(one.said).toEqual(lost ? ["Error: the answer is lost"] : []);
  });
});

describe("what several processes hold", () => {
  test("is kept while it is used, and given up when it was idle for a beat", async () => {
    const clock = { now: NOW };
    const store = shared(() => clock.now);
    const one = begin(store, [{ per: "day", tokens: 1_000 }], "one", clock);
    const beat = beats[0] as () => void;
    await take(one, 100);
    const [count] = [...one.budgets.counts];
    await Promise.resolve();
    const { slice } = count!;
    expect(slice).toBeGreaterThan(100);
    clock.now += 10_000 / 3;
    beat();
    expect(count!.slice).toBe(slice);
    await Promise.resolve();
    expect(count!.leasedUntil).toBe(clock.now + 10_000);
    clock.now += 1;
    beat();
    expect(count!.slice).toBe(100);
  });

  test("is recalled by its key, and what is in use stays", async () => {
    const store = shared(() => NOW);
    const one = begin(store, [{ per: "day", tokens: 1_000 }]);
    await take(one, 100);
    await exchange(one.lease, [...one.budgets.counts], { tight: false, finalising: false });
    expect(used(one)[0]!.slice).toBeGreaterThan(100);
    recall(one.lease, "another key");
    expect(used(one)[0]!.slice).toBeGreaterThan(100);
    recall(one.lease, `all/day/tokens|all|${Date.UTC(2026, 10, 24)}`);
    expect(used(one)).toMatchObject([{ inUse: 100, slice: 100 }]);
    await Promise.resolve();
    expect(await store.counts(1)).toMatchObject([{ inUse: 100, held: 100 }]);
  });

  test("may be used without asking as long as the lease, in a store of others", async () => {
    const clock = { now: NOW };
    const one = begin(
      shared(() => clock.now),
      [{ per: "day", tokens: 1_000 }],
      "one",
      clock,
    );
    await take(one, 1);
    const [count] = [...one.budgets.counts];
    expect(one.lease.alone).toBe(false);
    expect(count!.leasedUntil).toBe(NOW + 10_000);
    const alone = begin(
      openMemory(() => NOW),
      [{ per: "day", tokens: 1_000 }],
    );
    await take(alone, 1);
    expect(alone.lease.alone).toBe(true);
  });

  test("is left behind by a process that leaves, with what it spent and what is under way", async () => {
    const store = shared(() => NOW);
    const one = begin(store, [{ per: "day", tokens: 1_000 }]);
    settleHolds(one.budgets, (await take(one, 100)).holds, { tokens: 60, costNano: 0 });
    await take(one, 30);
    await leave(one.lease);
    expect(await store.counts(1)).toMatchObject([{ spent: 90, inUse: 0, held: 0 }]);
  });
});
