import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { LateCall, LateSettlement } from "../../src/core/late/late-call.ts";
import { type MinuteTotal, minuteOf } from "../../src/core/late/minute.ts";
import { type MeteredGroup, meteredKey } from "../../src/core/metered.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import { circuitAt } from "../../src/limits/circuit.ts";
import {
  changedKey,
  changeHolder,
  emptyTally,
  exchange,
  type Report,
  type Standing,
  spentOf,
  type Tally,
} from "../../src/limits/tally.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { openMemory } from "../../src/stores/memory.ts";
import { openStore } from "../../src/stores/open.ts";
import { openRedis } from "../../src/stores/redis/store.ts";
import * as registry from "../../src/stores/registry.ts";
import {
  type AuditEntry,
  type Change,
  changeCircuit,
  MAX_AUDIT,
  type MeteredTotal,
  type Store,
} from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";
import { NO_REDIS, type RedisServer, redisCommand, startRedis } from "../servers/redis.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
const folder = mkdtempSync(join(tmpdir(), "spendfuse-stores-"));
let redis: RedisServer | undefined;
let clock = Date.now();
const now = (): number => clock;
let open: Store[] = [];

beforeAll(async () => {
  if (NO_REDIS === undefined) redis = await startRedis();
  else console.log(NO_REDIS);
});
afterEach(async () => {
  await Promise.all(open.map((store) => store.close()));
  open = [];
});
afterAll(async () => {
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the same store as often as it is called. */
type Opener = () => Promise<Store>;

const KINDS: Readonly<Record<string, () => Opener>> = {
  memory() {
    const store = openMemory(now);
    return async () => store;
  },
  file() {
    const path = join(folder, `${Math.random()}.db`);
    return () => openFile(path, { clock: now, pollMs: 5 });
  },
  redis() {
    const address = `${redis?.url}?prefix=${Math.random()}`;
    return () => openRedis(address, now);
  },
};

test("every kind of store is tested here", () => {
  expect(Object.keys(KINDS).sort()).toEqual(Object.keys(registry).sort());
});

const report = (fields: Partial<Report> = {}): Report => ({
  key: "b|agent:a|1",
  earlier: [],
  holder: "one",
  cap: 1_000,
  spent: 0,
  acked: 0,
  others: 0,
  inUse: 0,
  keep: 0,
  need: 0,
  spare: 0,
  tight: false,
  leave: false,
  leaseMs: 10_000,
  keepMs: 60_000,
  ...fields,
});

async function ask(store: Store, fields: Partial<Report>): Promise<Standing> {
  const [standing] = await store.exchange([report(fields)]);
  return standing as Standing;
}

describe.each(Object.entries(KINDS))("the store %s", (name, make) => {
  const it = test.skipIf(name === "redis" && NO_REDIS !== undefined);

  async function handle(opener: Opener): Promise<Store> {
    const store = await opener();
    open.push(store);
    return store;
  }

  it("grants what is asked for, and a part of the rest to have in hand", async () => {
    const store = await handle(make());
    expect(await ask(store, { need: 100, spare: 500 })).toEqual({
      spent: 0,
      others: 0,
      slice: 190,
      idle: 0,
      held: 0,
      tight: false,
      quiet: false,
      raised: 0,
    });
    expect(await ask(store, { holder: "two", need: 5_000 })).toMatchObject({ slice: 810, held: 190, idle: 90 });
    expect(await ask(store, { holder: "three", need: 1 })).toMatchObject({ slice: 0, held: 1_000 });
  });

  it("gives all processes one turn in so long a time, in the order in which they ask", async () => {
    const opener = make();
    const [one, two] = [await handle(opener), await handle(opener)];
    const pace = { key: "t", everyMs: 1_000 };
    expect(await one.takeTurn(pace)).toBe(0);
    clock += 400;
    expect([await two.takeTurn(pace), await one.takeTurn(pace)]).toEqual([600, 1_600]);
    expect(await two.takeTurn({ key: "another", everyMs: 1_000 })).toBe(0);
    clock += 1_600;
    expect(await two.takeTurn(pace)).toBe(1_000);
    clock += 10_000;
    expect(await two.takeTurn(pace)).toBe(0);
    // A clock that is set back holds nobody, and one that jumps ahead for no longer than that.
    clock -= 3_600_000;
    expect(await two.takeTurn(pace)).toBe(0);
    clock += 7_200_000;
    expect([await two.takeTurn(pace), await one.takeTurn(pace)]).toEqual([0, 1_000]);
    clock -= 3_600_000;
  });

  it("frees the slices of the dead, and counts what they had under way", async () => {
    const store = await handle(make());
    await ask(store, { spent: 100, inUse: 50, keep: 50, spare: 400, leaseMs: 1_000 });
    clock += 1_001;
    expect(await ask(store, { holder: "two", need: 5_000 })).toMatchObject({
      spent: 150,
      others: 150,
      held: 0,
      slice: 850,
    });
    expect(await store.counts(5)).toEqual([{ key: "b|agent:a|1", spent: 150, inUse: 0, held: 850, raised: 0 }]);
    // It was only slow: what it really spent is what counts.
    expect(await ask(store, { spent: 110, acked: 100 })).toMatchObject({ spent: 110 });
  });

  it("counts what it granted to calls of a holder that died before its next report", async () => {
    const store = await handle(make());
    await ask(store, { spent: 100, inUse: 50, keep: 50, need: 80, spare: 400, leaseMs: 1_000 });
    clock += 1_001;
    expect(await ask(store, { holder: "two", need: 5_000 })).toMatchObject({ spent: 230, held: 0, slice: 770 });
    // Granted in part, it may not have been enough for any call.
    clock += 10_001;
    expect(await ask(store, { holder: "three", need: 5_000 })).toMatchObject({ spent: 230, held: 0, slice: 770 });
  });

  it("keeps what a holder spent when it leaves", async () => {
    const store = await handle(make());
    await ask(store, { spent: 100, inUse: 20, keep: 300 });
    expect(await ask(store, { spent: 120, acked: 100, leave: true })).toMatchObject({ slice: 0, spent: 120 });
    expect(await ask(store, { holder: "two", need: 1_000 })).toMatchObject({ spent: 120, slice: 880 });
  });

  it("is told again what it forgot: by each what it spent, and by the first what others had spent", async () => {
    const store = await handle(make());
    expect(await ask(store, { spent: 40, acked: 40, others: 80 })).toMatchObject({ spent: 120 });
    // "two" had 60 of the 80; 20 were those of somebody who is gone.
    expect(await ask(store, { holder: "two", spent: 65, acked: 60, others: 60 })).toMatchObject({ spent: 125 });
    expect(await ask(store, { holder: "three", spent: 5 })).toMatchObject({ spent: 130 });
  });

  it("takes earlier parts of a moving window from the cap", async () => {
    const store = await handle(make());
    await ask(store, { key: "old", spent: 300 });
    await ask(store, { key: "older", spent: 200 });
    expect(await ask(store, { earlier: ["old", "older", "none"], need: 5_000 })).toMatchObject({
      spent: 500,
      slice: 500,
    });
  });

  it("gives nothing to have in hand while somebody is short of it", async () => {
    const store = await handle(make());
    await ask(store, { tight: true, need: 1 });
    expect(await ask(store, { holder: "two", spare: 100, need: 5 })).toMatchObject({ tight: true, slice: 5 });
    clock += 2_001;
    expect(await ask(store, { holder: "two", keep: 5, inUse: 5, spare: 100 })).toMatchObject({
      tight: false,
      slice: 104,
    });
  });

  it("says of any reports what the pure function says", async () => {
    const amount = fc.integer({ min: 0, max: 400 });
    const step = fc.record({
      holder: fc.constantFrom("a", "b", "c", "+raise", "-lower"),
      key: fc.constantFrom("x", "y"),
      earlier: fc.constantFrom<readonly string[]>([], ["y"], ["x", "z"]),
      more: amount,
      acked: fc.constantFrom(0, 1),
      others: amount,
      inUse: amount,
      keep: amount,
      need: fc.oneof(amount, fc.constant(9_007_199_254_740)),
      spare: amount,
      tight: fc.boolean(),
      leave: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
      cap: fc.constantFrom(0, 1_000, 3_000, 9_007_199_254_740_991),
      later: fc.constantFrom(0, 0, 500, 1_500, 400_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const opener = make();
        const store = await opener();
        const tallies = new Map<string, Tally>();
        const spent = new Map<string, number>();
        const at = clock;
        for (const { later, more, acked, holder, key, ...rest } of steps) {
          clock += later;
          const total = (spent.get(key + holder) ?? 0) + more;
          spent.set(key + holder, total);
          const one = report({
            ...rest,
            holder,
            key,
            spent: total,
            acked: acked * (total - more),
            leaseMs: 1_000,
            keepMs: 10_000_000,
          });
          const tally = tallies.get(key) ?? emptyTally();
          tallies.set(key, tally);
          const earlier = one.earlier.reduce((sum, name) => sum + spentOf(tallies.get(name) ?? emptyTally(), clock), 0);
          expect(await store.exchange([one])).toEqual([exchange(tally, one, earlier, clock)]);
        }
        clock = at;
        await store.close();
      }),
      { numRuns: 20 * SCALE, seed: 11 },
    );
  });

  it("raises and lowers the cap of a count, each change once, until the count is forgotten", async () => {
    const opener = make();
    const store = await handle(opener);
    await ask(store, { spent: 900, leaseMs: 1_000 });
    expect(await ask(store, { holder: "two", need: 300 })).toMatchObject({ slice: 100, raised: 0 });
    const raise = { holder: changeHolder("raise", "1"), cap: 0, spent: 500, leaseMs: 1_000 };
    expect(await ask(store, raise)).toMatchObject({ raised: 500, spent: 900, slice: 0 });
    expect(await ask(await handle(opener), raise)).toMatchObject({ raised: 500 });
    expect(await ask(store, { holder: changeHolder("lower", "1"), cap: 0, spent: 50 })).toMatchObject({ raised: 450 });
    // No clock ends it, however far it jumps within the window.
    for (const jump of [-30_000, 55_000]) {
      clock += jump;
      expect(await ask(store, { holder: "three", keepMs: 6e9 })).toMatchObject({ raised: 450 });
    }
    expect(await store.counts(1)).toMatchObject([{ raised: 450 }]);
    const { spent } = await ask(store, { holder: "three", keepMs: 6e9 });
    expect(await ask(store, { holder: "four", need: 9_999 })).toMatchObject({ slice: 1_450 - spent, held: 0 });
  });

  it("changes a cap together with its entry, once for an id, and tells the other side", async () => {
    const opener = make();
    const [one, two] = [await handle(opener), await handle(opener)];
    const told: Change[] = [];
    two.subscribe((change) => told.push(change));
    await ask(one, { spent: 900 });
    const keys = ["b|agent:a|1", "b|agent:a|2"];
    const change = (verb: "raise" | "lower", id: string, amount: number) =>
      keys.map((key) => report({ key, holder: changeHolder(verb, id), cap: 0, spent: amount }));
    const entry = (why: string): AuditEntry => ({
      at: clock,
      scope: "agent:a",
      what: "raise",
      by: "me",
      why,
      state: "none",
    });
    expect(await one.changeCap(change("raise", "1", 500), 0, entry("1"))).toEqual({ outcome: "applied", raised: 500 });
    await eventually(() => expect(told).toEqual(keys.map((key) => ({ type: "recall", key: changedKey(key) }))));
    // Again, with another amount, and from the second part on, as of a moving window that has moved on.
    for (const again of [change("raise", "1", 500), change("raise", "1", 900), change("raise", "1", 500).slice(1)])
      expect(await two.changeCap(again, 0, entry("again"))).toEqual({ outcome: "repeated", raised: 500 });
    expect(await two.changeCap(change("lower", "1", 50), 0, entry("early"))).toEqual({
      outcome: "outdated",
      raised: 500,
    });
    expect(await two.changeCap(change("lower", "1", 50), 500, entry("2"))).toEqual({ outcome: "applied", raised: 450 });
    expect(await ask(one, { key: keys[1] as string })).toMatchObject({ raised: 450 });
    expect(await ask(one, { spent: 900, acked: 900, need: 9_999 })).toMatchObject({
      raised: 450,
      spent: 900,
      slice: 550,
    });
    expect((await one.audit(10)).map(({ why }) => why)).toEqual(["2", "1"]);
  });

  it("never grants more than the cap, whoever asks", async () => {
    const opener = make();
    const [one, two] = [await handle(opener), await handle(opener)];
    const held = new Map<string, number>();
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const holder = `h${index}`;
        const { slice } = await ask(index % 2 ? one : two, { holder, need: 70, spare: 30 });
        held.set(holder, slice);
      }),
    );
    const sum = [...held.values()].reduce((total, slice) => total + slice, 0);
    expect(sum).toBe(1_000);
  });

  it("loses no change of a circuit, though many change it at once", async () => {
    const opener = make();
    const [one, two] = [await handle(opener), await handle(opener)];
    const trips = Array.from({ length: 40 }, (_, index) =>
      changeCircuit(
        index % 2 ? one : two,
        "agent:a",
        { type: "trip", source: "operator", reason: "r", by: `${index}`, ttlMs: 1_000 + index },
        clock,
      ),
    );
    const steps = await Promise.all(trips);
    const circuit = await one.circuit("agent:a");
    expect(circuit).toMatchObject({
      state: "open",
      until: clock + 1_039,
      rev: steps.filter(({ changed }) => changed).length,
    });
    expect(await two.circuit("agent:a")).toEqual(circuit);
    expect((await one.audit(100)).length).toBe(circuit?.rev);
  });

  it("tells the other side of circuits and recalls", async () => {
    const opener = make();
    const [one, two] = [await handle(opener), await handle(opener)];
    const heard: Change[] = [];
    const stop = two.subscribe((change) => heard.push(change));
    await changeCircuit(
      one,
      "agent:a",
      { type: "trip", source: "operator", reason: "r", by: "me", ttlMs: 1_000 },
      clock,
    );
    await one.recall("some key");
    await eventually(() => expect(heard.map(({ type }) => type)).toEqual(["circuit", "recall"]));
    expect(heard[0]).toMatchObject({ circuit: { scope: "agent:a", state: "open" } });
    stop();
    await one.recall("another");
    await one.circuits();
    expect(heard).toHaveLength(2);
  });

  it("keeps a count for as long as its budget looks at it, whoever is still alive", async () => {
    const store = await handle(make());
    await ask(store, { spent: 7, leaseMs: 1_000, keepMs: 3_600_000 });
    clock += 3_599_999;
    expect(await store.counts(10)).toMatchObject([{ key: "b|agent:a|1", spent: 7 }]);
    expect(await ask(store, { holder: "two" })).toMatchObject({ spent: 7 });
  });

  it("keeps closed circuits for a week, and then forgets them", async () => {
    const store = await handle(make());
    await changeCircuit(
      store,
      "agent:a",
      { type: "trip", source: "operator", reason: "r", by: "me", ttlMs: 1_000 },
      clock,
    );
    await changeCircuit(store, "agent:a", { type: "reset", reason: "r", by: "me" }, clock);
    clock += 7 * 86_400_000;
    expect(await store.circuits()).toMatchObject([{ state: "closed" }]);
    clock += 1;
    expect(await store.circuits()).toEqual([]);
    expect(await store.circuit("agent:a")).toBeUndefined();
  });

  it("adds up what processes have metered by day; said twice it counts once", async () => {
    const opener = make();
    const [one, two] = [await handle(opener), await handle(opener)];
    const today = clock - (clock % 86_400_000);
    const row = (fields: Partial<MeteredGroup>): MeteredGroup => ({
      day: today,
      provider: "openai",
      model: "gpt-5",
      tier: "",
      key: "prod key",
      agent: "a",
      rootAgent: "a",
      team: "",
      project: "",
      quality: "reported",
      priced: "true",
      ...fields,
    });
    const total = (group: MeteredGroup, sums: readonly number[]): MeteredTotal => ({
      day: group.day,
      key: meteredKey(group),
      sums,
    });
    const yesterday = row({ day: today - 86_400_000, agent: "b" });
    await one.putMetered("p1", [total(row({}), [1, 100, 10, 0, 0, 5, 0])]);
    await one.putMetered("p1", [total(row({}), [2, 200, 20, 0, 0, 10, 0]), total(yesterday, [1, 7, 1, 0, 0, 1, 0])]);
    await two.putMetered("p2", [total(row({}), [1, 50, 5, 1, 2, 3, 4])]);
    const sums = { calls: 3, cost: 250, inputUncached: 25, cacheRead: 1, cacheWrite: 2, output: 13, webSearches: 4 };
    expect(await two.metered(today, today + 1)).toEqual([{ ...row({}), ...sums }]);
    expect(await one.metered(today - 86_400_000, today)).toMatchObject([{ agent: "b", cost: 7 }]);
    expect(await one.metered(today + 86_400_000, today + 2 * 86_400_000)).toEqual([]);
    const many = Array.from({ length: 1_200 }, (_, index) => total(row({ agent: `${index}` }), [1, 1, 0, 0, 0, 0, 0]));
    await one.putMetered("p3", many);
    const all = await two.metered(today, today + 86_400_000);
    expect(all.reduce((calls, { calls: some }) => calls + some, 0)).toBe(1_203);
  });

  describe("late calls", () => {
    const day = (): number => clock - (clock % 86_400_000);
    const group = (agent: string): MeteredGroup => ({
      ...{ day: day(), provider: "openai", model: "gpt-5", tier: "", key: "k", agent, rootAgent: agent },
      ...{ team: "", project: "", quality: "estimated", priced: "true" },
    });
    const lateCall = (id: string): LateCall => ({
      id,
      responseId: `r ${id}`,
      group: group("a"),
      usage: { ...NO_USAGE, input: 10, output: 5 },
      costNano: 60,
      startedAt: clock - 10,
      endedAt: clock,
      terms: { speed: "fast" },
    });
    const settlement = (id: string, costNano: number): LateSettlement => ({
      ...{ id, at: clock, by: "poll", usage: { ...NO_USAGE, input: 12, output: 5 }, costNano, priced: "true" },
    });
    const minute = (requests: number): MinuteTotal => ({
      ...{ provider: "openai", key: "k", model: "gpt-5", from: minuteOf(clock), until: minuteOf(clock) + 60_000 },
      ...{ requests, inputUncached: 1, cacheRead: 2, cacheWrite: 3, cacheWrite1h: 4, output: 5, webSearches: 6 },
    });
    const totals = (calls: number): readonly MeteredTotal[] => [
      { day: day(), key: meteredKey(group("a")), sums: [calls, 60 * calls, 10 * calls, 0, 0, 5 * calls, 0] },
    ];

    it("settle once, and then count with the vendor's figures", async () => {
      const opener = make();
      const [one, two] = [await handle(opener), await handle(opener)];
      await one.putMetered("p1", totals(2), { calls: [lateCall("p1/1"), lateCall("p1/2")], minutes: [] });
      const call = lateCall("p1/1");
      const { calls } = await two.late(clock - 1_000, clock + 1);
      expect([...calls].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([call, lateCall("p1/2")]);
      expect(await one.settlements([call])).toEqual([undefined]);
      const answers = await Promise.all([
        one.settle(call, settlement(call.id, 100)),
        two.settle(call, settlement(call.id, 999)),
      ]);
      expect(answers.filter(Boolean)).toHaveLength(1);
      const costNano = answers[0] ? 100 : 999;
      expect(await one.settle(call, settlement(call.id, 5))).toBe(false);
      expect(await two.settlements([lateCall("p1/2"), call])).toEqual([undefined, settlement(call.id, costNano)]);
      expect((await one.late(clock - 1_000, clock + 1)).settlements).toEqual(
        new Map([[call.id, settlement(call.id, costNano)]]),
      );
      const expected = [
        expect.objectContaining({ quality: "estimated", calls: 1, cost: 60, inputUncached: 10 }),
        expect.objectContaining({ quality: "settled", calls: 1, cost: costNano, inputUncached: 12 }),
      ];
      expect(await two.metered(day(), day() + 1)).toEqual(expected);
      // Written again, as by a process that did not see the answer.
      await one.putMetered("p1", totals(2), { calls: [lateCall("p1/1"), lateCall("p1/2")], minutes: [] });
      expect(await two.metered(day(), day() + 1)).toEqual(expected);
      expect(await two.metered(day() - 86_400_000, day())).toEqual([]);
    });

    it("of the last open one nothing is left of the estimate", async () => {
      const store = await handle(make());
      await store.putMetered("p1", totals(1), { calls: [lateCall("p1/1")], minutes: [] });
      await store.settle(lateCall("p1/1"), settlement("p1/1", 61));
      expect(await store.metered(day(), day() + 1)).toMatchObject([{ quality: "settled", calls: 1, cost: 61 }]);
    });

    it("keeps minutes of each process, and adds them up; said twice they count once", async () => {
      const opener = make();
      const [one, two] = [await handle(opener), await handle(opener)];
      await one.putMetered("p1", [], { calls: [], minutes: [minute(1)] });
      await one.putMetered("p1", [], { calls: [], minutes: [minute(2)] });
      await two.putMetered("p2", [], { calls: [], minutes: [minute(3)] });
      const { minutes } = await two.late(clock - 1, clock + 1);
      expect(minutes).toEqual([{ ...minute(5), ...doubled(minute(5)) }]);
    });

    const doubled = ({ inputUncached, cacheRead, cacheWrite, cacheWrite1h, output, webSearches }: MinuteTotal) => ({
      ...{ inputUncached: inputUncached * 2, cacheRead: cacheRead * 2, cacheWrite: cacheWrite * 2 },
      ...{ cacheWrite1h: cacheWrite1h * 2, output: output * 2, webSearches: webSearches * 2 },
    });
  });

  it("logs, the newest first", async () => {
    const store = await handle(make());
    for (const why of ["1", "2", "3"])
      await store.addAudit({ at: clock, scope: "agent:a", what: "approve", by: "me", why, state: "none" });
    expect((await store.audit(2)).map(({ why }) => why)).toEqual(["3", "2"]);
    expect(MAX_AUDIT).toBeGreaterThan(1_000);
  });
});

test("processes that open the same new file at once all get it", async () => {
  const path = join(folder, "together.db");
  const program = `
    const { openFile } = await import(${JSON.stringify(new URL("../../src/stores/file/store.ts", import.meta.url).href)});
    const store = await openFile(${JSON.stringify(path)});
    for (let at = 0; at < 50; at++) await store.addAudit({ at, scope: "all", what: "approve", by: String(process.pid), why: "", state: "none" });
    await store.close();
  `;
  const run = promisify(execFile);
  const args = ["--no-warnings", "--input-type=module", "-e", program];
  await Promise.all(Array.from({ length: 8 }, () => run(process.execPath, args)));
  const store = await openFile(path);
  open.push(store);
  expect(await store.audit(1_000)).toHaveLength(400);
});

describe.skipIf(NO_REDIS !== undefined)("a circuit in Redis that cannot be read", () => {
  const marks = { alerts: { "123": null } };
  test.each([
    ["no JSON", "{"],
    ["another scope's", JSON.stringify({ state: "closed", scope: "agent:b", rev: 4, since: 0, alerts: {} })],
    ["one without a beginning", JSON.stringify({ state: "closed", scope: "agent:a", rev: 4, alerts: {} })],
    ["one with a broken mark", JSON.stringify({ state: "closed", scope: "agent:a", rev: 4, since: 0, ...marks })],
  ])("%s is tripped all the same", async (_name, json) => {
    const prefix = String(Math.random());
    const store = await openRedis(`${redis?.url}?prefix=${prefix}`, now);
    open.push(store);
    await redisCommand(Number(new URL(redis!.url).port), "HSET", `${prefix}circuits`, "agent:a", json);
    const alert = ["123", { cycle: "c", transition: "Triggered", event: "e", at: clock }] as const;
    const trip = { type: "trip", source: "datadog", reason: "r", by: "me", ttlMs: 60_000, alert } as const;
    expect(await changeCircuit(store, "agent:a", trip, clock)).toMatchObject({ changed: true });
    expect(await store.circuits()).toMatchObject([{ scope: "agent:a", state: "open" }]);
  });
});

describe("a store that cannot be had says what to do", () => {
  test.each([
    ["mongodb://x", "SPENDFUSE_CONFIG", "write memory, file:PATH or redis://HOST:PORT"],
    ["file:package.json/x.db", "SPENDFUSE_STORE", "cannot be opened"],
  ])("%s", async (address, code, words) => {
    await expect(openStore(address)).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });

  test("a file that is something else", async () => {
    const path = join(folder, "notes.txt");
    writeFileSync(path, "this is no database, but it is long enough to look at: ".repeat(50));
    await expect(openFile(path)).rejects.toMatchObject({
      code: "SPENDFUSE_STORE",
      message: expect.stringContaining("move that file away"),
    });
  });

  test.skipIf(NO_REDIS !== undefined)("a Redis that is away: what is asked of it rejects, with its name", async () => {
    const gone = await startRedis();
    await gone.kill();
    const store = await openRedis(gone.url);
    open.push(store);
    await expect(store.circuits()).rejects.toMatchObject({
      code: "SPENDFUSE_STORE",
      message: expect.stringContaining(new URL(gone.url).host),
    });
  });
});

test("an open circuit looks the same in time wherever it was kept", async () => {
  const store = openMemory(now);
  await changeCircuit(
    store,
    "agent:a",
    { type: "trip", source: "operator", reason: "r", by: "me", ttlMs: 1_000 },
    clock,
  );
  const [circuit] = await store.circuits();
  expect(circuitAt(circuit as never, clock + 1_000).state).toBe("probing");
});
