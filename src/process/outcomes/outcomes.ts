import { setBounded } from "../../core/bounded-map.ts";
import { SpendfuseError } from "../../core/errors.ts";
import type { Faults } from "../../core/faults.ts";
import type { LateCall } from "../../core/late/late-call.ts";
import { type Ledger, windowStart } from "../../core/ledger.ts";
import { type MeteredRow, type MeteredSums, NOTHING_METERED } from "../../core/metered.ts";
import type { ScopeNode } from "../../core/scope.ts";
import {
  boundTags,
  boundValue,
  OUTCOME_TAG,
  type TagBounds,
  tagValue,
  withOutcome,
  writeTags,
} from "../../core/tags/tags.ts";
import {
  FAILED,
  isOpen,
  keep,
  MAX_KEPT,
  newWork,
  ownerOf,
  RETRIED,
  type Recorded,
  rowsIn,
  rowsOf,
  takeAll,
  WORK_PROVIDER,
  type Work,
  type Works,
} from "../../core/work/work.ts";

/** What the work with one outcome has cost in this process. */
export interface OutcomeUse {
  /** What `outcome()` was given, as a tag has it; `failed` or `retried` for work that threw. */
  readonly outcome: string;
  /** Scopes that ended with it. */
  readonly works: number;
  readonly calls: number;
  /** USD of their calls and charges; without what has no known price. */
  readonly costUsd: number;
  /** `costUsd` over `works`; absent without any. */
  readonly costPerWorkUsd?: number;
}

/** Where outcomes are written. */
export interface OutcomeSink {
  /** Adds a row to what is metered; of a day that is over for the store, it does nothing and returns false. */
  readonly add: (row: MeteredRow) => boolean;
  /** Writes a late call again, whose group has changed. */
  readonly retell: (call: LateCall) => void;
  readonly bounds: TagBounds;
}

export interface Outcomes extends Works {
  /** What a call or a charge in `work` has added to what is metered. */
  record(work: Work, recorded: Recorded): void;
  /** A call in `work` of which the vendor may say more. */
  keepLate(work: Work, call: LateCall): void;
  /** Says what came of `work`; the last word counts. @throws SpendfuseError `SPENDFUSE_USAGE` for a text without a letter or digit. */
  mark(work: Work | undefined, outcome: unknown): boolean;
  /** By the names of the outcomes. */
  uses(): readonly OutcomeUse[];
}

interface OutcomesState {
  readonly ledger: Ledger;
  readonly sink: () => OutcomeSink | undefined;
  readonly clock: () => number;
  readonly faults: Pick<Faults, "report">;
  /** By outcome; `calls` of these sums are calls, and `works` are counted apart. */
  readonly totals: Map<string, { works: number; readonly sums: MeteredSums }>;
  /** Failed work by its run. */
  readonly failed: Map<string, Work>;
}

const MAX_RUNS = 1_000;

/** @param sink Undefined before the first call. */
export function createOutcomes(
  ledger: Ledger,
  sink: () => OutcomeSink | undefined,
  faults: Pick<Faults, "report">,
  clock: () => number = Date.now,
): Outcomes {
  const state: OutcomesState = { ledger, sink, clock, faults, totals: new Map(), failed: new Map() };
  return {
    begin: (parent, node, run) => begin(state, parent, node, run),
    // For each scope and each call: without a function in between.
    end: end.bind(undefined, state),
    record: record.bind(undefined, state),
    keepLate: (work, call) => add(state, ownerOf(work), [], [call]),
    mark: (work, outcome) => mark(state, work, outcome),
    uses: () => [...state.totals].map(([outcome, total]) => useOf(outcome, total)).sort(byName),
  };
}

function byName(a: OutcomeUse, b: OutcomeUse): number {
  return a.outcome < b.outcome ? -1 : 1;
}

function useOf(outcome: string, { works, sums }: { works: number; readonly sums: MeteredSums }): OutcomeUse {
  const costUsd = sums.cost / 1e9;
  return { outcome, works, calls: sums.calls, costUsd, ...(works > 0 && { costPerWorkUsd: costUsd / works }) };
}

function guard({ faults }: OutcomesState, step: () => void): void {
  try {
    step();
  } catch (error) {
    faults.report("ledger", error);
  }
}

function begin(state: OutcomesState, parent: Work | undefined, node: ScopeNode, run: string | undefined): Work {
  const before = run === undefined ? undefined : state.failed.get(run);
  if (run !== undefined && before !== undefined) {
    state.failed.delete(run);
    guard(state, () => count(state, before, RETRIED));
  }
  return newWork(parent, node, run);
}

function end(state: OutcomesState, work: Work, error?: unknown): void {
  if (work.over) return;
  // Nobody asks for it any more.
  if (error === undefined && work.outcome === undefined && work.parent === undefined) {
    work.over = true;
    work.recent = [];
    work.rows.clear();
    work.late = [];
  } else guard(state, () => endWith(state, work, error));
}

function endWith(state: OutcomesState, work: Work, error: unknown): void {
  if (work.outcome === undefined && error !== undefined) fail(state, work, error);
  work.over = true;
  if (work.outcome !== undefined) {
    // A failed scope in which nothing was metered is no work.
    if (work.error === undefined || hasRows(work)) count(state, work, work.outcome);
  } else handOver(state, work);
}

function hasRows(work: Work): boolean {
  return work.recent.length > 0 || work.rows.size > 0;
}

/** An error that passes through several scopes is one failure: that of the outermost of them. */
function fail(state: OutcomesState, work: Work, error: unknown): void {
  for (const inner of work.failures) {
    const isSame = inner.error === error || (error as { cause?: unknown } | null)?.cause === inner.error;
    if (!isSame) continue;
    count(state, inner, undefined);
    inner.outcome = undefined;
    if (inner.run !== undefined && state.failed.get(inner.run) === inner) state.failed.delete(inner.run);
    handOver(state, inner);
  }
  work.outcome = FAILED;
  work.error = error;
  if (work.parent !== undefined && work.parent.failures.length < MAX_KEPT) work.parent.failures.push(work);
  if (work.run !== undefined) setBounded(state.failed, work.run, work, MAX_RUNS);
}

/** Without an outcome it is part of the work around it. */
function handOver(state: OutcomesState, work: Work): void {
  const owner = ownerOf(work);
  const { rows, late } = takeAll(work);
  if (owner !== work) add(state, owner, rows, late);
}

function record(state: OutcomesState, work: Work, recorded: Recorded): void {
  const owner = ownerOf(work);
  if (owner.over && owner.outcome === undefined) return;
  if (isOpen(owner)) keep(owner, recorded);
  else add(state, owner, rowsIn(recorded), NO_LATE);
  if (owner.over && owner.counted === undefined && owner.outcome !== undefined) count(state, owner, owner.outcome);
}

const NO_LATE: readonly LateCall[] = [];

function add(state: OutcomesState, work: Work, rows: readonly MeteredRow[], late: readonly LateCall[]): void {
  keep(work, rows);
  if (work.counted !== undefined) for (const row of rows) move(state, row, undefined, work.counted);
  for (const call of late) {
    if (work.late.length < MAX_KEPT) work.late.push(call);
    if (work.counted !== undefined) retell(state, call, work.counted);
  }
}

function mark(state: OutcomesState, work: Work | undefined, given: unknown): boolean {
  const value = typeof given === "string" ? tagValue(OUTCOME_TAG, given) : "";
  if (value === "")
    throw new SpendfuseError("SPENDFUSE_USAGE", "outcome() needs a text with a letter or a digit", { value: given });
  if (work === undefined) return false;
  const bounds = state.sink()?.bounds;
  work.outcome = bounds === undefined ? value : boundValue(bounds, OUTCOME_TAG, value);
  work.error = undefined;
  if (work.over) guard(state, () => count(state, work, work.outcome));
  return true;
}

/** Counts a work under another outcome than before: its money, its calls and itself. */
function count(state: OutcomesState, work: Work, to: string | undefined): void {
  const from = work.counted;
  if (from === to) return;
  for (const row of rowsOf(work)) move(state, row, from, to);
  for (const call of work.late) retell(state, call, to);
  work.counted = to;
  if (from !== undefined) countWork(state, work, from, -1);
  if (to !== undefined) countWork(state, work, to, 1);
}

function move(state: OutcomesState, row: MeteredRow, from: string | undefined, to: string | undefined): void {
  const sink = state.sink();
  const out = negative(row);
  const isOpen = sink?.add(withOutcome(out, from)) ?? true;
  if (isOpen) sink?.add(withOutcome(row, to));
  if (from !== undefined) total(state, from, out);
  if (to !== undefined) total(state, to, row);
}

function negative(row: MeteredRow): MeteredRow {
  const sums = Object.keys(NOTHING_METERED) as (keyof MeteredSums)[];
  return { ...row, ...Object.fromEntries(sums.map((name) => [name, -row[name]])) };
}

function total(state: OutcomesState, outcome: string, row: MeteredRow): void {
  const { sums } = totalOf(state, outcome);
  for (const name of Object.keys(NOTHING_METERED) as (keyof MeteredSums)[]) sums[name] += row[name];
  state.ledger.addRow(`${OUTCOME_TAG}:${outcome}`, row, state.clock());
}

function totalOf({ totals }: OutcomesState, outcome: string): { works: number; readonly sums: MeteredSums } {
  let found = totals.get(outcome);
  if (found === undefined) {
    found = { works: 0, sums: { ...NOTHING_METERED } };
    totals.set(outcome, found);
  }
  return found;
}

function retell({ sink }: OutcomesState, call: LateCall, outcome: string | undefined): void {
  sink()?.retell({ ...call, group: withOutcome(call.group, outcome) });
}

function countWork(state: OutcomesState, { node }: Work, outcome: string, by: 1 | -1): void {
  totalOf(state, outcome).works += by;
  const sink = state.sink();
  if (sink === undefined) return;
  const { agent, rootAgent, team = "", project = "", key = "" } = node.scope;
  const tags = writeTags(boundTags(sink.bounds, node.scope));
  const row: MeteredRow = {
    ...NOTHING_METERED,
    ...{ provider: WORK_PROVIDER, model: "", tier: "", key, agent, rootAgent, team, project },
    ...{ day: windowStart("day", state.clock()), quality: "reported", priced: "true", calls: by },
    ...(tags !== "" && { tags }),
  };
  sink.add(withOutcome(row, outcome));
}
