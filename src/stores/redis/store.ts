import { createHash } from "node:crypto";
import { SpendfuseError } from "../../core/errors.ts";
import { KEEP_METERED_MS, mergeMetered } from "../../core/metered.ts";
import { type Circuit, circuitAt } from "../../limits/circuit.ts";
import { emptyTally, type Standing, type Tally } from "../../limits/tally.ts";
import { EXCHANGE_SCRIPT } from "../../limits/tally-script.ts";
import { findAppPackage } from "../../package/from-app.ts";
import { countOf } from "../memory.ts";
import { type AuditEntry, type Change, type Count, KEEP_CLOSED_MS, MAX_AUDIT, type Store, within } from "../store.ts";

const SCHEME = /^(redis|valkey)(s?):\/\//;
const COMMAND_MS = 2_000;
const MAX_COUNTED = 10_000;
const DAY_MS = 86_400_000;
/** Groups that are written in one command. */
const MAX_WRITTEN = 500;

/** Writes a circuit if its revision follows, and tells everybody. ARGV: scope, rev, JSON, channel, message. */
const PUT = `
local before = redis.call('HGET', KEYS[1], ARGV[1])
local rev = 0
if before then rev = cjson.decode(before).rev end
if rev ~= tonumber(ARGV[2]) - 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
`;

/** What is used of a client of the `redis` package, version 5 or later. */
interface Client {
  readonly isReady: boolean;
  on(event: string, listener: (error?: Error) => void): void;
  connect(): Promise<unknown>;
  duplicate(): Client;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  sendCommand(words: readonly string[]): Promise<unknown>;
  unref(): void;
  destroy(): void;
}

interface RedisPackage {
  createClient(options: object): Client;
}

/**
 * Opens even while Redis is away: then everything rejects until it is back.
 * @throws SpendfuseError `SPENDFUSE_MISSING_PACKAGE`, or `SPENDFUSE_STORE` when Redis refuses us.
 */
export async function openRedis(address: string, clock?: () => number): Promise<Store> {
  const url = new URL(address.replace(SCHEME, "redis$2://"));
  const prefix = `{${url.searchParams.get("prefix") ?? "spendfuse"}}:`;
  url.search = "";
  const where = url.host;
  const { createClient } = await findAppPackage<RedisPackage>("redis", "createClient", "the redis store");
  const reconnectStrategy = (attempt: number): number => Math.min(50 * 2 ** attempt, 2_000) * (0.5 + Math.random() / 2);
  const client = createClient({
    url: url.href,
    disableOfflineQueue: true,
    socket: { connectTimeout: COMMAND_MS, reconnectStrategy },
  });
  const subscriber = client.duplicate();
  const listeners = new Set<(change: Change) => void>();
  const channel = `${prefix}changes`;
  let away = false;
  let refused: Error | undefined;

  const fail = (cause: unknown): SpendfuseError => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new SpendfuseError("SPENDFUSE_STORE", `the store at ${where} cannot be asked: ${reason}`, { where }, cause);
  };

  function tell(change: Change): void {
    for (const listener of listeners) listener(change);
  }

  function watch(): void {
    const gone = !client.isReady || !subscriber.isReady;
    if (gone === away) return;
    away = gone;
    tell({ type: gone ? "away" : "back" });
  }

  for (const one of [client, subscriber]) {
    for (const event of ["ready", "end", "reconnecting"]) one.on(event, watch);
    one.on("error", (error) => {
      if (/WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(error?.message ?? "")) refused = error;
      watch();
    });
  }

  const connected = Promise.all([
    client.connect(),
    subscriber.connect().then(() => subscriber.subscribe(channel, (message) => tell(JSON.parse(message) as Change))),
  ]);
  await within(connected, COMMAND_MS).catch((error) => {
    refused ??= /WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(String(error)) ? error : undefined;
    if (refused === undefined) return;
    client.destroy();
    subscriber.destroy();
    throw fail(refused);
  });
  connected.catch(() => {});
  away = !client.isReady || !subscriber.isReady;
  // Whoever waits for an answer keeps the process alive; an idle connection does not.
  client.unref();
  subscriber.unref();

  async function send(...words: readonly string[]): Promise<unknown> {
    try {
      return await within(client.sendCommand(words), COMMAND_MS);
    } catch (error) {
      throw fail(error);
    }
  }

  async function run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown> {
    const sha = createHash("sha1").update(script).digest("hex");
    const rest = [String(keys.length), ...keys, ...values];
    try {
      return await send("EVALSHA", sha, ...rest);
    } catch (error) {
      if (!String((error as Error).message).includes("NOSCRIPT")) throw error;
      return send("EVAL", script, ...rest);
    }
  }

  const keyOf = (count: string): string => `${prefix}tally:${count}`;

  async function time(): Promise<number> {
    if (clock) return clock();
    const [seconds, micros] = (await send("TIME")) as [string, string];
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  }

  return {
    alone: false,
    async exchange(reports) {
      const keys = reports.flatMap(({ key, earlier }) => [keyOf(key), ...earlier.map(keyOf)]);
      const asked = reports.map((report) => ({ ...report, key: undefined, earlier: report.earlier.length }));
      const now = clock ? String(clock()) : "";
      const flat = (await run(EXCHANGE_SCRIPT, keys, [JSON.stringify(asked), now])) as readonly string[];
      return reports.map((_, index) => standingOf(flat.slice(index * 6, index * 6 + 6).map(Number)));
    },
    async counts(limit) {
      const now = await time();
      const found: Count[] = [];
      let cursor = "0";
      do {
        const [next, keys] = (await send("SCAN", cursor, "MATCH", `${keyOf("")}*`, "COUNT", "500")) as [
          string,
          string[],
        ];
        for (const key of keys) {
          const flat = (await send("HGETALL", key)) as Readonly<Record<string, string>> | readonly string[];
          found.push(countOf(key.slice(keyOf("").length), tallyOf(pairsOf(flat)), now));
        }
        cursor = next;
      } while (cursor !== "0" && found.length < MAX_COUNTED);
      return found.sort((a, b) => b.spent - a.spent).slice(0, limit);
    },
    async circuits() {
      const now = await time();
      const kept: Circuit[] = [];
      for (const [scope, json] of pairsOf((await send("HGETALL", `${prefix}circuits`)) as readonly string[])) {
        const circuit = JSON.parse(json) as Circuit;
        const is = circuitAt(circuit, now);
        if (is.state === "closed" && is.since + KEEP_CLOSED_MS < now) await send("HDEL", `${prefix}circuits`, scope);
        else kept.push(circuit);
      }
      return kept;
    },
    async circuit(scope) {
      const json = (await send("HGET", `${prefix}circuits`, scope)) as string | null;
      return json === null ? undefined : (JSON.parse(json) as Circuit);
    },
    async putCircuit(circuit) {
      const message = JSON.stringify({ type: "circuit", circuit } satisfies Change);
      const values = [circuit.scope, String(circuit.rev), JSON.stringify(circuit), channel, message];
      return Number(await run(PUT, [`${prefix}circuits`], values)) === 1;
    },
    async addAudit(entry) {
      await send("LPUSH", `${prefix}audit`, JSON.stringify(entry));
      await send("LTRIM", `${prefix}audit`, "0", String(MAX_AUDIT - 1));
    },
    async audit(limit) {
      const rows = (await send("LRANGE", `${prefix}audit`, "0", String(limit - 1))) as readonly string[];
      return rows.map((json) => JSON.parse(json) as AuditEntry);
    },
    async putMetered(holder, totals) {
      for (const [day, own] of Map.groupBy(totals, (total) => total.day)) {
        const hash = `${prefix}metered:${day}`;
        for (let at = 0; at < own.length; at += MAX_WRITTEN) {
          const some = own.slice(at, at + MAX_WRITTEN);
          const fields = some.flatMap(({ key, sums }) => [`${holder} ${key}`, JSON.stringify(sums)]);
          await send("HSET", hash, ...fields);
        }
        await send("PEXPIREAT", hash, String(day + KEEP_METERED_MS));
      }
    },
    async metered(from, until) {
      const rows: (readonly [string, readonly number[]])[] = [];
      for (let day = Math.ceil(from / DAY_MS) * DAY_MS; day < until; day += DAY_MS) {
        const flat = (await send("HGETALL", `${prefix}metered:${day}`)) as readonly string[];
        for (const [field, sums] of pairsOf(flat))
          rows.push([field.slice(field.indexOf(" ") + 1), JSON.parse(sums) as number[]]);
      }
      return mergeMetered(rows);
    },
    async recall(key) {
      await send("PUBLISH", channel, JSON.stringify({ type: "recall", key } satisfies Change));
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      listeners.clear();
      client.destroy();
      subscriber.destroy();
    },
  };
}

function standingOf([spent = 0, others = 0, slice = 0, idle = 0, held = 0, tight = 0]: readonly number[]): Standing {
  return { spent, others, slice, idle, held, tight: tight === 1 };
}

/** A hash comes as a list in the older protocol, as an object in the newer. */
function pairsOf(flat: Readonly<Record<string, string>> | readonly string[]): readonly (readonly [string, string])[] {
  if (!Array.isArray(flat)) return Object.entries(flat as Readonly<Record<string, string>>);
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2], flat[index * 2 + 1]] as const);
}

function tallyOf(pairs: readonly (readonly [string, string])[]): Tally {
  const tally = emptyTally();
  for (const [field, value] of pairs) {
    if (field === "base") tally.base = Number(value);
    if (!field.startsWith("h:")) continue;
    const [spent = 0, inUse = 0, slice = 0, until = 0] = value.split(" ").map(Number);
    tally.holders.set(field.slice(2), { spent, inUse, slice, until });
  }
  return tally;
}
