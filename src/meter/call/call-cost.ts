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
  const { reading, target } = open;
  const provider = reading.served?.provider;
  const query: PriceQuery = {
    provider: provider ?? target.provider,
    model: part.model ?? model,
    at: open.startedAt,
    usage: part.usage,
    tier: reading.tier,
    speed: reading.speed,
    // Only Anthropic itself charges by what its answer says.
    geo: (provider ?? target.provider) === "anthropic" ? reading.geo : target.geo,
    priceId: provider === undefined ? target.host?.priceId : undefined,
    guessedProvider: provider === undefined && isGuessed(open),
    // A gateway on this machine passes other vendors' models on.
    local: target.local && target.gateway.gateway === undefined,
  };
  const found = price(query);
  if (found) return reading.inexact && found.exact ? { ...found, exact: false } : found;
  if (part.model !== undefined) return undefined;
  const other = otherName(open, model);
  const similar = other === undefined ? undefined : price({ ...query, model: other });
  return similar && { ...similar, exact: false };
}

/** A gateway passes on other vendors' models than those of the vendor whose format or host it is like. */
function isGuessed({ target: { host, gateway } }: OpenCall): boolean {
  return host === undefined || (gateway.gateway !== undefined && gateway.gateway.name !== host.provider);
}

/**
 * Another name under which the served model may have a price. What is asked of a gateway is an alias, which says nothing
 * of who answered; of a deployment on Azure it is the only name that can be a model's.
 */
function otherName({ facts, reading }: OpenCall, model: string): string | undefined {
  const isAlias = reading.served?.model !== undefined;
  if (isAlias && reading.served?.provider?.startsWith("azure.") !== true) return undefined;
  const other = isAlias || model === facts.model ? reading.model : facts.model;
  return other === model ? undefined : other;
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

/** A cost reported by the vendor wins over our own prices; an answer out of a gateway's cache costs nothing. */
export function sum(
  parts: readonly PricedPart[],
  usage: Usage | undefined,
  cached: boolean,
  vendorUsd: number | undefined,
): Money {
  if (cached) return FREE;
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

/** The gateway says so. */
const FREE: Money = { nano: 0, source: "provider", priced: "true" };
export const UNPRICED: Money = { nano: undefined, source: "local", priced: "false" };
