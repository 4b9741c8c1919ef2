import type { LateCall } from "../late/late-call.ts";
import { addMetered, type MeteredRow, meteredKey, meteredSums } from "../metered.ts";
import type { ScopeNode } from "../scope.ts";

// Work is what one scope() runs. What was metered in it is kept until the work is over, and then belongs to its outcome.

/** The outcome of a scope whose function throws. */
export const FAILED = "failed";
/** The outcome of a failed scope whose run was begun again. */
export const RETRIED = "retried";

/** The provider of metered rows that count works; their `calls` are works. */
export const WORK_PROVIDER = "work";

/** Whether work with this outcome was worth its money: every outcome but {@link FAILED} and {@link RETRIED} is a success. */
export function isSuccess(outcome: string): boolean {
  return outcome !== FAILED && outcome !== RETRIED;
}

/** What a call or a charge adds to what is metered: its rows, or how to make them where nothing has needed them yet. */
export type Recorded = readonly MeteredRow[] | (() => readonly MeteredRow[]);

/** The work of one scope. */
export interface Work {
  readonly parent: Work | undefined;
  readonly node: ScopeNode;
  /** The run that the scope itself names; a later scope of the same run is a retry of this one if it failed. */
  readonly run: string | undefined;
  /** What the caller says came of it, or {@link FAILED}. */
  outcome: string | undefined;
  over: boolean;
  /** What its function threw. */
  error: unknown;
  /** The outcome that its rows are counted under at present. */
  counted: string | undefined;
  /** Rows by their group, and what was not added to them yet. They are without an outcome. */
  readonly rows: Map<string, MeteredRow>;
  recent: Recorded[];
  /** Calls in it of which the vendor may say more later. */
  late: LateCall[];
  /** Scopes in it that failed by themselves. */
  failures: Work[];
}

/** Called when scopes begin and end. */
export interface Works {
  /** Of a scope that names its run; others begin with {@link newWork}. */
  begin(parent: Work | undefined, node: ScopeNode, run: string | undefined): Work;
  /** @param error What the scope's function threw; undefined when it did not. */
  end(work: Work, error?: unknown): void;
}

/** Groups, late calls and failures that are kept of one work; those beyond stay without an outcome. */
export const MAX_KEPT = 1_000;
const FOLD_AT = 64;

export function newWork(parent: Work | undefined, node: ScopeNode, run?: string): Work {
  return {
    parent,
    node,
    run,
    outcome: undefined,
    over: false,
    error: undefined,
    counted: undefined,
    rows: new Map(),
    recent: [],
    late: [],
    failures: [],
  };
}

/** The work that what is metered in `work` now belongs to: of one that ended without an outcome, the one around it. */
export function ownerOf(work: Work): Work {
  let owner = work;
  while (owner.over && owner.outcome === undefined && owner.parent !== undefined) owner = owner.parent;
  return owner;
}

/** Cheap, because it is done for each call: rows are added up later. */
export function keep(work: Work, recorded: Recorded): void {
  work.recent.push(recorded);
  if (work.recent.length >= FOLD_AT) fold(work);
}

/** Whether nothing has to be done about what is metered in a work but to {@link keep} it. */
export function isOpen({ over, counted }: Work): boolean {
  return !over && counted === undefined;
}

/** Everything that was kept, one row a group. */
export function rowsOf(work: Work): Iterable<MeteredRow> {
  fold(work);
  return work.rows.values();
}

function fold(work: Work): void {
  const { rows, recent } = work;
  work.recent = [];
  for (const recorded of recent) for (const row of rowsIn(recorded)) addRow(rows, row);
}

export function rowsIn(recorded: Recorded): readonly MeteredRow[] {
  return typeof recorded === "function" ? recorded() : recorded;
}

function addRow(rows: Map<string, MeteredRow>, row: MeteredRow): void {
  const key = meteredKey(row);
  const known = rows.get(key);
  if (known !== undefined) addMetered(known, meteredSums(row));
  else if (rows.size < MAX_KEPT) rows.set(key, { ...row });
}

/** Takes out everything that was kept. */
export function takeAll(work: Work): { readonly rows: readonly MeteredRow[]; readonly late: readonly LateCall[] } {
  const rows = [...rowsOf(work)];
  const { late } = work;
  work.rows.clear();
  work.late = [];
  return { rows, late };
}
