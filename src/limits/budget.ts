import { type Period, periodName, readPeriod } from "../core/period.ts";
import { SCOPE_KINDS, type ScopeKind, type ScopeNode } from "../core/scope.ts";

/** A cap as `spendfuse.config.json` writes it. One of `usd`, `tokens` and `calls` is needed, more are caps of their own. */
export interface BudgetConfig {
  /** Shown in refusals, and the budget's identity in a shared store. */
  readonly name?: string;
  /** Whose spend is capped; `*` gives each its own cap, and no scope at all caps everything together. */
  readonly scope?: Readonly<Partial<Record<BudgetKind, string>>>;
  /** `run`, `hour`, `day`, `month` (UTC), or a moving window such as `1m`, `15m`, `24h`. */
  readonly per: string;
  readonly usd?: number;
  readonly tokens?: number;
  readonly calls?: number;
  /** Share of the cap at which a warning is given once a window; `0.8` is 80 %. */
  readonly warnAt?: number;
  /** Share of the cap that only calls inside `finalise()` may use. */
  readonly finalisation?: number;
  /** Opens the scope's circuit for this long when the cap refuses a call, such as `15m`. */
  readonly trip?: string;
}

/** What a budget can be about: a scope with everything inside it, or the agent of the outermost scope. */
export type BudgetKind = ScopeKind | "root_agent";
export type BudgetUnit = "usd" | "tokens" | "calls";

/** One cap. Amounts are integers: nano-USD, tokens or calls. */
export interface Budget {
  /** The same in every process that has the same budget, whatever its cap. */
  readonly id: string;
  readonly name: string;
  readonly scope: readonly (readonly [kind: BudgetKind, value: string])[];
  readonly per: Period;
  readonly unit: BudgetUnit;
  readonly cap: number;
  /** Amount from which on a warning is given. */
  readonly warnAt: number | undefined;
  /** Amount that ordinary calls may use; the rest is for `finalise()`. */
  readonly ordinary: number;
  /** Milliseconds for which the circuit opens. */
  readonly tripMs: number | undefined;
}

export const BUDGET_KINDS: readonly BudgetKind[] = [...SCOPE_KINDS, "root_agent"];
const UNITS: Readonly<Record<BudgetUnit, number>> = { usd: 1e9, tokens: 1, calls: 1 };
const KEYS = new Set(["name", "scope", "per", "usd", "tokens", "calls", "warnAt", "finalisation", "trip"]);

/** The caps of one row of the configuration, or what is wrong with it, in words. */
export function readBudget(row: unknown): readonly Budget[] | string {
  if (typeof row !== "object" || row === null) return "must be an object";
  const { name, scope = {}, per, warnAt, finalisation = 0, trip } = row as Partial<BudgetConfig>;
  const stray = Object.keys(row).find((key) => !KEYS.has(key));
  if (stray !== undefined) return `has an unknown key "${stray}"; known keys: ${[...KEYS].join(", ")}`;
  if (name !== undefined && (typeof name !== "string" || name.trim() === "")) return '"name" must be a text';
  if (typeof scope !== "object" || scope === null) return '"scope" must be an object such as { "agent": "*" }';
  for (const [kind, value] of Object.entries(scope)) {
    if (!BUDGET_KINDS.includes(kind as BudgetKind))
      return `"scope" has an unknown kind "${kind}"; known kinds: ${BUDGET_KINDS.join(", ")}`;
    if (typeof value !== "string" || value === "") return `"scope.${kind}" must be a name, or "*" for each`;
  }
  const period = readPeriod(per);
  if (period === undefined) return '"per" must be run, hour, day, month, or a moving window such as "1m", "15m", "24h"';
  if (!isShare(warnAt, 1)) return '"warnAt" must be a share of the cap between 0 and 1, such as 0.8';
  if (!isShare(finalisation, 0.99)) return '"finalisation" must be a share of the cap from 0 to below 1, such as 0.2';
  const tripFor = trip === undefined ? undefined : readPeriod(trip);
  if (trip !== undefined && tripFor?.kind !== "moving") return '"trip" must be a time such as "15m"';
  const entries = Object.entries(scope) as [BudgetKind, string][];
  const budgets: Budget[] = [];
  for (const [unit, scale] of Object.entries(UNITS) as [BudgetUnit, number][]) {
    const value = (row as BudgetConfig)[unit];
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= 0) || value * scale > Number.MAX_SAFE_INTEGER)
      return `"${unit}" must be a number of 0 or more`;
    const cap = Math.round(value * scale);
    const whose = entries.map(([kind, who]) => `${kind}:${who}`).join(",") || "all";
    budgets.push({
      id: `${name ?? whose}/${periodName(period)}/${unit}`,
      name: name ?? `${whose} per ${periodName(period)}`,
      scope: entries,
      per: period,
      unit,
      cap,
      warnAt: warnAt === undefined ? undefined : Math.round(cap * warnAt),
      ordinary: cap - Math.round(cap * finalisation),
      tripMs: tripFor?.kind === "moving" ? tripFor.ms : undefined,
    });
  }
  return budgets.length > 0 ? budgets : 'needs a cap: "usd", "tokens" or "calls"';
}

function isShare(value: unknown, most: number): boolean {
  return value === undefined || (typeof value === "number" && value >= 0 && value <= most);
}

/**
 * The scopes of a call that a budget applies to, each with a count of its own: `agent:*` counts for the agent and for
 * every agent around it. Empty when the budget is not about the call.
 */
export function scopesOf(budget: Budget, node: ScopeNode): readonly string[] {
  let found: readonly string[] = [""];
  for (const [kind, value] of budget.scope) {
    const fitting = membersOf(node, kind).filter((member) => value === "*" || member === `${kind}:${value}`);
    if (fitting.length === 0) return [];
    found = found.flatMap((scope) => fitting.map((member) => (scope === "" ? member : `${scope},${member}`)));
  }
  return found[0] === "" ? ["all"] : found;
}

/** What a call belongs to of one kind, with the kind before it: `agent:flights`, `agent:planner`. */
export function membersOf(node: ScopeNode, kind: BudgetKind): readonly string[] {
  if (kind === "root_agent") return [`root_agent:${node.scope.rootAgent}`];
  const prefix = `${kind}:`;
  return node.accounts.filter((account) => account.startsWith(prefix));
}
