import type { BillingAnswer } from "../desk.ts";

/** A cost of a day and all its dimensions. */
export interface AnthropicCost {
  /** `2026-11-01`. */
  readonly day: string;
  readonly api_key_id: string | null;
  readonly workspace_id: string | null;
  readonly model: string | null;
  readonly service_tier: string | null;
  readonly context_window: string | null;
  readonly cost_type: "tokens" | "web_search" | "code_execution" | "session_usage";
  readonly token_type: string | null;
  /** Cents, as decimal texts. */
  readonly amount: string;
  readonly list_amount: string;
}

export interface AnthropicUsage {
  /** `2026-11-01`; where it is asked for by the minute, `2026-11-01T09:30`. */
  readonly day: string;
  readonly api_key_id: string | null;
  readonly workspace_id: string | null;
  readonly model: string | null;
  readonly service_tier: string | null;
  readonly context_window: string | null;
  readonly uncached_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cache_creation: {
    readonly ephemeral_5m_input_tokens: number;
    readonly ephemeral_1h_input_tokens: number;
  };
  readonly output_tokens: number;
  readonly requests: number | null;
  readonly web_searches: number;
}

export interface AnthropicBooks {
  readonly now: () => number;
  readonly adminKey: string;
  readonly costs: () => readonly AnthropicCost[];
  readonly usages: () => readonly AnthropicUsage[];
  /** The same by the minute. */
  readonly minutes?: () => readonly AnthropicUsage[];
  /** Which reports there are; the older alone, or both. */
  readonly reports?: "analytics" | "legacy";
  readonly workspaces?: readonly { readonly id: string; readonly name: string }[];
  readonly keys?: readonly { readonly id: string; readonly name: string; readonly workspace: string }[];
  readonly limits?: readonly object[];
}

export const DAY_MS = 86_400_000;
export const MINUTE_MS = 60_000;

export function failure(status: number, type: string, message: string): BillingAnswer {
  return { status, body: { type: "error", error: { type, message }, request_id: "req_demo" } };
}

export const wrong = (message: string): BillingAnswer => failure(400, "invalid_request_error", message);

export function timesOf(day: string): {
  readonly starting_at: string;
  readonly ending_at: string;
  readonly at: number;
} {
  const isMinute = day.includes("T");
  const starting_at = isMinute ? `${day}:00Z` : `${day}T00:00:00Z`;
  const at = Date.parse(starting_at);
  return { starting_at, ending_at: new Date(at + (isMinute ? MINUTE_MS : DAY_MS)).toISOString(), at };
}
