import { SpendfuseError } from "../core/errors.ts";
import { type MeteredRow, NOTHING_METERED } from "../core/metered.ts";
import { METRICS } from "../core/names.ts";
import { CHARGE_PROVIDER } from "../pricing/charge.ts";
import type { Client } from "./client.ts";
import { refusalOf } from "./rest/refusal.ts";

/** Tags that every series has, which a team or a tag of the user's own is not: those without one are in no group. */
const BY = ["agent", "root_agent", "provider", "model", "quality"];
const CHARGED_BY = ["agent", "root_agent", "what"];
/** Calls on subscriptions are on no bill. */
const ON_A_BILL = "!priced:plan";
const DAY_S = 86_400;
/** Days queried together, and how long the answer is cached. */
const SPAN_MS = 28 * DAY_S * 1_000;
const FRESH_MS = 240_000;

/** What settled calls were estimated too high at has counters of its own, because counters only rise. */
const COSTS = [
  [METRICS.cost, 1],
  [METRICS.overestimatedCost, -1],
] as const;
const TOKENS = [
  [METRICS.tokens, 1],
  [METRICS.overestimatedTokens, -1],
] as const;

type Row = { -readonly [K in keyof MeteredRow]: MeteredRow[K] };

const KINDS: Readonly<Record<string, "inputUncached" | "cacheRead" | "cacheWrite" | "output">> = {
  input_uncached: "inputUncached",
  cache_read: "cacheRead",
  cache_write: "cacheWrite",
  output: "output",
  reasoning: "output",
};

/**
 * Metered rows out of Datadog's metrics, for fleets without a store: without keys and tiers, and only as exact as
 * what arrived there.
 */
export function createMeteredQuery({ v1, configuration }: Client, now: () => number = Date.now) {
  const api = new v1.MetricsApi(configuration);

  async function ask(metric: string, by: readonly string[], from: number, until: number) {
    const query = `sum:${metric}{${ON_A_BILL}} by {${by.join(",")}}.as_count().rollup(sum, ${DAY_S})`;
    try {
      const { series = [] } = await api.queryMetrics({ from: from / 1_000, to: until / 1_000 - 1, query });
      return series.flatMap(({ tagSet = [], pointlist = [] }) => {
        const tags = Object.fromEntries(
          tagSet.map((tag) => [tag.slice(0, tag.indexOf(":")), tag.slice(tag.indexOf(":") + 1)]),
        );
        return pointlist.map(([ms = 0, value = 0]) => ({ tags, day: ms - (ms % (DAY_S * 1_000)), value }));
      });
    } catch (error) {
      const { message } = refusalOf(error);
      throw new SpendfuseError("SPENDFUSE_DATADOG", `metered spend cannot be read from Datadog: ${message}`, {}, error);
    }
  }

  async function read(from: number, until: number): Promise<readonly MeteredRow[]> {
    const rows = new Map<string, Row>();
    const rowOf = (tags: Readonly<Record<string, string>>, day: number): Row => {
      const id = JSON.stringify([day, ...BY.map((tag) => tags[tag])]);
      let row = rows.get(id);
      if (row === undefined) {
        row = {
          ...NOTHING_METERED,
          day,
          provider: tags.provider ?? "",
          model: tags.model ?? "",
          agent: tags.agent ?? "unknown",
          rootAgent: tags.root_agent ?? "unknown",
          quality: (tags.quality ?? "reported") as Row["quality"],
          priced: "true",
          tier: "",
          key: "",
          team: "",
          project: "",
        };
        rows.set(id, row);
      }
      return row;
    };
    for (const [metric, sign] of COSTS)
      for (const { tags, day, value } of await ask(metric.name, BY, from, until))
        rowOf(tags, day).cost += sign * Math.round(value * 1e9);
    for (const [metric, sign] of TOKENS)
      for (const { tags, day, value } of await ask(metric.name, [...BY, "token_type"], from, until)) {
        const kind = KINDS[tags.token_type ?? ""];
        if (kind !== undefined) rowOf(tags, day)[kind] += sign * Math.round(value);
      }
    for (const { tags, day, value } of await ask(METRICS.calls.name, [...BY, "ending"], from, until)) {
      // Refused and failed calls are not billed.
      if (tags.ending === "completed" || tags.ending === "canceled") rowOf(tags, day).calls += Math.round(value);
    }
    for (const { tags, day, value } of await ask(METRICS.charges.name, CHARGED_BY, from, until)) {
      const row = rowOf({ ...tags, provider: CHARGE_PROVIDER, model: tags.what ?? "" }, day);
      row.cost += Math.round(value * 1e9);
    }
    for (const row of rows.values()) if (row.cost === 0 && row.inputUncached + row.output > 0) row.priced = "false";
    return [...rows.values()];
  }

  /** Each vendor asks for its days one by one; Datadog is queried once for many. */
  const spans = new Map<number, { readonly at: number; readonly rows: Promise<readonly MeteredRow[]> }>();

  function readSpan(start: number): Promise<readonly MeteredRow[]> {
    const kept = spans.get(start);
    if (kept !== undefined && now() - kept.at < FRESH_MS) return kept.rows;
    const rows = read(start, Math.min(start + SPAN_MS, now()));
    // Failed queries are retried.
    rows.catch(() => spans.delete(start));
    spans.set(start, { at: now(), rows });
    return rows;
  }

  return async (from: number, until: number): Promise<readonly MeteredRow[]> => {
    const found: MeteredRow[] = [];
    for (let start = from - (from % SPAN_MS); start < Math.min(until, now()); start += SPAN_MS)
      found.push(...(await readSpan(start)).filter(({ day }) => day >= from && day < until));
    return found;
  };
}
