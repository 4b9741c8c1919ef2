import { nanoOfCents } from "../../core/money.ts";
import { findAppPackage } from "../../package/from-app.ts";
import { chargeOf, type Result, rowOf, usageOf } from "./openai/rows.ts";
import {
  COSTS,
  EARLIEST,
  KEYS_SINCE,
  keyEpoch,
  readQuery,
  SOURCES,
  sourceOf,
  type UsagePage,
  type UsageQuery,
} from "./openai/sources.ts";
import {
  type BillWindow,
  DAY_MS,
  daysOf,
  listOf,
  type OpenOptions,
  type Page,
  pageOf,
  type ReadRows,
  type Report,
  readRows,
  type Vendor,
  type VendorAccount,
  type VendorCap,
  type VendorName,
  watchClock,
} from "./vendor.ts";

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
  charge: chargeOf,
  usage: usageOf,
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
    const read: ReadRows = { rows: [], unread: [] };
    for (const { start_time, results } of buckets)
      readRows(read, listOf(results, "results"), (result) =>
        rowOf(window.report, start_time * 1_000, result as Result, query.group_by),
      );
    const next = page.has_more ? (page.next_page ?? undefined) : undefined;
    return pageOf(read, { next, buckets: daysOf(buckets.map(({ start_time }) => start_time * 1_000)) });
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
