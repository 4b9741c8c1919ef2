import { METRICS } from "../core/names.ts";
import { createEngine } from "./engine.ts";
import { webhookOf } from "./monitor/message.ts";
import { createSeriesStore, type MetricType } from "./series/series.ts";

/** Spend over simulated time, and the expected transitions of a monitor. Times are such as `90s`, `15m`, `2h`, `1d`. */
export interface Scenario {
  readonly name: string;
  readonly kind?: "fire" | "stay quiet" | "recover" | "no data" | "flap" | "blip" | "job end";
  /** When it begins, such as `2026-11-02T09:00:00Z`, which is also what it is when absent. */
  readonly start?: string;
  readonly feed: readonly Feed[];
  readonly until: string;
  readonly expect: readonly Expected[];
}

/** Points of one series. */
export interface Feed {
  /** `spendfuse.cost` when absent. */
  readonly metric?: string;
  /** Only needed for metrics that spendfuse does not emit. */
  readonly type?: MetricType;
  readonly tags?: Readonly<Record<string, string>>;
  readonly from?: string;
  readonly until: string;
  /** `10s` when absent. */
  readonly every?: string;
  /** The value of each point; or `total`, which all of them come to. */
  readonly value?: number;
  readonly total?: number;
}

export interface Expected {
  /** The minute, or the first and the last that are accepted, as in `22m..24m`. */
  readonly at: string;
  /** `agent:a`; `*` when absent. */
  readonly group?: string;
  readonly transition: string;
  /** The webhooks to be called, by name. None when absent. */
  readonly webhooks?: readonly string[];
  /** Whether people are told, by a handle that is no webhook. Not compared when absent. */
  readonly told?: boolean;
}

export interface Happened {
  /** Seconds since the scenario began. */
  readonly at: number;
  readonly group: string;
  readonly transition: string;
  readonly webhooks: readonly string[];
  readonly told: boolean;
  readonly value: number | undefined;
}

export interface Played {
  readonly happened: readonly Happened[];
  /** Mismatches, one line each. */
  readonly faults: readonly string[];
}

const START = "2026-11-02T09:00:00Z";
const TYPES: ReadonlyMap<string, MetricType> = new Map(
  Object.values(METRICS).map(({ name, kind }): [string, MetricType] => [name, kind === "counter" ? "count" : "gauge"]),
);
const STEP_S = 10;

/** Plays a scenario on one monitor: nothing leaves the process, and no time passes. */
export async function playScenario(monitor: Readonly<Record<string, unknown>>, scenario: Scenario): Promise<Played> {
  const start = Date.parse(scenario.start ?? START) / 1_000;
  if (Number.isNaN(start)) return refuse(`"start" is no time: ${scenario.start}`);
  const until = readTime(scenario.until);
  if (until === undefined) return refuse(`"until" is no time such as 2h: ${scenario.until}`);
  const points = new Map<number, Point[]>();
  for (const [index, feed] of scenario.feed.entries()) {
    const fault = spread(feed, index, points);
    if (fault !== undefined) return refuse(fault);
  }

  let now = start;
  const store = createSeriesStore({ now: () => now, isHistorical: () => false });
  const happened: Happened[] = [];
  const engine = createEngine({
    store,
    now,
    webhook: (name) => ({ name, url: `http://localhost/${name}` }),
    variables: () => new Map(),
    deliver: async () => ({ attempts: 1, answer: "200", delivered: true }),
    onTransition(_, { at, group, transition, value, notified }) {
      const webhooks = notified.flatMap((handle) => webhookOf(handle) ?? []);
      const told = notified.some((handle) => webhookOf(handle) === undefined);
      happened.push({ at: at - start, group, transition, webhooks, told, value });
    },
  });
  engine.sync([{ id: 1, body: monitor }]);
  for (let second = 0; second <= until; second += STEP_S) {
    now = start + second;
    await engine.advance(now);
    for (const { metric, type, tags, value } of points.get(second) ?? [])
      store.write(metric, type, tags.join(), () => tags, now, value);
  }
  const refused = engine.watches.get(1)?.refused;
  if (refused !== undefined) return refuse(refused);
  return { happened, faults: compare(scenario.expect, happened) };
}

function refuse(why: string): Played {
  return { happened: [], faults: [why] };
}

interface Point {
  readonly metric: string;
  readonly type: MetricType;
  readonly tags: readonly string[];
  readonly value: number;
}

/** Places the points of a feed on a grid of ten seconds. Returns its fault, if it has one. */
function spread(feed: Feed, index: number, points: Map<number, Point[]>): string | undefined {
  const { metric = METRICS.cost.name, value, total } = feed;
  const from = readTime(feed.from ?? "0s");
  const until = readTime(feed.until);
  const every = readTime(feed.every ?? "10s");
  const type = feed.type ?? TYPES.get(metric);
  if (from === undefined || until === undefined || every === undefined || every % STEP_S !== 0 || every === 0)
    return `feed[${index}]: "from", "until" and "every" are times such as 15m; "every" is a multiple of 10s`;
  if (type === undefined) return `feed[${index}]: unknown metric ${metric}: give its "type" (count, gauge)`;
  if ((value === undefined) === (total === undefined)) return `feed[${index}] needs either "value" or "total"`;
  const count = Math.ceil((until - from) / every);
  const tags = Object.entries(feed.tags ?? {}).map(([key, text]) => `${key}:${text}`);
  for (let i = 0; i < count; i += 1) {
    const at = Math.ceil((from + i * every) / STEP_S) * STEP_S;
    const point = { metric, type, tags, value: value ?? (total as number) / count };
    const there = points.get(at);
    if (there === undefined) points.set(at, [point]);
    else there.push(point);
  }
  return undefined;
}

function compare(expected: readonly Expected[], happened: readonly Happened[]): readonly string[] {
  const faults: string[] = [];
  const left = [...happened];
  for (const one of expected) {
    const index = left.findIndex((other) => matches(one, other));
    if (index >= 0) left.splice(index, 1);
    else faults.push(`missing: ${describe(one)}`);
  }
  for (const other of left) faults.push(`not expected: ${describe({ ...other, at: showTime(other.at) })}`);
  return faults;
}

function matches(expected: Expected, { at, group, transition, webhooks, told }: Happened): boolean {
  const [first = "", last = first] = expected.at.split("..");
  const from = readTime(first);
  const to = readTime(last);
  return (
    from !== undefined &&
    to !== undefined &&
    at >= from &&
    at <= to &&
    group === (expected.group ?? "*") &&
    transition === expected.transition &&
    webhooks.join() === (expected.webhooks ?? []).join() &&
    told === (expected.told ?? told)
  );
}

function describe({ at, group = "*", transition, webhooks = [], told }: Expected): string {
  const called = webhooks.length === 0 ? "" : `, webhook ${webhooks.join(", ")}`;
  const people = told === undefined ? "" : told ? ", people told" : ", nobody told";
  return `${at} ${group} ${transition}${called}${people}`;
}

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `1h30m` in seconds; undefined when it is none. */
export function readTime(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+)([smhd])/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text) return undefined;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS], 0);
}

/** Seconds as `1d2h30m`. */
export function showTime(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const unit of ["d", "h", "m", "s"] as const) {
    const count = Math.floor(rest / UNITS[unit]);
    rest -= count * UNITS[unit];
    if (count > 0) text += `${count}${unit}`;
  }
  return text || "0m";
}
