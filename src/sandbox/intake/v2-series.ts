import type { MetricType, SeriesStore } from "../series/series.ts";

const TYPES: Readonly<Record<number, MetricType>> = { 0: "gauge", 1: "count", 2: "rate", 3: "gauge" };

/**
 * Takes the body of `POST /api/v2/series`. Faults of single parts are listed in `errors`, with status 202; a
 * body of another shape is refused.
 */
export function takeSeries(
  body: unknown,
  store: SeriesStore,
  toTime: (seconds: number) => number,
): { readonly status: 202 | 400; readonly body: { readonly errors: readonly string[] } } {
  const rows = (body as { series?: unknown } | null)?.series;
  if (!Array.isArray(rows)) return { status: 400, body: { errors: ['"series" must be a list'] } };
  const errors: string[] = [];
  for (const [index, row] of rows.entries()) {
    const fault = takeRow(row as Row, store, toTime);
    if (fault !== undefined) errors.push(`series[${index}]: ${fault}`);
  }
  return { status: 202, body: { errors } };
}

interface Row {
  readonly metric?: unknown;
  readonly type?: unknown;
  readonly points?: unknown;
  readonly tags?: unknown;
  readonly resources?: unknown;
}

function takeRow(row: Row, store: SeriesStore, toTime: (seconds: number) => number): string | undefined {
  if (typeof row?.metric !== "string" || row.metric === "") return '"metric" must be a name';
  const type = TYPES[(row.type ?? 0) as number];
  if (type === undefined) return '"type" must be 0, 1, 2 or 3';
  if (!Array.isArray(row.points)) return '"points" must be a list';
  const tags = (Array.isArray(row.tags) ? row.tags : []).filter((tag) => typeof tag === "string");
  const resources = (Array.isArray(row.resources) ? row.resources : []) as ({ type?: string; name?: string } | null)[];
  const texts = [...tags, ...resources.flatMap((one) => (one?.type && one.name ? `${one.type}:${one.name}` : []))];
  const alias = texts.join("\u0001");
  let wrong = 0;
  for (const point of row.points as ({ timestamp?: unknown; value?: unknown } | null)[]) {
    const { timestamp, value } = point ?? {};
    if (typeof timestamp !== "number" || typeof value !== "number") wrong += 1;
    else store.write(row.metric, type, alias, () => texts, toTime(timestamp), value);
  }
  return wrong === 0 ? undefined : `${wrong} points without a number`;
}

const TYPE_OF: Readonly<Record<string, number>> = { gauge: 3, count: 1, rate: 2 };

/** The body of `POST /api/v1/series`, whose points are pairs, in the form of version 2. */
export function fromFirst(body: unknown): unknown {
  const rows = (body as { series?: unknown } | null)?.series;
  if (!Array.isArray(rows)) return body;
  const series = (rows as readonly (Row & { readonly host?: string })[]).map(({ host, type, points, ...row }) => ({
    ...row,
    type: typeof type === "string" ? TYPE_OF[type] : 3,
    points: Array.isArray(points) ? points.map(([timestamp, value]) => ({ timestamp, value })) : points,
    ...(host && { resources: [{ type: "host", name: host }] }),
  }));
  return { series };
}
