import { object, parse } from "../../core/json.ts";
import { KEEP_METERED_MS, type MeteredRow, mergeMetered, sumsOf } from "../../core/metered.ts";
import { type Circuit, circuitAt, circuitIn } from "../../limits/circuit.ts";
import { emptyTally, isAmount, isSound, type Report, type Standing, type Tally } from "../../limits/tally.ts";
import { EXCHANGE_SCRIPT } from "../../limits/tally-script.ts";
import {
  type AuditEntry,
  type Change,
  type Count,
  countOf,
  KEEP_CLOSED_MS,
  type LateRecords,
  MAX_AUDIT,
  type MeteredTotal,
  type Store,
} from "../store.ts";
import { changeCap, tallyKey } from "./cap.ts";
import { type Connection, destroy, openConnection, runScript, send } from "./connection.ts";
import { type Hash, pairsOf } from "./hash.ts";
import { putLate, readCorrections, readLate, readSettlements, settleCall } from "./late.ts";
import { takeTurn } from "./pace.ts";

interface RedisState {
  readonly connection: Connection;
  /** Milliseconds since the epoch; the server's own time when absent. */
  readonly clock: (() => number) | undefined;
}

const MAX_COUNTED = 10_000;
const DAY_MS = 86_400_000;
/** Groups that are written in one command. */
const MAX_WRITTEN = 500;

/**
 * Writes a circuit if its revision follows, with its entry in the log, and publishes it. KEYS: circuits, log. ARGV: scope,
 * rev, JSON, channel, message, broken JSON, entry or nothing, entries to keep. The log first: what fails, fails before
 * anything is written.
 */
const PUT = `
local before = redis.call('HGET', KEYS[1], ARGV[1])
local rev = 0
if before and before ~= ARGV[6] then
  local read, circuit = pcall(cjson.decode, before)
  if read and type(circuit) == 'table' and type(circuit.rev) == 'number' then rev = circuit.rev end
end
if rev ~= tonumber(ARGV[2]) - 1 then return 0 end
if ARGV[7] ~= '' then
  redis.call('LPUSH', KEYS[2], ARGV[7])
  redis.call('LTRIM', KEYS[2], 0, ARGV[8] - 1)
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
`;

/**
 * Opens even while Redis is unreachable: operations reject until it is back.
 * @throws SpendfuseError `SPENDFUSE_MISSING_PACKAGE`, or `SPENDFUSE_STORE` when Redis rejects our credentials.
 */
export async function openRedis(address: string, clock?: () => number): Promise<Store> {
  const connection = await openConnection(address);
  const { prefix, channel, listeners } = connection;
  const state: RedisState = { connection, clock };
  return {
    alone: false,
    exchange: (reports) => exchangeAll(state, reports),
    counts: (limit) => readCounts(state, limit),
    circuits: () => readCircuits(state),
    async circuit(scope) {
      const json = (await send(connection, "HGET", `${prefix}circuits`, scope)) as string | null;
      return json === null ? undefined : circuitIn(json, scope);
    },
    putCircuit: (circuit, entry) => putCircuit(state, circuit, entry),
    changeCap: async (reports, raised, entry) => changeCap(connection, await timeOf(state), { reports, raised, entry }),
    addAudit: (entry) => addAudit(state, entry),
    async audit(limit) {
      const rows = (await send(connection, "LRANGE", `${prefix}audit`, "0", String(limit - 1))) as readonly string[];
      return rows.flatMap((json) => (object(parse(json)) as AuditEntry | undefined) ?? []);
    },
    putMetered: (holder, totals, late) => putMetered(state, holder, totals, late),
    metered: (from, until) => readMetered(state, from, until),
    late: (from, until) => readLate(connection, from, until),
    settle: (call, settlement) => settleCall(connection, call, settlement),
    settlements: (calls) => readSettlements(connection, calls),
    takeTurn: (pace) => takeTurn(connection, pace, clock?.()),
    async recall(key) {
      await send(connection, "PUBLISH", channel, JSON.stringify({ type: "recall", key } satisfies Change));
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      listeners.clear();
      destroy(connection);
    },
  };
}

async function exchangeAll(
  { connection, clock }: RedisState,
  given: readonly Report[],
): Promise<readonly (Standing | undefined)[]> {
  const { prefix } = connection;
  const reports = given.filter(isSound);
  const keys = reports.flatMap(({ key, earlier }) => [key, ...earlier].map((count) => tallyKey(prefix, count)));
  const asked = reports.map((report) => ({ ...report, key: undefined, earlier: report.earlier.length }));
  const now = clock ? String(clock()) : "";
  const values = [JSON.stringify(asked), now];
  const flat = (await runScript(connection, EXCHANGE_SCRIPT, keys, values)) as readonly string[];
  const standings = reports.map((_, index) => standingOf(flat.slice(index * 8, index * 8 + 8)));
  if (reports.length === given.length) return standings;
  const standingOfReport = new Map(reports.map((report, index) => [report, standings[index]]));
  return given.map((report) => standingOfReport.get(report));
}

async function timeOf({ connection, clock }: RedisState): Promise<number> {
  if (clock) return clock();
  const [seconds, micros] = (await send(connection, "TIME")) as [string, string];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

async function readCounts(state: RedisState, limit: number): Promise<readonly Count[]> {
  const { connection } = state;
  const start = tallyKey(connection.prefix, "");
  const now = await timeOf(state);
  const found: Count[] = [];
  let cursor = "0";
  do {
    const page = await send(connection, "SCAN", cursor, "MATCH", `${start}*`, "COUNT", "500");
    const [next, keys] = page as [string, string[]];
    for (const key of keys) {
      const hash = (await send(connection, "HGETALL", key)) as Hash;
      found.push(countOf(key.slice(start.length), tallyOf(pairsOf(hash)), now));
    }
    cursor = next;
  } while (cursor !== "0" && found.length < MAX_COUNTED);
  return found.sort((a, b) => b.spent - a.spent).slice(0, limit);
}

/** Deletes circuits that have been closed for long enough. */
async function readCircuits(state: RedisState): Promise<readonly Circuit[]> {
  const { connection } = state;
  const key = `${connection.prefix}circuits`;
  const now = await timeOf(state);
  const kept: Circuit[] = [];
  for (const [scope, json] of pairsOf((await send(connection, "HGETALL", key)) as Hash)) {
    const circuit = circuitIn(json, scope);
    if (circuit === undefined) continue;
    const is = circuitAt(circuit, now);
    if (is.state === "closed" && is.since + KEEP_CLOSED_MS < now) await send(connection, "HDEL", key, scope);
    else kept.push(circuit);
  }
  return kept;
}

async function putCircuit({ connection }: RedisState, circuit: Circuit, entry?: AuditEntry): Promise<boolean> {
  const { prefix, channel } = connection;
  const key = `${prefix}circuits`;
  const message = JSON.stringify({ type: "circuit", circuit } satisfies Change);
  const values = [circuit.scope, String(circuit.rev), JSON.stringify(circuit), channel, message];
  const log = [entry === undefined ? "" : JSON.stringify(entry), String(MAX_AUDIT)];
  const keys = [key, `${prefix}audit`];
  const put = async (broken: string) =>
    Number(await runScript(connection, PUT, keys, [...values, broken, ...log])) === 1;
  if (await put("")) return true;
  // A circuit that cannot be read may have a revision still, which nobody follows.
  if (circuit.rev !== 1) return false;
  const json = (await send(connection, "HGET", key, circuit.scope)) as string | null;
  return json !== null && circuitIn(json, circuit.scope) === undefined && put(json);
}

async function addAudit({ connection }: RedisState, entry: AuditEntry): Promise<void> {
  const key = `${connection.prefix}audit`;
  await send(connection, "LPUSH", key, JSON.stringify(entry));
  await send(connection, "LTRIM", key, "0", String(MAX_AUDIT - 1));
}

async function putMetered(
  { connection }: RedisState,
  holder: string,
  totals: readonly MeteredTotal[],
  late?: LateRecords,
): Promise<void> {
  for (const [day, own] of Map.groupBy(totals, (total) => total.day)) {
    const hash = `${connection.prefix}metered:${day}`;
    for (let at = 0; at < own.length; at += MAX_WRITTEN) {
      const some = own.slice(at, at + MAX_WRITTEN);
      const fields = some.flatMap(({ key, sums }) => [`${holder} ${key}`, JSON.stringify(sums)]);
      await send(connection, "HSET", hash, ...fields);
    }
    await send(connection, "PEXPIREAT", hash, String(day + KEEP_METERED_MS));
  }
  // After the totals: a process that dies in between leaves calls that stay estimated.
  if (late !== undefined) await putLate(connection, holder, late);
}

async function readMetered({ connection }: RedisState, from: number, until: number): Promise<readonly MeteredRow[]> {
  const rows: (readonly [string, readonly number[]])[] = [];
  for (let day = Math.ceil(from / DAY_MS) * DAY_MS; day < until; day += DAY_MS) {
    const hash = (await send(connection, "HGETALL", `${connection.prefix}metered:${day}`)) as Hash;
    for (const [field, sums] of pairsOf(hash)) rows.push([field.slice(field.indexOf(" ") + 1), sumsOf(sums)]);
    rows.push(...(await readCorrections(connection, day)));
  }
  return mergeMetered(rows);
}

/** Undefined for a report that the script could not apply. */
function standingOf(texts: readonly string[]): Standing | undefined {
  if (texts.includes("")) return undefined;
  const [spent = 0, others = 0, slice = 0, idle = 0, held = 0, tight = 0, quiet = 0, raised = 0] = texts.map(Number);
  return { spent, others, slice, idle, held, tight: tight === 1, quiet: quiet === 1, raised };
}

function tallyOf(pairs: readonly (readonly [string, string])[]): Tally {
  const tally = emptyTally();
  for (const [field, value] of pairs) {
    if (field === "base" && isAmount(Number(value))) tally.base = Number(value);
    if (!field.startsWith("h:")) continue;
    const [spent, inUse, slice, until] = value.split(" ").map(Number);
    if (!isAmount(spent) || !isAmount(inUse) || !isAmount(slice) || !isAmount(until)) continue;
    tally.holders.set(field.slice(2), { spent, inUse, slice, until });
  }
  return tally;
}
