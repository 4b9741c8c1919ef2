// @serial: it measures the heap.

import { setTimeout as wait } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test } from "vitest";
import { createLedger } from "../../src/core/ledger.ts";
import { nestScope } from "../../src/core/scope.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import { createGuard, type Guard } from "../../src/guard/guard.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Passage } from "../../src/limits/gate.ts";
import { openaiRefusal } from "../../src/meter/wire/openai-error.ts";
import { openMemory } from "../../src/stores/memory.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
const AGENTS = Math.min(100_000, 25_000 * SCALE);
const RUNS = Math.min(400_000, 100_000 * SCALE);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
let guard: Guard | undefined;
let now = 0;

afterEach(async () => {
  await guard?.close();
});

function heap(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

function call(on: Guard, ledger: ReturnType<typeof createLedger>, fields: { agent: string; run?: string }): boolean {
  const node = nestScope(undefined, fields);
  const passage = on.admit({
    node,
    refusal: openaiRefusal,
    provider: "openai",
    model: "m",
    forecast: () => ({ tokens: 10, costNano: 10 }),
    fingerprint: () => undefined,
    cut: () => {},
  }) as Passage;
  if (!passage.pass) return false;
  passage.ticket?.settle({ tokens: 10, costNano: 10 });
  ledger.add(node, { calls: 1, cost: 10, usage: NO_USAGE, unknown: false }, now);
  return true;
}

test.each([
  ["agents", AGENTS, (at: number) => ({ agent: `agent-${at}` })],
  ["runs", RUNS, (at: number) => ({ agent: "a", run: `run-${at}` })],
] as const)(
  "%s that come and go leave next to nothing behind, and what they spent is remembered",
  async (name, many, who) => {
    now = Date.UTC(2026, 5, 1);
    const store = openMemory(() => now);
    const budgets = [
      ...readBudget({ scope: { agent: "*" }, per: "hour", tokens: 1_000_000_000 }),
      ...readBudget({ scope: { agent: "*" }, per: "run", tokens: 20 }),
    ];
    guard = createGuard({
      budgets,
      mode: "enforce",
      store,
      fed: false,
      whenStateUnknown: "closed",
      unpriced: "allow",
      timeoutMs: 1_000,
      clock: () => now,
      leaseMs: 30,
      holder: "one",
      processName: () => "one",
      approvers: new Set(),
      say: () => {},
      onRefused: () => {},
      onFault: (error) => {
        throw error;
      },
    });
    const ledger = createLedger();
    const before = heap();
    const part = Math.ceil(many / 20);
    const sizes: number[] = [];
    for (let at = 0; at < many; at++) {
      call(guard, ledger, who(at));
      if (at % part !== part - 1) continue;
      now += 5 * 60_000;
      await wait(50);
      sizes.push(heap() - before);
    }
    now += 2 * 3_600_000;
    await wait(50);
    const grown = heap() - before;
    const all = [...sizes, grown].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    console.log(`${many} ${name}: MiB ${all.join(" ")}; counts ${[...guard.counts].length}`);
    expect([...guard.counts].length).toBeLessThan(part);
    expect(grown).toBeLessThan(40 * 2 ** 20);
    expect(ledger.sums("all", "ever", now)?.cost).toBe(many * 10);
    // The last one has spent half of its run's cap.
    const last = who(many - 1);
    expect([call(guard, ledger, last), call(guard, ledger, last)]).toEqual([true, false]);
  },
);
