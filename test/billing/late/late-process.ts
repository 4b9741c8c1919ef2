import { setTimeout as wait } from "node:timers/promises";
import { openBook } from "../../../src/billing/book.ts";
import { readLateAccess, runLateRound } from "../../../src/billing/late/late-round.ts";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { openPriceBook } from "../../../src/pricing/open.ts";
import { createOtlpSink } from "../../../src/process/otlp-sink.ts";
import { createRuntime } from "../../../src/process/runtime.ts";
import { openFile } from "../../../src/stores/file/store.ts";
import { callFor } from "./calls.ts";

/** What the test tells a process that may be killed. */
export interface LateOrders {
  readonly role: "poller" | "app";
  readonly env: Readonly<Record<string, string>>;
  readonly config: ConfigFile;
  readonly path: string;
  readonly bookPath: string;
  readonly receiver: string;
  readonly aheadMs: number;
  readonly vendor: { readonly openai: string; readonly anthropic: string; readonly openrouter: string };
}

/** One round of a poller, or an app that leaves streams and settles them itself until it is killed. */
async function work(orders: LateOrders): Promise<void> {
  if (orders.role === "poller") await poll(orders);
  else await call(orders);
}

async function poll({ env, path, bookPath, receiver, aheadMs }: LateOrders): Promise<void> {
  const url = `${receiver}/v1/metrics`;
  const metrics = { url, headers: {}, encoding: "json", compression: "none", timeoutMs: 10_000, hint: "" } as const;
  const book = await openBook(bookPath, { alone: true });
  const { results, errors } = await runLateRound({
    book,
    store: await openFile(path),
    vendors: readLateAccess(env),
    price: await openPriceBook({ prices: [], discounts: [] }),
    aliases: {},
    env,
    sinks: [createOtlpSink({ metrics }, {})],
    now: () => Date.now() + aheadMs,
    patience: { sleep: async () => {}, random: () => 0 },
    attempts: new Map(),
    say: (line) => console.error(line),
  });
  const failed = [...errors, ...results.flatMap((one) => one.errors)];
  for (const error of failed) console.error(error);
  process.exit(failed.length > 0 ? 1 : 0);
}

async function call({ env, config, vendor }: LateOrders): Promise<void> {
  const runtime = createRuntime((line) => console.error(line));
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1", ...env }, config });
  const app = { runtime, fetch: globalThis.fetch };
  // An app goes on, which spendfuse does not see to.
  setInterval(() => {}, 1_000);
  for (let call = 0; ; call += 1) {
    await callFor(app, vendor, "openrouter", { chunks: 2 + (call % 20) });
    await runtime.flush();
    await runtime.settle();
    await wait(2);
  }
}

await work(JSON.parse(process.argv[2] ?? "") as LateOrders);
