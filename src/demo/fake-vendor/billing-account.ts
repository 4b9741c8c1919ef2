import type { BilledCall } from "./billed-call.ts";
import { type AnthropicCost, type AnthropicUsage, anthropicBilling } from "./billing/anthropic.ts";
import type { BillingApi } from "./billing/desk.ts";
import { type OpenAiCost, type OpenAiUsage, openaiBilling } from "./billing/openai.ts";
import { openrouterBilling } from "./billing/openrouter.ts";
import { type CostParts, inputOf } from "./prices.ts";

export const OPENAI_ADMIN_KEY = "sk-admin-demo";
export const ANTHROPIC_ADMIN_KEY = "sk-ant-admin01-demo";
/** What this account pays of Anthropic's list price. */
export const ANTHROPIC_FACTOR = 0.9;

export const OPENROUTER_KEY = "sk-or-demo";
/** What OpenRouter adds to the price of the model, so that its figures cannot be found by our prices. */
export const OPENROUTER_FACTOR = 1.055;
/** The path of its calls. */
export const OPENROUTER_PATH = "/api/v1/chat/completions";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

type Kind = keyof CostParts;

/** What each kind is called on the bills. */
const LINE_ITEMS: readonly (readonly [Kind, string])[] = [
  ["uncached", "input"],
  ["cacheRead", "cached input"],
  ["output", "output"],
];
const TOKEN_TYPES: readonly (readonly [Kind, string | null])[] = [
  ["uncached", "uncached_input_tokens"],
  ["cacheRead", "cache_read_input_tokens"],
  ["cacheWrite5m", "cache_creation.ephemeral_5m_input_tokens"],
  ["cacheWrite1h", "cache_creation.ephemeral_1h_input_tokens"],
  ["output", "output_tokens"],
  ["webSearches", null],
];

/** The bill of OpenAI's part as the organization's API shows it. The key of an agent is named like what it sends. */
export function openaiOffice(bill: readonly BilledCall[], now: () => number = Date.now): BillingApi {
  const calls = (): readonly BilledCall[] =>
    bill.filter((call) => call.cost > 0 && !isClaude(call) && call.path !== OPENROUTER_PATH);
  return openaiBilling({
    now,
    adminKey: OPENAI_ADMIN_KEY,
    get projects() {
      return [{ id: "proj_demo", name: "Demo" }];
    },
    get keys() {
      return agentsOf(calls()).map((agent) => ({ id: `key_${agent}`, name: `demo-${agent}`, project: "proj_demo" }));
    },
    costs: () => groups(calls()).flatMap(openaiCosts),
    usages: () => groups(calls()).map(openaiUsage),
    minutes: () => groups(calls(), MINUTE_MS).map(openaiUsage),
  });
}

/** What OpenRouter says of each call, canceled or not. */
export function openrouterOffice(bill: readonly BilledCall[], now: () => number = Date.now): BillingApi {
  return openrouterBilling({
    now,
    managementKey: OPENROUTER_KEY,
    activity: () => [],
    generations: () =>
      bill.flatMap(({ id, path, cost, tokens, ending }) =>
        id === undefined || path !== OPENROUTER_PATH
          ? []
          : {
              id,
              total_cost: resold(cost) / 1e9,
              native_tokens_prompt: inputOf(tokens),
              native_tokens_completion: tokens.output,
              native_tokens_cached: tokens.cacheRead,
              native_tokens_reasoning: tokens.reasoning,
              cancelled: ending !== "completed",
              is_byok: false,
            },
      ),
  });
}

/** What OpenRouter charges for a call of this many nano-dollars. */
export function resold(nano: number): number {
  return Math.round(nano * OPENROUTER_FACTOR);
}

/** The bill of Anthropic's part, with the account's discount. */
export function anthropicOffice(bill: readonly BilledCall[], now: () => number = Date.now): BillingApi {
  const calls = (): readonly BilledCall[] => bill.filter((call) => call.cost > 0 && isClaude(call));
  return anthropicBilling({
    now,
    adminKey: ANTHROPIC_ADMIN_KEY,
    workspaces: [{ id: "wrkspc_demo", name: "Demo" }],
    get keys() {
      return agentsOf(calls()).map((agent) => ({
        id: `apikey_${agent}`,
        name: `demo-${agent}`,
        workspace: "wrkspc_demo",
      }));
    },
    costs: () => groups(calls()).flatMap(anthropicCosts),
    usages: () => groups(calls()).map(anthropicUsage),
    minutes: () => groups(calls(), MINUTE_MS).map(anthropicUsage),
  });
}

/** What an amount of this many nano-dollars is after the discount. */
export function discounted(nano: number): number {
  return Math.round(nano * ANTHROPIC_FACTOR);
}

export function isClaude({ model }: BilledCall): boolean {
  return model.startsWith("claude");
}

/** Calls of one day, or minute, key, model and tier. */
interface Group {
  readonly day: number;
  readonly width: number;
  readonly agent: string;
  readonly model: string;
  readonly tier: string;
  readonly calls: readonly BilledCall[];
}

function groups(calls: readonly BilledCall[], width = DAY_MS): readonly Group[] {
  const byGroup = Map.groupBy(calls, ({ at, agent, model, tier }) =>
    JSON.stringify([at - (at % width), agent, model, tier]),
  );
  return [...byGroup].map(([key, some]) => {
    const [day, agent, model, tier] = JSON.parse(key) as [number, string, string, string];
    return { day, width, agent, model, tier, calls: some };
  });
}

function agentsOf(calls: readonly BilledCall[]): readonly string[] {
  return [...new Set(calls.map(({ agent }) => agent))];
}

function tokensOf({ calls }: Group, kind: keyof BilledCall["tokens"]): number {
  return calls.reduce((sum, { tokens }) => sum + tokens[kind], 0);
}

function costOf({ calls }: Group, kind: Kind): number {
  return calls.reduce((sum, { parts }) => sum + parts[kind], 0);
}

function openaiCosts(group: Group): readonly OpenAiCost[] {
  const tier = group.tier === "default" ? "" : `${group.tier} `;
  return LINE_ITEMS.flatMap(([kind, words]) => {
    const nano = costOf(group, kind);
    if (nano === 0) return [];
    return {
      day: group.day / 1_000,
      project_id: "proj_demo",
      api_key_id: `key_${group.agent}`,
      line_item: `${group.model}, ${tier}${words}`,
      value: nano / 1e9,
      quantity: tokensOf(group, kind),
      quantity_unit: "tokens",
    };
  });
}

function openaiUsage(group: Group): OpenAiUsage {
  const cached = tokensOf(group, "cacheRead");
  return {
    day: group.day / 1_000,
    report: "completions",
    project_id: "proj_demo",
    api_key_id: `key_${group.agent}`,
    model: group.model,
    batch: false,
    service_tier: group.tier,
    counts: {
      input_tokens: tokensOf(group, "uncached") + cached,
      input_cached_tokens: cached,
      output_tokens: tokensOf(group, "output"),
      num_model_requests: group.calls.length,
    },
  };
}

function anthropicGroup({ day, width, agent, model }: Group) {
  return {
    day: new Date(day).toISOString().slice(0, width === DAY_MS ? 10 : 16),
    api_key_id: `apikey_${agent}`,
    workspace_id: "wrkspc_demo",
    model,
    service_tier: "standard",
    context_window: "0-200k",
  };
}

function anthropicCosts(group: Group): readonly AnthropicCost[] {
  return TOKEN_TYPES.flatMap(([kind, token_type]) => {
    const nano = costOf(group, kind);
    if (nano === 0) return [];
    return {
      ...anthropicGroup(group),
      cost_type: token_type === null ? ("web_search" as const) : ("tokens" as const),
      token_type,
      amount: cents(discounted(nano)),
      list_amount: cents(nano),
    };
  });
}

/** Nano-dollars as cents with all their places. */
function cents(nano: number): string {
  const text = String(nano).padStart(8, "0");
  return `${text.slice(0, -7)}.${text.slice(-7)}`;
}

function anthropicUsage(group: Group): AnthropicUsage {
  return {
    ...anthropicGroup(group),
    uncached_input_tokens: tokensOf(group, "uncached"),
    cache_read_input_tokens: tokensOf(group, "cacheRead"),
    cache_creation: {
      ephemeral_5m_input_tokens: tokensOf(group, "cacheWrite5m"),
      ephemeral_1h_input_tokens: tokensOf(group, "cacheWrite1h"),
    },
    output_tokens: tokensOf(group, "output"),
    requests: group.calls.length,
    web_searches: tokensOf(group, "webSearches"),
  };
}
