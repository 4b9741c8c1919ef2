import { counted, showCount, showUsd } from "../../terminal/amount.ts";
import { type Row, textTable } from "../../terminal/table.ts";
import { type AgentTotals, noTotals, type Totals } from "./totals.ts";

/** Agents that are shown; the others add up in one row. */
const MAX_ROWS = 20;

interface Shown {
  readonly title: string;
  readonly text: (totals: Readonly<AgentTotals>) => string;
  /** Shown only where some agent has one. */
  readonly optional?: (totals: Readonly<AgentTotals>) => number;
}

const number = (title: string, of: (totals: Readonly<AgentTotals>) => number, optional = true): Shown => ({
  title,
  text: (totals) => showCount(of(totals)),
  ...(optional && { optional: of }),
});

const COLUMNS: readonly Shown[] = [
  number("calls", callsOf, false),
  number("canceled", ({ canceled }) => canceled),
  number("failed", ({ failed }) => failed),
  number("refused", ({ blocked }) => blocked),
  number("charges", ({ charges }) => charges),
  number("input", ({ input }) => input, false),
  number("cached", ({ cacheRead }) => cacheRead),
  number("output", ({ output }) => output, false),
  { title: "cost", text: costOf },
];

/**
 * The table that a process prints at its end, a line each, the most expensive agent first. Empty when nothing was
 * metered. Tokens are counts: input includes what caches served.
 * @param seconds How long the process ran.
 */
export function summaryLines(totals: Totals, seconds: number): readonly string[] {
  const agents = totals.rows();
  if (agents.length === 0) return [];
  const all = agents.reduce((sum, [, one]) => plus(sum, one), noTotals());
  const columns = COLUMNS.filter(({ optional }) => optional === undefined || optional(all) > 0);
  const rowOf = (name: string, one: Readonly<AgentTotals>): Row => [
    name,
    ...columns.map(({ text }) => text(one)),
    figuresOf(one),
  ];
  const rest = agents.slice(MAX_ROWS).reduce((sum, [, one]) => plus(sum, one), noTotals());
  const rows = [
    ...agents.slice(0, MAX_ROWS).map(([name, one]) => rowOf(name, one)),
    ...(agents.length > MAX_ROWS ? [rowOf(counted(agents.length - MAX_ROWS, "more agent"), rest)] : []),
    ...(agents.length > 1 ? [rowOf("total", all)] : []),
  ];
  const titles = ["agent", ...columns.map(({ title }) => ({ title, align: "right" }) as const), "figures"];
  const spent = `cost ${costOf(all)} in ${counted(callsOf(all), "call")}`;
  return [`${spent} by ${counted(agents.length, "agent")} in ${showSeconds(seconds)}`, ...textTable(titles, rows)];
}

function callsOf({ completed, canceled, failed }: Readonly<AgentTotals>): number {
  return completed + canceled + failed;
}

/** What is known of the cost: the least, where something has no price. */
function costOf({ nano, unknown, unpriced }: Readonly<AgentTotals>): string {
  if (unknown + unpriced === 0) return showUsd(nano / 1e9);
  return nano === 0 ? "unknown" : `≥ ${showUsd(nano / 1e9)}`;
}

/** Where the figures come from, as far as it is not the vendor's own report at a known price. */
function figuresOf({ estimated, unknown, unpriced }: Readonly<AgentTotals>): string {
  const parts: string[] = [];
  if (estimated > 0) parts.push(`${showCount(estimated)} estimated`);
  if (unknown > 0) parts.push(`${showCount(unknown)} unknown`);
  if (unpriced > 0) parts.push(`${showCount(unpriced)} without a full price`);
  return parts.length === 0 ? "reported" : parts.join(", ");
}

function plus(sum: AgentTotals, one: Readonly<AgentTotals>): AgentTotals {
  for (const key of Object.keys(sum) as (keyof AgentTotals)[]) sum[key] += one[key];
  return sum;
}

function showSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
