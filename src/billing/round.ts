import type { Discount } from "../core/config-types.ts";
import { windowStart } from "../core/ledger.ts";
import { METRICS, type MetricName } from "../core/names.ts";
import { ask, faultOf, type Patience } from "./ask.ts";
import type { Book } from "./book.ts";
import { keepCaps } from "./caps.ts";
import { createVendorClock } from "./clock.ts";
import { type CostSink, costLines } from "./costs.ts";
import { createMonthToDate, type MetricPoint, type PointSink } from "./points.ts";
import { explain, openAccount, type Polled, type Progress, pollVendor, type Range } from "./poll.ts";
import { createPublisher } from "./publish.ts";
import { type MeteredSource, type Settling, settle } from "./settle.ts";
import { dayOf, type Vendor, type VendorAccount } from "./vendors/vendor.ts";

export interface RoundOptions {
  readonly book: Book;
  readonly vendors: readonly VendorAccess[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined without a source of metered spend: the bill is then read but not reconciled. */
  readonly metered: MeteredSource | undefined;
  readonly sinks: readonly PointSink[];
  readonly costs: CostSink | undefined;
  readonly range: Range;
  readonly aliases: Readonly<Record<string, string>>;
  readonly discounts: readonly Discount[];
  readonly now: () => number;
  readonly patience: Patience;
  readonly onProgress?: (vendor: Vendor, progress: Progress) => void;
  readonly say: (message: string) => void;
}

export interface VendorAccess {
  readonly vendor: Vendor;
  readonly key: string;
  readonly url: string | undefined;
}

/** The result of a round for one vendor. */
export interface VendorRound {
  readonly vendor: Vendor;
  readonly polled: Polled | undefined;
  /** Points of days that sinks took, all sinks together. */
  points: number;
  /** Days whose costs were uploaded. */
  uploads: number;
  readonly errors: unknown[];
}

/** Lines about malformed rows in one round. */
const MAX_SAID = 5;

/** How often unchanged gauges are repeated, so that monitors see that the poller runs. */
const GAUGES_MS = 240_000;
/** How often names are read: an organization may have hundreds of projects, with a request for the keys of each. */
const NAMES_MS = 3_600_000;

/** Reads every vendor's bill, reconciles it with metered spend, and publishes what is new. Vendors fail independently. */
export async function runRound(options: RoundOptions): Promise<readonly VendorRound[]> {
  const rounds: VendorRound[] = [];
  for (const access of options.vendors) rounds.push(await runVendor(options, access));
  return rounds;
}

async function runVendor(options: RoundOptions, { vendor, key, url }: VendorAccess): Promise<VendorRound> {
  const { book, env, patience, say } = options;
  const clock = createVendorClock(options.now);
  const round: VendorRound & { polled: Polled | undefined } = {
    vendor,
    polled: undefined,
    points: 0,
    uploads: 0,
    errors: [],
  };
  try {
    const access = { key, url, env, onServerTime: clock.observe, now: clock.now };
    const account = await openAccount(vendor, access, patience);
    await readNamesAndCaps(options, vendor, account, clock.now());
    warnMissingDays(options, vendor, account, clock.now());
    const onProgress = (progress: Progress): void => options.onProgress?.(vendor, progress);
    const poll = () =>
      pollVendor({ vendor, account, book, now: clock.now, range: options.range, patience, onProgress });
    const known = clock.skewMs;
    round.polled = await poll().catch((error) => {
      // The refusal revealed the vendor's time: the requested range ended in its future.
      if (clock.skewMs === known) throw error;
      return poll();
    });
    sayUnread(options, vendor, round.polled);
    if (clock.skewMs !== 0)
      say(`this machine's clock is ${Math.round(clock.skewMs / 1_000)} s ahead of ${vendor.title}'s, which is used`);
    book.putFact(vendor.name, "polled at", clock.now());
  } catch (error) {
    round.errors.push(error);
  }
  await publish(options, vendor, clock.now(), round);
  return round;
}

/** One line for each kind of row that is left out, because the bill is too low by it. */
function sayUnread({ say }: RoundOptions, { title }: Vendor, { unread }: Polled): void {
  const times = new Map<string, number>();
  for (const why of unread) times.set(why, (times.get(why) ?? 0) + 1);
  for (const [why, count] of [...times].slice(0, MAX_SAID))
    say(
      `${title}: ${count === 1 ? "a row of its bill is" : `${count} rows of its bill are`} malformed and left out (${why}); the rest is read. The next poll reads the days again; if it stays, report it to us`,
    );
}

/** Warns of requested days that a vendor no longer has. */
function warnMissingDays({ range, say }: RoundOptions, { title }: Vendor, account: VendorAccount, now: number): void {
  const first = Math.max(...account.reports().map(({ earliest }) => dayOf(earliest(now))));
  if (range.from === undefined || range.from >= first) return;
  say(`${title} answers for days from ${new Date(first).toISOString().slice(0, 10)} on: earlier ones are not read`);
}

/** Names and caps are for display: the bill is read even without permission to read them. */
async function readNamesAndCaps(
  { book, say, patience }: RoundOptions,
  vendor: Vendor,
  account: VendorAccount,
  now: number,
): Promise<void> {
  const last = book.fact<number>(vendor.name, "names at");
  if (last !== undefined && now - last < NAMES_MS && now >= last) return;
  const attempt = async (what: string, read: () => Promise<void>): Promise<void> => {
    try {
      await ask(read, patience);
    } catch (error) {
      const fault = faultOf(error);
      // An answer that makes no sense is no reason to do without the bill; a vendor that cannot be reached is.
      const malformed = fault === undefined && (error instanceof TypeError || error instanceof RangeError);
      if (!malformed && (fault?.status === undefined || fault.status === 401)) throw explain(vendor, error);
      const reason = malformed ? `the answer is malformed: ${error.message}` : `${fault?.status} ${fault?.message}`;
      say(`${vendor.title}: its ${what} cannot be read (${reason}); the bill can`);
    }
  };
  await attempt("names", async () => book.putFact(vendor.name, "names", await account.names()));
  await attempt("caps", async () => keepCaps(book, vendor.name, await account.caps()));
  book.putFact(vendor.name, "names at", now);
}

/** Days that may have changed on either side: those that were read, and the month of the gauges. */
async function publish(options: RoundOptions, vendor: Vendor, now: number, round: VendorRound): Promise<void> {
  const { book, metered = async () => [], aliases, discounts, costs, sinks } = options;
  const month = windowStart("month", now);
  const from = Math.min(round.polled?.from ?? month, month);
  const until = Math.max(round.polled?.until ?? now, now);
  try {
    const settling = await settle({ book, vendor, metered, aliases, discounts, now }, from, until);
    const monthToDate = createMonthToDate(vendor.name, settling.names);
    const publishers = sinks.map((sink) => createPublisher(book, sink, vendor.name, settling.names));
    for await (const settlement of settling.days()) {
      if (settlement.day >= month) monthToDate.add(settlement.day, settlement.lines);
      for (const publisher of publishers) await publisher.add(settlement);
      if (costs && settlement.day < dayOf(now))
        round.uploads += await upload(book, costs, vendor, settling, settlement.day, settlement.lines);
    }
    for (const publisher of publishers) round.points += await publisher.end();
    const points = [...monthToDate.points(now)].filter(
      ({ metric }) => options.metered !== undefined || BILL_ALONE.has(metric),
    );
    await sendGauges(options, vendor, now, points, monthToDate.lag(now));
  } catch (error) {
    round.errors.push(error);
    // Unknown figures are not sent, but the heartbeat is.
    for (const sink of sinks) await sink.send([lagOf(book, vendor, now)]).catch(() => {});
  }
}

async function upload(
  book: Book,
  costs: CostSink,
  vendor: Vendor,
  { names }: Settling,
  day: number,
  lines: Parameters<typeof costLines>[1],
): Promise<number> {
  const rows = costLines(names, lines);
  const content = JSON.stringify(rows);
  const before = book.upload(vendor.name, day);
  if (before?.content === content || (before === undefined && rows.length === 0)) return 0;
  const file = await costs.replace(vendor.title, day, rows, before?.file);
  book.putUpload(vendor.name, day, { content, file });
  return 1;
}

interface Sent {
  readonly at: number;
  readonly values: readonly (readonly [metric: string, tags: MetricPoint["tags"], value: number])[];
}

/** Sent on change, and as a heartbeat. */
async function sendGauges(
  { book, sinks }: RoundOptions,
  vendor: Vendor,
  now: number,
  points: readonly MetricPoint[],
  lag: number | undefined,
): Promise<void> {
  const tags = { vendor: vendor.name };
  const age = lag === undefined ? [] : [{ metric: METRICS.billedLag, tags, at: now, value: lag }];
  const values: Sent["values"] = points.map(({ metric, tags, value }) => [metric.name, tags, value]);
  for (const sink of sinks) {
    const name = `gauges ${sink.name}`;
    const last = book.fact<Sent>(vendor.name, name);
    const same = JSON.stringify(last?.values) === JSON.stringify(values);
    if (last && same && now - last.at < GAUGES_MS && now >= last.at) continue;
    await sink.send([...points, ...zeroesFor(last, points, now), ...age, lagOf(book, vendor, now)]);
    book.putFact(vendor.name, name, { at: now, values } satisfies Sent);
  }
}

/** The lag of a vendor that was never read counts from the first attempt. */
function lagOf(book: Book, { name }: Vendor, now: number): MetricPoint {
  const since = book.fact<number>(name, "polled at") ?? book.fact<number>(name, "first try") ?? now;
  if (since === now) book.putFact(name, "first try", now);
  return {
    metric: METRICS.pollLag,
    tags: { vendor: name },
    at: now,
    value: Math.max(0, Math.round((now - since) / 1_000)),
  };
}

const AMOUNTS = [
  METRICS.billedMonthToDate,
  METRICS.billedProjection,
  METRICS.meteredMonthToDate,
  METRICS.ungovernedCost,
] as const;
/** What is known without metered spend. */
const BILL_ALONE: ReadonlySet<MetricName> = new Set([METRICS.billedMonthToDate, METRICS.billedProjection]);

/** Zeroes for amounts that no longer exist: their gauges would keep the last value. */
function zeroesFor(last: Sent | undefined, points: readonly MetricPoint[], at: number): readonly MetricPoint[] {
  const there = new Set(points.map(({ metric, tags }) => JSON.stringify([metric.name, tags])));
  return AMOUNTS.flatMap((metric) =>
    (last?.values ?? []).flatMap(([name, tags, value]) =>
      name === metric.name && value !== 0 && !there.has(JSON.stringify([name, tags]))
        ? [{ metric, tags, at, value: 0 }]
        : [],
    ),
  );
}
