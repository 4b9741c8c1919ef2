import { setBounded } from "../../core/bounded-map.ts";
import { MAX_CALL_COUNT, MAX_CALL_NANO } from "../../core/figures.ts";
import { NO_USAGE, type Usage } from "../../core/usage.ts";
import type { Forecast } from "../../limits/gate.ts";
import type { PriceQuery, PriceSource } from "../../pricing/price.ts";
import { estimateInput, inputLimit } from "../estimates/input.ts";
import { type Conversation, knownModel, UNNAMED } from "../estimates/knowledge.ts";
import type { CacheTime } from "../wire/text.ts";
import type { OpenCall } from "./open-call.ts";

/** Estimates the most that a call may use, and learns what is typical where a request sets no limit. */
export interface Forecaster {
  forecast(call: OpenCall): Forecast;
  learn(model: string, usage: Usage): void;
}

/** Where nothing is known yet. */
const FIRST_INPUT = 2_000;
const FIRST_OUTPUT = 1_000;
const MAX_MODELS = 1_000;
/** Tiers that cost more than the standard one; for the others the standard price is an upper bound. */
const DEAR_TIERS = new Set(["priority", "fast", "ultrafast"]);

/** A running mean and mean deviation. */
interface Typical {
  mean: number;
  deviation: number;
}

export function createForecaster(price: PriceSource): Forecaster {
  const outputs = new Map<string, Typical>();
  const inputs = new Map<string, Typical>();

  return {
    forecast(call) {
      const { facts, target, services } = call;
      const { knowledge } = services;
      const name = facts.model ?? UNNAMED;
      const model = knowledge.models.get(name) ?? knownModel(knowledge, target.format.rates, name);
      const estimate = estimateInput(knowledge, model, facts);
      const input = (estimate && inputLimit(estimate, model, facts)) ?? upper(inputs.get(name)) ?? FIRST_INPUT;
      const open = target.format.operation !== "embeddings";
      const output = open ? (facts.maxOutput ?? upper(outputs.get(name)) ?? FIRST_OUTPUT) : 0;
      const most = { ...NO_USAGE, input: capped(input), output: capped(output) };
      const usage = withCache(most, call, estimate?.conversation);
      return { tokens: most.input + most.output, costNano: costOf(price, call, name, usage) };
    },
    learn(model, usage) {
      learn(outputs, model, usage.output);
      learn(inputs, model, usage.input);
    },
  };
}

/** Seconds for which a vendor's cache surely holds what was written to it. */
const CACHE_SECONDS: Readonly<Record<CacheTime, number>> = { "5m": 270, "1h": 3_500 };

/** With what is in the vendor's cache for sure, where the request says what is cached; the rest is then written to it. */
function withCache(most: Usage, { facts, startedAt }: OpenCall, conversation: Conversation | undefined): Usage {
  const { caches } = facts;
  if (caches === undefined || caches === false) return most;
  const age = conversation === undefined ? Number.POSITIVE_INFINITY : startedAt / 1_000 - conversation.at;
  const cacheRead = age <= CACHE_SECONDS[caches] ? (conversation?.cached ?? 0) : 0;
  const cacheWrite = Math.max(0, most.input - cacheRead);
  return { ...most, cacheRead, cacheWrite, cacheWrite1h: caches === "1h" ? cacheWrite : 0 };
}

function costOf(price: PriceSource, call: OpenCall, model: string, usage: Usage): number | undefined {
  const { host, provider, local, gateway, geo } = call.target;
  const { tier, caches } = call.facts;
  const dear = tier !== undefined && DEAR_TIERS.has(tier);
  const query: PriceQuery = {
    provider,
    model,
    at: call.startedAt,
    usage,
    tier: dear ? tier : undefined,
    priceId: host?.priceId,
    guessedProvider: host === undefined,
    // As in `call-cost.ts`: a gateway on this machine passes other vendors' models on.
    local: local && gateway.gateway === undefined,
    geo,
    // Where a vendor caches by itself, only the response shows what was written to its cache, which costs more.
    atMost: caches === undefined,
  };
  const found = price(query) ?? (dear ? price({ ...query, tier: undefined }) : undefined);
  return found === undefined || !(found.nanoUsd <= MAX_CALL_NANO) ? undefined : found.nanoUsd;
}

/** Whole tokens. A request may ask for any number. */
function capped(tokens: number): number {
  return Math.ceil(Math.min(tokens, MAX_CALL_COUNT));
}

function upper(typical: Typical | undefined): number | undefined {
  return typical && typical.mean + 2 * typical.deviation;
}

function learn(known: Map<string, Typical>, model: string, value: number): void {
  const typical = known.get(model);
  if (typical === undefined) {
    setBounded(known, model, { mean: value, deviation: value / 2 }, MAX_MODELS);
    return;
  }
  const off = value - typical.mean;
  typical.mean += off / 8;
  typical.deviation += (Math.abs(off) - typical.deviation) / 4;
}
