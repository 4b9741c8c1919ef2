import type { Rules } from "./rules.ts";

/** When the hour, day or month began that `now` lies in, in seconds, by the monitor's own calendar. */
export function periodStart(period: "hour" | "day" | "month", now: number, calendar: Rules["calendar"]): number {
  const { hour, minute, day, hourStarts, zone } = calendar;
  const local = wall(now, zone);
  if (period === "hour") return now - (((local.minute - hourStarts + 60) % 60) * 60 + local.second);
  const begun = local.hour * 60 + local.minute >= hour * 60 + minute;
  if (period === "day") return instant({ ...local, day: local.day - (begun ? 0 : 1), hour, minute }, zone);
  const inMonth = local.day > day || (local.day === day && begun);
  return instant({ ...local, month: local.month - (inMonth ? 0 : 1), day, hour, minute }, zone);
}

interface Wall {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const FORMATS = new Map<string, Intl.DateTimeFormat>();

function wall(seconds: number, zone: string): Wall {
  let format = FORMATS.get(zone);
  if (format === undefined) {
    const parts = {
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    } as const;
    format = new Intl.DateTimeFormat("en-US", { ...parts, timeZone: zone, hourCycle: "h23" });
    FORMATS.set(zone, format);
  }
  const found: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(seconds * 1_000)) found[type] = Number(value);
  return found as unknown as Wall;
}

/** The moment at which clocks of a zone show this. Days and months may be out of range. */
function instant({ year, month, day, hour, minute }: Omit<Wall, "second">, zone: string): number {
  const wanted = Date.UTC(year, month - 1, day, hour, minute) / 1_000;
  let guess = wanted;
  // Twice, because the offset of the guess may be that of the other side of a change of clocks.
  for (let i = 0; i < 2; i += 1) {
    const shown = wall(guess, zone);
    guess += wanted - Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second) / 1_000;
  }
  return guess;
}
