import type { Priced, Quality, SettledCall } from "./call.ts";
import { array, parse } from "./json.ts";
import { windowStart } from "./ledger.ts";
import { WASTE_TAG } from "./tags/tags.ts";
import type { Usage } from "./usage.ts";

/** Where metered usage comes from. `settled` was estimated or unknown, until the vendor said more. */
export type MeteredQuality = Quality | "settled";

/** The dimensions of a metered row. An empty string is an absent value. */
export interface MeteredGroup {
  /** Start of the UTC day in which the calls ended, in milliseconds since the epoch. */
  readonly day: number;
  /** The vendor by its OpenTelemetry name. */
  readonly provider: string;
  readonly model: string;
  readonly tier: string;
  /** The alias or short hash of the API key. */
  readonly key: string;
  readonly agent: string;
  readonly rootAgent: string;
  readonly team: string;
  readonly project: string;
  readonly quality: MeteredQuality;
  readonly priced: Priced;
  /** Tags of the user's own as `writeTags` writes them; absent without any. */
  readonly tags?: string;
}

/** Totals of a group of calls. */
export interface MeteredSums {
  /** Calls that the vendor answered, or may have. */
  calls: number;
  /** Nano-USD; excludes what has no known price. */
  cost: number;
  /** Tokens; kinds that never overlap. `output` includes reasoning. */
  inputUncached: number;
  cacheRead: number;
  cacheWrite: number;
  output: number;
  /** A count. */
  webSearches: number;
}

export interface MeteredRow extends MeteredGroup, MeteredSums {}

export const NOTHING_METERED: Readonly<MeteredSums> = {
  calls: 0,
  cost: 0,
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite: 0,
  output: 0,
  webSearches: 0,
};

/** The sums of `calls` calls with this usage and cost. */
export function countUsage(usage: Usage, costNano: number, calls: number): MeteredSums {
  return {
    calls,
    cost: costNano,
    inputUncached: usage.input - usage.cacheRead - usage.cacheWrite,
    cacheRead: usage.cacheRead,
    cacheWrite: usage.cacheWrite,
    output: usage.output,
    webSearches: usage.webSearches,
  };
}

const GROUP = [
  ...["day", "provider", "model", "tier", "key", "agent", "rootAgent", "team", "project", "quality", "priced"],
] as readonly (keyof MeteredGroup)[];
const SUMS = Object.keys(NOTHING_METERED) as readonly (keyof MeteredSums)[];

/** Days that a store keeps of what was metered. */
export const KEEP_METERED_MS = 400 * 86_400_000;

/** The key of a group in a store. Without tags it is what it was before there were any. */
export function meteredKey(group: MeteredGroup): string {
  const values = GROUP.map((field) => group[field]);
  return JSON.stringify(group.tags ? [...values, group.tags] : values);
}

/** The group of a key; undefined for a key that {@link meteredKey} did not write. */
export function meteredGroup(key: string): MeteredGroup | undefined {
  const values = array(parse(key));
  const [day, ...names] = values;
  const tagged = names.length === GROUP.length;
  if (!Number.isSafeInteger(day) || (names.length !== GROUP.length - 1 && !tagged)) return undefined;
  if (!names.every((name) => typeof name === "string")) return undefined;
  const group = Object.fromEntries(GROUP.map((field, index) => [field, values[index]])) as unknown as MeteredGroup;
  return tagged ? { ...group, tags: values.at(-1) as string } : group;
}

export function meteredSums(row: MeteredSums): readonly number[] {
  return SUMS.map((field) => row[field]);
}

/** Sums that {@link meteredSums} gave, as JSON; zero for what cannot be added up, or cannot be read. */
export function sumsOf(json: string): readonly number[] {
  return array(parse(json)).map((value) => (isSum(value) ? value : 0));
}

function isSum(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

/** Adds what {@link meteredSums} has written to `into`. */
export function addMetered(into: MeteredSums, sums: readonly number[]): void {
  for (const [index, field] of SUMS.entries()) into[field] += sums[index] ?? 0;
}

/** The rows of several processes, as one row a group; without those whose key cannot be read. */
export function mergeMetered(rows: Iterable<readonly [key: string, sums: readonly number[]]>): readonly MeteredRow[] {
  const merged = new Map<string, MeteredSums>();
  for (const [key, sums] of rows) {
    let into = merged.get(key);
    if (into === undefined) {
      into = { ...NOTHING_METERED };
      merged.set(key, into);
    }
    addMetered(into, sums);
  }
  return [...merged].flatMap(([key, sums]) => {
    const group = meteredGroup(key);
    // Nothing is left of a group whose calls have all settled since.
    return group === undefined || SUMS.every((field) => sums[field] === 0) ? [] : [{ ...group, ...sums }];
  });
}

/**
 * The rows that a settled call adds, one per model. A call that was refused, by us or by the vendor, adds none. Those of a
 * call without a whole answer say so in the tag `waste`; so does a further row, with tokens alone, of input that a cache
 * could have held.
 * @param tags The tags to show, as `writeTags` writes them.
 */
export function meteredRows(
  call: SettledCall,
  parts: readonly { readonly model: string; readonly usage: Usage; readonly costNano: number | undefined }[],
  tags = "",
): readonly MeteredRow[] {
  const { scope, ending, status } = call;
  const failedEarly = ending === "failed" && status === undefined && call.usage === undefined;
  if (ending === "blocked" || failedEarly || (status !== undefined && status >= 400)) return [];
  const waste = ending === "completed" ? (call.repeated ? "repeated" : undefined) : ending;
  const shown = waste === undefined ? tags : wasteTags(tags, waste);
  const group = {
    day: windowStart("day", Math.trunc(call.startedAt + call.durationMs)),
    provider: call.provider,
    tier: call.tier ?? "",
    key: scope.key ?? "",
    agent: scope.agent,
    rootAgent: scope.rootAgent,
    team: scope.team ?? "",
    project: scope.project ?? "",
    quality: call.quality,
    priced: call.priced,
    ...(shown !== "" && { tags: shown }),
  };
  if (parts.length === 0) return [{ ...group, ...NOTHING_METERED, model: call.model, calls: 1 }];
  const rows = parts.map(({ model, usage, costNano = 0 }, index) => ({
    ...group,
    model,
    ...countUsage(usage, costNano, index === 0 ? 1 : 0),
  }));
  return call.uncached === undefined || waste !== undefined ? rows : apart(rows, call.uncached, tags);
}

/** Takes the tokens that a cache could have held out of the first row, into one of their own. */
function apart([first, ...others]: readonly MeteredRow[], uncached: number, tags: string): readonly MeteredRow[] {
  if (first === undefined) return others;
  const inputUncached = Math.min(uncached, first.inputUncached);
  const own = { ...first, ...NOTHING_METERED, inputUncached, tags: wasteTags(tags, "uncached") };
  return [{ ...first, inputUncached: first.inputUncached - inputUncached }, own, ...others];
}

function wasteTags(tags: string, why: string): string {
  return tags === "" ? `${WASTE_TAG}:${why}` : `${tags},${WASTE_TAG}:${why}`;
}
