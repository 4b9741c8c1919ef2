import { setBounded } from "../../core/bounded-map.ts";
import { MAX_CALL_COUNT, MAX_CALL_NANO } from "../../core/figures.ts";
import { NO_USAGE, type Usage } from "../../core/usage.ts";
import type { Forecast } from "../../limits/gate.ts";
import type { PriceQuery, PriceSource } from "../../pricing/price.ts";
import type { OpenCall } from "./open-call.ts";

/** Estimates the most that a call may use, and learns what is typical where a request sets no limit. */
export interface Forecaster {
  forecast(call: OpenCall): Forecast;
  learn(model: string, usage: Usage): void;
}

/**
 * A token is at least one byte of text, so that bytes are an upper bound; tokens that a vendor adds come on top. Of
 * the recorded calls all but those with server tools, or with a document or video behind an address, stay below it.
 */
const REQUEST_TOKENS = 64;
const TOOLS_TOKENS = 700;
const ATTACHMENT_TOKENS = 3_000;

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
      const { facts, target } = call;
      const model = facts.model ?? "unknown";
      const input = inputLimit(call) ?? upper(inputs.get(model)) ?? FIRST_INPUT;
      const open = target.format.operation !== "embeddings";
      const output = open ? (facts.maxOutput ?? upper(outputs.get(model)) ?? FIRST_OUTPUT) : 0;
      const most = { input: capped(input), output: capped(output) };
      return { tokens: most.input + most.output, costNano: costOf(call, model, most.input, most.output) };
    },
    learn(model, usage) {
      learn(outputs, model, usage.output);
      learn(inputs, model, usage.input);
    },
  };

  function costOf(call: OpenCall, model: string, input: number, output: number): number | undefined {
    const { host, provider } = call.target;
    const { tier } = call.facts;
    const dear = tier !== undefined && DEAR_TIERS.has(tier);
    const query: PriceQuery = {
      provider,
      model,
      at: call.startedAt,
      usage: { ...NO_USAGE, input, output },
      tier: dear ? tier : undefined,
      priceId: host?.priceId,
      guessedProvider: host === undefined,
      local: call.target.local,
      geo: call.target.geo,
      // Only the response shows whether the input was written to a cache, which costs more.
      atMost: true,
    };
    const found = price(query) ?? (dear ? price({ ...query, tier: undefined }) : undefined);
    return found === undefined || !(found.nanoUsd <= MAX_CALL_NANO) ? undefined : found.nanoUsd;
  }
}

/** Whole tokens. A request may ask for any number. */
function capped(tokens: number): number {
  return Math.ceil(Math.min(tokens, MAX_CALL_COUNT));
}

function inputLimit({ facts }: OpenCall): number | undefined {
  if (facts.inputBytes === undefined) return undefined;
  const tools = facts.toolBytes ? TOOLS_TOKENS + facts.toolBytes : 0;
  return REQUEST_TOKENS + facts.inputBytes + tools + facts.attachments * ATTACHMENT_TOKENS;
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
