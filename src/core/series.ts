/** A running total of one metric for one set of tags. */
export interface Series<Tags> {
  readonly tags: Tags;
  /** Exact: nano-USD, tokens or calls since the process began. */
  total: number;
  /** Part of `total` that a meter provider has taken so far. */
  taken: number;
  /** What had been taken before the present provider appeared; it counts from there. */
  base: number;
  dirty: boolean;
}

/**
 * The totals behind one counter, never more than `limit` series and their overflow: OpenTelemetry's own overflow keeps
 * one value and silently drops the others. A series is never removed, so that a delta is always against the same past.
 */
export interface SeriesTable<Tags> {
  add(key: string, tags: () => Tags, amount: number): void;
  /** Visits every series that changed since the last visit, and takes it: the value is what the counter shows now. */
  take(visit: (value: number, tags: Tags) => void): void;
  /** A new provider counts from what was taken so far. */
  rebase(): void;
  /** Visits what nobody has taken yet, without taking it. */
  pending(visit: (amount: number, tags: Tags) => void): void;
  readonly size: number;
}

/** `fold` gives the tags under which a series beyond the limit adds up; it must map to few distinct keys. */
export function createSeriesTable<Tags extends object>(
  limit: number,
  fold: (tags: Tags) => { readonly key: string; readonly tags: Tags },
): SeriesTable<Tags> {
  const all = new Map<string, Series<Tags>>();
  let changed: Series<Tags>[] = [];

  function open(key: string, tags: Tags): Series<Tags> {
    const series: Series<Tags> = { tags, total: 0, taken: 0, base: 0, dirty: false };
    all.set(key, series);
    return series;
  }

  return {
    add(key, tags, amount) {
      let series = all.get(key);
      if (series === undefined) {
        const own = tags();
        if (all.size < limit) series = open(key, own);
        else {
          const folded = fold(own);
          series = all.get(folded.key) ?? open(folded.key, folded.tags);
        }
      }
      series.total += amount;
      if (!series.dirty) {
        series.dirty = true;
        changed.push(series);
      }
    },
    take(visit) {
      const taken = changed;
      changed = [];
      for (const series of taken) {
        series.dirty = false;
        series.taken = series.total;
        visit(series.total - series.base, series.tags);
      }
    },
    rebase() {
      for (const series of all.values()) series.base = series.taken;
    },
    pending(visit) {
      for (const series of changed) if (series.total > series.taken) visit(series.total - series.taken, series.tags);
    },
    get size() {
      return all.size;
    },
  };
}
