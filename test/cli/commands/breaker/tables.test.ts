import { expect, test } from "vitest";
import { countTable } from "../../../../src/cli/commands/breaker/tables.ts";

test("a store without budgets says where budgets in memory are known", () => {
  expect(countTable([])).toEqual([
    'this store knows no used budget; with "store": "memory" budgets are known only to the process itself',
  ]);
});
