import fc from "fast-check";
import { expect, test } from "vitest";
import { nestScope } from "../../src/core/scope.ts";
import { createGuard, type Guard } from "../../src/guard/guard.ts";
import { readBudget } from "../../src/limits/budget.ts";
import type { Ticket } from "../../src/limits/gate.ts";
import { openaiRefusal } from "../../src/meter/wire/openai-error.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Store } from "../../src/stores/store.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
const CAP = 1_000;
const [budget] = readBudget({ scope: { agent: "*" }, per: "month", tokens: CAP }) as never[];

interface Process {
  readonly guard: Guard;
  readonly under: { readonly ticket: Ticket; readonly amount: number }[];
  refusals: number;
}

/** Several guards on one store, as processes are; only that one thread runs them all, so that a moment can be looked at. */
function start(processes: number, store: Store, onRefused: (process: Process) => void): Process[] {
  return Array.from({ length: processes }, (_, index) => {
    const guard = createGuard({
      budgets: [budget as never],
      mode: "enforce",
      store,
      fed: false,
      whenStateUnknown: "closed",
      unpriced: "allow",
      timeoutMs: 5_000,
      holder: `process-${index}`,
      processName: () => `process-${index}`,
      approvers: new Set(),
      say: () => {},
      onRefused: () => onRefused(one),
      onFault: (error) => {
        throw error;
      },
    });
    const one: Process = { guard, under: [], refusals: 0 };
    return one;
  });
}

const node = nestScope(undefined, { agent: "a" });

const step = fc.record({
  process: fc.nat({ max: 3 }),
  /** Calls that ask at the same time. */
  calls: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 }),
  /** How many of those under way end before, and at which part of what they held. */
  end: fc.nat({ max: 4 }),
  part: fc.constantFrom(0, 0.3, 1),
});

test("no call is refused that fits, and none passes that does not, whoever holds slices", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const store: Store = { ...openMemory(), alone: false };
      let asked = 0;
      let wrong: string | undefined;
      const processes = start(4, store, (one) => {
        // At this moment, in all processes together.
        let used = 0;
        let spent = 0;
        for (const { guard } of processes)
          for (const count of guard.counts) [used, spent] = [used + count.inUse, spent + count.spent];
        one.refusals += 1;
        if (CAP - spent - used >= asked) wrong ??= `${asked} was refused with ${spent} spent and ${used} under way`;
      });
      let spent = 0;
      for (const { process, calls, end, part } of steps) {
        const one = processes[process] as Process;
        for (const { ticket, amount } of one.under.splice(0, end)) {
          const tokens = Math.floor(amount * part);
          spent += tokens;
          ticket.settle({ tokens, costNano: 0 });
        }
        // All of one size, so that it is known at a refusal what was asked for.
        asked = calls[0] as number;
        const same = calls.map(() => asked);
        const passages = await Promise.all(
          same.map((tokens) =>
            one.guard.admit({
              node,
              refusal: openaiRefusal,
              provider: "openai",
              model: "m",
              forecast: () => ({ tokens, costNano: 0 }),
              fingerprint: () => undefined,
              cut: () => {},
            }),
          ),
        );
        for (const passage of passages)
          if (passage.pass && passage.ticket) one.under.push({ ticket: passage.ticket, amount: asked });
        const under = processes.flatMap((each) => each.under).reduce((sum, { amount }) => sum + amount, 0);
        expect(spent + under).toBeLessThanOrEqual(CAP);
      }
      expect(wrong).toBeUndefined();
      for (const one of processes)
        for (const { ticket, amount } of one.under.splice(0)) ticket.settle({ tokens: amount, costNano: 0 });
      await Promise.all(processes.map(({ guard }) => guard.close()));
      const [count] = await store.counts(5);
      expect(count ?? { inUse: 0, held: 0 }).toMatchObject({ inUse: 0, held: 0 });
    }),
    { numRuns: 60 * SCALE, seed: 3 },
  );
});
