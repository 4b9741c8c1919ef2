import type { BillingAnswer, BillingApi } from "./desk.ts";

/** Activity of a day by model, endpoint and key. */
export interface OpenRouterActivity {
  /** `2026-11-01`. */
  readonly date: string;
  readonly model: string;
  readonly model_permaslug: string;
  readonly endpoint_id: string;
  readonly provider_name: string;
  /** SHA-256 of the key, in hex; null for what no key did. */
  readonly key: string | null;
  /** Dollars. */
  readonly usage: number;
  readonly byok_usage_inference: number;
  readonly requests: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly reasoning_tokens: number;
}

/** The record of one call; the fields that matter. */
export interface OpenRouterGeneration {
  readonly id: string;
  /** Dollars. */
  readonly total_cost: number;
  readonly native_tokens_prompt: number;
  readonly native_tokens_completion: number;
  readonly native_tokens_cached: number;
  readonly native_tokens_reasoning: number;
  readonly cancelled: boolean;
  readonly is_byok: boolean;
}

export interface OpenRouterBooks {
  readonly now: () => number;
  readonly managementKey: string;
  readonly activity: () => readonly OpenRouterActivity[];
  /** Those that are known by now: a generation is not at first. */
  readonly generations?: () => readonly OpenRouterGeneration[];
  readonly keys?: readonly { readonly hash: string; readonly name: string; readonly limit: number | null }[];
  readonly credits?: { readonly total_credits: number; readonly total_usage: number };
}

const DAY_MS = 86_400_000;

/** The account's part of OpenRouter's API. */
export function openrouterBilling(books: OpenRouterBooks): BillingApi {
  return ({ path, query, headers }) => {
    if (!path.startsWith("/api/v1/")) return undefined;
    if (headers.authorization !== `Bearer ${books.managementKey}`) return refuse(401, "Invalid management key");
    if (path === "/api/v1/generation") return generation(books, query.get("id") ?? "");
    if (path === "/api/v1/credits")
      return { status: 200, body: { data: books.credits ?? { total_credits: 0, total_usage: 0 } } };
    if (path === "/api/v1/keys") return keyList(books, Number(query.get("offset") ?? 0));
    return path === "/api/v1/activity" ? activity(books, query) : undefined;
  };
}

function generation({ generations }: OpenRouterBooks, id: string): BillingAnswer {
  const data = generations?.().find((one) => one.id === id);
  return data === undefined ? refuse(404, `Generation ${id} not found`) : { status: 200, body: { data } };
}

function refuse(code: number, message: string): BillingAnswer {
  return { status: code, body: { error: { code, message } } };
}

/** Thirty completed UTC days, whatever was asked for. */
function activity({ now, activity: all }: OpenRouterBooks, query: URLSearchParams): BillingAnswer {
  const today = now() - (now() % DAY_MS);
  const hash = query.get("api_key_hash");
  const kept = all().filter(({ date, key }) => {
    const at = Date.parse(`${date}T00:00:00Z`);
    return at < today && at >= today - 30 * DAY_MS && (hash === null || key === hash);
  });
  const sums = new Map<string, Record<string, number>>();
  const heads = new Map<string, object>();
  for (const row of kept) {
    const { date, model, model_permaslug, endpoint_id, provider_name } = row;
    const id = JSON.stringify([date, model, endpoint_id]);
    heads.set(id, { date, model, model_permaslug, endpoint_id, provider_name });
    const sum = sums.get(id) ?? {};
    sums.set(id, sum);
    for (const name of COUNTS) sum[name] = round((sum[name] ?? 0) + row[name]);
  }
  return { status: 200, body: { data: [...heads].map(([id, head]) => ({ ...head, ...sums.get(id) })) } };
}

const COUNTS = [
  "usage",
  "byok_usage_inference",
  "requests",
  "prompt_tokens",
  "completion_tokens",
  "reasoning_tokens",
] as const;

function round(value: number): number {
  return Math.round(value * 1e9) / 1e9;
}

function keyList({ keys = [] }: OpenRouterBooks, offset: number): BillingAnswer {
  const data = keys.slice(offset, offset + 100).map(({ hash, name, limit }) => ({
    hash,
    name,
    label: `sk-or-v1-${hash.slice(0, 3)}...`,
    disabled: false,
    limit,
    limit_remaining: limit,
    limit_reset: "monthly",
    include_byok_in_limit: false,
    usage: 0,
    usage_daily: 0,
    usage_weekly: 0,
    usage_monthly: 0,
    byok_usage: 0,
    byok_usage_daily: 0,
    byok_usage_weekly: 0,
    byok_usage_monthly: 0,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: null,
    expires_at: null,
    creator_user_id: null,
    external_user: null,
    workspace_id: "0df9e665-d932-5740-b2c7-b52af166bc11",
  }));
  return { status: 200, body: { data } };
}
