import type { Ask } from "../limits/gate.ts";
import { addRungs, type RequestChange } from "../limits/ladder.ts";
import { type Count, shareOf } from "./budgets/budget-counter.ts";
import type { GuardState } from "./guard-state.ts";

/** Changes a request as the budgets' ladders say, as far as this process knows what is spent. */
export function applyLadders(guard: GuardState, ask: Ask, counts: readonly Count[], now: number): void {
  let wanted: RequestChange | undefined;
  for (const count of counts) {
    const { ladder, name } = count.budget;
    if (ladder !== undefined) wanted = addRungs(wanted, ladder, name, shareOf(count, now), ask.model);
  }
  if (wanted === undefined) return;
  const { mode } = guard.options;
  const asked = ask.model;
  const { budget, model, maxOutput } = wanted;
  const agent = ask.node.scope.agent;
  if (mode === "enforce") {
    const outcome = ask.change?.(wanted) ?? "fixed";
    if (outcome === "fixed") sayFixed(guard, agent, budget, ask.model);
    if (outcome !== "changed") return;
  }
  const would = mode === "shadow" ? "would be " : "";
  if (model !== undefined) {
    guard.notify(
      `downgrade ${agent} ${budget}`,
      `budget "${budget}": ${agent}'s calls to ${asked} ${would || "are "}sent to ${model}`,
    );
  }
  if (maxOutput !== undefined) {
    guard.notify(
      `shorten ${agent} ${budget}`,
      `budget "${budget}": ${agent}'s output ${would || "is "}limited to ${maxOutput} tokens`,
    );
  }
}

function sayFixed({ notify }: GuardState, agent: string, budget: string, model: string | undefined): void {
  const what = model === undefined ? "calls" : `calls to ${model}`;
  notify(
    `fixed ${agent} ${budget}`,
    `budget "${budget}": ${agent}'s ${what} are sent as they are: a request that is streamed, coded, signed or not JSON is not changed`,
  );
}
