/** A column as FOCUS 1.2 defines it: https://focus.finops.org/focus-specification/v1-2/, section "Columns". */
interface FocusColumn {
  readonly type: "decimal" | "text" | "time" | "json";
  readonly nullable: boolean;
  readonly values?: readonly string[];
}

const decimal = (nullable = false): FocusColumn => ({ type: "decimal", nullable });
const text = (nullable = false): FocusColumn => ({ type: "text", nullable });
const oneOf = (values: readonly string[], nullable = false): FocusColumn => ({ type: "text", nullable, values });
const TIME: FocusColumn = { type: "time", nullable: false };

/** The columns that we write, in their order. All that are mandatory in a dataset are among them. */
export const FOCUS_1_2: Readonly<Record<string, FocusColumn>> = {
  BilledCost: decimal(),
  BillingAccountId: text(),
  BillingAccountName: text(true),
  BillingCurrency: oneOf(["USD"]),
  BillingPeriodStart: TIME,
  BillingPeriodEnd: TIME,
  ChargeCategory: oneOf(["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
  ChargeClass: oneOf(["Correction"], true),
  ChargeDescription: text(true),
  ChargeFrequency: oneOf(["One-Time", "Recurring", "Usage-Based"]),
  ChargePeriodStart: TIME,
  ChargePeriodEnd: TIME,
  ConsumedQuantity: decimal(true),
  ConsumedUnit: text(true),
  ContractedCost: decimal(),
  EffectiveCost: decimal(),
  InvoiceIssuerName: text(),
  ListCost: decimal(),
  PricingQuantity: decimal(true),
  PricingUnit: text(true),
  ProviderName: text(),
  PublisherName: text(),
  ServiceCategory: oneOf(["AI and Machine Learning"]),
  ServiceName: text(),
  ServiceSubcategory: oneOf(["Generative AI"]),
  SkuId: text(true),
  SubAccountId: text(true),
  SubAccountName: text(true),
  Tags: { type: "json", nullable: true },
};

/** What FOCUS forbids in a row, a line each: types, nulls, allowed values, and what depends on other columns. */
export function focusFaults(row: Readonly<Record<string, string>>): readonly string[] {
  const faults = Object.entries(FOCUS_1_2).flatMap(([name, column]) => {
    const cell = row[name];
    if (cell === undefined) return [`${name} is missing`];
    if (cell === "") return column.nullable ? [] : [`${name} is null`];
    if (column.values !== undefined && !column.values.includes(cell)) return [`${name} is "${cell}"`];
    return fits(column.type, cell) ? [] : [`${name} is no ${column.type}: "${cell}"`];
  });
  const { ChargeCategory, ConsumedQuantity = "", ConsumedUnit = "", PricingQuantity = "", PricingUnit = "" } = row;
  if ((ConsumedQuantity === "") !== (ConsumedUnit === "")) faults.push("ConsumedQuantity needs its unit");
  if ((PricingQuantity === "") !== (PricingUnit === "")) faults.push("PricingQuantity needs its unit");
  if (ChargeCategory === "Usage" && PricingQuantity === "") faults.push("usage needs a PricingQuantity");
  if ((row.ChargePeriodStart ?? "") >= (row.ChargePeriodEnd ?? "")) faults.push("the charge period is empty");
  if ((row.ChargePeriodEnd ?? "") > (row.BillingPeriodEnd ?? "")) faults.push("charged outside the billing period");
  return faults;
}

function fits(type: FocusColumn["type"], cell: string): boolean {
  if (type === "decimal") return /^-?\d+(\.\d+)?$/.test(cell);
  if (type === "time") return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(cell) && !Number.isNaN(Date.parse(cell));
  if (type === "text") return true;
  const tags: unknown = JSON.parse(cell);
  return typeof tags === "object" && tags !== null && Object.values(tags).every((value) => typeof value === "string");
}
