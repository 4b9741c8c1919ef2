import { randomUUID } from "node:crypto";
import { object } from "../../core/json.ts";
import { periodName, spanAt } from "../../core/period.ts";
import type { Answer } from "../../http/exchange.ts";
import { type Budget, UNIT_SCALES } from "../../limits/budget.ts";
import { joinKey } from "../../limits/scope-text.ts";
import { type CapChange, changeHolder, isAmount, type Report } from "../../limits/tally.ts";
import { type AuditEntry, changeCircuit, type Store } from "../../stores/store.ts";
import { fault } from "../answer.ts";
import { line } from "../line.ts";
import { findTarget, type Target, targetsIn } from "./targets.ts";

/** One budget of one scope in its current window. Amounts are in USD, tokens, calls or seconds. */
export interface BudgetRow {
  readonly budget: string;
  readonly scope: string;
  readonly per: string;
  readonly unit: Budget["unit"];
  /** The run, for a budget per run. */
  readonly run?: string;
  /** When the window ends, in milliseconds since the epoch; absent for a run. */
  readonly until?: number;
  readonly spent: number;
  /** Reserved by calls in flight. */
  readonly inUse: number;
  /** The cap in force, `raised` included. */
  readonly cap: number;
  /** By how much operators raised the configuration's cap; below zero where they lowered it. */
  readonly raised: number;
}

export type BudgetVerb = CapChange | "reset";

/** What operators can do with budgets, over HTTP or directly on a store. */
export interface BudgetOperations {
  /** One row for each budget, scope and window in which something is counted. */
  rows(): Promise<readonly BudgetRow[]>;
  /**
   * Changes the cap of one count until its window ends. `order`, as it was sent: `{ budget, scope?, run?, amount?, reason,
   * by?, id? }`. `amount`: in the unit of the budget; `reset` takes none, it raises the cap by what is spent. An order
   * that is sent again with the same `id` is applied once.
   * @param request The id of the request that this answers.
   */
  change(verb: BudgetVerb, order: unknown, operator?: string, request?: string): Promise<Answer>;
}

const MAX_COUNTS = 100_000;
const MAX_ID = 100;
const RUN_KEPT_MS = 35 * 86_400_000;
/** Time beyond the end of a window for which a change is kept, for processes whose clocks are behind. */
const AFTER_MS = 60_000;
/** How often a change is tried that others keep overtaking. */
const ATTEMPTS = 100;
/** Nobody renews the lease of a change. */
const LEASE_MS = 10_000;

export function createBudgetOperations(
  store: Store,
  caps: () => readonly Budget[],
  clock: () => number = Date.now,
): BudgetOperations {
  const targets = async (budgets: readonly Budget[]): Promise<readonly Target[]> =>
    targetsIn(budgets, await store.counts(MAX_COUNTS), clock());
  return {
    rows: async () => {
      const now = clock();
      return (await targets(caps())).map((target) => rowOf(target, now));
    },
    async change(verb, sent, operator, request) {
      const order = object(sent) ?? {};
      const budgets = caps();
      const found = findTarget(budgets, await targets(budgets), order);
      if ("status" in found) return found;
      const reason = line(order.reason, 500);
      const by = line(order.by, 200) ?? line(operator, 200);
      if (reason === undefined) return fault(400, "no_reason", `"reason" is missing: why ${verb} it?`);
      if (by === undefined) return fault(400, "no_name", '"by" is missing: who asks for it?');
      const amount = verb === "reset" ? found.spent : amountOf(found.budget, order.amount);
      if (amount === undefined)
        return fault(400, "bad_amount", `"amount" must be a number above 0, in ${found.budget.unit}`);
      const id = line(order.id, MAX_ID) ?? randomUUID();
      const after = await applyChange(store, found, { verb, amount, by, reason, id, request, at: clock() });
      if (after === undefined) return fault(503, "store_busy", "too many change this budget at once: send it again");
      if (verb !== "lower") await closeCircuit(store, found.scope, by, reason, clock());
      return { status: 200, body: { applied: true, ...rowOf({ ...found, raised: after }, clock()) } };
    },
  };
}

/** In the integers of the budget. */
function amountOf({ unit }: Budget, given: unknown): number | undefined {
  if (typeof given !== "number") return undefined;
  const amount = Math.round(given * UNIT_SCALES[unit]);
  return isAmount(amount) && amount > 0 ? amount : undefined;
}

/** A change as it is ordered: `amount` in the integers of the budget, `at` in milliseconds since the epoch. */
interface Order {
  readonly verb: BudgetVerb;
  readonly amount: number;
  readonly by: string;
  readonly reason: string;
  readonly id: string;
  readonly request: string | undefined;
  readonly at: number;
}

/**
 * Writes the change with its entry in the log. A moving window has parts: the change is written to each that lies within
 * one window from now. Returns by how much the cap is raised now, in all; undefined when others were first each time.
 */
async function applyChange(store: Store, target: Target, order: Order): Promise<number | undefined> {
  const { budget, scope, run } = target;
  const { verb, amount, id, at } = order;
  const holder = changeHolder(changeOf(verb), id);
  const reports = windowsOf(budget, at, run).map(({ window, end }) =>
    reportOf(joinKey(budget.id, scope, window), holder, amount, end - at),
  );
  let { raised } = target;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const answer = await store.changeCap(reports, raised, entryOf(target, order, raised));
    if (answer.outcome !== "outdated") return answer.raised;
    raised = answer.raised;
  }
  return undefined;
}

function changeOf(verb: BudgetVerb): CapChange {
  return verb === "lower" ? "lower" : "raise";
}

/** The current window, and of a moving one the parts to come that still count what is spent now. */
function windowsOf({ per }: Budget, now: number, run: string): readonly { window: string; end: number }[] {
  const { current, earlier, end = now + RUN_KEPT_MS } = spanAt(per, now, run);
  if (per.kind !== "moving") return [{ window: current, end }];
  const index = Number(current);
  const part = per.ms / earlier.length;
  return Array.from({ length: earlier.length + 1 }, (_, ahead) => ({
    window: `${index + ahead}`,
    end: end + ahead * part,
  }));
}

function reportOf(key: string, holder: string, amount: number, leftMs: number): Report {
  return {
    key,
    earlier: [],
    holder,
    cap: 0,
    spent: amount,
    acked: 0,
    others: 0,
    inUse: 0,
    keep: 0,
    need: 0,
    spare: 0,
    tight: false,
    leave: false,
    leaseMs: LEASE_MS,
    keepMs: Math.max(LEASE_MS * 2, Math.ceil(leftMs) + AFTER_MS),
  };
}

/** The entry of the log, for a cap that is raised by `before` until now. */
function entryOf(
  { budget, scope, run }: Target,
  { verb, amount, by, reason, request, at }: Order,
  before: number,
): AuditEntry {
  const after = changeOf(verb) === "lower" ? before - amount : before + amount;
  const { end } = spanAt(budget.per, at, run);
  return {
    at,
    scope,
    what: verb,
    by,
    why: reason,
    state: "none",
    ...(end !== undefined && { until: end }),
    budget: budget.name,
    unit: budget.unit,
    before: shown(budget, budget.cap + before),
    after: shown(budget, budget.cap + after),
    ...(request !== undefined && { request }),
  };
}

/** Closes the circuit that the spent budget opened: with more to spend, it would stop the calls all the same. */
async function closeCircuit(store: Store, scope: string, by: string, reason: string, now: number): Promise<void> {
  const circuit = await store.circuit(scope);
  if (circuit === undefined || circuit.state === "closed" || circuit.source !== "budget") return;
  await changeCircuit(store, scope, { type: "reset", by, reason }, now);
}

function rowOf({ budget, scope, run, spent, inUse, raised }: Target, now: number): BudgetRow {
  const { per, unit, name, cap } = budget;
  const { end } = spanAt(per, now, run);
  return {
    budget: name,
    scope,
    per: periodName(per),
    unit,
    ...(per.kind === "run" && { run }),
    ...(end !== undefined && { until: end }),
    spent: shown(budget, spent),
    inUse: shown(budget, inUse),
    cap: shown(budget, cap + raised),
    raised: shown(budget, raised, true),
  };
}

/** An amount in USD, tokens, calls or seconds. */
function shown({ unit }: Budget, amount: number, signed = false): number {
  return (signed ? amount : Math.max(0, amount)) / UNIT_SCALES[unit];
}
