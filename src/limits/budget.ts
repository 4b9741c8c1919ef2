import type { BudgetConfig } from "../core/config-types.ts";
import { type Period, periodName, readDuration, readPeriod } from "../core/period.ts";
import { normalizeTag, SCOPE_KINDS, type ScopeKind, type ScopeNode, TAGGED } from "../core/scope.ts";
import { tagValue } from "../core/tags/tags.ts";
import { type Ladder, readLadder } from "./ladder.ts";
import { readParts, writePart } from "./scope-text.ts";

/** What a budget can apply to: a scope with everything inside it, or the agent of the outermost scope. */
export type BudgetKind = ScopeKind | "root_agent";
/** The same, or the name of a tag. */
export type BudgetDimension = BudgetKind | (string & {});
export type BudgetUnit = "usd" | "tokens" | "calls" | "seconds";

/** One cap. Amounts are integers: nano-USD, tokens, calls, or the milliseconds that calls take. */
export interface Budget {
  /** The same in every process that has the same budget, whatever its cap. */
  readonly id: string;
  readonly name: string;
  readonly scope: readonly (readonly [kind: BudgetDimension, value: string])[];
  readonly per: Period;
  readonly unit: BudgetUnit;
  readonly cap: number;
  /** Amount from which on a warning is given. */
  readonly warnAt: number | undefined;
  /** Amount that ordinary calls may use; the rest is for `finalise()`. */
  readonly ordinary: number;
  /** Milliseconds for which the circuit opens. */
  readonly tripMs: number | undefined;
  /** What is done to calls before they are refused. */
  readonly ladder: Ladder | undefined;
}

export const BUDGET_KINDS: readonly BudgetKind[] = [...SCOPE_KINDS, "root_agent"];
/** What one of each unit is in the integers of a {@link Budget}. */
export const UNIT_SCALES: Readonly<Record<BudgetUnit, number>> = {
  usd: 1e9,
  tokens: 1,
  calls: 1,
  seconds: 1_000,
};
const UNITS = Object.entries(UNIT_SCALES) as readonly (readonly [unit: BudgetUnit, scale: number])[];

/** An amount in USD, tokens, calls or seconds, for people. */
export function amountText(unit: BudgetUnit, amount: number): string {
  if (unit !== "usd") return `${amount} ${unit}`;
  return `$${amount.toFixed(Math.abs(amount) >= 1 || amount === 0 ? 2 : 4)}`;
}

/** The caps of one valid row of the configuration, one per unit. */
export function readBudget({
  name,
  scope = {},
  per,
  warnAt,
  finalisation = 0,
  trip,
  ladder,
  ...row
}: BudgetConfig): readonly Budget[] {
  const period = readPeriod(per) as Period;
  const { tags = {}, ...kinds } = scope;
  const entries = [
    ...(Object.entries(kinds) as [BudgetKind, string][]).map(nameAsTagged),
    ...Object.entries(tags).map(([tag, who]): [string, string] => [tag, who === "*" ? who : tagValue(tag, who)]),
  ];
  const whose = entries.map(([kind, who]) => writePart(`${kind}:${who}`)).join(",") || "all";
  return UNITS.flatMap(([unit, scale]) => {
    const value = row[unit];
    if (value === undefined) return [];
    const cap = Math.round(value * scale);
    return {
      id: `${name ?? whose}/${periodName(period)}/${unit}`,
      name: name ?? `${whose} per ${periodName(period)}`,
      scope: entries,
      per: period,
      unit,
      cap,
      warnAt: warnAt === undefined ? undefined : Math.round(cap * warnAt),
      ordinary: cap - Math.round(cap * finalisation),
      tripMs: readDuration(trip),
      ladder: readLadder(ladder),
    };
  });
}

/** A name as calls carry it, however the configuration writes it. */
function nameAsTagged([kind, who]: [BudgetKind, string]): [BudgetKind, string] {
  const tagged = kind === "root_agent" || TAGGED.has(kind);
  return [kind, tagged && who !== "*" ? normalizeTag(who) : who];
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
    const parts = fitting.map(writePart);
    found = found.flatMap((scope) => parts.map((part) => (scope === "" ? part : `${scope},${part}`)));
  }
  return found[0] === "" ? ["all"] : found;
}

/** Whether a scope, as {@link scopesOf} writes it, is one of those that a budget counts. */
export function isScopeOf({ scope }: Budget, written: string): boolean {
  if (scope.length === 0) return written === "all";
  const parts = readParts(written);
  return (
    parts.length === scope.length &&
    scope.every(([kind, value], index) => {
      const part = parts[index] as string;
      return value === "*" ? part.length > kind.length + 1 && part.startsWith(`${kind}:`) : part === `${kind}:${value}`;
    })
  );
}

/** What a call belongs to of one kind, with the kind before it: `agent:flights`, `agent:planner`. */
export function membersOf(node: ScopeNode, kind: BudgetDimension): readonly string[] {
  if (kind === "root_agent") return [`root_agent:${node.scope.rootAgent}`];
  const prefix = `${kind}:`;
  return node.accounts.filter((account) => account.startsWith(prefix));
}
