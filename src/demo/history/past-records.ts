import type { CallPart, SettledCall } from "../../core/call.ts";
import type { Scope } from "../../core/scope.ts";
import { canonicalUsage } from "../../core/usage.ts";
import type { Charge } from "../../pricing/charge.ts";
import type { PriceSource } from "../../pricing/price.ts";
import { SEARCH_USD } from "../customers.ts";
import type { BilledCall } from "../fake-vendor/billed-call.ts";
import { costParts, servedModel } from "../fake-vendor/prices.ts";
import type { PastCall } from "./past-calls.ts";

const DURATION_MS = 4_000;

/** A past call as the vendor bills it, by the vendor's own prices. */
export function billOf({ at, agent, model, tokens, ending }: PastCall): BilledCall {
  const parts = costParts(model, tokens, "default");
  const cost = Object.values(parts).reduce((sum, part) => sum + part, 0);
  const path = isClaude(model) ? "/v1/messages" : "/v1/chat/completions";
  return {
    ...{ agent, path, tokens, cost, parts, at, ending },
    model: servedModel(model) ?? model,
    stream: true,
    status: 200,
    tier: "default",
  };
}

/** A past call as the meter settles one, by our own prices. */
export function settledOf(
  call: PastCall,
  price: PriceSource,
): { readonly settled: SettledCall; readonly parts: readonly CallPart[] } {
  const { at, model, tokens, ending, meteredOutput } = call;
  const provider = isClaude(model) ? "anthropic" : "openai";
  const served = servedModel(model) ?? model;
  const usage = canonicalUsage({
    input: tokens.uncached + tokens.cacheRead,
    cacheRead: tokens.cacheRead,
    output: meteredOutput,
    webSearches: tokens.webSearches,
  });
  const costNano = price({ provider, model: served, at, usage, tier: "default" })?.nanoUsd;
  const settled: SettledCall = {
    id: `past-${at}-${call.agent}-${model}-${call.customer ?? ""}`,
    scope: scopeOf(call),
    ...{ provider, model: served, requestModel: model, tier: "default", stream: true, ending, usage },
    format: isClaude(model) ? "anthropic-messages" : "openai-chat",
    quality: ending === "canceled" ? "estimated" : "reported",
    status: 200,
    ...(costNano !== undefined && { costUsd: costNano / 1e9, costSource: "local" as const }),
    priced: costNano === undefined ? "false" : "true",
    startedAt: at - DURATION_MS,
    durationMs: DURATION_MS,
  };
  return { settled, parts: [{ model: served, usage, costNano }] };
}

/** The paid searches that followed a call, as one charge; undefined without any. */
export function chargeOf(call: PastCall): Charge | undefined {
  const { searches, at } = call;
  if (searches === 0) return undefined;
  const costNano = Math.round(searches * SEARCH_USD * 1e9);
  return { scope: scopeOf(call), what: "web_search", costNano, units: searches, at };
}

function scopeOf({ agent, rootAgent, team, customer }: PastCall): Scope {
  return {
    ...{ agent, rootAgent, project: "demo", key: `demo-${agent}` },
    ...(team !== undefined && { team }),
    ...(customer !== undefined && { tags: { customer } }),
  };
}

function isClaude(model: string): boolean {
  return model.startsWith("claude");
}
