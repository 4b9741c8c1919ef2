import type { Book } from "../../billing/book.ts";
import type { CostSink } from "../../billing/costs.ts";
import type { Range } from "../../billing/poll.ts";
import { runRound, type VendorRound } from "../../billing/round.ts";
import { anthropic } from "../../billing/vendors/anthropic.ts";
import { openai } from "../../billing/vendors/openai.ts";
import { createCustomCosts } from "../../datadog/custom-costs.ts";
import { openRest } from "../../datadog/rest/rest.ts";
import { createOtlpSink } from "../../process/otlp-sink.ts";
import type { Store } from "../../stores/store.ts";
import { ANTHROPIC_ADMIN_KEY, OPENAI_ADMIN_KEY } from "../fake-vendor/billing-account.ts";
import type { FakeVendor } from "../fake-vendor.ts";

export interface DemoPoller {
  readonly vendor: FakeVendor;
  readonly standInUrl: string;
  /** The service of the figures that it sends. */
  readonly service: string;
  readonly store: Store;
  readonly book: Book;
}

/** Reads the bills of the demo's vendor as `spendfuse poll` does. */
export type DemoRound = (
  range: Range,
  now: () => number,
  say: (message: string) => void,
) => Promise<readonly VendorRound[]>;

export function openDemoPoller({ vendor, standInUrl, service, store, book }: DemoPoller): DemoRound {
  const target = { url: `${standInUrl}/v1/metrics`, headers: {}, encoding: "json", compression: "none" } as const;
  const sink = createOtlpSink({ metrics: { ...target, timeoutMs: 5_000, hint: "" } }, { "service.name": service });
  const costs = openCosts(standInUrl);
  return (range, now, say) =>
    runRound({
      book,
      vendors: [
        { vendor: openai, key: OPENAI_ADMIN_KEY, url: vendor.openai },
        { vendor: anthropic, key: ANTHROPIC_ADMIN_KEY, url: vendor.anthropic },
      ],
      env: {},
      metered: async (from, until) => store.metered(from, until),
      sinks: [sink],
      costs,
      range,
      aliases: {},
      discounts: [],
      now,
      patience: { sleep: async () => {}, random: () => 0 },
      say,
    });
}

/** Cloud Cost Management of the stand-in, for the poller's uploads. */
function openCosts(url: string): CostSink {
  return createCustomCosts(openRest({ env: { DD_API_KEY: "demo", DD_APP_KEY: "demo", SPENDFUSE_DD_API_URL: url } }));
}
