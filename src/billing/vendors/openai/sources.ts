import type OpenAI from "openai";
import { type BillWindow, DAY_MS, dayOf } from "../vendor.ts";

/** Costs have API keys from here on; an earlier window grouped by key is refused with an error that names this time. */
export const KEYS_SINCE = 1_764_979_200_000;
/** The usage and costs API has no data before this. */
export const EARLIEST = Date.UTC(2023, 0, 1);
/** Buckets per page; the vendor accepts 180 of costs and 31 of usage. */
const COST_DAYS = 180;
const COST_BUCKETS = 15;
const USAGE_BUCKETS = 31;
export const COSTS = "costs 1d";

export type Usage = OpenAI["admin"]["organization"]["usage"];

export interface UsagePage {
  readonly data: readonly { readonly start_time: number; readonly results: readonly object[] }[];
  readonly has_more: boolean;
  readonly next_page: string | null;
}

/** A report read by the SDK's own method; older releases lack some. */
interface Source {
  readonly method: keyof Usage;
  /** The longest window. */
  readonly days: number;
  /** Buckets per page. */
  readonly buckets: number;
  readonly groups: (keyed: boolean) => readonly string[];
  readonly list: (usage: Usage, query: never) => Promise<UsagePage>;
}

const BY_MODEL = ["project_id", "api_key_id", "model"];
const BY_TIER = [...BY_MODEL, "batch", "service_tier"];
const BEFORE_KEYS = ["project_id", "line_item"];

export const SOURCES: Readonly<Record<string, Source>> = {
  [COSTS]: {
    method: "costs",
    days: COST_DAYS,
    buckets: COST_BUCKETS,
    groups: (keyed) => (keyed ? [...BEFORE_KEYS, "api_key_id"] : BEFORE_KEYS),
    list: (usage, query) => usage.costs(query),
  },
  "completions 1d": counted("completions", BY_TIER, (usage, query) => usage.completions(query)),
  "decisions 1d": counted("decisions", BY_TIER, (usage, query) => usage.decisions(query)),
  "embeddings 1d": counted("embeddings", BY_MODEL, (usage, query) => usage.embeddings(query)),
  "web searches 1d": counted("webSearchCalls", BY_MODEL, (usage, query) => usage.webSearchCalls(query)),
};

function counted(method: keyof Usage, groups: readonly string[], list: Source["list"]): Source {
  return { method, days: USAGE_BUCKETS, buckets: USAGE_BUCKETS, groups: () => groups, list };
}

export interface UsageQuery {
  readonly start_time: number;
  readonly end_time: number;
  readonly bucket_width: "1d";
  readonly limit: number;
  readonly group_by: readonly string[];
}

export function readQuery({ report, from, until }: BillWindow, keyed: boolean): UsageQuery {
  const { buckets, groups } = sourceOf(report);
  return {
    start_time: Math.floor(from / 1_000),
    end_time: Math.floor(until / 1_000),
    bucket_width: "1d",
    limit: buckets,
    group_by: groups(keyed),
  };
}

/** The time before which costs have no keys, as named by a refusal, rounded up to the start of a day. */
export function keyEpoch(error: unknown): number | undefined {
  const { status, message = "" } = (error ?? {}) as { readonly status?: number; readonly message?: string };
  const seconds = status === 400 && /api_key/.test(message) ? /\b(\d{10})\b/.exec(message)?.[1] : undefined;
  return seconds === undefined ? undefined : dayOf(Number(seconds) * 1_000 + DAY_MS - 1);
}

export function sourceOf(report: string): Source {
  const source = SOURCES[report];
  if (source === undefined) throw new TypeError(`OpenAI has no report "${report}"`);
  return source;
}
