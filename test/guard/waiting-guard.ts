import { setImmediate } from "node:timers/promises";
import { afterEach } from "vitest";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import type { ScopeNode } from "../../src/core/scope.ts";
import { createGuard, type Guard } from "../../src/guard/guard.ts";
import type { GuardOptions } from "../../src/guard/guard-state.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Ask, Passage } from "../../src/limits/gate.ts";
import { openaiChat } from "../../src/meter/wire/formats/openai-chat.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";

export const MINUTE = 60_000;

const guards: Guard[] = [];
afterEach(async () => {
  await Promise.all(guards.splice(0).map((one) => one.close()));
});

export interface Opened {
  readonly guard: Guard;
  readonly store: Store;
  readonly clock: { now: number };
  readonly refused: string[];
  readonly said: string[];
}

/** A guard on a memory store with a clock of its own. `waitMs`: how long calls wait for a spent budget. */
export function open(
  budgets: readonly BudgetConfig[],
  waitMs: number | undefined = 10 * MINUTE,
  more: Partial<GuardOptions> = {},
): Opened {
  const clock = { now: Date.UTC(2026, 10, 24, 12) };
  const store = openMemory();
  const refused: string[] = [];
  const said: string[] = [];
  const guard = createGuard({
    budgets: budgets.flatMap(readBudget),
    mode: "enforce",
    store,
    fed: false,
    whenStateUnknown: "open",
    unpriced: "allow",
    timeoutMs: 1_000,
    holder: "1",
    waitMs,
    processName: () => "test",
    approvers: new Set(),
    clock: () => clock.now,
    say: (line) => said.push(line),
    onRefused: (_node, { reason }) => refused.push(reason),
    onFault(error) {
      throw error;
    },
    ...more,
  });
  guards.push(guard);
  return { guard, store, clock, refused, said };
}

export function askOf(node: ScopeNode, signal?: AbortSignal): Ask {
  return {
    node,
    signal,
    refusal: openaiChat.refusal,
    provider: "openai",
    model: "m",
    forecast: () => ({ tokens: 10, costNano: 10 }),
    fingerprint: () => undefined,
    cut: () => {},
  };
}

/** Makes a call, and notes its name when it is decided. */
export function call(
  guard: Guard,
  done: string[],
  name: string,
  node: ScopeNode,
  signal?: AbortSignal,
): Promise<Passage> {
  return Promise.resolve(guard.admit(askOf(node, signal))).then((passage) => {
    done.push(passage.pass ? name : `${name} refused`);
    return passage;
  });
}

export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await setImmediate();
}
