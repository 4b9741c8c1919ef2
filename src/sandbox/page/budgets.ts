import type { BudgetRowView, RequestView, StateView } from "../view.ts";
import { ask } from "./ask.ts";
import { confirm } from "./confirm.ts";
import { h, panelOf } from "./dom.ts";

type Tell = (text: string) => void;
const PAUSE = "15m";
/** Kinds of scopes that a circuit can be of, beside tags. */
const UNPAUSABLE = /^(run|conversation|user):|,/;

/** The budgets of the breaker with what an operator can do, and the raises that are asked for. */
export function viewBudgets({ budgets, circuits }: StateView, outcome: string, tell: Tell): HTMLElement {
  const open = new Set(circuits.circuits.filter(({ state }) => state !== "closed").map(({ scope }) => scope));
  const { why } = budgets;
  return h(
    "div",
    {},
    why && h("p", { class: "banner" }, why),
    h("p", { class: outcome === "" ? "" : "banner", role: "status" }, outcome),
    h("h2", {}, "Waiting for an answer"),
    panel(
      "raises that are asked for",
      ["Budget", "Scope", "Asks for", "By", "Why", "Until", "Actions"],
      budgets.requests.map((request) => requestRow(request, budgets.budgets, tell)),
      "Nobody asks for more. Agents ask with requestBudget(), people with spendfuse budget request.",
    ),
    h("h2", {}, "Budgets"),
    panel(
      "budgets",
      ["Budget", "Scope", "Spent", "Reserved", "Cap", "Until", "Actions"],
      budgets.budgets.map((row) => budgetRow(row, open.has(row.scope), tell)),
      "No budget has been used. Budgets are in spendfuse.config.json of the breaker, and count once a call is made.",
    ),
  );
}

function panel(name: string, titles: readonly string[], rows: readonly HTMLElement[], empty: string): HTMLElement {
  return rows.length > 0
    ? panelOf(name, titles, rows)
    : h("div", { class: "panel" }, h("p", { class: "empty" }, empty));
}

function budgetRow(row: BudgetRowView, paused: boolean, tell: Tell): HTMLElement {
  const { budget, scope, run, unit, spent, inUse, cap, raised } = row;
  const changed =
    raised === 0 ? "" : ` (${raised > 0 ? "raised" : "lowered"} by ${amountText(unit, Math.abs(raised))})`;
  const verbs = ["raise", "lower", "reset"] as const;
  const canPause = !UNPAUSABLE.test(scope);
  return h(
    "tr",
    { "data-testid": "budget-row", "data-scope": scope },
    ...[budget, placeOf(row), amountText(unit, spent), amountText(unit, inUse), amountText(unit, cap) + changed].map(
      (text) => h("td", {}, text),
    ),
    h("td", {}, untilText(row.until)),
    h(
      "td",
      {},
      h(
        "div",
        { class: "actions" },
        verbs.map((verb) => action(verb, `${budget} of ${run ?? scope}`, () => askChange(verb, row, tell))),
        canPause && action(paused ? "resume" : "pause", scope, () => askPause(scope, paused, tell)),
      ),
    ),
  );
}

function requestRow(request: RequestView, budgets: readonly BudgetRowView[], tell: Tell): HTMLElement {
  const { id, budget, unit, amount, by, reason, until } = request;
  const cells = [budget, placeOf(request), amountText(unit, amount), by, reason, untilText(until)];
  const row = budgets.find((one) => one.budget === budget && one.scope === request.scope && one.run === request.run);
  return h(
    "tr",
    { "data-testid": "request-row", "data-request": id },
    ...cells.map((text) => h("td", {}, text)),
    h(
      "td",
      {},
      h(
        "div",
        { class: "actions" },
        action("approve", `the request of ${by}`, () => askApproval(request, row, tell)),
        action("deny", `the request of ${by}`, () => askDenial(request, tell)),
      ),
    ),
  );
}

function action(verb: string, of: string, ask: () => void): HTMLElement {
  return h(
    "button",
    { type: "button", "data-testid": verb, "aria-label": `${capital(verb)} ${of}`, onclick: ask },
    capital(verb),
  );
}

function askChange(verb: "raise" | "lower" | "reset", row: BudgetRowView, tell: Tell): void {
  const { budget, scope, run, unit, spent, cap } = row;
  const goes = (to: number): string =>
    `The cap goes from ${amountText(unit, cap)} to ${amountText(unit, to)} ${endText(row)}.`;
  const effects = {
    raise: (amount: number) =>
      `${goes(cap + amount)} Refused calls pass again, and the circuit that this budget opened closes.`,
    lower: (amount: number) =>
      `${goes(Math.max(0, cap - amount))} ${cap - amount <= spent ? "That is less than is spent: the next call is refused." : "Calls under way keep what they have reserved."}`,
    reset: () => `${goes(cap + spent)} What was spent until now no longer counts against it.`,
  };
  confirm(
    {
      title: `${capital(verb)} "${budget}" of ${run ?? scope}?`,
      effect: effects[verb],
      action: capital(verb),
      ...(verb !== "reset" && {
        amount: { label: `By how much, in ${unit === "usd" ? "USD" : unit}`, value: round(cap / 2) },
      }),
      reasonNeeded: true,
    },
    async ({ amount, reason, by }) => {
      const order = { verb, budget, scope, run, reason, by, ...(verb !== "reset" && { amount }) };
      const changed = await ask<BudgetRowView>("/sandbox/budgets", order);
      tell(`The cap of "${budget}" of ${run ?? scope} is ${amountText(unit, changed.cap)}.`);
    },
  );
}

function askPause(scope: string, paused: boolean, tell: Tell): void {
  confirm(
    {
      title: `${paused ? "Resume" : "Pause"} ${scope}?`,
      effect: () =>
        paused
          ? `Calls of ${scope} are allowed again at once, as far as its budgets allow.`
          : `Every call of ${scope} is refused for 15 minutes, or until somebody resumes it. Calls under way go on.`,
      action: paused ? "Resume" : "Pause",
      reasonNeeded: true,
    },
    async ({ reason, by }) => {
      const verb = paused ? "reset" : "trip";
      const { state } = await ask<{ state: string }>(`/sandbox/circuits/${verb}`, { scope, reason, by, ttl: PAUSE });
      tell(state === "closed" ? `Calls of ${scope} are allowed.` : `Calls of ${scope} are refused for 15 minutes.`);
    },
  );
}

function askApproval(request: RequestView, row: BudgetRowView | undefined, tell: Tell): void {
  const { id, budget, unit, amount: wanted, by: asker, reason: why } = request;
  const effect = (amount: number): string =>
    row === undefined
      ? `The cap of "${budget}" rises by ${amountText(unit, amount)}.`
      : `The cap of "${budget}" goes from ${amountText(unit, row.cap)} to ${amountText(unit, row.cap + amount)} ${endText(row)}.`;
  confirm(
    {
      title: `Approve what ${asker} asks for?`,
      effect: (amount) => `${effect(amount)} Asked for: ${why}`,
      action: "Approve",
      amount: { label: `By how much, in ${unit === "usd" ? "USD" : unit}`, value: wanted },
      reasonNeeded: false,
    },
    async ({ amount, reason, by }) => {
      const order = { verb: "approve", id, amount, by, ...(reason && { reason }) };
      const changed = await ask<BudgetRowView>("/sandbox/budgets", order);
      tell(`Approved: the cap of "${budget}" is ${amountText(unit, changed.cap)}.`);
    },
  );
}

function askDenial({ id, budget, by: asker }: RequestView, tell: Tell): void {
  confirm(
    {
      title: `Deny what ${asker} asks for?`,
      effect: () => `"${budget}" stays as it is. ${capital(asker)} is told why.`,
      action: "Deny",
      reasonNeeded: true,
    },
    async ({ reason, by }) => {
      await ask("/sandbox/budgets", { verb: "deny", id, reason, by });
      tell(`Denied: "${budget}" stays as it is.`);
    },
  );
}

function placeOf({ scope, run }: { readonly scope: string; readonly run?: string }): string {
  return run === undefined ? scope : `${scope}, run ${run}`;
}

function endText({ until }: BudgetRowView): string {
  return until === undefined ? "for this run" : `until ${untilText(until)}`;
}

function untilText(until: number | undefined): string {
  return until === undefined ? "end of the run" : `${new Date(until).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

function amountText(unit: BudgetRowView["unit"], amount: number): string {
  if (unit !== "usd") return `${amount} ${unit}`;
  return `$${amount.toFixed(Math.abs(amount) >= 1 || amount === 0 ? 2 : 4)}`;
}

function round(amount: number): number {
  return Number(amount.toPrecision(2)) || 1;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
