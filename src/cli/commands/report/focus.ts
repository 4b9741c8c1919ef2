import { driftOf } from "../../../billing/drift.ts";
import { type Grouping, type ReportRow, UNGOVERNED } from "../../../billing/report.ts";
import { DAY_MS } from "../../../billing/vendors/vendor.ts";
import { decimalUsd } from "../../../core/money.ts";
import { type About, quoted } from "./forms.ts";

/** What a row of FOCUS is told apart by; declared tags come after them. */
export const FOCUS_GROUPINGS = [
  "day",
  "vendor",
  "project",
  "key",
  "model",
  "agent",
  "root_agent",
  "team",
  "outcome",
] as const;

/** Rows whose vendor sends no bill that we read are `metered`: they have no billed cost. */
type Source = "bill" | "metered";

interface Facts {
  readonly row: ReportRow;
  readonly about: About;
  readonly of: (name: Grouping) => string;
  readonly vendor: string;
  readonly source: Source;
}

/**
 * The columns of FOCUS 1.2 (https://focus.finops.org/focus-specification/v1-2/) that we know something of, all mandatory
 * ones among them, and columns of our own, which FOCUS wants to begin with `x_` and to come last. An empty cell is null.
 */
const COLUMNS: Readonly<Record<string, (facts: Facts) => string>> = {
  BilledCost: ({ row }) => decimalUsd(row.billed),
  BillingAccountId: ({ of }) => of("vendor"),
  BillingAccountName: ({ vendor }) => vendor,
  BillingCurrency: () => "USD",
  BillingPeriodStart: ({ of }) => `${of("day").slice(0, 7)}-01T00:00:00Z`,
  BillingPeriodEnd: ({ of }) => nextMonth(of("day")),
  ChargeCategory: ({ row }) => (row.billed < 0n ? "Credit" : "Usage"),
  ChargeClass: () => "",
  ChargeDescription: describe,
  ChargeFrequency: () => "Usage-Based",
  ChargePeriodStart: ({ of }) => `${of("day")}T00:00:00Z`,
  ChargePeriodEnd: ({ of }) => secondsOf(Date.parse(of("day")) + DAY_MS),
  ConsumedQuantity: ({ row }) => (isConsumed(row) ? `${row.tokens}` : ""),
  ConsumedUnit: ({ row }) => (isConsumed(row) ? "Tokens" : ""),
  ContractedCost: costOf,
  EffectiveCost: costOf,
  InvoiceIssuerName: ({ vendor }) => vendor,
  ListCost: costOf,
  // A row sums prices of several kinds of tokens, so only their common unit, the dollar, has one price.
  PricingQuantity: costOf,
  PricingUnit: () => "USD",
  ProviderName: ({ vendor }) => vendor,
  PublisherName: ({ vendor }) => vendor,
  ServiceCategory: () => "AI and Machine Learning",
  ServiceName: ({ vendor }) => `${vendor} API`,
  ServiceSubcategory: () => "Generative AI",
  SkuId: ({ of }) => of("model"),
  SubAccountId: ({ of }) => of("project"),
  SubAccountName: ({ of }) => of("project"),
  Tags: tagsOf,
  x_Source: ({ source }) => source,
  x_MeteredCost: ({ row }) => decimalUsd(row.metered),
  x_DriftRatio: ({ row }) => driftOf(row)?.toString() ?? "",
  x_Agent: ({ of }) => of("agent"),
  x_RootAgent: ({ of }) => of("root_agent"),
  x_Team: ({ of }) => of("team"),
  x_ApiKey: ({ of }) => of("key"),
  // Nobody says what came of what was not metered.
  x_Outcome: ({ of }) => (of("outcome") === UNGOVERNED ? "" : of("outcome")),
};

/** The names of the columns, in their order. */
export const FOCUS_COLUMNS: readonly string[] = Object.keys(COLUMNS);

/** CSV with the columns of FOCUS. `rows` are grouped by {@link FOCUS_GROUPINGS} and declared tags. */
export function toFocus(rows: readonly ReportRow[], about: About): readonly string[] {
  const lines = rows.map((row) => {
    const facts = factsOf(row, about);
    return Object.values(COLUMNS)
      .map((cell) => quoted(cell(facts)))
      .join(",");
  });
  return [FOCUS_COLUMNS.join(","), ...lines];
}

function factsOf(row: ReportRow, about: About): Facts {
  const of = (name: Grouping): string => row.by[name] ?? "";
  const bill = about.bills.find(({ name }) => name === of("vendor"));
  const source = bill === undefined ? "metered" : "bill";
  return { row, about, of, vendor: bill?.title ?? of("vendor"), source };
}

/** Only usage consumes: a credit has no quantity. */
function isConsumed({ billed, tokens }: ReportRow): boolean {
  return billed >= 0n && tokens > 0n;
}

/** The billed cost; the metered one where the vendor sends no bill that we read. */
function costOf({ row, source }: Facts): string {
  return decimalUsd(source === "bill" ? row.billed : row.metered);
}

function describe({ of }: Facts): string {
  const agent = of("agent");
  return `${of("model") || "API usage"}${agent === UNGOVERNED ? ", not metered" : ` by agent ${agent || "unknown"}`}`;
}

/** A JSON object, as FOCUS has it; without empty values. */
function tagsOf({ about, of }: Facts): string {
  const own = about.by.filter((name) => !(FOCUS_GROUPINGS as readonly string[]).includes(name));
  const names = ["agent", "root_agent", "team", "outcome", ...own];
  const tags = names
    .map((name) => [name, of(name)] as const)
    .filter(([, value]) => value !== "" && value !== UNGOVERNED);
  return tags.length === 0 ? "" : JSON.stringify(Object.fromEntries(tags));
}

function nextMonth(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  return secondsOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1));
}

function secondsOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
