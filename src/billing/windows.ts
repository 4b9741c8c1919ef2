import { type BillWindow, DAY_MS, dayOf, type Report } from "./vendors/vendor.ts";

export interface PlanInput {
  readonly report: Report;
  /** The first requested day. */
  readonly from: number;
  /** The end of the last one; never later than now. */
  readonly until: number;
  readonly now: number;
  /** Whether a day is to be read; days that are not, because they were, make holes. */
  readonly isDue: (day: number) => boolean;
}

/**
 * The windows in which a report is read: as long as the vendor accepts, spanning no seam of its query, with no end in
 * the future, without days that need not be read again.
 */
export function planWindows({ report, from, until, now, isDue }: PlanInput): readonly BillWindow[] {
  const first = Math.max(dayOf(from), dayOf(report.earliest(now) + DAY_MS - 1));
  const last = Math.min(until, report.completeOnly ? dayOf(now) : now);
  const windows: BillWindow[] = [];
  let begin: number | undefined;
  const close = (end: number): void => {
    if (begin !== undefined && end > begin) windows.push({ report: report.name, from: begin, until: end });
    begin = undefined;
  };
  for (let day = first; day < last; day += DAY_MS) {
    if (!isDue(day)) {
      close(day);
      continue;
    }
    const full = begin !== undefined && day - begin >= report.days * DAY_MS;
    if (full || report.seams?.includes(day)) close(day);
    begin ??= day;
  }
  close(last);
  return windows;
}

/** Whole days of a window, by their starts. */
export function daysOf({ from, until }: Pick<BillWindow, "from" | "until">): readonly number[] {
  const days: number[] = [];
  for (let day = dayOf(from); day < until; day += DAY_MS) days.push(day);
  return days;
}
