import type { CallPart, CostSource, Priced } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import type { Usage } from "../../core/usage.ts";
import type { Price, PriceQuery, PriceSource } from "../../pricing/price.ts";
import type { ModelUsage } from "../wire/formats/format.ts";
import type { OpenCall } from "./open-call.ts";

export interface PricedPart extends CallPart {
  readonly exact: boolean;
  /** See `Price.unpriced`. */
  readonly unpriced: readonly string[] | undefined;
}

/** One unknown price among the turns of a call makes their sum unknown: a part of a cost is not the cost. */
function total(model: string, usage: Usage, ...prices: readonly (Price | undefined)[]): PricedPart {
  let costNano: number | undefined = 0;
  let exact = true;
  let unpriced: readonly string[] | undefined;
  for (const price of prices) {
    costNano = price && costNano !== undefined ? costNano + price.nanoUsd : undefined;
    exact &&= price?.exact !== false;
    if (price?.unpriced !== undefined) unpriced = [...(unpriced ?? []), ...price.unpriced];
  }
  return { model, usage, costNano, exact, unpriced };
}

/** When our prices fail, the tokens still count: the call is unpriced then. */
export function quote(
  price: PriceSource,
  faults: Faults,
  open: OpenCall,
  usage: Usage,
  model: string,
): readonly PricedPart[] {
  const { parts, extra } = open.reading;
  try {
    if (parts === undefined && extra === undefined)
      return [total(model, usage, priceOf(price, open, model, { usage }))];
    const own = (parts ?? [{ usage }]).map((part) => priceOf(price, open, model, part));
    const others = (extra ?? []).map((part) =>
      total(part.model ?? model, part.usage, priceOf(price, open, model, part)),
    );
    return [total(model, usage, ...own), ...others];
  } catch (error) {
    faults.report("price", error);
    return [{ model, usage, costNano: undefined, exact: true, unpriced: undefined }];
  }
}

function priceOf(price: PriceSource, open: OpenCall, model: string, part: ModelUsage): Price | undefined {
  const { reading, facts, target } = open;
  const query: PriceQuery = {
    provider: target.provider,
    model: part.model ?? model,
    at: open.startedAt,
    usage: part.usage,
    tier: reading.tier,
    speed: reading.speed,
    // Only Anthropic itself charges by what its answer says.
    geo: target.provider === "anthropic" ? reading.geo : target.geo,
    priceId: target.host?.priceId,
    guessedProvider: target.host === undefined,
    local: target.local,
  };
  const found = price(query);
  if (found) return found;
  // A served model too new to have a price may have one under the requested name.
  if (part.model !== undefined || facts.model === undefined || facts.model === model) return undefined;
  const other = price({ ...query, model: facts.model });
  return other && { ...other, exact: false };
}

export interface Money {
  readonly nano: number | undefined;
  readonly source: CostSource;
  readonly priced: Priced;
  /** See `SettledCall.unpricedParts`. */
  readonly unpriced?: readonly string[] | undefined;
}

/** Attributes the vendor's charge for the whole call to its own model. */
export function charge(parts: readonly PricedPart[], costNano: number | undefined): readonly CallPart[] {
  return parts.map((part, index) => ({ ...part, costNano: index === 0 ? costNano : 0 }));
}

/** A cost reported by the vendor wins over our own prices. */
export function sum(parts: readonly PricedPart[], usage: Usage | undefined, vendorUsd: number | undefined): Money {
  if (usage === undefined) return { nano: undefined, source: "local", priced: "none" };
  if (vendorUsd !== undefined) return { nano: Math.round(vendorUsd * 1e9), source: "provider", priced: "true" };
  let nano: number | undefined;
  let exact = true;
  let unpriced: Set<string> | undefined;
  for (const part of parts) {
    if (part.costNano === undefined) {
      unpriced = (unpriced ?? new Set<string>()).add(part.model);
      continue;
    }
    nano = (nano ?? 0) + part.costNano;
    exact &&= part.exact;
    if (part.unpriced !== undefined) for (const name of part.unpriced) unpriced = (unpriced ?? new Set()).add(name);
  }
  if (nano === undefined) return UNPRICED;
  if (unpriced !== undefined) return { nano, source: "local", priced: "partial", unpriced: [...unpriced] };
  return { nano, source: "local", priced: exact ? "true" : "inexact" };
}

export const UNPRICED: Money = { nano: undefined, source: "local", priced: "false" };
