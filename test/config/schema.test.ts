import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type HostConfig, readConfig } from "../../src/config/config.ts";
import type { BudgetConfig } from "../../src/limits/budget.ts";
import type { Discount, PriceRowConfig } from "../../src/pricing/price.ts";

interface Schema {
  readonly type: string;
  readonly properties: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly required?: readonly string[];
}

const SAMPLES: Readonly<Record<string, unknown>> = { string: "a", boolean: true, object: {}, array: [], number: 1 };
/** Values that must have a form. */
const FORMED: Readonly<Record<string, unknown>> = {
  mode: "shadow",
  store: "memory",
  whenStateUnknown: "closed",
  stateTimeout: "20ms",
  unpriced: "refuse",
  repeats: { max: 3, within: "5m" },
};
const HOST: Record<keyof HostConfig, true> = {
  host: true,
  like: true,
  provider: true,
  priceId: true,
  asksUsage: true,
  reasoningApart: true,
};
const PRICE: Record<keyof PriceRowConfig, true> = {
  model: true,
  provider: true,
  inputPerMTok: true,
  outputPerMTok: true,
  cacheReadPerMTok: true,
  cacheWritePerMTok: true,
  cacheWrite1hPerMTok: true,
  perThousandWebSearches: true,
  tier: true,
  speed: true,
  from: true,
  until: true,
};
const DISCOUNT: Record<keyof Discount, true> = { provider: true, model: true, factor: true };
const BUDGET: Record<keyof BudgetConfig, true> = {
  name: true,
  scope: true,
  per: true,
  usd: true,
  tokens: true,
  calls: true,
  warnAt: true,
  finalisation: true,
  trip: true,
};

const { $schema, ...properties } = (
  JSON.parse(readFileSync(new URL("../../config.schema.json", import.meta.url), "utf8")) as Schema
).properties;

function warningsOf(config: object): string[] {
  const warnings: string[] = [];
  readConfig({}, { SPENDFUSE_CONFIG: JSON.stringify(config) }, (message) => warnings.push(message));
  return warnings;
}

test("the schema and the key table have the same keys", () => {
  expect($schema?.type).toBe("string");
  const [warning = ""] = warningsOf({ nonsense: 1 });
  expect(warning.split("known keys: ")[1]?.split(",")[0]).toBe("agent");
  const known = /known keys: ([\w, ]+)/.exec(warning)?.[1]?.replace(/, and is ignored$/, "");
  expect(known?.split(", ")).toEqual(Object.keys(properties));
});

test.each(Object.entries(properties))("%s takes the kind of the schema and no other", (key, { type }) => {
  expect(warningsOf({ [key]: FORMED[key] ?? SAMPLES[type] })).toEqual([]);
  for (const [kind, value] of Object.entries(SAMPLES)) {
    if (kind !== type) expect(() => warningsOf({ [key]: value }), kind).toThrow(`"${key}" must be`);
  }
});

test.each([
  ["hosts", HOST],
  ["prices", PRICE],
  ["discounts", DISCOUNT],
  ["budgets", BUDGET],
])("rows of %s have the fields of their type", (key, fields) => {
  expect(Object.keys(properties[key]!.items!.properties).sort()).toEqual(Object.keys(fields).sort());
});
