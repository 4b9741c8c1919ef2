import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Book, openBook } from "../../../src/billing/book.ts";
import { type LateRoundOptions, readLateAccess, runLateRound } from "../../../src/billing/late/late-round.ts";
import type { MetricPoint } from "../../../src/billing/points.ts";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { type BillingServer, startBillingServer } from "../../../src/demo/fake-vendor/billing/desk.ts";
import {
  ANTHROPIC_ADMIN_KEY,
  anthropicOffice,
  OPENAI_ADMIN_KEY,
  OPENROUTER_KEY,
  openaiOffice,
  openrouterOffice,
} from "../../../src/demo/fake-vendor/billing-account.ts";
import { type BilledCall, type FakeVendor, startFakeVendor } from "../../../src/demo/fake-vendor.ts";
import { hashKey } from "../../../src/meter/identity/api-key.ts";
import { openPriceBook } from "../../../src/pricing/open.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { openFile } from "../../../src/stores/file/store.ts";
import type { Store } from "../../../src/stores/store.ts";

const folder = mkdtempSync(join(tmpdir(), "spendfuse-late-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

export const MINUTE = 60_000;
const AGENTS = ["researcher", "writer", "support"];
/** The keys by the names that the vendors have for them. */
export const KEYS = Object.fromEntries(AGENTS.map((agent) => [hashKey(`demo-${agent}`), `demo-${agent}`]));

/** Vendors that serve calls and say later what they cost, on a clock that is ahead of the calls. */
export interface LateStage {
  readonly vendor: FakeVendor;
  readonly openai: BillingServer;
  readonly anthropic: BillingServer;
  readonly openrouter: BillingServer;
  /** How far the clock of those who settle is ahead, in milliseconds. */
  aheadMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly path: string;
  readonly bookPath: string;
  readonly store: Store;
  config(more?: ConfigFile): ConfigFile;
  /** What OpenAI, Anthropic and OpenRouter serve from now on. */
  bill(): readonly BilledCall[];
  close(): Promise<void>;
}

export async function setLateStage(): Promise<LateStage> {
  const vendor = await startFakeVendor({ paceMs: 1 });
  const stage = { aheadMs: 30 * MINUTE };
  const clock = (): number => Date.now() + stage.aheadMs;
  const openai = await startBillingServer(openaiOffice(vendor.bill, clock), clock);
  const anthropic = await startBillingServer(anthropicOffice(vendor.bill, clock), clock);
  const openrouter = await startBillingServer(openrouterOffice(vendor.bill, clock), clock);
  const path = join(folder, `${Math.random()}.db`);
  const store = await openFile(path);
  return Object.assign(stage, {
    vendor,
    openai,
    anthropic,
    openrouter,
    path,
    bookPath: join(folder, `${Math.random()}-bill.db`),
    store,
    env: {
      OPENAI_ADMIN_KEY,
      ANTHROPIC_ADMIN_KEY,
      OPENROUTER_API_KEY: OPENROUTER_KEY,
      SPENDFUSE_OPENAI_URL: openai.url,
      SPENDFUSE_ANTHROPIC_URL: anthropic.url,
      SPENDFUSE_OPENROUTER_URL: openrouter.url,
    },
    config: (more: ConfigFile = {}): ConfigFile => ({
      store: `file:${path}`,
      keys: KEYS,
      hosts: [
        { host: new URL(vendor.openrouter).host, like: "openrouter.ai" },
        { host: new URL(vendor.openai).host, like: "api.openai.com" },
        { host: new URL(vendor.anthropic).host, like: "api.anthropic.com" },
      ],
      ...more,
    }),
    bill: () => vendor.bill,
    async close() {
      await store.close();
      await Promise.all([vendor.close(), openai.close(), anthropic.close(), openrouter.close()]);
    },
  });
}

/** An app that meters its calls. */
export async function startApp(
  stage: LateStage,
  more: ConfigFile = {},
  env: Readonly<Record<string, string>> = {},
  telemetry = false,
) {
  const said: string[] = [];
  const runtime = createRuntime((line) => said.push(line));
  await runtime.start({
    telemetry,
    env: { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1", ...env },
    config: stage.config(more),
  });
  const { HOOKED } = await import("../../../src/meter/transports/fetch/hook.ts");
  const inner = globalThis.fetch;
  const bare = (inner as unknown as { [HOOKED]?: typeof fetch })[HOOKED] ?? inner;
  globalThis.fetch = bare;
  return { runtime, fetch: runtime.wrapFetch(bare), said };
}

export type App = Awaited<ReturnType<typeof startApp>>;

/** One round of a poller, with a book of its own that is opened and closed. */
export async function runPoller(stage: LateStage, more: Partial<LateRoundOptions> & { readonly book?: Book } = {}) {
  const book = more.book ?? (await openBook(stage.bookPath, { alone: true }));
  const said: string[] = [];
  const slept: number[] = [];
  const points: MetricPoint[] = [];
  try {
    const outcome = await runLateRound({
      book,
      store: stage.store,
      vendors: readLateAccess(stage.env),
      price: await openPriceBook({ prices: [], discounts: [] }),
      aliases: {},
      env: stage.env,
      sinks: [{ name: "test", send: async (some) => void points.push(...some) }],
      now: () => Date.now() + stage.aheadMs,
      patience: { sleep: async (ms) => void slept.push(ms), random: () => 0 },
      attempts: new Map(),
      say: (line) => said.push(line),
      ...more,
    });
    return { ...outcome, said, slept, sent: points };
  } finally {
    if (more.book === undefined) book.close();
  }
}

/** What the store says was metered, by quality, in nano-USD. */
export async function meteredIn(store: Store): Promise<Readonly<Record<string, { calls: number; cost: number }>>> {
  const sums: Record<string, { calls: number; cost: number }> = {};
  for (const { quality, calls, cost } of await store.metered(0, Number.MAX_SAFE_INTEGER)) {
    const sum = sums[quality] ?? { calls: 0, cost: 0 };
    sums[quality] = sum;
    sum.calls += calls;
    sum.cost += cost;
  }
  return sums;
}

export type { Runtime };
