import { beforeEach, describe, expect, test, vi } from "vitest";
import { createBudgetOperations } from "../../src/breaker/budgets/changes.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { nestScope, type ScopeNode } from "../../src/core/scope.ts";
import type { Guard } from "../../src/guard/guard.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Passage } from "../../src/limits/gate.ts";
import { askOf, open } from "./waiting-guard.ts";

const BUDGET: BudgetConfig = { name: "b", scope: { agent: "*" }, per: "run", seconds: 10 };

let A: ScopeNode;
beforeEach(() => {
  A = nestScope(undefined, { agent: "a", run: "r" });
  vi.useFakeTimers({ toFake: ["performance"] });
  return () => vi.useRealTimers();
});

/** A call that takes so many milliseconds. */
async function lasting(guard: Guard, ms: number, spent?: { tokens: number; costNano: number }): Promise<Passage> {
  const passage = await guard.admit(askOf(A));
  vi.advanceTimersByTime(ms);
  if (passage.pass) passage.ticket?.settle(spent);
  return passage;
}

describe("a cap in seconds", () => {
  test("counts how long calls take, and refuses when the rest is too little for a typical one", async () => {
    const { guard } = open([BUDGET], 0);
    expect((await lasting(guard, 4_000)).pass).toBe(true);
    expect(await guard.remaining(A)).toMatchObject([{ left: 6, cap: 10 }]);
    expect((await lasting(guard, 4_000)).pass).toBe(true);
    // 2 seconds are too short for a call that takes 4.
    expect(await guard.remaining(A)).toEqual([{ budget: "b", scope: "agent:a", unit: "seconds", left: 0, cap: 10 }]);
    const refused = await guard.admit(askOf(A));
    const { body } = (!refused.pass && refused.refusal()) || { body: "" };
    expect(body).toContain(
      'this call may use 4 seconds, and the budget \\"b\\" has 2 seconds left of 10 seconds (8 seconds spent)',
    );
    expect(body).toContain('\\"unit\\":\\"seconds\\",\\"spent\\":8,\\"limit\\":10,\\"need\\":4');
  });

  test("counts calls at once each, a failed one too, and nothing of one that was never sent", async () => {
    const { guard } = open([BUDGET], 0);
    const [one, other, unsent] = await Promise.all([
      guard.admit(askOf(A)),
      guard.admit(askOf(A)),
      guard.admit(askOf(A)),
    ]);
    vi.advanceTimersByTime(1_500);
    if (one?.pass) one.ticket?.settle({ tokens: 0, costNano: 0 });
    if (other?.pass) other.ticket?.settle(undefined);
    if (unsent?.pass) unsent.ticket?.release();
    expect(await guard.remaining(A)).toMatchObject([{ left: 7 }]);
  });

  test("corrections of what a call cost change no seconds, and charges have none", async () => {
    const { guard } = open([BUDGET], 0);
    const passage = await lasting(guard, 2_000, { tokens: 5, costNano: 5 });
    if (passage.pass) passage.ticket?.correct({ tokens: 50, costNano: 50 });
    guard.charge(A, { tokens: 7, costNano: 7 });
    expect(await guard.remaining(A)).toMatchObject([{ left: 8 }]);
  });

  test("lets a call pass in a new window however long calls typically take", async () => {
    const { guard, clock } = open([{ ...BUDGET, per: "hour", seconds: 3 }], 0);
    expect((await lasting(guard, 60_000)).pass).toBe(true);
    expect((await guard.admit(askOf(A))).pass).toBe(false);
    clock.now += 3_600_000;
    expect((await guard.admit(askOf(A))).pass).toBe(true);
  });

  test("is raised like any other, in seconds", async () => {
    const { guard, store, clock } = open([BUDGET], 0);
    await lasting(guard, 10_000);
    const operations = createBudgetOperations(
      store,
      () => readBudget(BUDGET),
      () => clock.now,
    );
    const order = { budget: "b", scope: "agent:a", run: "r", amount: 20, reason: "a long report", by: "ann" };
    expect(await operations.change("raise", order)).toMatchObject({ status: 200 });
    expect(await guard.remaining(A)).toMatchObject([{ left: 20, cap: 30 }]);
  });

  test("stands beside caps in dollars and calls of the same row: the first that is spent refuses", async () => {
    const { guard } = open([{ ...BUDGET, usd: 1, calls: 2 }], 0);
    for (let time = 0; time < 2; time++) expect((await lasting(guard, 1, { tokens: 1, costNano: 1 })).pass).toBe(true);
    const refused = await guard.admit(askOf(A));
    expect(!refused.pass && refused.refusal().body).toContain("nothing left of 2 calls");
  });
});
