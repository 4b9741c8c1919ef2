import type { Config } from "../../../config/config.ts";
import { amountText, type Budget, UNIT_SCALES } from "../../../limits/budget.ts";
import { type Replay, replay, replayRuns, type Stop } from "../../../limits/past/replay.ts";
import { textTable } from "../../../terminal/table.ts";
import type { Values } from "../budget.ts";
import { usage } from "../command.ts";
import { type Past, readPast } from "./past.ts";
import { optionsOf, pastNotes, readTrial } from "./past-options.ts";

/** Says what the configured budgets, or the one of the options, would have stopped. Resolves to the exit code. */
export async function replayBudgets(values: Values, config: Config): Promise<number> {
  const now = Date.now();
  const trial = readTrial(values);
  const budgets = trial ?? config.caps;
  if (budgets.length === 0) throw usage("there is no budget to try: configure one, or give --usd 5 --per run");
  const past = await readPast(optionsOf(values, config, now), config, now);
  if (past.calls.length + past.runs.length === 0)
    throw usage(`nothing is known of this time in ${past.source}: choose another with --from and --to`);
  const played = replay(budgets, past.calls);
  const runStops = replayRuns(budgets, past.runs);
  const lines = values.json
    ? [JSON.stringify(toJson(budgets, played, runStops, past))]
    : toText(budgets, played, runStops, past, limitOf(values));
  console.log(lines.join("\n"));
  return 0;
}

const RUNS_SHOWN = 20;

function limitOf({ limit }: Values): number {
  return limit === undefined ? RUNS_SHOWN : Math.max(1, Math.trunc(Number(limit)) || RUNS_SHOWN);
}

function toText(
  budgets: readonly Budget[],
  played: Replay,
  runStops: readonly Stop[],
  past: Past,
  limit: number,
): readonly string[] {
  const { stops, spent } = played;
  const runs = played.runs === 0 ? "" : ` in ${played.runs} runs, ${played.finished} of them finished`;
  const saved = sumOf(stops, "saved");
  const share = spent === 0 ? "" : `, ${((saved / spent) * 100).toFixed(1)} %`;
  const all = [...stops, ...runStops];
  const shown = all.slice(0, limit).map(stopCells);
  return [
    `${past.source}: ${played.calls} calls, ${dollars(spent)}${runs}`,
    ...(past.calls.length === 0 ? [] : [`saved by all budgets together: ${dollars(saved)}${share}`]),
    ...(past.runs.length === 0
      ? []
      : [`by the counts of ${past.runs.length} runs, each budget alone: ${dollars(sumOf(runStops, "saved"))} saved`]),
    "",
    ...textTable(
      ["budget", "cap", "would stop", "saves", "finished runs it breaks"],
      budgets.map((budget) => budgetCells(budget, all, played)),
    ),
    ...(shown.length === 0
      ? []
      : ["", ...textTable(["stopped", "by", "at", "had spent", "saved", "calls", "had finished"], shown)]),
    ...(all.length > limit ? [`${all.length - limit} more: --limit ${all.length}`] : []),
    ...notesOf(played, past),
  ];
}

function budgetCells(budget: Budget, stops: readonly Stop[], { untried }: Replay): readonly string[] {
  const own = stops.filter((stop) => stop.budget === budget);
  const runs = own.filter(({ run }) => run !== undefined).length;
  const others = own.length - runs;
  const isUntried = untried.some((one) => one.budget === budget) && own.length === 0;
  const parts = [
    runs > 0 && `${runs} run${runs === 1 ? "" : "s"}`,
    others > 0 && `${others} window${others === 1 ? "" : "s"}`,
  ];
  const stopped = parts.filter((part) => part !== false).join(", ") || (isUntried ? "unknown" : "nothing");
  const cap = amountText(budget.unit, budget.ordinary / UNIT_SCALES[budget.unit]);
  const broken = own.filter(({ finished }) => finished === true).length;
  const isUnknown = own.some(({ run, finished }) => run !== undefined && finished === undefined);
  return [budget.name, cap, stopped, dollars(sumOf(own, "saved")), isUnknown ? "unknown" : `${broken}`];
}

function stopCells({ budget, scope, run, at, isDay, before, saved, calls, finished }: Stop): readonly string[] {
  const when = at === undefined ? "" : new Date(at).toISOString().slice(0, isDay ? 10 : 19);
  const had = finished === undefined ? "" : finished ? "yes: broken" : "no";
  return [
    run === undefined ? scope : `run ${run}`,
    budget.name,
    when,
    dollars(before),
    dollars(saved),
    `${calls}`,
    had,
  ];
}

function notesOf({ untried, spent }: Replay, past: Past): readonly string[] {
  const known = untried.map(
    ({ budget, calls }) =>
      `"${budget.name}" could not be tried on ${calls} calls: ${budget.per.kind === "run" ? "they name no run" : "only their day is known"}; see --calls`,
  );
  const notes = [...known, ...pastNotes(past, spent)];
  return notes.length === 0 ? [] : ["", ...notes];
}

function toJson(budgets: readonly Budget[], played: Replay, runStops: readonly Stop[], past: Past): object {
  const { stops, spent, calls, runs, finished, untried } = played;
  const all = [...stops, ...runStops];
  return {
    source: past.source,
    spentUsd: spent / USD,
    ...{ calls, runs, finishedRuns: finished, savedUsd: sumOf(stops, "saved") / USD },
    budgets: budgets.map((budget) => {
      const own = all.filter((stop) => stop.budget === budget);
      return {
        budget: budget.name,
        unit: budget.unit,
        cap: budget.ordinary / UNIT_SCALES[budget.unit],
        stoppedRuns: own.filter(({ run }) => run !== undefined).length,
        stoppedWindows: own.filter(({ run }) => run === undefined).length,
        savedUsd: sumOf(own, "saved") / USD,
        brokenRuns: own.filter(({ finished: ended }) => ended === true).length,
        untriedCalls: untried.find((one) => one.budget === budget)?.calls ?? 0,
      };
    }),
    stops: all.map(({ budget, before, saved, isDay, ...stop }) => ({
      budget: budget.name,
      ...stop,
      ...(isDay && { onlyDayKnown: true }),
      beforeUsd: before / USD,
      savedUsd: saved / USD,
    })),
    invalidLines: past.invalid,
    unpricedCalls: past.unpriced,
    ...(past.bill && {
      bill: {
        days: past.bill.days,
        differenceUsd: past.bill.difference / USD,
        ungovernedUsd: past.bill.ungoverned / USD,
      },
    }),
  };
}

const USD = 1e9;

function sumOf(stops: readonly Stop[], field: "saved"): number {
  return stops.reduce((sum, stop) => sum + stop[field], 0);
}

function dollars(nano: number): string {
  return amountText("usd", nano / USD);
}
