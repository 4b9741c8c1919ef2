import {
  type LateCall,
  type LateSettlement,
  metersOf,
  readLateCall,
  readSettlement,
} from "../../core/late/late-call.ts";
import { hourOf, KEEP_MINUTES_MS, mergeMinutes, minuteKey, minuteSums } from "../../core/late/minute.ts";
import { windowStart } from "../../core/ledger.ts";
import { KEEP_METERED_MS } from "../../core/metered.ts";
import type { KeptLate, LateRecords } from "../store.ts";
import { type Connection, use } from "./connection.ts";
import type { Row } from "./tables.ts";

/** Call it inside a transaction. */
export function putLate({ sql }: Connection, holder: string, { calls, minutes }: LateRecords, now: number): void {
  for (const call of calls) sql.putLateCall.run(call.group.day, call.id, JSON.stringify(call));
  for (const minute of minutes)
    sql.putMinute.run(hourOf(minute.from), holder, minuteKey(minute), JSON.stringify(minuteSums(minute)));
  if (calls.length > 0) sql.forgetLateCalls.run(now - KEEP_METERED_MS);
  if (minutes.length > 0) sql.forgetMinutes.run(now - KEEP_MINUTES_MS);
}

/** Call it inside a transaction. */
export function settleCall({ sql }: Connection, { id, group }: LateCall, settlement: LateSettlement): boolean {
  return Number(sql.settle.run(group.day, id, JSON.stringify(settlement)).changes) > 0;
}

export function readLate(connection: Connection, from: number, until: number): KeptLate {
  const { sql } = connection;
  const first = windowStart("day", from);
  const rows = use(connection, () => sql.lateCalls.all(first, until)) as Row[];
  const minutes = use(connection, () => sql.minutes.all(hourOf(from), until)) as Row[];
  const settlements = new Map<string, LateSettlement>();
  const calls: LateCall[] = [];
  for (const row of rows) {
    const { call, settlement } = readRow(row);
    if (call === undefined) continue;
    calls.push(call);
    if (settlement !== undefined) settlements.set(call.id, settlement);
  }
  return {
    calls,
    settlements,
    minutes: mergeMinutes(minutes.map(({ key, sums }) => [String(key), String(sums)])),
  };
}

/** What settlements change of the metered rows of these days. */
export function readCorrections(
  connection: Connection,
  from: number,
  until: number,
): readonly (readonly [key: string, sums: readonly number[]])[] {
  const rows = use(connection, () => connection.sql.lateCalls.all(from, until)) as Row[];
  return rows.flatMap((row) => {
    if (row.settlement === null) return [];
    const { call, settlement } = readRow(row);
    return call === undefined || settlement === undefined ? [] : metersOf(call, settlement);
  });
}

export function readSettlements(
  connection: Connection,
  calls: readonly LateCall[],
): readonly (LateSettlement | undefined)[] {
  return use(connection, () =>
    calls.map(({ id, group }) => {
      const row = connection.sql.settlement.get(group.day, id) as Row | undefined;
      return typeof row?.settlement === "string" ? readSettlement(row.settlement) : undefined;
    }),
  );
}

function readRow({ json, settlement }: Row): {
  readonly call: LateCall | undefined;
  readonly settlement: LateSettlement | undefined;
} {
  return {
    call: readLateCall(String(json)),
    settlement: typeof settlement === "string" ? readSettlement(settlement) : undefined,
  };
}
