import { type BilledTokens, noTokens } from "../fake-vendor/prices.ts";

/** A call of the demo's made-up past. */
export interface PastCall {
  /** When it ended, in milliseconds since the epoch. */
  readonly at: number;
  readonly agent: string;
  readonly rootAgent: string;
  readonly team: string | undefined;
  readonly customer: string | undefined;
  /** As it was asked for. */
  readonly model: string;
  readonly ending: "completed" | "canceled";
  /** What the vendor bills. */
  readonly tokens: BilledTokens;
  /** Output tokens as they were metered: estimated where the call was canceled. */
  readonly meteredOutput: number;
  /** False for a call with a borrowed key that went past the meter. */
  readonly metered: boolean;
  /** Searches of the paid API that followed it. */
  readonly searches: number;
}

/** What an agent does with a model a few times a day. Tokens are those of an ordinary call. */
interface Job {
  readonly agent: string;
  readonly rootAgent?: string;
  readonly team?: string;
  readonly customer?: string;
  readonly model: string;
  readonly input: number;
  readonly output: number;
  /** The part of the input that is read from a cache. */
  readonly cached?: number;
  readonly webSearches?: number;
  readonly canceled?: true;
  readonly searches?: number;
}

const JOBS: readonly Job[] = [
  { agent: "researcher", team: "search", model: "gpt-5", input: 24_000, cached: 0.6, output: 4_000 },
  { agent: "researcher", team: "search", model: "claude-sonnet-5", input: 30_000, cached: 0.8, output: 5_000 },
  { agent: "researcher", team: "search", model: "claude-haiku-4-5", input: 9_000, output: 1_200, webSearches: 3 },
  { agent: "browser", team: "search", model: "gpt-5.5", input: 14_000, cached: 0.3, output: 1_800 },
  { agent: "browser", team: "search", model: "claude-sonnet-5", input: 12_000, output: 1_500, canceled: true },
  { agent: "planner", team: "travel", model: "claude-opus-5", input: 8_000, cached: 0.5, output: 2_500 },
  { agent: "flights", rootAgent: "planner", team: "travel", model: "claude-sonnet-5", input: 11_000, output: 2_000 },
  { agent: "hotels", rootAgent: "planner", team: "travel", model: "gpt-5", input: 10_000, output: 2_200 },
  { agent: "budget", rootAgent: "planner", team: "travel", model: "claude-haiku-4-5", input: 6_000, output: 900 },
  { agent: "scout", customer: "acme", model: "gpt-5", input: 5_000, output: 800, searches: 4 },
  { agent: "scout", customer: "zeta", model: "gpt-5", input: 5_000, output: 800, searches: 2 },
];

/** Whole hours, UTC, at which jobs run, and how much of a call's size is theirs. */
export const HOURS: readonly (readonly [hour: number, weight: number])[] = [
  [6, 0.5],
  [10, 1.3],
  [14, 1.1],
  [19, 0.6],
];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEKEND = 0.4;
/** Sizes differ by up to this share, both ways. */
const SPREAD = 0.25;
/** An estimate of a canceled call's output is off by up to this share. */
const OFF = 0.08;
/** Every so many days somebody uses the researcher's key without the meter. */
const UNMETERED_EVERY = 9;

/** The calls of a day, the same whenever it is asked for. @param day Start of the UTC day, in milliseconds since the epoch. */
export function pastCallsOf(day: number): readonly PastCall[] {
  const number = Math.floor(day / DAY_MS);
  // 1970 began on a Thursday.
  const weekend = [2, 3].includes(number % 7) ? WEEKEND : 1;
  const calls = HOURS.flatMap(([hour, weight], slot) =>
    JOBS.map((job, index) => {
      const share = weight * weekend * swing(number, slot * JOBS.length + index, SPREAD);
      return callOf(job, day + hour * HOUR_MS, share, swing(number, 1_000 + slot * JOBS.length + index, OFF));
    }),
  );
  if (number % UNMETERED_EVERY !== 0) return calls;
  const borrowed: Job = { agent: "researcher", team: "search", model: "gpt-5.5", input: 20_000, output: 3_000 };
  return [...calls, { ...callOf(borrowed, day + 14 * HOUR_MS, weekend, 1), metered: false }];
}

function callOf(job: Job, at: number, share: number, off: number): PastCall {
  const { agent, rootAgent = agent, team, customer, model, cached = 0, webSearches = 0, searches = 0 } = job;
  const input = Math.round(job.input * share);
  const output = Math.round(job.output * share);
  const cacheRead = Math.round(input * cached);
  return {
    ...{ at, agent, rootAgent, team, customer, model, webSearches, searches },
    ending: job.canceled ? "canceled" : "completed",
    tokens: { ...noTokens(), uncached: input - cacheRead, cacheRead, output, webSearches },
    meteredOutput: job.canceled ? Math.round(output * off) : output,
    metered: true,
  };
}

/** A factor around 1, by at most `spread`: a mixed-up number of the two, so that no run differs from another. */
function swing(a: number, b: number, spread: number): number {
  let mixed = Math.imul(a ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(b + 1, 0xc2b2_ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b_3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a_2d39);
  const unit = ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000;
  return 1 + (2 * unit - 1) * spread;
}
