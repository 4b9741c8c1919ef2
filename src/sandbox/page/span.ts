/** Time ranges by name, in seconds; the month to date has no length of its own. */
export const LIVE: Readonly<Record<string, number>> = {
  "15m": 900,
  "1h": 3_600,
  "4h": 14_400,
  "1d": 86_400,
  "1w": 604_800,
  "30d": 30 * 86_400,
  "month to date": 0,
};

const UNITS: Readonly<Record<string, number>> = {
  minute: 60,
  hour: 3_600,
  day: 86_400,
  week: 604_800,
  month: 30 * 86_400,
};
const SPANS: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400, w: 604_800, mo: 30 * 86_400 };

export interface TimeSpan {
  readonly from: number;
  readonly to: number;
}

/** What a widget shows: its own time when it has one, else the range of the page. */
export function spanOf(time: unknown, range: string, now: number): TimeSpan {
  const {
    live_span: live,
    type,
    unit,
    value,
  } = (time ?? {}) as { live_span?: string; type?: string; unit?: string; value?: number };
  if (live === "month_to_date") return { from: monthStart(now), to: now };
  if (type === "live" && unit && value) return { from: now - (UNITS[unit] ?? 3_600) * value, to: now };
  const [, count, name = ""] = /^(\d+)(mo|[mhdw])$/.exec(live ?? "") ?? [];
  if (count !== undefined) return { from: now - Number(count) * (SPANS[name] ?? 3_600), to: now };
  const seconds = LIVE[range] ?? 14_400;
  return { from: seconds === 0 ? monthStart(now) : now - seconds, to: now };
}

function monthStart(now: number): number {
  const date = new Date(now * 1_000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 1_000;
}
