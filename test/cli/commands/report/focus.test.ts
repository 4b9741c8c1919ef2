import { describe, expect, test } from "vitest";
import type { ReportRow } from "../../../../src/billing/report.ts";
import { FOCUS_COLUMNS, FOCUS_GROUPINGS, toFocus } from "../../../../src/cli/commands/report/focus.ts";
import { columnFaults, FOCUS_1_2, focusFaults } from "../../../billing/focus-columns.ts";

const ABOUT = {
  by: [...FOCUS_GROUPINGS, "customer"],
  from: Date.UTC(2026, 10, 1),
  until: Date.UTC(2026, 11, 1),
  now: Date.UTC(2026, 11, 5),
  metered: true,
  bills: [{ name: "openai", title: "OpenAI", readAt: undefined }],
};

function row(by: ReportRow["by"], amounts: Partial<ReportRow> = {}): ReportRow {
  const nothing = { billed: 0n, metered: 0n, tokens: 0n, ungoverned: 0n, unbilled: 0n, reasons: {} };
  return { by: { day: "2026-11-24", vendor: "openai", ...by }, ...nothing, ...amounts };
}

/** The only line, by its columns: cells with commas are quoted. */
function cellsOf(one: ReportRow): Readonly<Record<string, string>> {
  const [head = "", line = ""] = toFocus([one], ABOUT);
  const cells = [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, cell = ""]) =>
    cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell,
  );
  return Object.fromEntries(head.split(",").map((name, index) => [name, cells[index] ?? ""]));
}

test("the table has the columns of FOCUS 1.2 by their levels", () => {
  const levels = Map.groupBy(Object.values(FOCUS_1_2), ({ level }) => level);
  expect([...levels].map(([level, some]) => [level, some.length])).toEqual([
    ["mandatory", 21],
    ["recommended", 4],
    ["conditional", 32],
  ]);
});

test("our columns are those of FOCUS 1.2: all mandatory ones, and a reason for each that is left out", () => {
  expect(columnFaults(FOCUS_COLUMNS)).toEqual([]);
});

test.each([
  ["a mandatory one left out", FOCUS_COLUMNS.filter((name) => name !== "ListCost"), "ListCost is mandatory"],
  ["one that FOCUS does not have", [...FOCUS_COLUMNS, "Agent"], "Agent is no column of FOCUS"],
  ["one of FOCUS behind our own", ["x_Agent", ...FOCUS_COLUMNS], "BilledCost is behind columns of our own"],
])("the check finds %s", (_name, names, fault) => {
  expect(columnFaults(names)).toContain(fault);
});

describe("rows keep FOCUS", () => {
  test.each<[string, ReportRow, Readonly<Record<string, string>>]>([
    [
      "of usage, billed and metered",
      row({ agent: "a", model: "gpt-5", project: "Desk" }, { billed: 6n, metered: 5n, tokens: 700n }),
      { ChargeCategory: "Usage", ConsumedQuantity: "700", ConsumedUnit: "Tokens", ListCost: "0.000000006" },
    ],
    [
      "of usage that nobody metered: what the vendor consumed is not known, and is null",
      row({ agent: "(ungoverned)" }, { billed: 6n, ungoverned: 6n }),
      { ChargeCategory: "Usage", ConsumedQuantity: "", ConsumedUnit: "", SkuId: "", Tags: "" },
    ],
    [
      "of a credit, which consumes nothing",
      row({ agent: "a", model: "gpt-5" }, { billed: -4n, metered: 1n, tokens: 9n }),
      { ChargeCategory: "Credit", ConsumedQuantity: "", ConsumedUnit: "", ContractedCost: "-0.000000004" },
    ],
    [
      "at a vendor without a bill",
      row({ vendor: "gcp.gemini", agent: "a", model: "gemini", customer: "acme" }, { metered: 8n, tokens: 1n }),
      { BilledCost: "0.000000000", EffectiveCost: "0.000000008", Tags: '{"agent":"a","customer":"acme"}' },
    ],
    [
      "of the last day of a year",
      row({ day: "2026-12-31", agent: "a" }, { billed: 1n }),
      { ChargePeriodEnd: "2027-01-01T00:00:00Z", BillingPeriodEnd: "2027-01-01T00:00:00Z" },
    ],
  ])("%s", (_name, one, cells) => {
    const written = cellsOf(one);
    expect(focusFaults(written)).toEqual([]);
    expect(written).toMatchObject(cells);
  });

  test.each<[string, Readonly<Record<string, string>>, string]>([
    ["a null that must not be", { ListCost: "" }, "ListCost is null"],
    ["a number that is none", { BilledCost: "$4" }, 'BilledCost is no decimal: "$4"'],
    ["a word that is not allowed", { ChargeCategory: "Refund" }, 'ChargeCategory is "Refund"'],
    ["a credit that consumes", { ChargeCategory: "Credit" }, "only usage has a ConsumedQuantity"],
    ["a day of another month", { BillingPeriodStart: "2026-11-25T00:00:00Z" }, "charged before the billing period"],
  ])("and the check finds %s", (_name, change, fault) => {
    const good = cellsOf(row({ agent: "a", model: "gpt-5" }, { billed: 6n, metered: 6n, tokens: 7n }));
    expect(focusFaults({ ...good, ...change })).toContain(fault);
  });
});
