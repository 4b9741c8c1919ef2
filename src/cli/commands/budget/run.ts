import type { BudgetRow, BudgetVerb } from "../../../breaker/budgets/changes.ts";
import { readCommandConfig } from "../../../config/config.ts";
import { amountText } from "../../../limits/budget.ts";
import { textTable } from "../../../terminal/table.ts";
import { type Desk, openDesk } from "../breaker/desk.ts";
import { logTable } from "../breaker/tables.ts";
import type { Values } from "../budget.ts";
import { unknownVerb, usage } from "../command.ts";
import { replayBudgets } from "./replay.ts";
import { answerRequest, isRequestVerb } from "./requests.ts";
import { suggestBudgets } from "./suggest.ts";

/** The words that follow each verb. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  list: [],
  show: ["BUDGET"],
  raise: ["BUDGET", "AMOUNT"],
  lower: ["BUDGET", "AMOUNT"],
  reset: ["BUDGET"],
  pause: ["SCOPE"],
  resume: ["SCOPE"],
  requests: [],
  request: ["BUDGET", "AMOUNT"],
  approve: ["ID"],
  deny: ["ID"],
  reload: [],
  replay: [],
  suggest: [],
};
const MAX_ROWS = 1_000;

/** Runs an operator's command on budgets. Resolves to the exit code. */
export async function run(values: Values, [verb = "list", ...words]: readonly string[]): Promise<number> {
  const wanted = Object.hasOwn(WORDS, verb) ? WORDS[verb] : undefined;
  if (wanted === undefined) throw unknownVerb("budget", verb, Object.keys(WORDS));
  if (words.length !== wanted.length) {
    const given = words.map((word) => `"${word}"`).join(" ") || "nothing";
    throw usage(`budget ${verb} takes ${wanted.join(" and ") || "options only"}, not ${given}`);
  }
  const config = readCommandConfig((message) => console.error(`spendfuse budget: ${message}`));
  if (verb === "replay") return await replayBudgets(values, config);
  if (verb === "suggest") return await suggestBudgets(values, config);
  const by = values.by ?? config.env.USER;
  const desk = await openDesk(config, values);
  try {
    const [first = "", second] = words;
    if (verb === "list") return await list(desk, values);
    if (verb === "show") return await show(desk, values, first);
    if (isRequestVerb(verb))
      return await answerRequest(desk, verb, { first, amount: amountOf(second).amount }, values, by);
    if (verb === "reload") return await reload(desk, values, by);
    if (verb === "pause" || verb === "resume") return await pause(desk, verb, first, values, by);
    return await change(desk, verb as BudgetVerb, { budget: first, ...amountOf(second) }, values, by);
  } finally {
    await desk.close();
  }
}

async function list(desk: Desk, values: Values): Promise<number> {
  const budgets = await desk.budgets(limitOf(values));
  console.log(values.json ? JSON.stringify({ budgets }) : budgetTable(budgets).join("\n"));
  return 0;
}

async function show(desk: Desk, values: Values, name: string): Promise<number> {
  const [all, log] = await Promise.all([desk.budgets(MAX_ROWS), desk.audit(MAX_ROWS)]);
  const budgets = all.filter(
    (row) => row.budget === name && (values.scope === undefined || row.scope === values.scope),
  );
  const entries = log
    .filter((entry) => entry.budget === name && (values.scope === undefined || entry.scope === values.scope))
    .slice(0, limitOf(values));
  console.log(
    values.json ? JSON.stringify({ budgets, entries }) : [...budgetTable(budgets), "", ...logTable(entries)].join("\n"),
  );
  return budgets.length + entries.length === 0 ? 1 : 0;
}

async function change(
  desk: Desk,
  verb: BudgetVerb,
  order: object,
  { scope, run: ofRun, reason, json }: Values,
  by: string | undefined,
): Promise<number> {
  if (reason === undefined) throw usage(`${verb} needs --reason TEXT, which the log keeps`);
  const row = await desk.changeBudget(verb, { ...order, scope, run: ofRun, reason, by });
  const { until } = row;
  const end = until === undefined ? "for this run" : `until ${new Date(until).toISOString()}`;
  const text = `"${row.budget}" of ${row.scope}: ${amountText(row.unit, row.spent)} of ${amountText(row.unit, row.cap)} spent, ${end}`;
  console.log(json ? JSON.stringify(row) : text);
  return 0;
}

async function pause(
  desk: Desk,
  verb: "pause" | "resume",
  scope: string,
  values: Values,
  by: string | undefined,
): Promise<number> {
  const reason = values.reason ?? (verb === "pause" ? "paused" : "resumed");
  const order = { scope, ttl: values.for, reason, by };
  const answer = await desk.change(verb === "pause" ? "trip" : "reset", order);
  const until = answer.until === undefined ? "" : ` until ${new Date(answer.until).toISOString()}`;
  const state = answer.state === "closed" ? "calls are allowed" : `calls are refused${until}`;
  console.log(values.json ? JSON.stringify(answer) : `${answer.scope}: ${state}`);
  return 0;
}

async function reload(desk: Desk, { reason, json }: Values, by: string | undefined): Promise<number> {
  const told = await desk.reload({ by, reason });
  console.log(json ? JSON.stringify({ told }) : told);
  return 0;
}

function budgetTable(budgets: readonly BudgetRow[]): readonly string[] {
  if (budgets.length === 0) return ["no budget of the configuration has been used"];
  const rows = budgets.map(({ budget, scope, run: ofRun, per, unit, spent, inUse, cap, raised, until }) => [
    budget,
    scope,
    ofRun ?? per,
    amountText(unit, spent),
    amountText(unit, inUse),
    amountText(unit, cap),
    raised === 0 ? "" : `${raised > 0 ? "+" : ""}${raised}`,
    until === undefined ? "" : new Date(until).toISOString().slice(0, 16),
  ]);
  return textTable(["budget", "scope", "window", "spent", "reserved", "cap", "changed by", "until"], rows);
}

function amountOf(text: string | undefined): { readonly amount?: number } {
  if (text === undefined) return {};
  const amount = Number(text.replace(/^\$/, ""));
  if (!(amount > 0)) throw usage(`"${text}" must be an amount above 0, such as 5`);
  return { amount };
}

function limitOf({ limit }: Values): number {
  return limit === undefined ? 50 : Math.max(1, Math.trunc(Number(limit)) || 50);
}
