import type { CallPart, SettledCall } from "../../core/call.ts";
import type { Charge } from "../../pricing/charge.ts";

/** What one agent did in this process. */
export interface AgentTotals {
  /** Calls that left the process, by how they ended. */
  completed: number;
  canceled: number;
  failed: number;
  /** Calls that we refused. */
  blocked: number;
  /** Tokens. Input includes what caches served, output includes reasoning. */
  input: number;
  cacheRead: number;
  output: number;
  /** Nano-USD: of calls, and of charges that are no model call. */
  nano: number;
  charges: number;
  /** Calls by how well they are known; the rest is reported by the vendor and priced. */
  estimated: number;
  unknown: number;
  /** Calls whose usage has no price, or whose price lacks a part. */
  unpriced: number;
}

/** The totals of a process by agent, for the table at its end. */
export interface Totals {
  add(call: SettledCall, parts: readonly CallPart[]): void;
  charge(charge: Charge): void;
  /** Most expensive first. Empty when nothing was metered. */
  rows(): readonly (readonly [agent: string, totals: Readonly<AgentTotals>])[];
}

/** Agents that have a row of their own; further ones add up in {@link OTHERS}. */
const MAX_AGENTS = 1_000;
export const OTHERS = "other agents";

export function createTotals(): Totals {
  const agents = new Map<string, AgentTotals>();
  return {
    add: (call, parts) => addCall(totalsOf(agents, call.scope.agent), call, parts),
    charge({ scope, costNano }) {
      const totals = totalsOf(agents, scope.agent);
      totals.charges += 1;
      totals.nano += costNano;
    },
    rows: () => [...agents].sort(([, a], [, b]) => b.nano - a.nano),
  };
}

function totalsOf(agents: Map<string, AgentTotals>, agent: string): AgentTotals {
  const name = agents.has(agent) || agents.size < MAX_AGENTS ? agent : OTHERS;
  let totals = agents.get(name);
  if (totals === undefined) {
    totals = noTotals();
    agents.set(name, totals);
  }
  return totals;
}

export function noTotals(): AgentTotals {
  return {
    ...{ completed: 0, canceled: 0, failed: 0, blocked: 0 },
    ...{ input: 0, cacheRead: 0, output: 0, nano: 0, charges: 0 },
    ...{ estimated: 0, unknown: 0, unpriced: 0 },
  };
}

function addCall(totals: AgentTotals, call: SettledCall, parts: readonly CallPart[]): void {
  const { ending, quality, priced } = call;
  totals[ending] += 1;
  for (const { usage, costNano } of parts) {
    totals.input += usage.input;
    totals.cacheRead += usage.cacheRead;
    totals.output += usage.output;
    if (costNano !== undefined) totals.nano += costNano;
  }
  if (quality === "estimated") totals.estimated += 1;
  else if (quality === "unknown" && (ending === "completed" || ending === "canceled")) totals.unknown += 1;
  if (priced === "false" || priced === "partial") totals.unpriced += 1;
}
