import type OpenAI from "openai";
import { findAppPackage } from "../../app-package.ts";
import type { BillRow, Charge, VendorUsage } from "../../core/bill.ts";
import { nanoOfCents, nanoOfUsd } from "../../core/money.ts";
import { readLineItem } from "./openai/line-item.ts";
import {
  type BillWindow,
  DAY_MS,
  dayOf,
  listOf,
  type OpenOptions,
  type Page,
  type Report,
  type Vendor,
  type VendorAccount,
  type VendorCap,
  type VendorName,
  watchClock,
} from "./vendor.ts";

/** Costs by API key begin here; a window that starts earlier is refused when it asks for keys, with this moment. */
export const KEYS_SINCE = 1_764_979_200_000;
/** The API of usage and costs knows nothing before. */
const EARLIEST = Date.UTC(2023, 0, 1);
/** Buckets a page; the vendor takes 180 of costs and 31 of usage. */
const COST_DAYS = 180;
const COST_BUCKETS = 60;
const USAGE_BUCKETS = 31;
const COSTS = "costs 1d";

type Usage = OpenAI["admin"]["organization"]["usage"];

interface UsagePage {
  readonly data: readonly { readonly start_time: number; readonly results: readonly object[] }[];
  readonly has_more: boolean;
  readonly next_page: string | null;
}

/** A report by the SDK's own method; older releases do not have every one. */
interface Source {
  readonly method: keyof Usage;
  /** The longest window. */
  readonly days: number;
  /** Buckets a page. */
  readonly buckets: number;
  readonly groups: (keyed: boolean) => readonly string[];
  readonly list: (usage: Usage, query: never) => Promise<UsagePage>;
}

const BY_MODEL = ["project_id", "api_key_id", "model"];
const BY_TIER = [...BY_MODEL, "batch", "service_tier"];
const BEFORE_KEYS = ["project_id", "line_item"];

const SOURCES: Readonly<Record<string, Source>> = {
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

export const openai: Vendor = {
  name: "openai",
  title: "OpenAI",
  providers: ["openai"],
  variable: "OPENAI_ADMIN_KEY",
  needs: "an admin key (sk-admin-…), which an owner of the organization makes; a project's key is not enough",
  urlVariable: "SPENDFUSE_OPENAI_URL",
  trailingDays: 3,
  lateMs: DAY_MS,
  unbilledTiers: new Set(["scale"]),
  open,
  charge,
  usage,
};

async function open({ key, url, env, onServerTime }: OpenOptions): Promise<VendorAccount> {
  const { OpenAI: Client } = await findAppPackage<typeof import("openai")>("openai", "OpenAI", "reading OpenAI's bill");
  const client = new Client({
    adminAPIKey: key,
    apiKey: null as unknown as string,
    baseURL: url === undefined ? "https://api.openai.com/v1" : `${url.replace(/\/+$/, "")}/v1`,
    organization: env.OPENAI_ORG_ID ?? null,
    maxRetries: 0,
    fetch: watchClock(onServerTime),
  });
  const { organization } = client.admin;
  let keysSince = KEYS_SINCE;
  const queryOf = (window: BillWindow): UsageQuery => readQuery(window, window.from >= keysSince);

  async function read(window: BillWindow, cursor: string | undefined): Promise<Page | "replan"> {
    const query = { ...queryOf(window), ...(cursor !== undefined && { page: cursor }) };
    const { method, list } = sourceOf(window.report);
    if (typeof organization.usage[method] !== "function") return { rows: [], next: undefined, buckets: [] };
    let page: UsagePage;
    try {
      page = await list(organization.usage, query as never);
    } catch (error) {
      const since = keyEpoch(error);
      if (since === undefined || since <= keysSince) throw error;
      keysSince = since;
      return "replan";
    }
    const buckets = listOf(page.data, "data");
    const rows = buckets.flatMap(({ start_time, results }) =>
      listOf(results, "results").map((result) =>
        rowOf(window.report, start_time * 1_000, result as Result, query.group_by),
      ),
    );
    const next = page.has_more ? (page.next_page ?? undefined) : undefined;
    return { rows, next, buckets: buckets.map(({ start_time }) => start_time * 1_000) };
  }

  return {
    org: env.OPENAI_ORG_ID ?? "",
    reports: () =>
      Object.entries(SOURCES).map(
        ([name, { days }]): Report => ({
          name,
          days,
          earliest: () => EARLIEST,
          ...(name === COSTS && { seams: [keysSince] }),
        }),
      ),
    query: queryOf,
    read,
    async names() {
      const names: VendorName[] = [];
      for await (const { id, name } of organization.projects.list({ include_archived: true, limit: 100 })) {
        names.push({ kind: "project", id, name: name ?? id });
        for await (const one of organization.projects.apiKeys.list(id, { limit: 100 }))
          names.push({ kind: "key", id: one.id, name: one.name ?? one.id });
      }
      return names;
    },
    async caps() {
      const caps: VendorCap[] = [];
      const limit = await unless404(() => organization.spendLimit.retrieve());
      if (limit) caps.push(capOf("organization", "", limit.threshold_amount, limit.enforcement.status));
      for await (const alert of organization.spendAlerts.list())
        caps.push({ ...capOf("organization", "", alert.threshold_amount, ""), effect: "tells" });
      for await (const { id } of organization.projects.list()) {
        const own = await unless404(() => organization.projects.spendLimit.retrieve(id));
        if (own) caps.push(capOf("project", id, own.threshold_amount, own.enforcement.status));
        for await (const alert of organization.projects.spendAlerts.list(id))
          caps.push({ ...capOf("project", id, alert.threshold_amount, ""), effect: "tells" });
      }
      return caps;
    },
  };
}

/** Amounts of limits are cents, though those of costs are dollars. */
function capOf(scope: string, id: string, cents: number, status: string): VendorCap {
  return { scope, id, nano: nanoOfCents(cents), per: "month", effect: status === "inactive" ? "off" : "stops" };
}

async function unless404<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if ((error as { status?: number }).status === 404) return undefined;
    throw error;
  }
}

interface UsageQuery {
  readonly start_time: number;
  readonly end_time: number;
  readonly bucket_width: "1d";
  readonly limit: number;
  readonly group_by: readonly string[];
}

function readQuery({ report, from, until }: BillWindow, keyed: boolean): UsageQuery {
  const { buckets, groups } = sourceOf(report);
  return {
    start_time: Math.floor(from / 1_000),
    end_time: Math.floor(until / 1_000),
    bucket_width: "1d",
    limit: buckets,
    group_by: groups(keyed),
  };
}

/** The moment before which costs have no keys, out of a refusal that names it; the day's start after it. */
function keyEpoch(error: unknown): number | undefined {
  const { status, message = "" } = (error ?? {}) as { readonly status?: number; readonly message?: string };
  const seconds = status === 400 && /api_key/.test(message) ? /\b(\d{10})\b/.exec(message)?.[1] : undefined;
  return seconds === undefined ? undefined : dayOf(Number(seconds) * 1_000 + DAY_MS - 1);
}

function sourceOf(report: string): Source {
  const source = SOURCES[report];
  if (source === undefined) throw new TypeError(`OpenAI has no report "${report}"`);
  return source;
}

type Result = Readonly<Record<string, unknown>> & {
  readonly object?: string;
  readonly amount?: { readonly value?: number | string; readonly currency?: string };
};

function rowOf(report: string, start: number, result: Result, group: readonly string[]): BillRow {
  const dims = Object.fromEntries(group.map((name) => [name, String(result[name] ?? "")]));
  if (result.object !== "organization.costs.result") {
    const counts = Object.entries(result).filter(([, value]) => typeof value === "number") as [string, number][];
    return { report, start: dayOf(start), dims, counts: Object.fromEntries(counts) };
  }
  const { value, currency = "usd" } = result.amount ?? {};
  if (currency.toLowerCase() !== "usd")
    throw new TypeError(`OpenAI bills in ${currency}: spendfuse adds up US dollars only`);
  const { quantity, quantity_unit: unit } = result;
  return {
    report,
    start: dayOf(start),
    dims: typeof unit === "string" ? { ...dims, quantity_unit: unit } : dims,
    nano: nanoOfUsd(value ?? 0),
    ...(typeof quantity === "number" && { counts: { quantity } }),
  };
}

/** Units of a quantity, as pieces; of the others nothing is known to compare with. */
const UNITS: Readonly<Record<string, number>> = { tokens: 1, "1000_tokens": 1_000 };

function charge({ report, start, dims, nano, counts }: BillRow): Charge | undefined {
  if (report !== COSTS || nano === undefined) return undefined;
  const { model, type, tier } = readLineItem(dims.line_item ?? "");
  const unit = type === "web_search" ? 1 : UNITS[dims.quantity_unit ?? ""];
  const quantity = unit !== undefined && counts?.quantity !== undefined ? counts.quantity * unit : undefined;
  return {
    day: start,
    project: dims.project_id ?? "",
    key: dims.api_key_id,
    model,
    tier,
    type,
    nano,
    ...(quantity !== undefined && type !== "other" && { quantity: Math.round(quantity) }),
  };
}

/** `input_tokens` includes cache reads and writes. */
function usage({ report, start, dims, counts }: BillRow): VendorUsage | undefined {
  if (counts === undefined || report === COSTS) return undefined;
  const where = {
    day: start,
    project: dims.project_id ?? "",
    key: dims.api_key_id,
    model: dims.model ?? "",
  };
  if (report === "web searches 1d")
    return { ...where, tier: undefined, counts: { web_search: counts.num_requests ?? 0 }, requests: undefined };
  const cached = counts.input_cached_tokens ?? 0;
  const written = counts.input_cache_write_tokens ?? 0;
  const input = counts.input_tokens ?? 0;
  return {
    ...where,
    tier: dims.batch === "true" ? "batch" : dims.service_tier,
    counts: {
      input_uncached: counts.input_uncached_tokens ?? Math.max(0, input - cached - written),
      cache_read: cached,
      cache_write: written,
      output: counts.output_tokens ?? 0,
    },
    requests: counts.num_model_requests,
  };
}
