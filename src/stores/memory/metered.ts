import { type LateCall, type LateSettlement, metersOf } from "../../core/late/late-call.ts";
import {
  hourOf,
  KEEP_MINUTES_MS,
  type MinuteTotal,
  mergeMinutes,
  minuteKey,
  minuteSums,
} from "../../core/late/minute.ts";
import { windowStart } from "../../core/ledger.ts";
import { KEEP_METERED_MS, type MeteredRow, mergeMetered } from "../../core/metered.ts";
import { type KeptLate, type LateRecords, type MeteredTotal, NO_RECORDS } from "../store.ts";

/** What a store in memory keeps of metered spend. */
export interface MeteredState {
  readonly clock: () => number;
  /** By day, then by holder and group. */
  readonly days: Map<number, Map<string, MeteredTotal>>;
  readonly lateCalls: Map<string, LateCall>;
  readonly settlements: Map<string, LateSettlement>;
  /** By holder and group. */
  readonly minutes: Map<string, MinuteTotal>;
}

export function putMetered(
  { days, lateCalls, minutes, clock }: MeteredState,
  holder: string,
  totals: readonly MeteredTotal[],
  late: LateRecords = NO_RECORDS,
): void {
  for (const total of totals) {
    let day = days.get(total.day);
    if (day === undefined) {
      day = new Map();
      days.set(total.day, day);
      for (const old of days.keys()) if (old < clock() - KEEP_METERED_MS) days.delete(old);
    }
    day.set(`${holder} ${total.key}`, total);
  }
  for (const call of late.calls) lateCalls.set(call.id, call);
  for (const minute of late.minutes) minutes.set(`${holder} ${minuteKey(minute)}`, minute);
  if (late.minutes.length === 0) return;
  const oldest = clock() - KEEP_MINUTES_MS;
  for (const [key, { until }] of minutes) if (until < oldest) minutes.delete(key);
}

export function readMetered(state: MeteredState, from: number, until: number): readonly MeteredRow[] {
  const kept = [...state.days].filter(([day]) => day >= from && day < until);
  const totals = kept.flatMap(([, day]) => [...day.values()].map(({ key, sums }) => [key, sums] as const));
  const corrections = [...state.lateCalls.values()].flatMap((call) => {
    const settlement = state.settlements.get(call.id);
    return settlement === undefined || call.group.day < from || call.group.day >= until
      ? []
      : metersOf(call, settlement);
  });
  return mergeMetered([...totals, ...corrections]);
}

export function readLate({ lateCalls, settlements, minutes }: MeteredState, from: number, until: number): KeptLate {
  const kept = [...minutes.values()].filter((minute) => minute.from >= hourOf(from) && minute.from < until);
  return {
    calls: [...lateCalls.values()].filter(({ group }) => group.day >= windowStart("day", from) && group.day < until),
    settlements,
    minutes: mergeMinutes(kept.map((minute) => [minuteKey(minute), JSON.stringify(minuteSums(minute))])),
  };
}

export function settle(state: MeteredState, { id }: LateCall, settlement: LateSettlement): boolean {
  const { settlements, lateCalls, clock } = state;
  if (settlements.has(id)) return false;
  settlements.set(id, settlement);
  const oldest = clock() - KEEP_METERED_MS;
  for (const [old, { endedAt }] of lateCalls) {
    if (endedAt >= oldest) break;
    lateCalls.delete(old);
    settlements.delete(old);
  }
  return true;
}
