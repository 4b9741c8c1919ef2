import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { nestScope } from "../../src/core/scope.ts";
import { type BudgetLease, createLease, leave } from "../../src/guard/budgets/budget-lease.ts";
import {
  type Budgets,
  countsOf,
  createBudgets,
  dropCount,
  type Hold,
  holdsOf,
  releaseHolds,
  settleHolds,
} from "../../src/guard/budgets/budgets.ts";
import { takeHolds } from "../../src/guard/budgets/coverage.ts";
import { type Remaining, remainingOf } from "../../src/guard/budgets/remaining.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { answer, chat, type Guarded, guard } from "./guarded.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
const NODE = nestScope(undefined, { agent: "a", run: "1" });
const NOW = Date.UTC(2026, 10, 24, 12);
const UNITS: Readonly<Record<string, number>> = { usd: 1e9, tokens: 1, calls: 1, seconds: 1_000 };
/** What one of a cap of the property below is in the units of the configuration. */
const CAPS: Readonly<Record<string, number>> = { usd: 1e-9, tokens: 1, calls: 0.01, seconds: 0.01 };

interface Process {
  readonly budgets: Budgets;
  readonly lease: BudgetLease;
  readonly open: (readonly Hold[])[];
}

function begin(store: Store, rows: readonly BudgetConfig[], holder: string, clock: { now: number }): Process {
  const lease: BudgetLease = createLease({
    store,
    holder,
    counts: () => budgets.counts,
    drop: (count) => dropCount(budgets, count),
    clock: () => clock.now,
    leaseMs: 10_000,
    timeoutMs: 1_000,
    onFailure: (error) => {
      throw error;
    },
  });
  const budgets: Budgets = createBudgets({
    budgets: rows.flatMap(readBudget),
    clock: () => clock.now,
    run: "the process",
    recallMs: 0,
    lease,
    recall: () => {},
    onWarning: () => {},
    onFull: () => {},
  });
  return { budgets, lease, open: [] };
}

/** What one call of so many tokens, or nano-dollars, holds once it is admitted; undefined for one that is not. */
async function take({ budgets }: Process, now: number, amount: number, finalising: boolean) {
  const holds = holdsOf(countsOf(budgets, NODE), { tokens: amount, costNano: amount });
  return (await takeHolds(budgets, holds, finalising, now)) === "taken" ? holds : undefined;
}

const BUDGETS = fc
  .array(
    fc.record({
      unit: fc.constantFrom("usd", "tokens", "calls", "seconds"),
      per: fc.constantFrom("hour", "day", "10m", "run"),
      cap: fc.integer({ min: 1, max: 2_000 }),
      finalisation: fc.constantFrom(0, 0.2),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((rows) =>
    rows.map(({ unit, per, cap, finalisation }, index) => ({
      name: `b${index}`,
      scope: { agent: "*" },
      per,
      finalisation,
      [unit]: cap * (CAPS[unit] as number),
    })),
  );
const STEPS = fc.array(
  fc.record({
    process: fc.integer({ min: 0, max: 1 }),
    what: fc.constantFrom("take", "settle", "release", "wait", "look"),
    amount: fc.integer({ min: 0, max: 400 }),
    finalising: fc.boolean(),
  }),
  { maxLength: 25 },
);

/** Whether a call may be larger or smaller in this unit: calls are one each, and how long one takes shows once it has. */
const isSized = ({ unit }: Remaining): boolean => unit === "usd" || unit === "tokens";

describe.each([1, 2])("what is left, with %i processes,", (processes) => {
  test("is never more than a call gets, whatever is held, spent and reported", async () => {
    let looked = 0;
    const property = fc.asyncProperty(BUDGETS, STEPS, async (rows, steps) => {
      const clock = { now: NOW };
      const memory = openMemory(() => clock.now);
      const store = { ...memory, alone: processes === 1 };
      const fleet = Array.from({ length: processes }, (_, index) => begin(store, rows, `p${index}`, clock));
      for (const { process, what, amount, finalising } of [
        ...steps,
        { process: 0, what: "look", amount: 0, finalising: false },
      ]) {
        // Reports of what came before are on their way at once; one that comes later is as a call of another process.
        await setImmediate();
        const one = fleet[process % processes] as Process;
        if (what === "take") {
          const holds = await take(one, clock.now, amount, finalising);
          if (holds) one.open.push(holds);
        } else if (what === "wait") clock.now += amount * 5_000;
        else if (what === "settle" || what === "release") {
          const holds = one.open.shift();
          if (holds === undefined) continue;
          if (what === "release") releaseHolds(one.budgets, holds);
          else settleHolds(one.budgets, holds, { tokens: amount, costNano: amount }, amount * 10);
        } else {
          const counts = countsOf(one.budgets, NODE);
          const left = await remainingOf(one.budgets, counts, finalising, fail);
          const shares = left.map((row) => (row.cap > 0 ? row.left / row.cap : 0));
          expect(shares).toEqual([...shares].sort((a, b) => a - b));
          const [sized, counted] = [left.filter(isSized), left.filter((row) => !isSized(row))];
          const most = Math.min(400, ...sized.map((row) => Math.round(row.left * (UNITS[row.unit] as number))));
          const isLeft = most > 0 && counted.every((row) => row.left > 0);
          looked += isLeft ? 1 : 0;
          const holds = isLeft ? await take(one, clock.now, most, finalising) : [];
          expect(holds).toBeDefined();
          releaseHolds(one.budgets, holds ?? []);
          // Alone, it is also all that a call gets.
          const more = isLeft && most === 400 ? undefined : await take(one, clock.now, most + 1, finalising);
          if (processes === 1) expect(more).toBeUndefined();
          releaseHolds(one.budgets, more ?? []);
        }
      }
      await Promise.all(fleet.map(({ lease }) => leave(lease)));
    });
    await fc.assert(property, { numRuns: 150 * SCALE, seed: 24 });
    expect(looked).toBeGreaterThan(100);
  });
});

function fail(error: unknown): void {
  throw error;
}

let server: ModelServer;
const processes: Guarded[] = [];
beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  for (const process of processes.splice(0)) await process.stop();
});
afterAll(() => server.close());

async function open(budgets: readonly BudgetConfig[]): Promise<Guarded> {
  const process = await guard(server, { budgets });
  processes.push(process);
  server.play(() => answer(400, 400));
  return process;
}

const inScope = ({ runtime }: Guarded, agent: string) => runtime.scoping.scope({ agent }, () => runtime.remaining());

test("is of the budgets that apply to the current scope, the least first, in the units of people", async () => {
  const process = await open([
    { name: "all", per: "day", usd: 1 },
    { name: "agent", scope: { agent: "*" }, per: "run", calls: 4, tokens: 1_000 },
  ]);
  expect(await inScope(process, "other")).toMatchObject([{ left: 1 }, { left: 1_000 }, { left: 4 }]);
  expect((await chat(process, server.url, { agent: "researcher", maxTokens: 500 })).status).toBe(200);
  expect(await inScope(process, "researcher")).toMatchObject([
    { budget: "agent", scope: "agent:researcher", unit: "tokens", left: 200, cap: 1_000 },
    { budget: "agent", unit: "calls", left: 3, cap: 4 },
    { budget: "all", scope: "all", unit: "usd", left: 0.9992, cap: 1, until: expect.any(Number) },
  ]);
  expect(await inScope(process, "other")).toMatchObject([{ left: 0.9992 }, { left: 1_000 }, { left: 4 }]);
});

test("is the reserve too inside finalise()", async () => {
  const process = await open([{ name: "agent", scope: { agent: "*" }, per: "hour", calls: 10, finalisation: 0.2 }]);
  const row = { budget: "agent", scope: "agent:a", unit: "calls", until: expect.any(Number) };
  expect(await inScope(process, "a")).toEqual([{ ...row, left: 8, cap: 8, kept: 2 }]);
  expect(await process.runtime.finalise(() => inScope(process, "a"))).toEqual([
    { ...row, left: 10, cap: 10, finalising: true },
  ]);
  const { headers } = await process.runtime.finalise(() => chat(process, server.url, { agent: "a" }));
  expect(headers.get("x-spendfuse-finalising")).toBe("true");
  expect((await chat(process, server.url, { agent: "a" })).headers.has("x-spendfuse-finalising")).toBe(false);
  expect(process.settled.map(({ finalising }) => finalising)).toEqual([true, undefined]);
});

test("is nothing while a circuit is open, and no rows are given without a budget", async () => {
  const process = await guard(server, {
    budgets: [{ name: "b", per: "hour", calls: 9, trip: "1h" }],
    repeats: { max: 1, within: "1m" },
  });
  processes.push(process);
  server.play(() => answer(1, 1));
  for (const status of [200, 402]) expect((await chat(process, server.url, { agent: "a" })).status).toBe(status);
  expect(await inScope(process, "a")).toMatchObject([{ left: 0 }]);
  expect(await inScope(await open([]), "a")).toEqual([]);
});
