import { setTimeout as wait } from "node:timers/promises";
import type { Patience } from "../../../billing/ask.ts";
import { openBook } from "../../../billing/book.ts";
import { type LateRoundOptions, readLateAccess, runLateRound } from "../../../billing/late/late-round.ts";
import type { Range } from "../../../billing/poll.ts";
import { runRound, type VendorRound } from "../../../billing/round.ts";
import { type Config, readCommandConfig } from "../../../config/config.ts";
import { isSpendfuseError } from "../../../core/errors.ts";
import { readDuration } from "../../../core/period.ts";
import { openPriceBook } from "../../../pricing/open.ts";
import type { Store } from "../../../stores/store.ts";
import { counted } from "../../../terminal/amount.ts";
import { endOfDay, readDay } from "../../../terminal/day.ts";
import { usage } from "../command.ts";
import type { Values } from "../poll.ts";
import { bookPath, openCosts, openMetered, openSinks, readVendors } from "./access.ts";
import { keepHeapSmall } from "./heap.ts";
import { createProgressBar } from "./progress.ts";

const MIN_EVERY_MS = 60_000;

type LateOutcome = Awaited<ReturnType<typeof runLateRound>>;

/** Runs one round, or repeats until the process is stopped. Resolves to the exit code. */
export async function run(values: Values): Promise<number> {
  keepHeapSmall();
  const everyMs = readEvery(values);
  const range = readRange(values);
  const say = (message: string): void => console.error(`spendfuse poll: ${message}`);
  const config = readCommandConfig(say);
  const vendors = readVendors(values.vendor, config);
  const book = await openBook(bookPath(values.db, config), { alone: true });
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  const bar = createProgressBar(process.stderr);
  const metered = await openMetered(config);
  try {
    const sinks = await openSinks(config);
    const costs = await openCosts(values["custom-costs"], config);
    if (metered.source === undefined)
      say("no source of metered spend: set SPENDFUSE_STORE to the agents' store, or DD_APP_KEY. Reading only the bill");
    if (sinks.length === 0) say("nothing is published: there is no DD_API_KEY and no OTEL_EXPORTER_OTLP_ENDPOINT");
    const late = await openLate(config, values.vendor, metered.store);
    for (;;) {
      // First, so that the bill is compared with what is known by now.
      const settled = late && (await runLateRound({ ...late, book, sinks, say, patience: patienceOf(stop.signal) }));
      const rounds = await runRound({
        book,
        vendors,
        env: config.env,
        metered: metered.source,
        sinks,
        costs,
        range,
        aliases: config.billing?.keys ?? {},
        discounts: config.discounts ?? [],
        now: Date.now,
        patience: patienceOf(stop.signal),
        onProgress: (vendor, progress) => bar.draw(vendor.title, progress),
        say: (message) => {
          bar.clear();
          say(message);
        },
      });
      bar.clear();
      const failed = tell(rounds, settled, values.json === true);
      if (everyMs === undefined || stop.signal.aborted) return failed ? 1 : 0;
      // Jitter, so that pollers started together spread out.
      await wait(everyMs * (0.9 + Math.random() * 0.2), undefined, { signal: stop.signal }).catch(() => {});
      if (stop.signal.aborted) return 0;
    }
  } finally {
    book.close();
    await metered.close();
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}

function readEvery({ once, every }: Values): number | undefined {
  if (once && every !== undefined) throw usage("--once and --every are mutually exclusive: choose one");
  if (!once && every === undefined) throw usage("pass --once, or an interval: --every 5m");
  if (every === undefined) return undefined;
  const ms = readDuration(every);
  if (ms === undefined || ms < MIN_EVERY_MS)
    throw usage(`--every must be a time of a minute or more, such as 5m, not "${every}"`);
  return ms;
}

function readRange({ from, to, every }: Values): Range {
  if (from === undefined && to !== undefined) throw usage("--to needs --from");
  if (from !== undefined && every !== undefined) throw usage("--from is read once: use it with --once");
  if (from === undefined) return {};
  const begin = readDay("--from", from);
  if (begin > Date.now()) throw usage(`--from ${from} is in the future: it must be a day that has begun (UTC)`);
  if (to === undefined) return { from: begin };
  const until = endOfDay("--to", to);
  if (until <= begin) throw usage("--to must not be before --from");
  return { from: begin, until };
}

function patienceOf(signal: AbortSignal): Patience {
  return { sleep: (ms) => wait(ms, undefined, { signal }).catch(() => {}), random: Math.random };
}

/** What settling needs; undefined without a store that agents write their late calls to. */
async function openLate(config: Config, only: Values["vendor"], store: Store | undefined) {
  if (store === undefined) return undefined;
  return {
    store,
    vendors: readLateAccess(config.env, only),
    price: await openPriceBook({ prices: config.prices ?? [], discounts: config.discounts ?? [] }),
    aliases: config.billing?.keys ?? {},
    env: config.env,
    now: Date.now,
    attempts: new Map(),
  } satisfies Partial<LateRoundOptions>;
}

/** Prints the result of a round; true when something failed. */
function tell(rounds: readonly VendorRound[], late: LateOutcome | undefined, json: boolean): boolean {
  const lateErrors = [...(late?.results ?? []).flatMap(({ errors }) => errors), ...(late?.errors ?? [])];
  for (const error of lateErrors)
    console.error(`spendfuse poll: ${isSpendfuseError(error) ? error.message : (error as Error).stack}`);
  if (!json)
    for (const { vendor, round } of late?.results ?? [])
      if (round !== undefined && (round.settled.length > 0 || round.open > 0))
        console.log(
          `${vendor.title}: ${round.settled.length} of ${round.settled.length + round.open} late calls settled`,
        );
  for (const { vendor, polled, points, uploads, errors } of rounds) {
    // An internal fault must not end later rounds.
    for (const error of errors)
      console.error(`spendfuse poll: ${isSpendfuseError(error) ? error.message : (error as Error).stack}`);
    if (json || polled === undefined) continue;
    const parts = [
      `${counted(polled.rows, "row")} in ${counted(polled.windows, "window")}`,
      `${counted(polled.changed.size, "day")} changed`,
      `${counted(points, "point")} sent`,
      ...(uploads > 0 ? [`custom costs of ${counted(uploads, "day")} uploaded`] : []),
    ];
    console.log(`${vendor.title}: ${parts.join(", ")}`);
  }
  if (json) {
    const vendors = rounds.map(({ vendor, polled, points, uploads, errors }) => ({
      vendor: vendor.name,
      rows: polled?.rows ?? 0,
      windows: polled?.windows ?? 0,
      changed: [...(polled?.changed ?? [])].map((day) => new Date(day).toISOString().slice(0, 10)),
      points,
      uploads,
      errors: errors.map((error) => (error as Error).message),
    }));
    const settled = (late?.results ?? []).map(({ vendor, round, errors }) => ({
      vendor: vendor.name,
      settled: round?.settled.length ?? 0,
      open: round?.open ?? 0,
      errors: errors.map((error) => (error as Error).message),
    }));
    console.log(JSON.stringify({ vendors, settled }));
  }
  return lateErrors.length > 0 || rounds.some(({ errors }) => errors.length > 0);
}
