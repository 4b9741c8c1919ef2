import type Anthropic from "@anthropic-ai/sdk";
import { nanoOfCents } from "../../core/money.ts";
import { findAppPackage } from "../../package/from-app.ts";
import { VERSION } from "../../package/version.ts";
import { analytics, isRejected } from "./anthropic/analytics.ts";
import { legacy } from "./anthropic/legacy.ts";
import { chargeOf, usageOf } from "./anthropic/rows.ts";
import {
  DAY_MS,
  type OpenOptions,
  type Vendor,
  type VendorAccount,
  type VendorCap,
  type VendorName,
  watchClock,
} from "./vendor.ts";

export const anthropic: Vendor = {
  name: "anthropic",
  title: "Anthropic",
  providers: ["anthropic"],
  variable: "ANTHROPIC_ADMIN_KEY",
  needs:
    "an Admin key (sk-ant-admin01-…) of the organization, or an Enterprise key with the scope read:analytics; a workspace's key is not enough",
  urlVariable: "SPENDFUSE_ANTHROPIC_URL",
  trailingDays: 7,
  lateMs: DAY_MS,
  // The older reports do not have the cost of Priority Tier; whether the newer do is not confirmed.
  unbilledTiers: new Set(["priority"]),
  open,
  charge: chargeOf,
  usage: usageOf,
};

async function open({ key, url, onServerTime, now }: OpenOptions): Promise<VendorAccount> {
  const { Anthropic: Client } = await findAppPackage<typeof import("@anthropic-ai/sdk")>(
    "@anthropic-ai/sdk",
    "Anthropic",
    "reading Anthropic's bill",
  );
  const client = new Client({
    apiKey: key,
    baseURL: url ?? "https://api.anthropic.com",
    maxRetries: 0,
    // Polling must not show as model calls in the user's traces.
    openTelemetry: false,
    fetch: watchClock(onServerTime),
    // Keys of an organization are documented in this header; the SDK would send a bearer token.
    defaultHeaders: { "x-api-key": key, authorization: null, "user-agent": `spendfuse/${VERSION}` },
  });
  const source = (await hasAnalytics(client, now())) ? analytics(client) : legacy(client);
  return {
    org: await organizationOf(client),
    ...source,
    names: () => namesOf(client),
    caps: () => capsOf(client),
  };
}

/** The newer reports are in beta: where they are refused, the older ones are read. */
async function hasAnalytics(client: Anthropic, now: number): Promise<boolean> {
  try {
    const starting_at = new Date(now - (now % DAY_MS) - DAY_MS).toISOString();
    await client.beta.organization.analytics.cost.list({ starting_at, limit: 1 });
    return true;
  } catch (error) {
    if (isRejected(error)) return false;
    throw error;
  }
}

/** Only distinguishes organizations: a key without permission to read it belongs to one. */
async function organizationOf(client: Anthropic): Promise<string> {
  try {
    return (await client.organization.retrieve()).id;
  } catch (error) {
    if (isRejected(error)) return "";
    throw error;
  }
}

async function namesOf(client: Anthropic): Promise<readonly VendorName[]> {
  const names: VendorName[] = [];
  for await (const { id, name } of client.organization.workspaces.list({
    include_archived: true,
    include_default: true,
    limit: 100,
  }))
    names.push({ kind: "project", id, name });
  for await (const { id, name } of client.organization.apiKeys.list({ limit: 100 }))
    names.push({ kind: "key", id, name });
  return names;
}

const PERIODS = { daily: "day", weekly: "week", monthly: "month" } as const;

/** Amounts are cents. A limit without an amount sets none. */
async function capsOf(client: Anthropic): Promise<readonly VendorCap[]> {
  const caps: VendorCap[] = [];
  for await (const { amount, is_enabled, period, scope } of client.beta.organization.spendLimits.list({})) {
    if (amount === null) continue;
    const id = Object.entries(scope).find(([name]) => name.endsWith("_id"))?.[1] ?? "";
    caps.push({
      scope: scope.type,
      id: String(id),
      nano: nanoOfCents(amount),
      per: PERIODS[period],
      effect: is_enabled ? "stops" : "off",
    });
  }
  return caps;
}
