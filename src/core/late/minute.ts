import type { SettledCall } from "../call.ts";
import { array, parse } from "../json.ts";
import type { Usage } from "../usage.ts";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
const MAX_CALL_MS = 24 * HOUR_MS;
/** For how long minutes are kept: a vendor's minute that is later than this does not settle a call. */
export const KEEP_MINUTES_MS = 6 * HOUR_MS;

/** Tokens and counts that a vendor counts by the minute; kinds that never overlap, but `cacheWrite1h` is part of `cacheWrite`. */
export interface MinuteSums {
  requests: number;
  inputUncached: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWrite1h: number;
  /** Reasoning included. */
  output: number;
  webSearches: number;
}

/** The calls of a key and model that began in one minute and ended in another, or the same. */
export interface MinuteGroup {
  readonly provider: string;
  readonly key: string;
  readonly model: string;
  /** Starts of the first and the last minute, in milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
}

/** Totals of reported calls of a group. */
export interface MinuteTotal extends MinuteGroup, MinuteSums {}

export const NO_MINUTE: Readonly<MinuteSums> = {
  requests: 0,
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  output: 0,
  webSearches: 0,
};

const SUMS = Object.keys(NO_MINUTE) as readonly (keyof MinuteSums)[];

export function minuteOf(ms: number): number {
  return ms - (ms % MINUTE_MS);
}

export function hourOf(ms: number): number {
  return ms - (ms % HOUR_MS);
}

export function addUsage(into: MinuteSums, usage: Usage): void {
  into.requests += 1;
  into.inputUncached += usage.input - usage.cacheRead - usage.cacheWrite;
  into.cacheRead += usage.cacheRead;
  into.cacheWrite += usage.cacheWrite;
  into.cacheWrite1h += usage.cacheWrite1h;
  into.output += usage.output;
  into.webSearches += usage.webSearches;
}

export function addMinute(into: MinuteSums, sums: MinuteSums): void {
  for (const field of SUMS) into[field] += sums[field];
}

export function minuteGroupOf(call: SettledCall): MinuteGroup {
  return {
    provider: call.provider,
    key: call.scope.key ?? "",
    model: call.model,
    from: minuteOf(call.startedAt),
    until: minuteOf(Math.trunc(call.startedAt + call.durationMs)),
  };
}

/** The key of a group in a store. */
export function minuteKey({ provider, key, model, from, until }: MinuteGroup): string {
  return JSON.stringify([provider, key, model, from, until]);
}

export function minuteSums(total: MinuteSums): readonly number[] {
  return SUMS.map((field) => total[field]);
}

/** The totals of several processes, as one a group; without those that cannot be read. */
export function mergeMinutes(rows: Iterable<readonly [key: string, sums: string]>): readonly MinuteTotal[] {
  const merged = new Map<string, MinuteTotal>();
  for (const [key, json] of rows) {
    const total = readMinute(key, json);
    if (total === undefined) continue;
    const before = merged.get(key);
    if (before === undefined) merged.set(key, total);
    else addMinute(before, total);
  }
  return [...merged.values()];
}

function readMinute(key: string, json: string): MinuteTotal | undefined {
  const [provider, name, model, from, until] = array(parse(key));
  const sums = array(parse(json));
  const texts = typeof provider === "string" && typeof name === "string" && typeof model === "string";
  if (!texts || typeof from !== "number" || typeof until !== "number") return undefined;
  // No call lasts longer, and its minutes would reach over those of all others.
  if (!(until >= from && until - from <= MAX_CALL_MS)) return undefined;
  if (sums.length !== SUMS.length || !sums.every((sum) => Number.isSafeInteger(sum))) return undefined;
  const values = Object.fromEntries(SUMS.map((field, index) => [field, sums[index]])) as unknown as MinuteSums;
  return { provider, key: name, model, from, until, ...values };
}
