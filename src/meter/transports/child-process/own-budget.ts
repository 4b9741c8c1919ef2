import type { FoundProgram } from "./past.ts";

/** What Claude Code takes, and its Agent SDKs pass on as `maxBudgetUsd`: USD, counted from the start of the program. */
const FLAG = "--max-budget-usd";

/**
 * The arguments of a launch, with what is left of the budgets, in USD, as the program's own: a lower one of the caller's
 * stays. Unchanged for a program that has no such argument, or takes none as it is started: by a shell, or for a person.
 */
export function withOwnBudget(
  args: readonly string[],
  { program, args: own, byShell }: FoundProgram,
  leftUsd: number | undefined,
): readonly string[] {
  const takesOne = program.name === "claude" && !byShell && own.some((arg) => program.asks.test(arg));
  // With nothing left the first call is refused, which says why.
  if (!takesOne || leftUsd === undefined || !(leftUsd > 0)) return args;
  const before = args.slice(0, args.length - own.length);
  const at = own.findIndex((arg) => arg === FLAG || arg.startsWith(`${FLAG}=`));
  if (at < 0) return [...before, FLAG, amountOf(leftUsd), ...own];
  const joined = own[at] !== FLAG;
  const given = Number(joined ? own[at]?.slice(FLAG.length + 1) : own[at + 1]);
  if (!(given > leftUsd)) return args;
  const flag = joined ? [`${FLAG}=${amountOf(leftUsd)}`] : [FLAG, amountOf(leftUsd)];
  return [...before, ...own.slice(0, at), ...flag, ...own.slice(at + (joined ? 1 : 2))];
}

/** Rounded down to a micro-dollar. */
function amountOf(usd: number): string {
  return Math.max(0.000001, Math.floor(usd * 1e6) / 1e6).toFixed(6);
}
