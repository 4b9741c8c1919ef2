import { GEN_AI_METRICS, METRICS, type MetricName } from "../../core/names.ts";
import { NO_TAGS, OTHER } from "../../core/tags/tags.ts";
import { createSeriesTable, type Level, type SeriesTable } from "./bounded-series.ts";

export type Tags = { readonly [name: string]: string };

/** One of our counters: its name, what it adds up, and what one unit of the table is in the unit of the metric. */
export interface Counter {
  readonly metric: MetricName;
  readonly table: SeriesTable<Tags, number>;
  /** Divides the table's integers: nano-USD are shown in USD. */
  readonly scale: number;
}

/** Seconds in buckets, as OpenTelemetry counts them. */
export interface Histogram {
  count: number;
  sum: number;
  min: number;
  max: number;
  /** One more than there are bounds. */
  readonly counts: number[];
}

/** Upper bounds in seconds, from the GenAI semantic conventions. */
export const DURATION_BOUNDS: readonly number[] = Array.from({ length: 14 }, (_, power) => 0.01 * 2 ** power);

export interface Tables {
  readonly cost: Counter;
  readonly charges: Counter;
  readonly tokens: Counter;
  readonly calls: Counter;
  readonly settledCalls: Counter;
  readonly overestimatedCost: Counter;
  readonly overestimatedTokens: Counter;
  readonly blocked: Counter;
  readonly faults: Counter;
  readonly unmetered: Counter;
  readonly inputTokens: Counter;
  readonly outputTokens: Counter;
  readonly durations: SeriesTable<Tags, Histogram>;
  /** All of the above that are counters. */
  readonly counters: readonly Counter[];
}

/**
 * Series in all after which even the folded ones fold. What is left by then is at most quality × token type or
 * quality × ending, 15 series, each once more for subscriptions: together they stay below the 2,000 at which
 * OpenTelemetry's own overflow begins.
 */
const FOLDED_LIMIT = 1965;
const SPEND_KEPT = new Set(["quality", "ending", "token_type", "process"]);
const GEN_AI_KEPT = new Set(["gen_ai.operation.name", "gen_ai.token.modality"]);
const MAX_FAULT_STEPS = 50;
const MAX_HOSTS = 100;
/** The share of the series that may show tags of the user's own: agents come before them. */
const TAGGED_SHARE = 0.75;

/**
 * @param limit Series of one metric that show their agent; what comes later adds up in the agent `other`.
 * @param own The tags that the configuration declares.
 */
export function createTables(limit: number, own: readonly string[] = NO_TAGS): Tables {
  const spend = spendLevels(limit, own);
  const genAi: readonly Level<Tags>[] = [
    { limit, fold: (tags) => tags },
    { limit: FOLDED_LIMIT, fold: (tags) => ({ ...tags, "gen_ai.agent.name": OTHER }) },
    { limit: Number.POSITIVE_INFINITY, fold: (tags) => keep(tags, GEN_AI_KEPT) },
  ];
  const blocked: readonly Level<Tags>[] = [
    ...taggedLevel(limit, own),
    { limit, fold: (tags) => withoutOwn(tags, own) },
    { limit: Number.POSITIVE_INFINITY, fold: (tags) => keep(tags, new Set(["reason", "mode", "process"]), own) },
  ];
  const faults: readonly Level<Tags>[] = [
    { limit: MAX_FAULT_STEPS, fold: (tags) => tags },
    { limit: Number.POSITIVE_INFINITY, fold: (tags) => ({ ...tags, step: OTHER }) },
  ];
  const unmetered: readonly Level<Tags>[] = [
    { limit: MAX_HOSTS, fold: (tags) => tags },
    { limit: Number.POSITIVE_INFINITY, fold: (tags) => ({ ...tags, api_host: OTHER }) },
  ];
  const counter = (metric: MetricName, levels: readonly Level<Tags>[], scale = 1): Counter => ({
    metric,
    table: createSeriesTable(levels, () => 0),
    scale,
  });
  const counters = {
    cost: counter(METRICS.cost, spend, 1e9),
    charges: counter(METRICS.charges, spend, 1e9),
    tokens: counter(METRICS.tokens, spend),
    calls: counter(METRICS.calls, spend),
    settledCalls: counter(METRICS.settledCalls, spend),
    overestimatedCost: counter(METRICS.overestimatedCost, spend, 1e9),
    overestimatedTokens: counter(METRICS.overestimatedTokens, spend),
    blocked: counter(METRICS.blockedCalls, blocked),
    faults: counter(METRICS.faults, faults),
    unmetered: counter(METRICS.unmeteredCalls, unmetered),
    inputTokens: counter(GEN_AI_METRICS.inputTokens, genAi),
    outputTokens: counter(GEN_AI_METRICS.outputTokens, genAi),
  };
  return {
    ...counters,
    durations: createSeriesTable(genAi, emptyHistogram),
    counters: Object.values(counters),
  };
}

function spendLevels(limit: number, own: readonly string[]): readonly Level<Tags>[] {
  return [
    ...taggedLevel(limit, own),
    { limit, fold: (tags) => withoutOwn(tags, own) },
    { limit: FOLDED_LIMIT, fold: (tags) => ({ ...withoutOwn(tags, own), agent: OTHER, root_agent: OTHER }) },
    { limit: Number.POSITIVE_INFINITY, fold: (tags) => keep(tags, SPEND_KEPT, ["team", "project", ...own]) },
  ];
}

function taggedLevel(limit: number, own: readonly string[]): readonly Level<Tags>[] {
  return own.length === 0 ? [] : [{ limit: Math.floor(limit * TAGGED_SHARE), fold: (tags) => tags }];
}

/** The tags with `other` in place of the user's own. */
function withoutOwn(tags: Tags, own: readonly string[]): Tags {
  const set = own.filter((name) => tags[name] !== undefined);
  return set.length === 0 ? tags : { ...tags, ...Object.fromEntries(set.map((name) => [name, OTHER])) };
}

export function addSeconds(histogram: Histogram, seconds: number): void {
  let index = 0;
  while (index < DURATION_BOUNDS.length && seconds > DURATION_BOUNDS[index]!) index++;
  histogram.counts[index]! += 1;
  histogram.count += 1;
  histogram.sum += seconds;
  histogram.min = Math.min(histogram.min, seconds);
  histogram.max = Math.max(histogram.max, seconds);
}

function emptyHistogram(): Histogram {
  const counts = new Array<number>(DURATION_BOUNDS.length + 1).fill(0);
  return { count: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, counts };
}

/**
 * The tags with every value but the kept ones as `other`; `always` are there even if they were not set. What is on no bill
 * stays apart from what is.
 */
function keep(tags: Tags, kept: ReadonlySet<string>, always: readonly string[] = []): Tags {
  const folded: Record<string, string> = {};
  for (const name of new Set([...Object.keys(tags), ...always])) {
    const value = tags[name];
    folded[name] = value !== undefined && (kept.has(name) || isPlan(name, value)) ? value : OTHER;
  }
  return Object.fromEntries(Object.entries(folded).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isPlan(name: string, value: string): boolean {
  return name === "priced" && value === "plan";
}
