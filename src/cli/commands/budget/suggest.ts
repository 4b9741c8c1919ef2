import type { Config } from "../../../config/config.ts";
import { periodName } from "../../../core/period.ts";
import { amountText, BUDGET_KINDS } from "../../../limits/budget.ts";
import { type Suggestions, spendPerWindow, suggest } from "../../../limits/past/suggest.ts";
import { textTable } from "../../../terminal/table.ts";
import type { Values } from "../budget.ts";
import { usage } from "../command.ts";
import { type Past, readPast } from "./past.ts";
import { optionsOf, pastNotes, readPer } from "./past-options.ts";

const USD = 1e9;

/** Proposes caps from what each agent spent. Resolves to the exit code. */
export async function suggestBudgets(values: Values, config: Config): Promise<number> {
  const now = Date.now();
  const kind = values.of ?? "agent";
  const kinds = [...BUDGET_KINDS, ...(config.tags ?? [])];
  if (!kinds.includes(kind)) throw usage(`--of takes ${kinds.join(", ")}, not "${kind}"`);
  const past = await readPast(optionsOf(values, config, now), config, now);
  const per = readPer(values.per ?? (past.calls.some(({ isDay }) => !isDay) ? "run" : "day"));
  const spent = new Map(spendPerWindow(past.calls, kind, per));
  if (per.kind === "run")
    for (const [scope, amounts] of runsOf(past, kind)) spent.set(scope, [...(spent.get(scope) ?? []), ...amounts]);
  const found = suggest(spent);
  if (found.length === 0)
    throw usage(`no spend by ${periodName(per)} is known in ${past.source}: try --per day, or --calls with runs`);
  const samples = per.kind === "run" ? "runs" : `${periodName(per)}s`;
  const text = [...table(found, samples), "", ADVICE, ...pastNotes(past, total(past))].join("\n");
  console.log(values.json ? JSON.stringify(toJson(found, periodName(per))) : text);
  return 0;
}

const ADVICE =
  "Each cap is a percentile, rounded up; in brackets the share of them that it would stop. Try one with spendfuse budget replay --usd";

/** Counted by budgets of the store whose scope is of this kind alone. */
function runsOf({ runs }: Past, kind: string): ReadonlyMap<string, readonly number[]> {
  const own = runs.filter(
    ({ budget, scope }) => budget.unit === "usd" && scope.startsWith(`${kind}:`) && !scope.includes(","),
  );
  const distinct = new Map(own.map((one) => [`${one.scope} ${one.run}`, one]));
  return new Map(
    [...Map.groupBy(distinct.values(), ({ scope }) => scope)].map(([scope, some]) => [
      scope,
      some.map(({ spent }) => spent),
    ]),
  );
}

function table(found: readonly Suggestions[], samples: string): readonly string[] {
  const percentiles = found[0]?.caps.map(({ percentile }) => `p${percentile}`) ?? [];
  return textTable(
    ["scope", samples, "median", ...percentiles, "most"],
    found.map(({ scope, samples: count, median, most, caps }) => [
      scope,
      `${count}`,
      dollars(median),
      ...caps.map(({ cap, stopped }) => `${dollars(cap)} (${((stopped / count) * 100).toFixed(1)} %)`),
      dollars(most),
    ]),
  );
}

function toJson(found: readonly Suggestions[], per: string): object {
  const scopes = found.map(({ scope, samples, median, most, caps }) => ({
    ...{ scope, samples, medianUsd: median / USD, mostUsd: most / USD },
    caps: caps.map(({ percentile, cap, stopped }) => ({
      ...{ percentile, usd: cap / USD, stopped, stoppedShare: stopped / samples },
    })),
  }));
  return { per, scopes };
}

function total({ calls }: Past): number {
  return calls.reduce((sum, { usd }) => sum + usd, 0);
}

function dollars(nano: number): string {
  return amountText("usd", nano / USD);
}
