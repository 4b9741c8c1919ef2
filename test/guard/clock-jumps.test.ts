import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createBudgetOperations } from "../../src/breaker/budgets/changes.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { nestScope } from "../../src/core/scope.ts";
import type { Guard } from "../../src/guard/guard.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { openMemory } from "../../src/stores/memory.ts";
import { openRedis } from "../../src/stores/redis/store.ts";
import type { Store } from "../../src/stores/store.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";
import { MINUTE, open } from "./waiting-guard.ts";

/** An hour's budget of 2 calls, raised by 2 at five past twelve. */
const BUDGET: BudgetConfig = { name: "b", scope: { agent: "*" }, per: "hour", calls: 2 };
const NOON = Date.UTC(2026, 10, 24, 12);
const HOUR = 60 * MINUTE;
const [PLAIN, RAISED] = [2, 4];
const folder = mkdtempSync(join(tmpdir(), "spendfuse-clocks-"));

let redis: RedisServer | undefined;
const stores: Store[] = [];
beforeAll(async () => {
  if (NO_REDIS === undefined) redis = await startRedis();
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});
afterAll(async () => {
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

type Clock = () => number;
/** Returns what opens one store for a process with this clock. */
const KINDS: Readonly<Record<string, () => (clock: Clock) => Promise<Store>>> = {
  memory() {
    let one: Store | undefined;
    return async (clock) => {
      one ??= openMemory(clock);
      return { ...one, alone: false, close: () => {} };
    };
  },
  file() {
    const path = join(folder, `${Math.random()}.db`);
    return (clock) => openFile(path, { clock, pollMs: 5 });
  },
  redis() {
    const address = `${redis?.url}?prefix=${Math.random()}`;
    return (clock) => openRedis(address, clock);
  },
};

/** Two processes, each with a clock of its own, by which its handle of the store goes too. */
async function openTwo(make: (clock: Clock) => Promise<Store>) {
  const clocks: readonly [{ now: number }, { now: number }] = [{ now: NOON + 5 * MINUTE }, { now: NOON + 5 * MINUTE }];
  const guards: Guard[] = [];
  for (const [index, clock] of clocks.entries()) {
    const store = await make(() => clock.now);
    stores.push(store);
    guards.push(open([BUDGET], undefined, { store, clock: () => clock.now, holder: `p${index}` }).guard);
  }
  const operations = createBudgetOperations(
    stores.at(-1) as Store,
    () => readBudget(BUDGET),
    () => clocks[1].now,
  );
  const order = { budget: "b", scope: "agent:a", amount: RAISED - PLAIN, reason: "more", by: "ann" };
  expect(await operations.change("raise", order)).toMatchObject({ status: 200 });
  const nodes = guards.map(() => nestScope(undefined, { agent: "a" }));
  const capOf = async (which: 0 | 1): Promise<number | undefined> =>
    (await guards[which]?.remaining(nodes[which] as never))?.[0]?.cap;
  return {
    /** Sets both clocks to so long after noon; `jump`: by how much that of the first is wrong. */
    async capsAt(sinceNoon: number, jump = 0): Promise<readonly (number | undefined)[]> {
      clocks[0].now = NOON + sinceNoon + jump;
      clocks[1].now = NOON + sinceNoon;
      return [await capOf(0), await capOf(1)];
    },
  };
}

describe.each(Object.entries(KINDS))("a raise on the store %s", (name, make) => {
  const it = test.skipIf(name === "redis" && NO_REDIS !== undefined);

  it("holds until its window ends, in each process by its clock", async () => {
    const two = await openTwo(make());
    expect(await two.capsAt(6 * MINUTE)).toEqual([RAISED, RAISED]);
    expect(await two.capsAt(HOUR - 1)).toEqual([RAISED, RAISED]);
    expect(await two.capsAt(HOUR + 2 * MINUTE)).toEqual([PLAIN, PLAIN]);
    expect(await two.capsAt(3 * HOUR)).toEqual([PLAIN, PLAIN]);
  });

  it.each([
    { jump: 20 * MINUTE, within: [RAISED, RAISED] },
    { jump: -30_000, within: [RAISED, RAISED] },
    { jump: 2 * HOUR, within: [PLAIN, RAISED] },
    { jump: -2 * HOUR, within: [PLAIN, RAISED] },
    { jump: 400 * 24 * HOUR, within: [PLAIN, RAISED] },
    { jump: -400 * 24 * HOUR, within: [PLAIN, RAISED] },
  ])(
    "is there again when a clock that jumped by $jump ms is put right, and is no other process's affair",
    async ({ jump, within }) => {
      const two = await openTwo(make());
      expect(await two.capsAt(10 * MINUTE)).toEqual([RAISED, RAISED]);
      expect(await two.capsAt(11 * MINUTE, jump)).toEqual(within);
      expect(await two.capsAt(12 * MINUTE)).toEqual([RAISED, RAISED]);
      expect(await two.capsAt(13 * MINUTE, jump)).toEqual(within);
      expect(await two.capsAt(HOUR - 1)).toEqual([RAISED, RAISED]);
      expect(await two.capsAt(HOUR + 2 * MINUTE)).toEqual([PLAIN, PLAIN]);
    },
  );

  it.each([
    { jump: 20 * MINUTE, endsAt: 40 * MINUTE },
    { jump: -20 * MINUTE, endsAt: 80 * MINUTE },
  ])(
    "ends by no more than the jump early or late in a process whose clock stays wrong by $jump ms",
    async ({ jump, endsAt }) => {
      const two = await openTwo(make());
      const first = async (sinceNoon: number) => (await two.capsAt(sinceNoon, jump))[0];
      expect(await first(30 * MINUTE)).toBe(RAISED);
      expect(await first(endsAt - 1)).toBe(RAISED);
      // A clock that was set back by less than a minute stays in its window.
      expect(await first(endsAt + MINUTE)).toBe(PLAIN);
    },
  );
});
