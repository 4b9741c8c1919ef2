import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SettledCall } from "../core/call.ts";
import type { Sums } from "../core/ledger.ts";
import type { Blocked } from "../guard/blocked.ts";
import type { Remaining } from "../guard/budgets/remaining.ts";
import { breakerUrl, flush, hashKey, isBlocked, ledger, onCall, remaining, scope, start, stop } from "../index.ts";
import { CLIMB, CLIMBER } from "./acts/ladder.ts";
import { AGENTS, type RunInScope } from "./agents.ts";
import { CUSTOMER_USD, SCOUT, SEARCH_USD } from "./customers.ts";
import type { SearchApi } from "./fake-vendor/search.ts";
import type { FakeVendor } from "./fake-vendor.ts";
import type { StandIn } from "./stand-in.ts";
import { SPENDER, SPENDER_USD, STOPPED } from "./stops.ts";

const KEYED = [...AGENTS.map(({ name }) => name), ...STOPPED, CLIMBER, SCOUT];

/** The real meter of the package, pointed at the local vendor and the stand-in for Datadog. */
export interface Metering {
  readonly settled: readonly SettledCall[];
  readonly scope: RunInScope;
  /** The sums of an account such as `agent:researcher`. */
  ledger(account: string): Readonly<Sums> | undefined;
  isBlocked(error: unknown): Blocked | undefined;
  remaining(): Promise<readonly Remaining[]>;
  flush(): Promise<void>;
  /** The breaker in this process, and what its operators say. */
  readonly breaker: { readonly url: string; readonly token: string };
  stop(): Promise<void>;
}

/** The files of one demo, gone when it ends. */
export interface DemoFiles {
  readonly folder: string;
  /** The agents' store, and the poller's book. */
  readonly store: string;
  readonly book: string;
  remove(): Promise<void>;
}

export async function createDemoFiles(): Promise<DemoFiles> {
  const folder = await mkdtemp(join(tmpdir(), "spendfuse-demo-"));
  return {
    folder,
    store: join(folder, "spend.db"),
    book: join(folder, "bill.db"),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Metering began before the command did: it has the user's configuration then, and cannot be given the demo's. */
export function isMetered(): boolean {
  return Symbol.for("spendfuse.runtime.1") in globalThis;
}

/**
 * Nothing of the user's own environment and config file is read: no figure of the demo reaches their Datadog or
 * Collector, and none of their discounts changes what the demo compares.
 */
export async function startMetering(
  { folder, store }: DemoFiles,
  vendor: FakeVendor,
  search: SearchApi,
  standIn: StandIn,
): Promise<Metering> {
  const settled: SettledCall[] = [];
  const secret = randomUUID();
  const token = randomUUID();
  await start({
    env: {
      SPENDFUSE_CONFIG: "{}",
      SPENDFUSE_QUIET: "1",
      OTEL_SERVICE_NAME: "spendfuse-demo",
      SPENDFUSE_PROJECT: "demo",
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${standIn.url}/v1/metrics`,
      // A minute of the stand-in's clock, as it is in production.
      OTEL_METRIC_EXPORT_INTERVAL: "1000",
      SPENDFUSE_WEBHOOK_SECRET: secret,
      SPENDFUSE_OPERATOR_TOKEN: token,
      SPENDFUSE_STATE_DIR: folder,
      SPENDFUSE_EXIT_SENDER: "0",
    },
    config: {
      hosts: [
        { host: new URL(vendor.openai).host, like: "api.openai.com" },
        { host: new URL(vendor.anthropic).host, like: "api.anthropic.com" },
      ],
      budgets: [
        { scope: { agent: SPENDER }, per: "run", usd: SPENDER_USD },
        { scope: { tags: { customer: "*" } }, per: "run", usd: CUSTOMER_USD },
        CLIMB,
        // Never used up: for the dashboards, which show budgets against what was spent.
        { name: "agent day", scope: { agent: "*" }, per: "day", usd: 5 },
      ],
      tags: ["customer"],
      charges: [{ host: new URL(search.url).host, path: "/search", usd: SEARCH_USD, what: "web search" }],
      breaker: { port: 0 },
      store: `file:${store}`,
      // The keys by the names that the vendors have for them.
      keys: Object.fromEntries(KEYED.map((agent) => [hashKey(`demo-${agent}`), `demo-${agent}`])),
    },
  });
  onCall((call) => settled.push(call));
  const breaker = { url: breakerUrl() ?? "", token };
  standIn.connect(breaker.url, secret, token);
  return {
    settled,
    scope,
    isBlocked,
    remaining,
    ledger: (account) => ledger().sums(account, "ever", Date.now()),
    flush,
    breaker,
    stop,
  };
}
