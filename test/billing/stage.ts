import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBook } from "../../src/billing/book.ts";
import { openAccount, type Polled, pollVendor, type Range } from "../../src/billing/poll.ts";
import type { BillRow } from "../../src/billing/reconcile/bill.ts";
import { anthropic } from "../../src/billing/vendors/anthropic.ts";
import { openai } from "../../src/billing/vendors/openai.ts";
import { openrouter } from "../../src/billing/vendors/openrouter.ts";
import type { Vendor } from "../../src/billing/vendors/vendor.ts";
import { type AnthropicBooks, anthropicBilling } from "../../src/demo/fake-vendor/billing/anthropic.ts";
import { type BillingServer, startBillingServer } from "../../src/demo/fake-vendor/billing/desk.ts";
import { type OpenAiBooks, openaiBilling } from "../../src/demo/fake-vendor/billing/openai.ts";
import { type OpenRouterBooks, openrouterBilling } from "../../src/demo/fake-vendor/billing/openrouter.ts";

export const DAY = 86_400_000;
/** In the middle of a day. */
export const NOW = Date.UTC(2026, 10, 23, 9);
export const TODAY = Date.UTC(2026, 10, 23);

export const ADMIN_KEYS = {
  openai: "sk-admin-test",
  anthropic: "sk-ant-admin01-test",
  openrouter: "sk-or-management-test",
} as const;

/** A vendor on this machine, and a book to read its bill into. */
export interface Stage {
  readonly vendor: Vendor;
  readonly server: BillingServer;
  readonly path: string;
  /** What the vendor has, to be changed at will. */
  readonly books: Mutable;
  /** The vendor's clock and ours. */
  clock: number;
  ourClock: number | undefined;
  /** The size of the disk, as far as the book is concerned. */
  maxPages: number | undefined;
  /** Pauses that were made, in milliseconds. */
  readonly slept: number[];
  poll(range?: Range, key?: string): Promise<Polled>;
  rows(): Promise<readonly BillRow[]>;
  close(): Promise<void>;
}

export interface Mutable {
  costs: unknown[];
  usages: unknown[];
  [more: string]: unknown;
}

const folder = mkdtempSync(join(tmpdir(), "spendfuse-billing-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const VENDORS = { openai, anthropic, openrouter } as const;

export async function setStage(name: keyof typeof VENDORS, more: Record<string, unknown> = {}): Promise<Stage> {
  const books: Mutable = { costs: [], usages: [], ...more };
  const stage = { clock: NOW, ourClock: undefined as number | undefined, maxPages: undefined as number | undefined };
  const shared = { now: () => stage.clock, costs: () => books.costs, usages: () => books.usages };
  const api =
    name === "openai"
      ? openaiBilling({ ...more, ...shared, adminKey: ADMIN_KEYS.openai } as unknown as OpenAiBooks)
      : name === "anthropic"
        ? anthropicBilling({ ...more, ...shared, adminKey: ADMIN_KEYS.anthropic } as unknown as AnthropicBooks)
        : openrouterBilling({
            ...more,
            now: shared.now,
            activity: shared.costs,
            managementKey: ADMIN_KEYS.openrouter,
          } as unknown as OpenRouterBooks);
  const server = await startBillingServer(api, () => stage.clock);
  const path = join(folder, `${Math.random()}.db`);
  const slept: number[] = [];
  const vendor = VENDORS[name];
  return Object.assign(stage, {
    vendor,
    server,
    path,
    books,
    slept,
    async poll(range: Range = {}, key: string = ADMIN_KEYS[name]) {
      const now = (): number => stage.ourClock ?? stage.clock;
      const book = await openBook(path, { alone: true, maxPages: stage.maxPages });
      try {
        const patience = { sleep: async (ms: number) => void slept.push(ms), random: () => 0.5 };
        const options = { key, url: server.url, env: {}, onServerTime: () => {}, now };
        const account = await openAccount(vendor, options, patience);
        return await pollVendor({
          vendor,
          account,
          book,
          now,
          range,
          patience,
        });
      } finally {
        book.close();
      }
    },
    async rows() {
      const book = await openBook(path, { alone: false });
      const rows = book.rows(vendor.name, 0, Number.MAX_SAFE_INTEGER);
      book.close();
      return rows;
    },
    close: () => server.close(),
  });
}
