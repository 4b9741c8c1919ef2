import { windowStart } from "./ledger.ts";

/** The time over which a budget counts. Calendar windows are UTC. */
export type Period =
  | { readonly kind: "run" }
  | { readonly kind: "hour" | "day" | "month" }
  | { readonly kind: "moving"; readonly ms: number };

/** The windows in which an amount is counted at some time. */
export interface Span {
  /** The name of the window, or of the part of a moving window, that `now` lies in. */
  readonly current: string;
  /** Parts of a moving window that still count. */
  readonly earlier: readonly string[];
  /** Milliseconds since the epoch at which `current` began; 0 for a run. */
  readonly start: number;
  /** Milliseconds since the epoch at which `current` is over; undefined for a run. */
  readonly end: number | undefined;
}

/** Parts of a moving window. It covers one part more than its length, so that it is never too short. */
const PARTS = 10;
const TIMES: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const CALENDAR = ["hour", "day", "month"] as const;

/** Reads `run`, `hour`, `day`, `month`, `minute`, or a duration such as `90s`, `15m`, `24h`, `7d`. */
export function readPeriod(text: unknown): Period | undefined {
  if (text === "run") return { kind: "run" };
  const calendar = CALENDAR.find((kind) => kind === text);
  if (calendar) return { kind: calendar };
  const ms = text === "minute" ? TIMES.m : readDuration(text);
  return ms === undefined || ms < 1_000 ? undefined : { kind: "moving", ms };
}

/** Milliseconds of a duration such as `500ms`, `90s`, `15m`, `24h`, `7d`. */
export function readDuration(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const [, amount, unit = ""] = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  return amount === undefined ? undefined : Math.round(Number(amount) * (unit === "ms" ? 1 : (TIMES[unit] as number)));
}

export function periodName(period: Period): string {
  if (period.kind !== "moving") return period.kind;
  const unit = ["d", "h", "m"].find((name) => period.ms % (TIMES[name] as number) === 0) ?? "s";
  return `${period.ms / (TIMES[unit] as number)}${unit}`;
}

/** @param run The run that the call belongs to. */
export function spanAt(period: Period, now: number, run: string): Span {
  if (period.kind === "run") return { current: run, earlier: [], start: 0, end: undefined };
  if (period.kind === "moving") {
    const part = period.ms / PARTS;
    const index = Math.floor(now / part);
    const earlier = Array.from({ length: PARTS }, (_, back) => `${index - 1 - back}`);
    return { current: `${index}`, earlier, start: Math.floor(index * part), end: Math.ceil((index + 1) * part) };
  }
  const start = windowStart(period.kind, now);
  return { current: `${start}`, earlier: [], start, end: windowEnd(period.kind, start) };
}

function windowEnd(kind: (typeof CALENDAR)[number], start: number): number {
  if (kind !== "month") return start + (kind === "hour" ? 3_600_000 : 86_400_000);
  const date = new Date(start);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}
