import { type Budget, isScopeOf } from "../../limits/budget.ts";
import { touch } from "./budget-lease.ts";
import { type Budgets, dropCount, isTimed } from "./budgets.ts";

/**
 * Takes the budgets of a configuration that was read again. What was spent of a budget stays with it as long as it has
 * the same id and scope; slices of the old cap are given up.
 */
export function replaceBudgets(budgets: Budgets, next: readonly Budget[]): void {
  const budgetOfId = new Map(next.map((budget) => [budget.id, budget]));
  budgets.budgets = next;
  budgets.timed = next.some(isTimed);
  budgets.generation += 1;
  for (const count of budgets.countOfKey.values()) {
    const budget = budgetOfId.get(count.budget.id);
    count.slice = count.inUse;
    if (budget !== undefined && isScopeOf(budget, count.scope)) {
      count.budget = budget;
      count.warned = false;
      touch(budgets.lease, count);
      // One in use is dropped once nobody has used it for a while.
    } else if (count.inUse === 0) dropCount(budgets, count);
  }
}
