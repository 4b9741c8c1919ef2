import { nanoOfUsd } from "../../../core/money.ts";
import type { BillRow, Charge, VendorUsage } from "../../reconcile/bill.ts";
import { dayOf } from "../vendor.ts";
import { readLineItem } from "./line-item.ts";
import { COSTS } from "./sources.ts";

/** One result of a bucket. */
export type Result = Readonly<Record<string, unknown>> & {
  readonly object?: string;
  readonly amount?: { readonly value?: number | string; readonly currency?: string };
};

export function rowOf(report: string, start: number, result: Result, group: readonly string[]): BillRow {
  const dims = Object.fromEntries(group.map((name) => [name, String(result[name] ?? "")]));
  if (result.object !== "organization.costs.result") {
    const counts = Object.entries(result).filter(([, value]) => typeof value === "number") as [string, number][];
    return { report, start: dayOf(start), dims, counts: Object.fromEntries(counts) };
  }
  const { value, currency = "usd" } = result.amount ?? {};
  if (currency.toLowerCase() !== "usd")
    throw new TypeError(`OpenAI bills in ${currency}: spendfuse adds up US dollars only`);
  const { quantity, quantity_unit: unit } = result;
  return {
    report,
    start: dayOf(start),
    dims: typeof unit === "string" ? { ...dims, quantity_unit: unit } : dims,
    nano: nanoOfUsd(value ?? 0),
    ...(typeof quantity === "number" && { counts: { quantity } }),
  };
}

/** Pieces per unit of a quantity; other units cannot be compared. */
const UNITS: Readonly<Record<string, number>> = { tokens: 1, "1000_tokens": 1_000 };

export function chargeOf({ report, start, dims, nano, counts }: BillRow): Charge | undefined {
  if (report !== COSTS || nano === undefined) return undefined;
  const { model, type, tier } = readLineItem(dims.line_item ?? "");
  const unit = type === "web_search" ? 1 : UNITS[dims.quantity_unit ?? ""];
  const quantity = unit !== undefined && counts?.quantity !== undefined ? counts.quantity * unit : undefined;
  return {
    day: start,
    project: dims.project_id ?? "",
    key: dims.api_key_id,
    model,
    tier,
    type,
    nano,
    ...(quantity !== undefined && type !== "other" && { quantity: Math.round(quantity) }),
  };
}

/** `input_tokens` includes cache reads and writes. */
export function usageOf({ report, start, dims, counts }: BillRow): VendorUsage | undefined {
  if (counts === undefined || report === COSTS) return undefined;
  const where = {
    day: start,
    project: dims.project_id ?? "",
    key: dims.api_key_id,
    model: dims.model ?? "",
  };
  if (report === "web searches 1d")
    return { ...where, tier: undefined, counts: { web_search: counts.num_requests ?? 0 }, requests: undefined };
  const cached = counts.input_cached_tokens ?? 0;
  const written = counts.input_cache_write_tokens ?? 0;
  const input = counts.input_tokens ?? 0;
  return {
    ...where,
    tier: dims.batch === "true" ? "batch" : dims.service_tier,
    counts: {
      input_uncached: counts.input_uncached_tokens ?? Math.max(0, input - cached - written),
      cache_read: cached,
      cache_write: written,
      output: counts.output_tokens ?? 0,
    },
    requests: counts.num_model_requests,
  };
}
