import { setTimeout as wait } from "node:timers/promises";
import type { BudgetRequest } from "../../../breaker/budgets/requests.ts";
import { readDuration } from "../../../core/period.ts";
import { amountText } from "../../../limits/budget.ts";
import { textTable } from "../../../terminal/table.ts";
import type { Desk } from "../breaker/desk.ts";
import type { Values } from "../budget.ts";
import { usage } from "../command.ts";

const VERBS = ["requests", "request", "approve", "deny"] as const;
type Verb = (typeof VERBS)[number];

const ASK_EVERY_MS = 1_000;

export function isRequestVerb(verb: string): verb is Verb {
  return (VERBS as readonly string[]).includes(verb);
}

/**
 * Asks for a raise, lists what is asked for, or answers it. Resolves to the exit code: 1 for a request that was denied, or
 * that nobody approved within `--wait`.
 */
export async function answerRequest(
  desk: Desk,
  verb: Verb,
  { first, amount }: { readonly first: string; readonly amount: number | undefined },
  values: Values,
  by: string | undefined,
): Promise<number> {
  const { reason, json } = values;
  if (verb === "requests") {
    const requests = await desk.requests(values.all === true);
    console.log(json ? JSON.stringify({ requests }) : requestTable(requests).join("\n"));
    return 0;
  }
  if (verb === "approve") {
    const given = values.amount === undefined ? undefined : readAmount(values.amount);
    const row = await desk.approve({ id: first, reason, by, amount: given });
    console.log(
      json
        ? JSON.stringify(row)
        : `approved: the cap of "${row.budget}" of ${row.scope} is ${amountText(row.unit, row.cap)}`,
    );
    return 0;
  }
  if (reason === undefined) throw usage(`${verb} needs --reason TEXT, which the log keeps`);
  if (verb === "deny") {
    const denied = await desk.deny({ id: first, reason, by });
    console.log(json ? JSON.stringify(denied) : `denied: "${denied.budget}" of ${denied.scope} stays as it is`);
    return 0;
  }
  const waitMs = values.wait === undefined ? 0 : readDuration(values.wait);
  if (waitMs === undefined) throw usage("--wait must be a time such as 10m");
  const { scope, run } = values;
  const asked = await desk.request({ budget: first, amount, scope, run, reason, by });
  if (!json) console.log(`asked as ${asked.id}: an operator answers with spendfuse budget approve ${asked.id}`);
  const last = await follow(desk, asked, Date.now() + waitMs);
  if (json) console.log(JSON.stringify(last));
  else if (waitMs > 0)
    console.log(`${last.state}${last.answeredBy === undefined ? "" : ` by ${last.answeredBy}: ${last.answer}`}`);
  return last.state === "approved" || waitMs === 0 ? 0 : 1;
}

/** The request as it stands once it is answered, or at `until`. */
async function follow(desk: Desk, asked: BudgetRequest, until: number): Promise<BudgetRequest> {
  let last = asked;
  while (last.state === "pending" && Date.now() < until) {
    await wait(Math.min(ASK_EVERY_MS, Math.max(1, until - Date.now())));
    last = (await desk.requests(true)).find(({ id }) => id === asked.id) ?? last;
  }
  return last;
}

function requestTable(requests: readonly BudgetRequest[]): readonly string[] {
  if (requests.length === 0) return ["no request waits for an answer"];
  const rows = requests.map(({ id, state, budget, scope, run, unit, amount, by, reason, until }) => [
    ...[id, state, budget, run === undefined ? scope : `${scope}, run ${run}`, amountText(unit, amount), by, reason],
    new Date(until).toISOString().slice(0, 16),
  ]);
  return textTable(["id", "state", "budget", "scope", "amount", "by", "why", "until"], rows);
}

function readAmount(text: string): number {
  const amount = Number(text.replace(/^\$/, ""));
  if (!(amount > 0)) throw usage(`--amount must be above 0, such as 5, not "${text}"`);
  return amount;
}
