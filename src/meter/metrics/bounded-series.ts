/** Sums under one set of tags, until an exporter takes them. */
export interface Series<Tags, Value> {
  readonly tags: Tags;
  /** What came since it was last taken. */
  value: Value;
  /** Something came, even if it adds up to zero. */
  changed: boolean;
}

/**
 * How a table keeps its number of series bounded. While it has fewer than `limit` series a new one opens under its own
 * tags; above that, the next level's `fold` says under which tags it adds up instead.
 */
export interface Level<Tags> {
  readonly limit: number;
  readonly fold: (tags: Tags) => Tags;
}

/**
 * The series behind one metric. OpenTelemetry's own overflow loses who spent the money, and for observed values it
 * keeps one and drops the others; this one only folds names together, so that the sum over all series stays exact.
 * A series is never removed: a provider that counts cumulatively keeps it anyway.
 */
export interface SeriesTable<Tags, Value> {
  /** The series for these tags, or the one that they fold into. Keep the result: looking up is the slow part. */
  open(tags: Tags): Series<Tags, Value>;
  /** To be called when a series' value was changed. */
  touch(series: Series<Tags, Value>): void;
  /**
   * Hands over the sums since the last take and resets them to zero. The taker owns the result; what
   * `visit` throws on is kept for the next time, and thrown on.
   */
  take(visit: (value: Value, tags: Tags) => void): void;
  /** The series of which there is something to take. */
  readonly untaken: readonly Series<Tags, Value>[];
  readonly size: number;
}

/** The last level must map to few distinct tags, because it has no limit. */
export function createSeriesTable<Tags extends object, Value>(
  levels: readonly Level<Tags>[],
  zero: () => Value,
): SeriesTable<Tags, Value> {
  const all = new Map<string, Series<Tags, Value>>();
  let changed: Series<Tags, Value>[] = [];

  return {
    open(tags) {
      for (const [index, level] of levels.entries()) {
        const own = level.fold(tags);
        const key = keyOf(own);
        const found = all.get(key);
        if (found) return found;
        if (all.size >= level.limit && index < levels.length - 1) continue;
        const series: Series<Tags, Value> = { tags: own, value: zero(), changed: false };
        all.set(key, series);
        return series;
      }
      throw new RangeError("a series table needs a level");
    },
    touch(series) {
      if (series.changed) return;
      series.changed = true;
      changed.push(series);
    },
    take(visit) {
      const taken = changed;
      changed = [];
      for (const [index, series] of taken.entries()) {
        try {
          visit(series.value, series.tags);
        } catch (error) {
          changed = [...taken.slice(index), ...changed];
          throw error;
        }
        series.changed = false;
        series.value = zero();
      }
    },
    get untaken() {
      return changed;
    },
    get size() {
      return all.size;
    },
  };
}

/**
 * Backends such as Datadog compare tags in lower case, and of two points with equal tags they keep one: what they
 * cannot tell apart must be one series here. The spelling that came first is the one that is shown.
 */
function keyOf(tags: object): string {
  return JSON.stringify(Object.entries(tags)).toLowerCase();
}
