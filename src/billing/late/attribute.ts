import { MAX_CALL_COUNT, MAX_CALL_NANO } from "../../core/figures.ts";
import type { LateCall, LateFigures } from "../../core/late/late-call.ts";
import { addMinute, type MinuteSums, NO_MINUTE } from "../../core/late/minute.ts";
import { splitNano } from "../../core/money.ts";
import { canonicalUsage, type Usage } from "../../core/usage.ts";
import type { PriceSource } from "../../pricing/price.ts";
import type { MinuteSpan } from "./minute-spans.ts";
import type { VendorMinute } from "./vendors/late-vendor.ts";

/**
 * What a vendor's minutes say of the calls of a span: their figures; `waiting` while the vendor has not counted every
 * call; `unclear` when the rest cannot be theirs alone.
 */
export type Attribution =
  | { readonly type: "figures"; readonly figures: readonly (readonly [LateCall, LateFigures])[] }
  | { readonly type: "waiting" | "unclear" };

const WAITING: Attribution = { type: "waiting" };
const UNCLEAR: Attribution = { type: "unclear" };
const KINDS = ["inputUncached", "cacheRead", "cacheWrite", "cacheWrite1h", "output", "webSearches"] as const;
type Kind = (typeof KINDS)[number];

/**
 * What the vendor counted, less what was reported, belongs to the calls that broke off, as long as it counted exactly as
 * many requests as were metered. One call gets it all; several share it by their estimates.
 * @param rows The vendor's minutes of the span's key and model.
 */
export function attribute(span: MinuteSpan, rows: readonly VendorMinute[], price: PriceSource): Attribution {
  const { calls, known } = span;
  const counted = { ...NO_MINUTE };
  const tellsSearches = rows.every(({ webSearches }) => webSearches !== undefined);
  for (const row of rows) addMinute(counted, { ...row, webSearches: row.webSearches ?? 0 });
  if (!tellsSearches) counted.webSearches = known.webSearches;
  const metered = known.requests + calls.length;
  if (counted.requests < metered) return WAITING;
  const models = new Set(rows.map(({ model }) => model));
  const tiers = new Set(rows.filter(({ requests }) => requests > 0).map(({ tier }) => tier));
  if (counted.requests > metered || models.size !== 1) return UNCLEAR;
  const rest = restOf(counted, known, calls.length);
  if (rest === undefined) return UNCLEAR;
  // Requests are there before their tokens are.
  if (rest.inputUncached + rest.cacheRead + rest.cacheWrite === 0) return WAITING;
  if (calls.length > 1 && calls.some(({ usage }) => usage === undefined)) return UNCLEAR;
  const [model = ""] = models;
  const shares = sharesOf(calls, rest);
  const figures: (readonly [LateCall, LateFigures])[] = [];
  for (const [index, call] of calls.entries()) {
    const tier = call.group.tier !== "" ? call.group.tier : tiers.size === 1 ? [...tiers][0] : undefined;
    if (tier === undefined) return UNCLEAR;
    const share = shares[index] as Record<Kind, number>;
    const usage = usageOf(call, tellsSearches ? share : { ...share, webSearches: call.usage?.webSearches ?? 0 });
    const one = priced(call, usage, model, tier, price);
    if (one === undefined) return UNCLEAR;
    figures.push([call, one]);
  }
  return { type: "figures", figures };
}

/** Undefined when less was counted than was reported, or more than so many calls can have used. */
function restOf(counted: MinuteSums, known: MinuteSums, calls: number): Record<Kind, number> | undefined {
  const rest = { ...NO_MINUTE } as Record<Kind, number>;
  for (const kind of KINDS) {
    rest[kind] = counted[kind] - known[kind];
    if (rest[kind] < 0 || rest[kind] > MAX_CALL_COUNT * calls) return undefined;
  }
  return rest;
}

/** The parts of each kind always add up to it. */
function sharesOf(calls: readonly LateCall[], rest: Readonly<Record<Kind, number>>): readonly Record<Kind, number>[] {
  const shares = calls.map(() => ({ ...NO_MINUTE }) as Record<Kind, number>);
  for (const kind of KINDS) {
    const weights = calls.map(({ usage }) => BigInt((kind === "output" ? usage?.output : usage?.input) ?? 0));
    const even = weights.every((weight) => weight === 0n);
    const parts = splitNano(BigInt(rest[kind]), even ? weights.map(() => 1n) : weights);
    for (const [index, part] of parts.entries()) (shares[index] as Record<Kind, number>)[kind] = Number(part);
  }
  // Split apart from its whole, it might be more.
  for (const share of shares) share.cacheWrite1h = Math.min(share.cacheWrite1h, share.cacheWrite);
  return shares;
}

/** Vendors do not tell reasoning by the minute. */
function usageOf({ usage }: LateCall, share: Readonly<Record<Kind, number>>): Usage {
  const { inputUncached, cacheRead, cacheWrite, cacheWrite1h, output, webSearches } = share;
  return canonicalUsage({
    input: inputUncached + cacheRead + cacheWrite,
    output,
    cacheRead,
    cacheWrite,
    cacheWrite1h,
    reasoning: usage?.reasoning ?? 0,
    webSearches,
  });
}

/** Undefined when a figure cannot be right, or when there is no price for what had one before. */
function priced(
  call: LateCall,
  usage: Usage,
  model: string,
  tier: string,
  price: PriceSource,
): LateFigures | undefined {
  const { group, startedAt, terms, costNano } = call;
  const found = price({
    provider: group.provider,
    model,
    at: startedAt,
    usage,
    tier: tier === "" ? undefined : tier,
    speed: terms.speed,
    geo: terms.geo,
    priceId: terms.priceId,
    guessedProvider: terms.guessedProvider === true,
  });
  if (found === undefined) return costNano === undefined ? { usage, priced: "false" } : undefined;
  if (found.nanoUsd > MAX_CALL_NANO) return undefined;
  return {
    usage,
    costNano: found.nanoUsd,
    priced: found.unpriced !== undefined ? "partial" : found.exact ? "true" : "inexact",
  };
}
