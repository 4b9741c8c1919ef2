import { beforeEach, describe, expect, test } from "vitest";
import { createBudgetOperations } from "../../src/breaker/budgets/changes.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { nestScope, type ScopeNode } from "../../src/core/scope.ts";
import { finalise } from "../../src/guard/finalise.ts";
import { createWaiting } from "../../src/guard/waiting.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Ask } from "../../src/limits/gate.ts";
import { changeCircuit } from "../../src/stores/store.ts";
import { startModelServer } from "../servers/model-server.ts";
import { answer, chat, guard as guardedProcess } from "./guarded.ts";
import { askOf, call, MINUTE, open, settled } from "./waiting-guard.ts";

const BUDGET: BudgetConfig = { name: "b", scope: { agent: "*" }, per: "hour", calls: 2 };

// A node keeps the counts of the guard that it was used with.
let A: ScopeNode;
let B: ScopeNode;
beforeEach(() => {
  A = nestScope(undefined, { agent: "a" });
  B = nestScope(undefined, { agent: "b" });
});

describe("a call whose budget is spent waits", () => {
  test("until it is raised, in order of arrival; others do not wait", async () => {
    const { guard, store, clock, refused } = open([BUDGET]);
    const done: string[] = [];
    for (const name of ["1", "2", "3", "4", "5"]) call(guard, done, name, A);
    call(guard, done, "other", B);
    await settled();
    expect(done).toEqual(["1", "2", "other"]);
    const operations = createBudgetOperations(
      store,
      () => readBudget(BUDGET),
      () => clock.now,
    );
    const order = { budget: "b", scope: "agent:a", amount: 2, reason: "month end", by: "ann" };
    expect(await operations.change("raise", order)).toMatchObject({ status: 200 });
    await settled();
    expect(done).toEqual(["1", "2", "other", "3", "4"]);
    // One that comes now is behind the one that waits.
    call(guard, done, "6", A);
    await operations.change("raise", { ...order, amount: 1 });
    await settled();
    expect(done.at(-1)).toBe("5");
    expect(refused).toEqual([]);
  });

  test("before those that came after it, though the store refused them first", async () => {
    const passed: Ask[] = [];
    const waiting = createWaiting({
      waitMs: MINUTE,
      clock: Date.now,
      check(ask) {
        passed.push(ask);
        return { pass: true, ticket: undefined };
      },
      refuse: () => ({ pass: true, ticket: undefined }),
      onFault: (error) => {
        throw error;
      },
    });
    const blocked = { reason: "budget", scope: "agent:a" } as const;
    const cause = { key: "b", blocked, until: undefined, applies: () => false };
    const asks = [askOf(A), askOf(A), askOf(A)] as const;
    for (const ask of asks) expect(waiting.join(ask)).toBeUndefined();
    for (const index of [1, 2, 0] as const) void waiting.wait(asks[index], cause);
    waiting.wake();
    await settled();
    expect(passed.map((ask) => asks.indexOf(ask))).toEqual([0, 1, 2]);
    waiting.close();
  });

  test("and is one request to the rule against repeats, however often it is checked", async () => {
    const repeats = { max: 1, withinMs: MINUTE, tripMs: MINUTE };
    const { guard, refused } = open([{ ...BUDGET, calls: 0 }], undefined, { waitMs: MINUTE, repeats });
    const done: string[] = [];
    const ask = { ...askOf(A), fingerprint: () => "the same" };
    void Promise.resolve(guard.admit(ask)).then(({ pass }) => done.push(pass ? "passed" : "refused"));
    for (let time = 0; time < 5; time++) {
      guard.replaceBudgets(readBudget({ ...BUDGET, calls: 0 }));
      await settled();
    }
    expect([done, refused]).toEqual([[], []]);
    guard.replaceBudgets(readBudget(BUDGET));
    await settled();
    expect([done, refused]).toEqual([["passed"], []]);
  });

  test("until another call gives back what it held", async () => {
    const { guard } = open([BUDGET]);
    const done: string[] = [];
    const first = await call(guard, done, "1", A);
    call(guard, done, "2", A);
    call(guard, done, "3", A);
    await settled();
    expect(done).toEqual(["1", "2"]);
    if (first.pass) first.ticket?.release();
    await settled();
    expect(done).toEqual(["1", "2", "3"]);
  });

  test("until the window turns", async () => {
    const { guard, clock } = open([BUDGET]);
    const done: string[] = [];
    clock.now = Date.UTC(2026, 10, 24, 13) - 20;
    const first = await Promise.all([call(guard, done, "1", A), call(guard, done, "2", A)]);
    for (const passage of first) if (passage.pass) passage.ticket?.settle({ tokens: 1, costNano: 1 });
    const waiting = [call(guard, done, "3", A), call(guard, done, "4", A)];
    await settled();
    expect(done).toEqual(["1", "2"]);
    clock.now += 20;
    await Promise.all(waiting);
    expect(done).toEqual(["1", "2", "3", "4"]);
  });

  test("no longer than it may", async () => {
    const { guard, refused } = open([BUDGET], 20);
    const done: string[] = [];
    await Promise.all(["1", "2", "3", "4"].map((name) => call(guard, done, name, A)));
    expect(done).toEqual(["1", "2", "3 refused", "4 refused"]);
    expect(refused).toEqual(["budget", "budget"]);
  });

  test("but not one that may use what is kept for finalisation", async () => {
    const { guard } = open([{ ...BUDGET, finalisation: 0.5 }]);
    const done: string[] = [];
    call(guard, done, "1", A);
    call(guard, done, "2", A);
    await settled();
    expect(done).toEqual(["1"]);
    await finalise(() => call(guard, done, "last", A));
    expect(done).toEqual(["1", "last"]);
  });
});

test("calls of a paused agent wait until it is resumed; those of a circuit that an alert opened do not", async () => {
  const { guard, store, clock } = open([]);
  const trip = { type: "trip", reason: "look first", by: "ann", ttlMs: 60 * MINUTE } as const;
  await changeCircuit(store, "agent:a", { ...trip, source: "operator" }, clock.now);
  await changeCircuit(store, "agent:b", { ...trip, source: "datadog" }, clock.now);
  const done: string[] = [];
  call(guard, done, "a", A);
  call(guard, done, "b", B);
  await settled();
  expect(done).toEqual(["b refused"]);
  await changeCircuit(store, "agent:a", { type: "reset", by: "ann", reason: "fine" }, clock.now);
  await settled();
  expect(done).toEqual(["b refused", "a"]);
});

test("without `wait` a call is refused at once", () => {
  const { guard } = open([{ ...BUDGET, calls: 0 }], 0);
  expect(guard.admit(askOf(A))).toMatchObject({ pass: false });
});

test("1,000 calls wait with nothing checked, are served in order, and end at once when they are given up", async () => {
  const { guard } = open([{ ...BUDGET, calls: 0 }]);
  const done: string[] = [];
  let forecasts = 0;
  const aborts = Array.from({ length: 1_000 }, () => new AbortController());
  const all = aborts.map(({ signal }, index) => {
    const forecast = () => {
      forecasts += 1;
      return { tokens: 1, costNano: 1 };
    };
    return Promise.resolve(guard.admit({ ...askOf(A, signal), forecast })).then(() => done.push(String(index)));
  });
  await settled();
  // Only the first was looked at.
  expect(forecasts).toBe(1);
  aborts[0]?.abort();
  aborts[500]?.abort();
  await settled();
  expect(done).toEqual(["0", "500"]);
  guard.replaceBudgets(readBudget({ ...BUDGET, calls: 1_000 }));
  await Promise.all(all);
  const names = aborts.map((_, index) => String(index));
  expect(done).toEqual(["0", "500", ...names.filter((name) => name !== "0" && name !== "500")]);
});

test("through `fetch`: it goes on with the answer, and an abort is the runtime's own and charges nothing", async () => {
  const server = await startModelServer();
  const one = await guardedProcess(server, { budgets: [{ ...BUDGET, calls: 1 }], whenSpent: { wait: "10m" } });
  try {
    server.play(answer(5, 5));
    expect((await chat(one, server.url)).status).toBe(200);
    const abort = new AbortController();
    const body = JSON.stringify({ model: "test-model", messages: [{ role: "user", content: "Hi" }] });
    const send = (signal?: AbortSignal) =>
      one.fetch(`${server.url}/v1/chat/completions`, { method: "POST", body, ...(signal && { signal }) });
    const aborted = one.runtime.scoping.scope({ agent: "researcher" }, () => send(abort.signal));
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    expect(server.visits).toHaveLength(1);
    expect(one.settled).toHaveLength(1);
  } finally {
    await one.stop();
    await server.close();
  }
});
