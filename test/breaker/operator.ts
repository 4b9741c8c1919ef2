import { createBudgetOperations } from "../../src/breaker/budgets/changes.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { openStore } from "../../src/stores/open.ts";

/**
 * An operator who raises and lowers a budget until the process is killed: `operator.ts STORE BUDGET NAME`. Prints each
 * order's id before it is sent, and `done ID` once the store has answered.
 */
const [address = "", budget = "{}", name = ""] = process.argv.slice(2);
const store = await openStore(address);
const operations = createBudgetOperations(store, () => readBudget(JSON.parse(budget)));

for (let index = 0; ; index++) {
  const id = `${name}-${index}`;
  const verb = index % 4 === 3 ? "lower" : "raise";
  process.stdout.write(`sent ${id}\n`);
  const order = { budget: "agent hour", scope: "agent:spender", amount: 3, reason: id, by: name, id };
  const { status } = await operations.change(verb, order);
  if (status === 200) process.stdout.write(`done ${id}\n`);
}
