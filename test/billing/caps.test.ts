import { describe, expect, test } from "vitest";
import { compareCaps } from "../../src/billing/caps.ts";
import { readNames } from "../../src/billing/names.ts";
import type { VendorCap } from "../../src/billing/vendors/vendor.ts";
import { type Budget, readBudget } from "../../src/limits/budget.ts";

const usd = (dollars: number): bigint => BigInt(dollars) * 1_000_000_000n;
const cap = (fields: Partial<VendorCap> = {}): VendorCap => ({
  scope: "organization",
  id: "",
  nano: usd(1_000),
  per: "month",
  effect: "stops",
  ...fields,
});
const budget = (dollars: number): Budget =>
  (
    readBudget({ name: `team at ${dollars}`, scope: { team: "search" }, per: "month", usd: dollars }) as Budget[]
  )[0] as Budget;

const compare = (one: VendorCap, budgets: readonly Budget[] = [budget(500)]) =>
  compareCaps({
    caps: [one],
    budgets,
    names: readNames([{ kind: "project", id: "proj_1", name: "Help" }], new Set(), {}),
    billed: { projects: new Map([["proj_1", usd(900)]]), keys: new Map([["key_1", usd(5)]]), all: usd(1_200) },
  })[0];

describe("a vendor's cap beside the bill and our budgets", () => {
  test.each<[string, Partial<VendorCap>, readonly Budget[] | undefined, object]>([
    [
      "of the organization, reached",
      {},
      undefined,
      { scope: "organization", used: usd(1_200), remark: "reached: calls are refused" },
    ],
    [
      "of a project, nearly reached",
      { scope: "project", id: "proj_1" },
      undefined,
      { scope: "project help", used: usd(900), remark: "nearly reached" },
    ],
    ["of a key", { scope: "key", id: "key_1" }, undefined, { scope: "key key_1", used: usd(5), remark: "" }],
    ["that only tells", { effect: "tells", nano: usd(5_000) }, [], { remark: "" }],
    ["that is off", { effect: "off" }, undefined, { remark: "switched off" }],
    ["of a day: the bill of the month says nothing of it", { per: "day" }, undefined, { used: undefined, remark: "" }],
    [
      "without a budget before it",
      { nano: usd(5_000) },
      [],
      { remark: expect.stringContaining("no monthly budget is below it") },
    ],
    [
      "below a budget",
      { nano: usd(5_000) },
      [budget(6_000), budget(10)],
      { remark: "below our budget team at 6000: the vendor stops every agent first" },
    ],
  ])("%s", (_name, fields, budgets, expected) => {
    expect(compare(cap(fields), budgets)).toMatchObject(expected);
  });
});
