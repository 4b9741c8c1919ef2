import { windowStart } from "../core/ledger.ts";
import { type Nano, usdOf } from "../core/money.ts";
import { METRICS, type MetricName } from "../core/names.ts";
import { readRecord, recordKey } from "../core/record-key.ts";
import { type Compared, driftOf, unbilledOf } from "./drift.ts";
import type { Names } from "./names.ts";
import type { BillLine } from "./reconcile/reconcile.ts";

const DAY_MS = 86_400_000;

/** A value of a metric at a moment: sent again with the same tags and time, it overwrites. */
export interface MetricPoint {
  readonly metric: MetricName;
  readonly tags: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly value: number;
}

/** A destination of points, such as Datadog. To add one, implement this. */
export interface PointSink {
  /** Includes the address: points that one destination has are still missing at another. */
  readonly name: string;
  /** Resolves when all are accepted, and rejects otherwise: all are then sent again later. */
  send(points: readonly MetricPoint[]): Promise<void>;
}

/** A day's billed cost by the tags of its point. Ungoverned amounts have no agent. */
export function dailyPoints(vendor: string, names: Names, lines: readonly BillLine[]): ReadonlyMap<string, Nano> {
  const sums = new Map<string, Nano>();
  for (const line of lines) {
    if (line.billed === 0n) continue;
    const tags = recordKey(tagsOf(vendor, names, line));
    sums.set(tags, (sums.get(tags) ?? 0n) + line.billed);
  }
  return sums;
}

export function dailyPoint(tags: string, day: number, nano: Nano): MetricPoint {
  return { metric: METRICS.billedCost, tags: readRecord(tags), at: day, value: usdOf(nano) };
}

function tagsOf(vendor: string, names: Names, { project, key, model, bearer }: BillLine): Record<string, string> {
  return {
    vendor,
    ...named("project", names.project(project)),
    ...named("key", names.key(key)),
    ...named("model", model),
    ...named("agent", bearer?.agent ?? ""),
  };
}

/** The tag of a bill that has no projects, where a monitor groups by them. */
const NO_PROJECT = "none";

function named(tag: string, value: string): Record<string, string> {
  return value === "" ? {} : { [tag]: value };
}

/** The month to date, summed day by day, as gauges. */
export interface MonthToDate {
  /** @param day Start of the UTC day. */
  add(day: number, lines: readonly BillLine[]): void;
  points(at: number): readonly MetricPoint[];
  /** Seconds since the end of the last day with a bill; undefined before the month's first. */
  lag(at: number): number | undefined;
}

export function createMonthToDate(vendor: string, names: Names): MonthToDate {
  const billed = new Map<string, Nano>();
  const ungoverned = new Map<string, Nano>();
  const metered = new Map<string, Nano>();
  const drifts = new Map<string, { -readonly [K in keyof Compared]: Nano }>();
  let any = false;
  /** The last day with an amount on the bill, which is seldom complete, and what was billed before it. */
  let lastDay: number | undefined;
  let before: ReadonlyMap<string, Nano> = new Map();

  function addBilled(day: number, tags: string, nano: Nano): void {
    if (lastDay === undefined || day > lastDay) {
      before = new Map(billed);
      lastDay = day;
    }
    billed.set(tags, (billed.get(tags) ?? 0n) + nano);
  }

  function addDrift({ project, billed: bill, metered, reasons }: BillLine): void {
    // A monitor by project does not see a series without one.
    const tags = recordKey({ vendor, project: names.project(project) || NO_PROJECT });
    const drift = drifts.get(tags) ?? { billed: 0n, metered: 0n, ungoverned: 0n, unbilled: 0n };
    drifts.set(tags, drift);
    drift.billed += bill;
    drift.metered += metered;
    drift.unbilled += unbilledOf(reasons);
  }

  return {
    add(day, lines) {
      for (const line of lines) {
        any = true;
        const tags = recordKey(tagsOf(vendor, names, line));
        if (line.billed !== 0n) addBilled(day, tags, line.billed);
        if (line.bearer !== undefined) {
          addDrift(line);
          const same = line.metered - unbilledOf(line.reasons);
          if (same !== 0n) metered.set(tags, (metered.get(tags) ?? 0n) + same);
        } else ungoverned.set(tags, (ungoverned.get(tags) ?? 0n) + line.billed);
      }
    },
    lag: (at) => (lastDay === undefined ? undefined : Math.max(0, Math.round((at - lastDay - DAY_MS) / 1_000))),
    points(at) {
      const points: MetricPoint[] = [];
      for (const [tags, nano] of billed)
        points.push({ metric: METRICS.billedMonthToDate, tags: readRecord(tags), at, value: usdOf(nano) });
      if (lastDay !== undefined) {
        const complete = before.size > 0;
        const factor = paceFactor(complete ? lastDay : lastDay + DAY_MS);
        for (const [tags, nano] of complete ? before : billed)
          points.push({ metric: METRICS.billedProjection, tags: readRecord(tags), at, value: usdOf(nano) * factor });
      }
      for (const [tags, nano] of metered)
        points.push({ metric: METRICS.meteredMonthToDate, tags: readRecord(tags), at, value: usdOf(nano) });
      for (const [tags, nano] of ungoverned)
        points.push({ metric: METRICS.ungovernedCost, tags: readRecord(tags), at, value: usdOf(nano) });
      // Zero is sent as well, so that an alert can recover.
      if (any && ungoverned.size === 0) points.push({ metric: METRICS.ungovernedCost, tags: { vendor }, at, value: 0 });
      for (const [tags, drift] of drifts) {
        const value = driftOf(drift);
        if (value !== undefined) points.push({ metric: METRICS.driftRatio, tags: readRecord(tags), at, value });
      }
      return points;
    },
  };
}

/** What the bill of the month's days until `until` is multiplied by, for that of the whole month. */
function paceFactor(until: number): number {
  const start = windowStart("month", until - 1);
  const date = new Date(start);
  return (Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) - start) / (until - start);
}
