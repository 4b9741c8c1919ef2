// @serial: leases between processes run out by the clock, and every one of them works as fast as it can.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../../src/stores/open.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";
import { startSpender, vendorOf } from "./fleet.ts";
import type { Round } from "./spender.ts";

const PROCESSES = 4;
const CALLS = 1_000;
const MAX_WAVES = 8;
const CAP_USD = 0.05;
/** What a call with a limit of 200 tokens reserves is more than the 190 tokens that it costs. */
const DEAREST_USD = 0.0005;

/** The least that a call without a limit reserves: 1,000 tokens of output, and its input. */
const RESERVED_USD = 0.001;

let server: ModelServer;
let redis: RedisServer | undefined;
const folder = mkdtempSync(join(tmpdir(), "spendfuse-fleet-"));

beforeAll(async () => {
  server = await startModelServer();
  if (NO_REDIS === undefined) redis = await startRedis();
  else console.log(NO_REDIS);
});
afterAll(async () => {
  await server.close();
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

const STORES = {
  file: () => `file:${join(folder, `${Math.random()}.db`)}`,
  redis: () => `${redis?.url}?prefix=${Math.random()}`,
};

describe.each(Object.entries(STORES))("four processes, one budget, on %s", (name, address) => {
  const budget = { scope: { agent: "*" }, per: "month", usd: CAP_USD };

  test.skipIf(name === "redis" && NO_REDIS !== undefined).each([
    ["with output limits: never past the cap", 1, 160],
    // Dear enough that those alone that pass at once, and are read to their end, cost more than the cap.
    ["without: overshoot ≤ unreserved spend", 0, 20_000],
  ] as const)("%s", async (_, limited, most) => {
    server.play(vendorOf(most));
    const store = address();
    const spenders = Array.from({ length: PROCESSES }, () => startSpender(store, server, [budget]));
    const rounds: Round[] = [];
    const sum = (of: (round: Round) => number): number => rounds.reduce((total, round) => total + of(round), 0);
    // As many pass as the cap has room for, even when all are judged before the first one settles. On a busy machine a
    // process may be too late to give back what it holds idle, and a call is refused that would fit: then more come.
    const room = Math.floor(CAP_USD / DEAREST_USD) - 1;
    let waves = 0;
    while (waves < MAX_WAVES && (waves === 0 || (limited && sum(({ sent }) => sent) < room))) {
      const wave = spenders.map((spender) => spender.spend(CALLS / PROCESSES, CALLS / PROCESSES, limited));
      rounds.push(...(await Promise.all(wave)));
      waves += 1;
    }
    const spent = sum(({ costUsd }) => costUsd);
    const sent = sum((round) => round.sent);
    const refused = sum((round) => round.refused);
    expect(rounds.flatMap(({ odd }) => odd)).toEqual([]);
    expect(sent + refused).toBe(CALLS * waves);
    expect(refused).toBeGreaterThan(0);
    // Each kind of ending was among them.
    const endings = new Set(rounds.flatMap((round) => Object.keys(round.endings)));
    expect([...endings].sort()).toEqual(["blocked", "canceled", "completed", "failed"]);
    if (limited) {
      expect(spent).toBeLessThanOrEqual(CAP_USD);
      expect(sent).toBeGreaterThanOrEqual(room);
    } else {
      const costs = rounds.flatMap((round) => round.costs);
      const unforeseen = costs.reduce((sum, cost) => sum + Math.max(0, cost - RESERVED_USD), 0);
      const past = Math.max(0, spent - CAP_USD);
      console.log(`${name}: $${past.toFixed(4)} past the cap; at most $${unforeseen.toFixed(4)} were not reserved`);
      expect(past).toBeGreaterThan(0);
      expect(past).toBeLessThanOrEqual(unforeseen);
    }

    // What is left can be used to the last call that fits: nothing hangs in reservations or slices of others.
    let last = await (spenders[0] as (typeof spenders)[number]).spend(1, 1, 2);
    let total = spent + last.costUsd;
    while (last.refused === 0) {
      last = await (spenders[0] as (typeof spenders)[number]).spend(1, 1, limited ? 2 : 0);
      total += last.costUsd;
    }
    if (limited) {
      expect(total).toBeLessThanOrEqual(CAP_USD);
      expect(total).toBeGreaterThan(CAP_USD - DEAREST_USD);
    }
    const open = await openStore(store);
    const [count, ...others] = await open.counts(10);
    expect(others).toEqual([]);
    expect(count).toMatchObject({ inUse: 0 });
    expect((count?.spent ?? 0) / 1e9).toBeCloseTo(total, 9);
    await Promise.all(spenders.map((spender) => spender.stop()));
    const [left] = await open.counts(10);
    expect(left).toMatchObject({ spent: count?.spent, inUse: 0, held: 0 });
    await open.close();
  });
});
