import {
  type LateCall,
  type LateSettlement,
  metersOf,
  readLateCall,
  readSettlement,
} from "../../core/late/late-call.ts";
import { HOUR_MS, hourOf, KEEP_MINUTES_MS, mergeMinutes, minuteKey, minuteSums } from "../../core/late/minute.ts";
import { windowStart } from "../../core/ledger.ts";
import { KEEP_METERED_MS } from "../../core/metered.ts";
import type { KeptLate, LateRecords } from "../store.ts";
import { type Connection, runScript, send } from "./connection.ts";
import { type Hash, pairsOf } from "./hash.ts";

const DAY_MS = 86_400_000;

/** Writes a settlement unless there is one. Of the commands that a limited user of Redis has. ARGV: id, JSON, expiry. */
const SETTLE = `
if redis.call('HGET', KEYS[1], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1
`;

export async function putLate(connection: Connection, holder: string, { calls, minutes }: LateRecords): Promise<void> {
  for (const [day, own] of Map.groupBy(calls, ({ group }) => group.day)) {
    const hash = callsKey(connection, day);
    await send(connection, "HSET", hash, ...own.flatMap((call) => [call.id, JSON.stringify(call)]));
    await send(connection, "PEXPIREAT", hash, String(day + KEEP_METERED_MS));
  }
  for (const [hour, own] of Map.groupBy(minutes, ({ from }) => hourOf(from))) {
    const hash = minutesKey(connection, hour);
    const fields = own.flatMap((minute) => [`${holder} ${minuteKey(minute)}`, JSON.stringify(minuteSums(minute))]);
    await send(connection, "HSET", hash, ...fields);
    await send(connection, "PEXPIREAT", hash, String(hour + HOUR_MS + KEEP_MINUTES_MS));
  }
}

/** Settlements have a hash of their own, in which the first one stays. */
export async function settleCall(
  connection: Connection,
  { id, group }: LateCall,
  settlement: LateSettlement,
): Promise<boolean> {
  const hash = settlementsKey(connection, group.day);
  const values = [id, JSON.stringify(settlement), String(group.day + KEEP_METERED_MS)];
  return Number(await runScript(connection, SETTLE, [hash], values)) === 1;
}

export async function readSettlements(
  connection: Connection,
  calls: readonly LateCall[],
): Promise<readonly (LateSettlement | undefined)[]> {
  const found = new Map<string, LateSettlement>();
  for (const [day, own] of Map.groupBy(calls, ({ group }) => group.day)) {
    const hash = settlementsKey(connection, day);
    const texts = await Promise.all(own.map(({ id }) => send(connection, "HGET", hash, id)));
    for (const [index, text] of texts.entries()) {
      const settlement = typeof text === "string" ? readSettlement(text) : undefined;
      if (settlement !== undefined) found.set((own[index] as LateCall).id, settlement);
    }
  }
  return calls.map(({ id }) => found.get(id));
}

export async function readLate(connection: Connection, from: number, until: number): Promise<KeptLate> {
  const calls: LateCall[] = [];
  const settlements = new Map<string, LateSettlement>();
  for (let day = windowStart("day", from); day < until; day += DAY_MS) {
    for (const call of await readCalls(connection, day)) calls.push(call);
    for (const [id, settlement] of await readDay(connection, day)) settlements.set(id, settlement);
  }
  const rows: (readonly [string, string])[] = [];
  for (let hour = hourOf(from); hour < until; hour += HOUR_MS)
    for (const [field, sums] of await readHash(connection, minutesKey(connection, hour)))
      rows.push([field.slice(field.indexOf(" ") + 1), sums]);
  return { calls, settlements, minutes: mergeMinutes(rows) };
}

/** What settlements change of the metered rows of a day. */
export async function readCorrections(
  connection: Connection,
  day: number,
): Promise<readonly (readonly [key: string, sums: readonly number[]])[]> {
  const settlements = await readDay(connection, day);
  if (settlements.size === 0) return [];
  return (await readCalls(connection, day)).flatMap((call) => {
    const settlement = settlements.get(call.id);
    return settlement === undefined ? [] : metersOf(call, settlement);
  });
}

async function readCalls(connection: Connection, day: number): Promise<readonly LateCall[]> {
  const pairs = await readHash(connection, callsKey(connection, day));
  return pairs.flatMap(([, json]) => readLateCall(json) ?? []);
}

async function readDay(connection: Connection, day: number): Promise<ReadonlyMap<string, LateSettlement>> {
  const pairs = await readHash(connection, settlementsKey(connection, day));
  return new Map(
    pairs.flatMap(([id, json]) => {
      const settlement = readSettlement(json);
      return settlement === undefined ? [] : [[id, settlement] as const];
    }),
  );
}

async function readHash(connection: Connection, key: string): Promise<readonly (readonly [string, string])[]> {
  return pairsOf((await send(connection, "HGETALL", key)) as Hash);
}

function callsKey({ prefix }: Connection, day: number): string {
  return `${prefix}late:${day}`;
}

function settlementsKey({ prefix }: Connection, day: number): string {
  return `${prefix}settled:${day}`;
}

function minutesKey({ prefix }: Connection, hour: number): string {
  return `${prefix}minutes:${hour}`;
}
