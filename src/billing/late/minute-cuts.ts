import type { LateCall, LateSettlement } from "../../core/late/late-call.ts";
import {
  addMinute,
  addUsage,
  MINUTE_MS,
  type MinuteSums,
  type MinuteTotal,
  minuteOf,
  NO_MINUTE,
} from "../../core/late/minute.ts";
import { bareModel, LINGER_MS, type MinuteSpan } from "./minute-spans.ts";
import type { VendorMinute } from "./vendors/late-vendor.ts";

/** By which of its times a vendor counts a call: when it began, or when it ended. No vendor documents it. */
export type MinuteRule = "from" | "until";
export const MINUTE_RULES: readonly MinuteRule[] = ["from", "until"];

/**
 * The minutes of a busy key in which calls broke off, by one rule, and the minutes beside them in which none did. Calls of
 * a busy key overlap from minute to minute, so that no span ever ends: it is cut by the rule that fits the minutes beside.
 */
export interface MinuteCut extends MinuteSpan {
  readonly beside: readonly (readonly [minute: number, known: Readonly<MinuteSums>])[];
}

/** How far the minutes reach that are compared before and after. */
export const BESIDE_MS = 3 * MINUTE_MS;

/** @param span A span that is too long. */
export function cutsOf(
  span: MinuteSpan,
  calls: readonly LateCall[],
  settlements: ReadonlyMap<string, LateSettlement>,
  totals: readonly MinuteTotal[],
  rule: MinuteRule,
): readonly MinuteCut[] {
  const isOurs = (provider: string, key: string, model: string): boolean =>
    provider === span.provider && key === span.key && bareModel(model) === span.model;
  const late = calls.filter(({ group }) => isOurs(group.provider, group.key, group.model));
  const minutes = new Map<number, MinuteSums>();
  for (const total of totals) {
    if (!isOurs(total.provider, total.key, total.model)) continue;
    const sums = minutes.get(total[rule]) ?? { ...NO_MINUTE };
    minutes.set(total[rule], sums);
    addMinute(sums, total);
  }
  const windows = windowsOf(late, rule);
  const touched = new Set(windows.flatMap(({ from, until }) => minutesIn(from, until)));
  return windows.flatMap(({ from, until, calls: own }): MinuteCut[] => {
    const open = own.filter(({ id }) => !settlements.has(id));
    if (open.length === 0) return [];
    const known = { ...NO_MINUTE };
    for (const minute of minutesIn(from, until)) addMinute(known, minutes.get(minute) ?? NO_MINUTE);
    for (const { id } of own) {
      const settlement = settlements.get(id);
      if (settlement !== undefined) addUsage(known, settlement.usage);
    }
    const around = minutesIn(from - BESIDE_MS, until + BESIDE_MS);
    const beside = around
      .filter((minute) => !touched.has(minute))
      .map((minute) => [minute, minutes.get(minute) ?? NO_MINUTE] as const);
    const { provider, key, model } = span;
    return [{ provider, key, model, from, until, calls: open, known, beside }];
  });
}

/** Whether the vendor counted exactly what was reported in the minutes beside, of which at least one had calls. */
export function fits({ beside }: MinuteCut, rows: readonly VendorMinute[]): boolean {
  if (!beside.some(([, { requests }]) => requests > 0)) return false;
  return beside.every(([minute, known]) => {
    const counted = { ...NO_MINUTE };
    for (const row of rows) if (row.minute === minute) addMinute(counted, { ...row, webSearches: 0 });
    return COMPARED.every((kind) => counted[kind] === known[kind]);
  });
}

const COMPARED = ["requests", "inputUncached", "cacheRead", "cacheWrite", "output"] as const;

interface CutWindow {
  readonly from: number;
  until: number;
  readonly calls: LateCall[];
}

/** Minutes in which the vendor may have counted calls that broke off; those that overlap are one window. */
function windowsOf(calls: readonly LateCall[], rule: MinuteRule): readonly CutWindow[] {
  const windows: CutWindow[] = [];
  const timeOf = ({ startedAt, endedAt }: LateCall): number => (rule === "from" ? startedAt : endedAt);
  for (const call of [...calls].sort((a, b) => timeOf(a) - timeOf(b))) {
    const from = minuteOf(timeOf(call));
    const until = minuteOf(timeOf(call) + (rule === "from" ? 0 : LINGER_MS));
    const last = windows.at(-1);
    if (last !== undefined && from <= last.until) {
      last.until = Math.max(last.until, until);
      last.calls.push(call);
    } else windows.push({ from, until, calls: [call] });
  }
  return windows;
}

function minutesIn(from: number, until: number): readonly number[] {
  const minutes: number[] = [];
  for (let minute = from; minute <= until; minute += MINUTE_MS) minutes.push(minute);
  return minutes;
}
