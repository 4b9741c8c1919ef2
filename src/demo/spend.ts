import type { SettledCall } from "../core/call.ts";
import type { Style } from "../terminal/style.ts";
import { type Cell, type Column, type Group, type Row, textTable } from "../terminal/table.ts";
import { AGENTS, nameInTree } from "./agents.ts";
import { dollars } from "./amounts.ts";

/** Metered spend of one agent, or of all. Money in nano-USD. */
export interface Spend {
  calls: number;
  completed: number;
  canceled: number;
  failed: number;
  input: number;
  output: number;
  cost: number;
  reported: number;
  estimated: number;
  unknown: number;
}

const COLUMNS: readonly Column[] = [
  { title: "agent", width: 12 },
  { title: "calls", width: 5, align: "right" },
  { title: "completed", width: 10, align: "right" },
  { title: "canceled", width: 8, align: "right" },
  { title: "failed", width: 6, align: "right" },
  { title: "in", width: 8, align: "right" },
  { title: "out", width: 6, align: "right" },
  { title: "cost", width: 10, align: "right" },
  { title: "reported", width: 9, align: "right" },
  { title: "estimated", width: 9, align: "right" },
  { title: "unknown", width: 7, align: "right" },
];

const GROUPS: readonly Group[] = [
  { title: "", span: 2 },
  { title: "how they ended", span: 3 },
  { title: "tokens", span: 2 },
  { title: "", span: 1 },
  { title: "where usage is from", span: 3 },
];

export function costOf(call: SettledCall): number {
  return Math.round((call.costUsd ?? 0) * 1e9);
}

/** The vendor answered with an error status: there is no usage, and nothing to bill. */
export function isRefused(call: SettledCall): boolean {
  return (call.status ?? 0) >= 400;
}

export function spendOf(calls: readonly SettledCall[]): Spend {
  const spend: Spend = {
    calls: calls.length,
    completed: 0,
    canceled: 0,
    failed: 0,
    input: 0,
    output: 0,
    cost: 0,
    reported: 0,
    estimated: 0,
    unknown: 0,
  };
  for (const call of calls) {
    if (call.ending !== "blocked") spend[call.ending] += 1;
    if (call.usage !== undefined || !isRefused(call)) spend[call.quality] += 1;
    spend.input += call.usage?.input ?? 0;
    spend.output += call.usage?.output ?? 0;
    spend.cost += costOf(call);
  }
  return spend;
}

/** The table of all agents: what spendfuse knows the moment a call is over. */
export function spendTable(calls: readonly SettledCall[], style: Style): string[] {
  const rows = AGENTS.map(({ name }) => {
    const own = calls.filter((call) => call.scope.agent === name);
    return row(nameInTree(name), spendOf(own), style);
  });
  const refused = calls.filter(isRefused);
  const statuses = [...new Set(refused.map((call) => call.status))];
  const note = `refused by the vendor, so without usage and cost: ${refused.length} (${statuses.join(", ")})`;
  const table = textTable(COLUMNS, [...rows, "rule", row("all", spendOf(calls), style)], {
    style,
    gap: 1,
    groups: GROUPS,
  });
  return [...table, style.dim(refused.length === 0 ? "" : note)];
}

function row(name: string, spend: Spend, style: Style): Row {
  const number = (value: number, paint = (text: string) => text): Cell =>
    value === 0 ? { text: "·", paint: style.dim } : { text: value.toLocaleString("en-US"), paint };
  return [
    { text: name, paint: style.accent },
    number(spend.calls),
    number(spend.completed),
    number(spend.canceled, style.caution),
    number(spend.failed, style.bad),
    number(spend.input),
    number(spend.output),
    spend.cost === 0 ? { text: "·", paint: style.dim } : { text: dollars(spend.cost, 6), paint: style.bold },
    number(spend.reported, style.good),
    number(spend.estimated, style.caution),
    number(spend.unknown, style.bad),
  ];
}
