import { beforeEach, describe, expect, test } from "vitest";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { nestScope, type ScopeNode } from "../../src/core/scope.ts";
import { finalise } from "../../src/guard/finalise.ts";
import type { Guard } from "../../src/guard/guard.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Passage } from "../../src/limits/gate.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";
import { startModelServer } from "../servers/model-server.ts";
import { answer, chat, guard as guardedProcess } from "./guarded.ts";
import { askOf, call, MINUTE, type Opened, open, settled } from "./waiting-guard.ts";

const BUDGET: BudgetConfig = { name: "b", scope: { agent: "*" }, per: "hour", calls: 100 };

function slowed(throttle: object, more: Partial<BudgetConfig> = {}): BudgetConfig {
  return { ...BUDGET, ...more, ladder: { throttle: { at: 0, ...throttle } } };
}

let A: ScopeNode;
let B: ScopeNode;
beforeEach(() => {
  A = nestScope(undefined, { agent: "a" });
  B = nestScope(undefined, { agent: "b" });
});

/** Makes calls at once, and returns the names of those let go. */
function makeCalls(guard: Guard, names: readonly string[], node = A): string[] {
  const done: string[] = [];
  for (const name of names) void call(guard, done, name, node);
  return done;
}

/** Moves the guard's clock, and wakes what waits. */
async function later({ guard, clock }: Opened, ms: number, budgets: readonly BudgetConfig[]): Promise<void> {
  clock.now += ms;
  guard.replaceBudgets(budgets.flatMap(readBudget));
  await settled();
}

describe("a throttle", () => {
  test("lets one call go every so often, in order of arrival, each scope for itself", async () => {
    const budgets = [slowed({ every: "2s" })];
    const one = open(budgets, undefined);
    const done = makeCalls(one.guard, ["1", "2", "3"]);
    const others = makeCalls(one.guard, ["other"], B);
    await settled();
    expect([done, others]).toEqual([["1"], ["other"]]);
    await later(one, 1_999, budgets);
    expect(done).toEqual(["1"]);
    await later(one, 1, budgets);
    expect(done).toEqual(["1", "2"]);
    await later(one, 2_000, budgets);
    expect(done).toEqual(["1", "2", "3"]);
  });

  test("lets so many calls be under way at once", async () => {
    const one = open([slowed({ atOnce: 2 })], undefined);
    const done: string[] = [];
    const first = await call(one.guard, done, "1", A);
    const second = await call(one.guard, done, "2", A);
    const more = ["3", "4", "5"].map((name) => call(one.guard, done, name, A));
    await settled();
    expect(done).toEqual(["1", "2"]);
    settle(first);
    await settled();
    expect(done).toEqual(["1", "2", "3"]);
    release(second);
    settle(await (more[0] as Promise<Passage>));
    await settled();
    expect(done).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("begins at its share of the cap, and its waiting goes on by itself", async () => {
    const one = open([slowed({ at: 0.5, every: "30ms" }, { calls: 4 })], undefined, { clock: Date.now });
    const done: string[] = [];
    for (const name of ["1", "2"]) settle(await call(one.guard, done, name, A));
    // Half is spent: from here on.
    const third = call(one.guard, done, "3", A);
    const begun = performance.now();
    const fourth = call(one.guard, done, "4", A);
    await third;
    expect(done).toEqual(["1", "2", "3"]);
    await fourth;
    expect(performance.now() - begun).toBeGreaterThan(25);
    expect(one.said.filter((line) => line.includes("slowed down"))).toEqual([
      'budget "b": calls of a are slowed down (one every 30 ms)',
    ]);
  });

  test("is followed by the refusal of the cap, which takes no turn", async () => {
    const one = open([slowed({ every: "1s" }, { calls: 1 })], 0);
    const done = makeCalls(one.guard, ["1", "2", "3"]);
    await settled();
    expect(done).toEqual(["1"]);
    await later(one, 1_000, [slowed({ every: "1s" }, { calls: 1 })]);
    expect(done).toEqual(["1", "2 refused", "3 refused"]);
  });

  test("and a spent budget for which calls wait keep the order", async () => {
    const budget = slowed({ every: "1s" }, { calls: 1 });
    const one = open([budget]);
    const done = makeCalls(one.guard, ["1", "2", "3"]);
    await later(one, 1_000, [budget]);
    expect(done).toEqual(["1"]);
    await later(one, 0, [{ ...budget, calls: 3 }]);
    expect(done).toEqual(["1", "2"]);
    await later(one, 1_000, [{ ...budget, calls: 3 }]);
    expect(done).toEqual(["1", "2", "3"]);
  });

  test("is not held by a call that waits for a spent budget meanwhile", async () => {
    const budget = slowed({ atOnce: 1 }, { calls: 0 });
    const one = open([budget]);
    const done = makeCalls(one.guard, ["1", "2"]);
    await settled();
    expect(done).toEqual([]);
    await later(one, 0, [{ ...budget, calls: 9 }]);
    expect(done).toEqual(["1"]);
    await later(one, 0, [{ ...BUDGET, calls: 9 }]);
    expect(done).toEqual(["1", "2"]);
  });

  test("ends at once for a call that is aborted, whose place the next takes", async () => {
    const one = open([slowed({ atOnce: 1 })], undefined);
    const done: string[] = [];
    const first = await call(one.guard, done, "1", A);
    const abort = new AbortController();
    void call(one.guard, done, "aborted", A, abort.signal);
    void call(one.guard, done, "3", A);
    await settled();
    abort.abort();
    await settled();
    expect(done).toEqual(["1", "aborted"]);
    settle(first);
    await settled();
    expect(done).toEqual(["1", "aborted", "3"]);
  });

  test("does not hold a call inside finalise(), nor anything in shadow mode", async () => {
    const one = open([slowed({ atOnce: 1 })], undefined);
    const done = makeCalls(one.guard, ["1", "2"]);
    await settled();
    await finalise(() => call(one.guard, done, "last", A));
    expect(done).toEqual(["1", "last"]);
    const shadow = open([slowed({ atOnce: 1 })], undefined, { mode: "shadow" });
    const all = makeCalls(shadow.guard, ["1", "2"], B);
    await settled();
    expect(all).toEqual(["1", "2"]);
    expect(shadow.said).toEqual(['budget "b": calls of b would be slowed down (1 at once)']);
  });

  test("waits no longer than its time where the clock is set back", async () => {
    const budgets = [slowed({ every: "2s" })];
    const one = open(budgets, undefined);
    const done = makeCalls(one.guard, ["1", "2"]);
    await settled();
    await later(one, -30_000, budgets);
    expect(done).toEqual(["1", "2"]);
  });

  test("is taken from a configuration that is read again, and is gone with it", async () => {
    const one = open([BUDGET], undefined);
    one.guard.replaceBudgets([slowed({ every: "1h" })].flatMap(readBudget));
    const done = makeCalls(one.guard, ["1", "2"]);
    await settled();
    expect(done).toEqual(["1"]);
    one.guard.replaceBudgets(readBudget(BUDGET));
    await settled();
    expect(done).toEqual(["1", "2"]);
  });

  test("makes 1,000 calls wait with one check of one call at a time", async () => {
    const one = open([slowed({ atOnce: 1 }, { calls: 10_000 })], undefined);
    let checks = 0;
    const done: number[] = [];
    const first = await one.guard.admit(askOf(A));
    const all = Array.from({ length: 1_000 }, async (_, index) => {
      const forecast = () => {
        checks += 1;
        return { tokens: 1, costNano: 1 };
      };
      const passage = await one.guard.admit({ ...askOf(A), forecast });
      done.push(index);
      settle(passage);
    });
    await settled();
    expect(checks).toBe(0);
    settle(first);
    await Promise.all(all);
    expect(done).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
    expect(checks).toBe(1_000);
  });
});

describe("a throttle of processes that share a store", () => {
  const EVERY = 2_000;
  const budgets = [slowed({ every: "2s" }, { per: "month" })];

  /** Two guards on one store and clock, as two processes are. */
  function openTwo(given = budgets): readonly [Opened, Opened] {
    const memory = openMemory(() => one.clock.now);
    const store: Store = { ...memory, alone: false };
    const one: Opened = open(given, 0, { store });
    const two = open(given, 0, { store, clock: () => one.clock.now, holder: "2" });
    return [one, { ...two, clock: one.clock }];
  }

  async function laterBoth(both: readonly Opened[], ms: number, given = budgets): Promise<void> {
    for (const [index, one] of both.entries()) await later(one, index === 0 ? ms : 0, given);
    for (const one of both) await later(one, 0, given);
  }

  test("lets one call of both go at a time, by turns", async () => {
    const both = openTwo();
    const done = makeCalls(both[0].guard, ["1", "2", "3"]);
    await settled();
    const others = makeCalls(both[1].guard, ["1", "2", "3"]);
    await settled();
    expect([done, others]).toEqual([["1"], []]);
    await laterBoth(both, EVERY - 1);
    expect([done, others]).toEqual([["1"], []]);
    await laterBoth(both, 1);
    expect([done, others]).toEqual([["1"], ["1"]]);
    await laterBoth(both, EVERY);
    expect([done, others]).toEqual([["1", "2"], ["1"]]);
    await laterBoth(both, EVERY);
    expect([done, others]).toEqual([
      ["1", "2"],
      ["1", "2"],
    ]);
  });

  test("gives the turn of a call that is aborted or refused to the next of its process", async () => {
    const both = openTwo();
    const [, two] = both;
    makeCalls(both[0].guard, ["1"]);
    await settled();
    const done: string[] = [];
    const abort = new AbortController();
    void call(two.guard, done, "aborted", A, abort.signal);
    await settled();
    void call(two.guard, done, "2", A);
    abort.abort();
    await laterBoth(both, EVERY);
    expect(done).toEqual(["aborted", "2"]);
    const spent = [slowed({ every: "2s" }, { calls: 1 })];
    const refusing = openTwo(spent);
    const all = makeCalls(refusing[0].guard, ["1", "2", "3"]);
    await settled();
    await laterBoth(refusing, EVERY, spent);
    expect(all).toEqual(["1", "2 refused", "3 refused"]);
  });

  test("is each process's own while the store does not answer", async () => {
    const store: Store = {
      ...openMemory(),
      alone: false,
      takeTurn() {
        throw new Error("the disk is full");
      },
    };
    const one = open(budgets, undefined, { store });
    const done = makeCalls(one.guard, ["1", "2", "3"]);
    await settled();
    expect(done).toEqual(["1"]);
    await later(one, EVERY, budgets);
    expect(done).toEqual(["1", "2"]);
    expect(one.said.some((line) => line.includes("the disk is full"))).toBe(true);
  });

  test("holds nobody longer where a clock is set back, nor lets two go for a turn that is long over", async () => {
    const both = openTwo();
    const [one, two] = both;
    const done = makeCalls(one.guard, ["1", "2"]);
    await settled();
    const others = makeCalls(two.guard, ["1", "2"]);
    await settled();
    await laterBoth(both, -3_600_000);
    expect([done, others]).toEqual([["1", "2"], []]);
    await laterBoth(both, EVERY);
    expect([done, others]).toEqual([["1", "2"], ["1"]]);
    // Both processes slept through many turns.
    const more = makeCalls(one.guard, ["3"]);
    await laterBoth(both, 3_600_000);
    expect(others.length + more.length).toBe(2);
  });

  test("asks the store for nothing below its rung", async () => {
    let asked = 0;
    const store: Store = {
      ...openMemory(),
      alone: false,
      takeTurn() {
        asked += 1;
        return 0;
      },
    };
    const { guard } = open([slowed({ at: 0.5, every: "2s" }, { calls: 10 })], undefined, { store });
    for (let made = 0; made < 5; made++) settle(await call(guard, [], "1", A));
    expect(asked).toBe(0);
    settle(await call(guard, [], "1", A));
    expect(asked).toBe(1);
  });
});

test("through `fetch`, the record, the span's attribute and a header say how long a call waited", async () => {
  const server = await startModelServer();
  const one = await guardedProcess(server, { budgets: [slowed({ every: "60ms" })] });
  try {
    server.play(answer(5, 5));
    const [first, second] = await Promise.all([chat(one, server.url, {}), chat(one, server.url, {})]);
    expect(first.headers.get("x-spendfuse-throttled-ms")).toBeNull();
    const [before, after] = one.settled;
    expect(before?.throttled).toBeUndefined();
    expect(after?.throttled).toEqual({ budget: "b", waitedMs: expect.any(Number) });
    expect(second.headers.get("x-spendfuse-throttled-ms")).toBe(String(Math.round(after?.throttled?.waitedMs ?? 0)));
  } finally {
    await one.stop();
    await server.close();
  }
});

test("a fetch that looks at no signal never sends a call that was aborted while it waited", async () => {
  const sent: unknown[] = [];
  const inner: typeof fetch = async (input) => {
    sent.push(input);
    return Response.json({});
  };
  const one = await guardedProcess(undefined, { budgets: [slowed({ every: "1h" })] });
  const hooked = one.runtime.wrapFetch(inner);
  const body = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] });
  const send = (signal?: AbortSignal) =>
    hooked("https://api.openai.com/v1/chat/completions", { method: "POST", body, ...(signal && { signal }) });
  try {
    await send();
    const abort = new AbortController();
    const waiting = send(abort.signal);
    abort.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await expect(send(AbortSignal.timeout(MINUTE / 6_000))).rejects.toMatchObject({ name: "TimeoutError" });
    expect(sent).toHaveLength(1);
  } finally {
    await one.stop();
  }
});

function settle(passage: Passage): void {
  if (passage.pass) passage.ticket?.settle({ tokens: 1, costNano: 1 });
}

function release(passage: Passage): void {
  if (passage.pass) passage.ticket?.release();
}
