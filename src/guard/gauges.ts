import { METRICS, type MetricName } from "../core/names.ts";
import { UNIT_SCALES } from "../limits/budget.ts";
import type { Circuit } from "../limits/circuit.ts";
import { projected } from "../limits/projection.ts";
import { type Count, capOf, isOver, totalOf } from "./budgets/budget-counter.ts";

export interface GaugeReading {
  readonly metric: MetricName;
  readonly points: readonly { readonly tags: Readonly<Record<string, string>>; readonly value: number }[];
}

/** Maximum budgets in one metric: the fullest are kept. */
const MAX_BUDGETS = 500;
/** Names of runs, conversations and users never reach a metric. */
const SHOWN = new Set(["agent", "root_agent", "team", "project", "key"]);

/** Whether a value of a tag of the user's own is shown; false for what is no such tag. */
export type ShowsTag = (name: string, value: string) => boolean;

/** Reads the gauges of a guard. A circuit that closed is shown as 0 until the next reading after that. */
export function createGauges(
  open: () => readonly Circuit[],
  counts: Iterable<Count>,
  state: { readonly mode: string; isUnknown(now: number): boolean },
  processName: () => string,
  clock: () => number = Date.now,
  showsTag: ShowsTag = () => false,
): () => readonly GaugeReading[] {
  let closing = new Map<string, Readonly<Record<string, string>>>();
  let readAt = 0;

  return () => {
    const now = clock();
    const circuits = new Map<string, Readonly<Record<string, string>>>();
    for (const circuit of open()) {
      const tags = tagsOf(circuit.scope, showsTag);
      if (tags === undefined || circuit.state === "closed") continue;
      circuits.set(circuit.scope, { ...tags, source: circuit.source, process: processName() });
    }
    const points = [...circuits.values()].map((tags) => ({ tags, value: 1 }));
    for (const [scope, tags] of closing) if (!circuits.has(scope)) points.push({ tags, value: 0 });
    // Several readings belong to one collection.
    if (now - readAt > 1_000) closing = circuits;
    else for (const [scope, tags] of circuits) closing.set(scope, tags);
    readAt = now;
    const rows = budgetRows(counts, processName, now, showsTag);
    return [
      { metric: METRICS.circuitOpen, points },
      { metric: METRICS.budgetUsed, points: rows.map(({ tags, used: value }) => ({ tags, value })) },
      { metric: METRICS.budgetLimit, points: pointsOf(rows, ({ usd }) => usd) },
      { metric: METRICS.budgetProjection, points: pointsOf(rows, ({ monthUsd }) => monthUsd) },
      {
        metric: METRICS.guardUp,
        points: [{ tags: { mode: state.mode, process: processName() }, value: state.isUnknown(now) ? 0 : 1 }],
      },
    ];
  };
}

interface BudgetRow {
  readonly tags: Readonly<Record<string, string>>;
  /** Spent share. */
  readonly used: number;
  /** The cap of a budget of money. */
  readonly usd: number | undefined;
  /** What a budget of money will have spent at the end of its month. */
  readonly monthUsd: number | undefined;
}

function pointsOf(
  rows: readonly BudgetRow[],
  amountOf: (row: BudgetRow) => number | undefined,
): GaugeReading["points"] {
  return rows.flatMap((row) => {
    const value = amountOf(row);
    return value === undefined ? [] : [{ tags: row.tags, value }];
  });
}

function budgetRows(
  counts: Iterable<Count>,
  processName: () => string,
  now: number,
  showsTag: ShowsTag,
): readonly BudgetRow[] {
  const rows: BudgetRow[] = [];
  for (const count of counts) {
    const { budget, scope } = count;
    const cap = capOf(count);
    const tags = budget.per.kind === "run" ? undefined : tagsOf(scope, showsTag);
    if (tags === undefined || isOver(count, now)) continue;
    const used = cap === 0 ? 1 : totalOf(count) / cap;
    const usd = budget.unit === "usd" ? cap / UNIT_SCALES.usd : undefined;
    const monthUsd = usd === undefined ? undefined : monthProjection(count, now);
    rows.push({ tags: { ...tags, budget: budget.name, process: processName() }, used, usd, monthUsd });
  }
  return rows.sort((a, b) => b.used - a.used).slice(0, MAX_BUDGETS);
}

function monthProjection(count: Count, now: number): number | undefined {
  const { start, end } = count.span;
  if (count.budget.per.kind !== "month" || end === undefined) return undefined;
  return projected({ start, end, spent: totalOf(count) / UNIT_SCALES.usd }, now);
}

/** The tags of `agent:a,team:b`; undefined when it has a part that must not be a tag. */
function tagsOf(scope: string, showsTag: ShowsTag): Record<string, string> | undefined {
  if (scope === "all") return { scope };
  // A comma would end the tag.
  const tags: Record<string, string> = { scope: scope.replaceAll(",", "/") };
  for (const part of scope.split(",")) {
    const kind = part.slice(0, part.indexOf(":"));
    const value = part.slice(kind.length + 1);
    if (!SHOWN.has(kind) && !showsTag(kind, value)) return undefined;
    tags[kind] = value;
  }
  return tags;
}
