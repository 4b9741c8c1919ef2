import type { OpenRouter } from "@openrouter/sdk";
import { nanoOfUsd } from "../../core/money.ts";
import { findAppPackage } from "../../package/from-app.ts";
import type { BillRow, Charge, VendorUsage } from "../reconcile/bill.ts";
import {
  DAY_MS,
  dayOf,
  listOf,
  type OpenOptions,
  type Page,
  pageOf,
  type ReadRows,
  readRows,
  type Vendor,
  type VendorAccount,
  type VendorCap,
  type VendorName,
  watchClock,
} from "./vendor.ts";

const ACTIVITY = "activity 1d";
/** Completed days that the vendor reports. */
const DAYS = 30;
/** The meter names a key by this many characters of its SHA-256; the vendor's id is the whole hash. */
const SHORT_HASH = 8;
const KEYS_PER_PAGE = 100;

export const openrouter: Vendor = {
  name: "openrouter",
  title: "OpenRouter",
  providers: ["openrouter"],
  variable: "OPENROUTER_MANAGEMENT_KEY",
  needs: "a management key (Settings, Management keys); a key for model calls is not enough",
  urlVariable: "SPENDFUSE_OPENROUTER_URL",
  trailingDays: 3,
  lateMs: 0,
  unbilledTiers: new Set(),
  open,
  charge,
  usage,
};

interface Key {
  readonly hash: string;
  readonly name: string;
  readonly limit: number | null;
  readonly limitReset: string | null;
}

async function open({ key, url, onServerTime }: OpenOptions): Promise<VendorAccount> {
  const found = await findAppPackage<typeof import("@openrouter/sdk")>(
    "@openrouter/sdk",
    "OpenRouter",
    "reading OpenRouter's bill",
  );
  const client = new found.OpenRouter({
    apiKey: key,
    serverURL: `${(url ?? "https://openrouter.ai").replace(/\/+$/, "")}/api/v1`,
    retryConfig: { strategy: "none" },
    httpClient: new found.HTTPClient({ fetcher: watchClock(onServerTime) }),
  });
  let known: Promise<readonly Key[]> | undefined;
  const keys = (): Promise<readonly Key[]> => {
    known ??= listKeys(client);
    return known;
  };

  /** Activity by key, and without a key the rest of the total: deleted keys, the chat page. */
  async function read({ report, from, until }: { report: string; from: number; until: number }): Promise<Page> {
    const sum = new Sums(report);
    for (const item of await readActivity(client)) sum.add(item, [["", 1]]);
    for (const { hash } of await keys()) {
      for (const item of await readActivity(client, { apiKeyHash: hash })) {
        const shares: readonly Share[] = [
          [hash, 1],
          ["", -1],
        ];
        sum.add(item, shares);
      }
    }
    const rows = sum.rows.filter(({ start }) => start >= from && start < until);
    return pageOf({ rows, unread: sum.unread }, { next: undefined });
  }

  return {
    org: "",
    reports: () => [
      { name: ACTIVITY, days: DAYS + 1, earliest: (now) => dayOf(now) - DAYS * DAY_MS, completeOnly: true },
    ],
    query: () => ACTIVITY,
    read,
    names: async () =>
      (await keys()).map(
        ({ hash, name }): VendorName => ({
          kind: "key",
          id: hash,
          name,
          meteredKey: hash.slice(0, SHORT_HASH),
        }),
      ),
    async caps() {
      const caps: VendorCap[] = [];
      const { data } = await client.credits.getCredits();
      caps.push({ scope: "credits", id: "", nano: nanoOfUsd(data.totalCredits), per: "ever", effect: "stops" });
      for (const { hash, limit, limitReset } of await keys()) {
        if (limit === null) continue;
        const per = PERIODS[limitReset ?? ""] ?? "ever";
        caps.push({ scope: "key", id: hash, nano: nanoOfUsd(limit), per, effect: "stops" });
      }
      return caps;
    },
  };
}

const PERIODS: Readonly<Record<string, VendorCap["per"]>> = { daily: "day", weekly: "week", monthly: "month" };

async function listKeys(client: OpenRouter): Promise<readonly Key[]> {
  const keys: Key[] = [];
  for (let offset = 0; ; offset += KEYS_PER_PAGE) {
    const page = await client.apiKeys.list({ offset, includeDisabled: true });
    const data = listOf((page as unknown as { readonly data?: readonly Key[] }).data, "data");
    const fresh = data.filter(({ hash }) => !keys.some((key) => key.hash === hash));
    keys.push(...fresh);
    if (data.length < KEYS_PER_PAGE || fresh.length === 0) return keys;
  }
}

type Activity = Awaited<ReturnType<OpenRouter["analytics"]["getUserActivity"]>>["data"][number];

/**
 * The SDK refuses an answer whole when one field of it is not as it should be; its error then has the answer as it came,
 * with the names that the vendor uses.
 */
async function readActivity(client: OpenRouter, query?: { apiKeyHash: string }): Promise<readonly Activity[]> {
  try {
    return listOf((await client.analytics.getUserActivity(query)).data, "data");
  } catch (error) {
    const { rawValue } = error as { readonly rawValue?: { readonly data?: readonly RawActivity[] } | null };
    if (!Array.isArray(rawValue?.data)) throw error;
    return (rawValue.data as readonly RawActivity[]).map(fromRaw);
  }
}

type RawActivity = Readonly<Record<string, unknown>> | null;

function fromRaw(raw: RawActivity): Activity {
  const { endpoint_id, model_permaslug, prompt_tokens, completion_tokens, ...rest } = raw ?? {};
  const renamed = {
    endpointId: endpoint_id,
    modelPermaslug: model_permaslug,
    promptTokens: prompt_tokens,
    completionTokens: completion_tokens,
  };
  return { ...rest, ...renamed } as unknown as Activity;
}

/** The key that activity is added to, or taken from. */
type Share = readonly [key: string, sign: 1 | -1];

/** Sums activity by day, model, endpoint and key. */
class Sums {
  /** Why activity is left out. */
  readonly unread: string[] = [];
  readonly #rows = new Map<string, { row: BillRow; counts: Record<string, number>; nano: bigint }>();
  readonly #report: string;

  constructor(report: string) {
    this.#report = report;
  }

  add(item: Activity, shares: readonly Share[]): void {
    const read: ReadRows = { rows: [], unread: this.unread };
    readRows(read, [item], (one) => rowOf(this.#report, one));
    for (const row of read.rows) for (const share of shares) this.#addRow(row, share);
  }

  #addRow({ report, start, dims, nano = 0n, counts = {} }: BillRow, [key, sign]: Share): void {
    const keyed = { api_key_hash: key, ...dims };
    const id = JSON.stringify([start, keyed]);
    let sum = this.#rows.get(id);
    if (sum === undefined) {
      sum = { row: { report, start, dims: keyed }, counts: {}, nano: 0n };
      this.#rows.set(id, sum);
    }
    sum.nano += nano * BigInt(sign);
    for (const [name, value] of Object.entries(counts)) sum.counts[name] = (sum.counts[name] ?? 0) + value * sign;
  }

  get rows(): readonly BillRow[] {
    return [...this.#rows.values()]
      .filter(({ nano, counts }) => nano !== 0n || Object.values(counts).some((value) => value !== 0))
      .map(({ row, counts, nano }) => ({ ...row, counts, nano }));
  }
}

/** An item of activity, of no key. */
function rowOf(report: string, item: Activity): BillRow {
  const { promptTokens, completionTokens, requests } = item;
  return {
    report,
    start: Date.parse(`${item.date.slice(0, 10)}T00:00:00Z`),
    dims: { endpoint_id: String(item.endpointId ?? ""), model: String(item.modelPermaslug || item.model || "") },
    nano: nanoOfUsd(item.usage),
    counts: { promptTokens, completionTokens, requests },
  };
}

/** The cost of the user's own keys of other vendors (BYOK) is on those vendors' bills. */
function charge(row: BillRow): Charge | undefined {
  const { nano, counts } = row;
  if (nano === undefined) return undefined;
  const quantity = Math.max(0, (counts?.promptTokens ?? 0) + (counts?.completionTokens ?? 0));
  return { ...placeOf(row), type: "tokens", nano, quantity };
}

function usage(row: BillRow): VendorUsage | undefined {
  return row.counts && { ...placeOf(row), counts: {}, requests: row.counts.requests };
}

function placeOf({ start, dims }: BillRow) {
  return { day: start, project: "", key: dims.api_key_hash, model: dims.model ?? "", tier: undefined };
}
