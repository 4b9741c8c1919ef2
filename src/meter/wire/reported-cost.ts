import { reportedCost } from "../../core/figures.ts";
import { type Json, object } from "../../core/json.ts";
import type { Reading } from "./formats/format.ts";

/** A member of a usage report that holds the cost of the call: a number, a decimal text, or an object with a total. */
interface CostMember {
  readonly name: string;
  readonly perUsd: number;
}

/**
 * In order of precedence. `cost`: OpenRouter, Perplexity, LiteLLM, Vercel, by documents or recorded answers;
 * `cost_in_usd_ticks`: xAI, by its documents; `estimated_cost`: DeepInfra, in USD, as its users show it. The others are
 * unconfirmed: each names its own unit.
 */
const MEMBERS: readonly CostMember[] = [
  { name: "cost", perUsd: 1 },
  { name: "cost_in_usd_ticks", perUsd: 1e10 },
  { name: "total_cost", perUsd: 1 },
  { name: "cost_usd", perUsd: 1 },
  { name: "cost_in_usd", perUsd: 1 },
  { name: "total_cost_usd", perUsd: 1 },
  { name: "cost_in_nano_usd", perUsd: 1e9 },
  { name: "cost_nano_usd", perUsd: 1e9 },
  { name: "cost_in_micro_usd", perUsd: 1e6 },
  { name: "cost_micro_usd", perUsd: 1e6 },
  { name: "cost_in_usd_cents", perUsd: 100 },
  { name: "estimated_cost", perUsd: 1 },
];

/** Members that hold the total where the cost is an object. `total_cost`: Perplexity, by its documents. */
const TOTALS = ["total_cost", "total", "total_cost_usd", "total_usd", "usd"];

/** Members of `cost_details` that hold what the vendor itself charges to the caller's own key, by OpenRouter's documents. */
const UPSTREAM = "upstream_inference_cost";
const UPSTREAM_PARTS = [
  ["upstream_inference_prompt_cost", "upstream_inference_completions_cost"],
  ["upstream_inference_input_cost", "upstream_inference_output_cost"],
] as const;

/**
 * Takes over what an answer says that the call cost. A later report replaces an earlier one; without any, what the
 * answer's headers said stays.
 * @param usage The vendor's usage report.
 * @param around What holds the report: a body, a frame or a response.
 */
export function readCost(usage: Json | undefined, around: Json, reading: Reading): void {
  if (around.extra_fields !== undefined && isBifrostHit(object(around.extra_fields))) reading.cached = true;
  const cost = (usage && costOf(usage)) ?? costBeside(around);
  if (cost !== undefined) reading.costUsd = cost;
  else if (usage?.is_byok === true) reading.costUsd = undefined;
}

/** USD; undefined where the report does not say, or says 0, which proves nothing. */
function costOf(usage: Json): number | undefined {
  const cost = firstCost(usage);
  if (usage.is_byok !== true) return cost;
  // With the caller's own vendor key, `cost` is only the gateway's fee, which may be nothing.
  const upstream = upstreamCost(object(usage.cost_details));
  return upstream === undefined ? undefined : (cost ?? 0) + upstream;
}

function firstCost(usage: Json): number | undefined {
  for (const { name, perUsd } of MEMBERS) {
    const value = usage[name];
    if (value === undefined || value === null) continue;
    const cost = typeof value === "object" ? totalOf(value as Json) : reportedCost(value, perUsd);
    if (cost !== undefined) return cost;
  }
  return undefined;
}

function totalOf(cost: Json): number | undefined {
  if (typeof cost.currency === "string" && cost.currency.toUpperCase() !== "USD") return undefined;
  for (const name of TOTALS) {
    const total = reportedCost(cost[name]);
    if (total !== undefined) return total;
  }
  return undefined;
}

function upstreamCost(details: Json | undefined): number | undefined {
  if (details === undefined) return undefined;
  const whole = reportedCost(details[UPSTREAM]);
  if (whole !== undefined) return whole;
  for (const [input, output] of UPSTREAM_PARTS) {
    if (details[input] === undefined && details[output] === undefined) continue;
    return (reportedCost(details[input]) ?? 0) + (reportedCost(details[output]) ?? 0) || undefined;
  }
  return undefined;
}

/**
 * What Vercel's gateway charged, as a decimal text: `provider_metadata.gateway.cost`, seen beside the answer and in its
 * message; its documents name it for its own SDK only. And what UiPath's adds to a whole answer, by its client's notes.
 */
function costBeside(around: Json): number | undefined {
  const metadata = around.provider_metadata ?? around.providerMetadata;
  if (metadata !== undefined) return reportedCost(object(object(metadata)?.gateway)?.cost);
  return reportedCost(around.associated_dollar_cost);
}

/** Bifrost says in the body alone, as reports of its users show, that an answer came out of its cache. */
function isBifrostHit(fields: Json | undefined): boolean {
  return object(fields?.cache_debug)?.cache_hit === true;
}
