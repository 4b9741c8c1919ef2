/**
 * The columns of a FOCUS 1.2 dataset, all 57: https://focus.finops.org/focus-specification/v1-2/, section "Columns", and
 * `specification/columns/*.md` of https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, "Content constraints".
 */
interface FocusColumn {
  readonly level: "mandatory" | "recommended" | "conditional";
  readonly type: "decimal" | "text" | "time" | "json";
  readonly nullable: boolean;
  readonly values?: readonly string[];
  /** Why we do not write it. */
  readonly without?: string;
}

type Rest = Omit<FocusColumn, "level">;

const decimal = (nullable = false): Rest => ({ type: "decimal", nullable });
const text = (nullable = false): Rest => ({ type: "text", nullable });
const oneOf = (values: readonly string[], nullable = false): Rest => ({ type: "text", nullable, values });
const without = (why: string, rest: Rest = text(true)): Rest => ({ ...rest, without: why });
const TIME: Rest = { type: "time", nullable: false };

const NOT_SOLD = "no vendor whose bill is read sells these";
const SEVERAL_PRICES = "a row sums tokens of several prices";
const ONE_CURRENCY = "priced and billed in USD";
const ONE_TYPE = "required where the provider has several types; ours have one";

const MANDATORY: Readonly<Record<string, Rest>> = {
  BilledCost: decimal(),
  BillingAccountId: text(),
  BillingAccountName: text(true),
  BillingCurrency: oneOf(["USD"]),
  BillingPeriodEnd: TIME,
  BillingPeriodStart: TIME,
  ChargeCategory: oneOf(["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
  ChargeClass: oneOf(["Correction"], true),
  ChargeDescription: text(true),
  ChargePeriodEnd: TIME,
  ChargePeriodStart: TIME,
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
};

const RECOMMENDED: Readonly<Record<string, Rest>> = {
  AvailabilityZone: without(NOT_SOLD),
  ChargeFrequency: oneOf(["One-Time", "Recurring", "Usage-Based"]),
  InvoiceId: without("no vendor's cost report names the invoice"),
  ServiceSubcategory: oneOf([
    ...["AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing"],
    "Other (AI and Machine Learning)",
  ]),
};

const CONDITIONAL: Readonly<Record<string, Rest>> = {
  BillingAccountType: without(ONE_TYPE, text()),
  CapacityReservationId: without(NOT_SOLD),
  CapacityReservationStatus: without(NOT_SOLD, oneOf(["Used", "Unused"], true)),
  CommitmentDiscountCategory: without(NOT_SOLD, oneOf(["Spend", "Usage"], true)),
  CommitmentDiscountId: without(NOT_SOLD),
  CommitmentDiscountName: without(NOT_SOLD),
  CommitmentDiscountQuantity: without(NOT_SOLD, decimal(true)),
  CommitmentDiscountStatus: without(NOT_SOLD, oneOf(["Used", "Unused"], true)),
  CommitmentDiscountType: without(NOT_SOLD),
  CommitmentDiscountUnit: without(NOT_SOLD),
  ConsumedQuantity: decimal(true),
  ConsumedUnit: text(true),
  ContractedUnitPrice: without(SEVERAL_PRICES, decimal(true)),
  ListUnitPrice: without(SEVERAL_PRICES, decimal(true)),
  PricingCategory: without(
    "no vendor's cost report names it",
    oneOf(["Standard", "Dynamic", "Committed", "Other"], true),
  ),
  PricingCurrency: without(ONE_CURRENCY),
  PricingCurrencyContractedUnitPrice: without(ONE_CURRENCY, decimal(true)),
  PricingCurrencyEffectiveCost: without(ONE_CURRENCY, decimal(true)),
  PricingCurrencyListUnitPrice: without(ONE_CURRENCY, decimal(true)),
  RegionId: without(NOT_SOLD),
  RegionName: without(NOT_SOLD),
  ResourceId: without(NOT_SOLD),
  ResourceName: without(NOT_SOLD),
  ResourceType: without(NOT_SOLD),
  SkuId: text(true),
  SkuMeter: without(SEVERAL_PRICES),
  SkuPriceDetails: without(SEVERAL_PRICES, { type: "json", nullable: true }),
  SkuPriceId: without(SEVERAL_PRICES),
  SubAccountId: text(true),
  SubAccountName: text(true),
  SubAccountType: without(ONE_TYPE),
  Tags: { type: "json", nullable: true },
};

/** By name. */
export const FOCUS_1_2: Readonly<Record<string, FocusColumn>> = {
  ...leveled("mandatory", MANDATORY),
  ...leveled("recommended", RECOMMENDED),
  ...leveled("conditional", CONDITIONAL),
};

function leveled(level: FocusColumn["level"], columns: Readonly<Record<string, Rest>>): typeof FOCUS_1_2 {
  return Object.fromEntries(Object.entries(columns).map(([name, rest]) => [name, { level, ...rest }]));
}

/** What FOCUS forbids in the names of a dataset's columns, in their order. Columns of one's own begin with `x_`. */
export function columnFaults(names: readonly string[]): readonly string[] {
  const faults = Object.entries(FOCUS_1_2).flatMap(([name, { level, without: why }]) => {
    if (names.includes(name)) return why === undefined ? [] : [`${name} is there, though: ${why}`];
    if (level === "mandatory") return [`${name} is mandatory`];
    return why === undefined ? [`${name} is missing without a reason`] : [];
  });
  const firstOwn = names.findIndex((name) => name.startsWith("x_"));
  for (const [index, name] of names.entries()) {
    if (!name.startsWith("x_") && !(name in FOCUS_1_2)) faults.push(`${name} is no column of FOCUS`);
    if (!name.startsWith("x_") && firstOwn !== -1 && index > firstOwn)
      faults.push(`${name} is behind columns of our own`);
    if (!/^(x_)?([A-Z][a-z0-9]*)+$/.test(name)) faults.push(`${name} is not in Pascal case`);
  }
  return faults;
}

/** What FOCUS forbids in a row, a line each: types, nulls, allowed values, and what depends on other columns. */
export function focusFaults(row: Readonly<Record<string, string>>): readonly string[] {
  const faults = Object.entries(FOCUS_1_2).flatMap(([name, column]) => {
    const cell = row[name];
    if (cell === undefined) return column.without === undefined ? [`${name} is missing`] : [];
    if (cell === "") return column.nullable ? [] : [`${name} is null`];
    if (column.values !== undefined && !column.values.includes(cell)) return [`${name} is "${cell}"`];
    return fits(column.type, cell) ? [] : [`${name} is no ${column.type}: "${cell}"`];
  });
  return [...faults, ...unitFaults(row), ...periodFaults(row)];
}

/** One thing is left open, and documented: a usage row of which nothing was metered has no quantity, and one without a model no SKU. */
function unitFaults(row: Readonly<Record<string, string>>): readonly string[] {
  const { ChargeCategory, ConsumedQuantity = "", ConsumedUnit = "", PricingQuantity = "", PricingUnit = "" } = row;
  const faults: string[] = [];
  if ((ConsumedQuantity === "") !== (ConsumedUnit === "")) faults.push("ConsumedQuantity needs its unit");
  if ((PricingQuantity === "") !== (PricingUnit === "")) faults.push("PricingQuantity needs its unit");
  if (ChargeCategory === "Usage" && PricingQuantity === "") faults.push("usage needs a PricingQuantity");
  if (ChargeCategory !== "Usage" && ConsumedQuantity !== "") faults.push("only usage has a ConsumedQuantity");
  if ((row.SubAccountId === "") !== (row.SubAccountName === ""))
    faults.push("a sub account has an id and a name, or neither");
  if (ChargeCategory === "Credit" && row.ListCost !== row.BilledCost)
    faults.push("the list cost of a credit is what is billed");
  return faults;
}

function periodFaults(row: Readonly<Record<string, string>>): readonly string[] {
  const { ChargePeriodStart = "", ChargePeriodEnd = "", BillingPeriodStart = "", BillingPeriodEnd = "" } = row;
  const faults: string[] = [];
  if (ChargePeriodStart >= ChargePeriodEnd) faults.push("the charge period is empty");
  if (ChargePeriodStart < BillingPeriodStart) faults.push("charged before the billing period");
  if (ChargePeriodEnd > BillingPeriodEnd) faults.push("charged outside the billing period");
  return faults;
}

function fits(type: FocusColumn["type"], cell: string): boolean {
  if (type === "decimal") return /^-?\d+(\.\d+)?$/.test(cell);
  if (type === "time") return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(cell) && !Number.isNaN(Date.parse(cell));
  if (type === "text") return true;
  const tags: unknown = JSON.parse(cell);
  return typeof tags === "object" && tags !== null && Object.values(tags).every((value) => typeof value === "string");
}
