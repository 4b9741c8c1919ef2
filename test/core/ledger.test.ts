import { describe, expect, test } from "vitest";
import { createLedger, type Entry, type Sums, type Window, windowStart } from "../../src/core/ledger.ts";
import { nestScope, type ScopeFields } from "../../src/core/scope.ts";
import { NO_USAGE } from "../../src/core/usage.ts";

const NONE: Sums = {
  calls: 0,
  cost: 0,
  unpriced: 0,
  unknown: 0,
  charges: 0,
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  reasoning: 0,
};
const node = (fields: ScopeFields) => nestScope(undefined, fields);
const at = (text: string): number => Date.parse(`${text}Z`);
const entry = (cost: number | undefined, more: Partial<Entry> = {}): Entry => ({
  calls: 1,
  cost,
  usage: { ...NO_USAGE, input: 10, output: 5, cacheRead: 4, cacheWrite: 3, reasoning: 2 },
  unknown: false,
  ...more,
});
const WINDOWS: readonly Window[] = ["hour", "day", "month", "ever"];

describe("windows", () => {
  /** What is spent when, and what each window shows after it. */
  const DIARY: readonly (readonly [
    when: string,
    cost: number,
    hour: number,
    day: number,
    month: number,
    ever: number,
  ])[] = [
    ["2026-01-31T22:59:59.999", 1, 1, 1, 1, 1],
    ["2026-01-31T23:00:00.000", 2, 2, 3, 3, 3],
    ["2026-01-31T23:59:59.999", 4, 6, 7, 7, 7],
    ["2026-02-01T00:00:00.000", 8, 8, 8, 8, 15],
    ["2026-02-01T00:30:00.000", 16, 24, 24, 24, 31],
    ["2026-02-28T23:30:00.000", 32, 32, 32, 56, 63],
    ["2026-03-01T00:00:00.000", 64, 64, 64, 64, 127],
    ["2027-03-01T00:00:00.000", 128, 128, 128, 128, 255],
  ];

  test("roll over at the UTC hour, day and month", () => {
    const ledger = createLedger();
    for (const [when, cost, ...shown] of DIARY) {
      ledger.add(node({ agent: "a" }), entry(cost), at(when));
      const sums = WINDOWS.map((window) => ledger.sums("agent:a", window, at(when))?.cost);
      expect(sums, when).toEqual(shown);
    }
  });

  test("are empty when their time is over, without anything added", () => {
    const ledger = createLedger();
    const when = at("2026-01-31T23:30:00.000");
    ledger.add(node({ agent: "a" }), entry(5), when);
    const shown = (now: string) => WINDOWS.map((window) => ledger.sums("agent:a", window, at(now))?.cost);
    expect(shown("2026-01-31T23:59:59.999")).toEqual([5, 5, 5, 5]);
    expect(shown("2026-02-01T00:00:00.000")).toEqual([0, 0, 0, 5]);
    expect(shown("2026-01-31T22:59:59.999")).toEqual([0, 5, 5, 5]);
    expect(ledger.sums("agent:a", "hour", at("2026-02-02T00:00:00"))).toEqual(NONE);
    expect(ledger.sums("agent:other", "ever", when)).toBeUndefined();
  });

  test.each([
    ["hour", "2026-05-17T13:45:12.345", "2026-05-17T13:00:00.000"],
    ["day", "2026-05-17T13:45:12.345", "2026-05-17T00:00:00.000"],
    ["month", "2026-05-17T13:45:12.345", "2026-05-01T00:00:00.000"],
    ["month", "2024-02-29T23:59:59.999", "2024-02-01T00:00:00.000"],
  ] as const)("the %s of %s began at %s", (window, now, start) => {
    expect(windowStart(window, at(now))).toBe(at(start));
  });
});

describe("sums", () => {
  const NOW = at("2026-05-17T13:45:12.345");

  test("hold every kind, and tell the unpriced and the unknown apart from what is free", () => {
    const ledger = createLedger();
    const a = node({ agent: "a", team: "t" });
    ledger.add(a, entry(7), NOW);
    ledger.add(a, entry(undefined), NOW);
    ledger.add(a, entry(undefined, { usage: undefined, unknown: true }), NOW);
    ledger.add(a, entry(3, { calls: 0 }), NOW);
    const expected = {
      ...NONE,
      calls: 3,
      cost: 10,
      unpriced: 1,
      unknown: 1,
      input: 30,
      output: 15,
      cacheRead: 12,
      cacheWrite: 9,
      reasoning: 6,
    };
    for (const account of ["all", "agent:a", "team:t"]) {
      for (const window of WINDOWS) expect(ledger.sums(account, window, NOW)).toEqual(expected);
    }
    expect([...ledger.accounts()].sort()).toEqual(["agent:a", "all", "team:t"]);
  });

  test("of very many calls are exact, and only the latest 10,000 runs are kept", () => {
    const calls = 100_000 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
    const ledger = createLedger();
    let cost = 0n;
    const agents = Array.from({ length: 10 }, (_, n) => node({ agent: `a${n}` }));
    const { usage } = entry(0);
    for (let n = 0; n < calls; n += 1) {
      const nano = n % 3 === 0 ? 1 : (n % 1000) * 1_000_003;
      cost += BigInt(nano);
      const { scope, accounts } = agents[n % 10]!;
      const accounted = { scope, accounts: [...accounts, `run:r${n}`], plan: undefined };
      ledger.add(accounted, { calls: 1, cost: nano, usage, unknown: false }, NOW + n);
    }
    const now = NOW + calls - 1;
    expect(BigInt(ledger.sums("all", "ever", now)?.cost as number)).toBe(cost);
    expect(ledger.sums("all", "ever", now)).toMatchObject({ calls, input: 10 * calls, reasoning: 2 * calls });
    let sum = 0n;
    for (let n = 0; n < 10; n += 1) sum += BigInt(ledger.sums(`agent:a${n}`, "ever", now)?.cost as number);
    expect(sum).toBe(cost);
    const runs = [...ledger.accounts()].filter((name) => name.startsWith("run:"));
    // They are forgotten by the thousand.
    expect(runs.length).toBeLessThanOrEqual(10_000);
    expect(runs.slice(-9_000)).toEqual(Array.from({ length: 9_000 }, (_, n) => `run:r${calls - 9_000 + n}`));
    expect(ledger.sums(`run:r${calls - 10_001}`, "ever", now)).toBeUndefined();
    expect([...ledger.accounts()]).toHaveLength(runs.length + 11);
  });

  test("of a run that is used again and again outlive newer ones that are not", () => {
    const ledger = createLedger({ recent: 3 });
    for (let n = 0; n < 100; n += 1) {
      ledger.add(node({ agent: "a", run: "long" }), entry(1), NOW);
      ledger.add(node({ agent: "a", run: `r${n}` }), entry(1), NOW);
    }
    expect(ledger.sums("run:long", "ever", NOW)?.cost).toBe(100);
    expect([...ledger.accounts()].filter((name) => name.startsWith("run:"))).toEqual([
      "run:r98",
      "run:long",
      "run:r99",
    ]);
  });

  test("of runs are forgotten a tenth at a time, the ones first that were not used for the longest", () => {
    const ledger = createLedger({ recent: 100 });
    const add = (run: number) => ledger.add(node({ agent: "a", run: `r${run}` }), entry(1), NOW);
    const runs = () => [...ledger.accounts()].filter((name) => name.startsWith("run:"));
    for (let run = 0; run < 100; run += 1) add(run);
    add(3);
    expect(runs()).toHaveLength(100);
    add(100);
    expect(runs()).toHaveLength(91);
    expect(runs()[0]).toBe("run:r11");
    expect(runs().slice(-2)).toEqual(["run:r3", "run:r100"]);
  });

  test.each(["conversation", "user"] as const)("of each %s are bounded too, agents are not", (kind) => {
    const ledger = createLedger({ recent: 5 });
    for (let n = 0; n < 50; n += 1) ledger.add(node({ agent: `a${n}`, [kind]: `x${n}` }), entry(1), NOW);
    const names = [...ledger.accounts()];
    expect(names.filter((name) => name.startsWith(kind))).toHaveLength(5);
    expect(names.filter((name) => name.startsWith("agent"))).toHaveLength(50);
  });

  test("can be read and not written", () => {
    const ledger = createLedger();
    ledger.add(node({ agent: "a" }), entry(1), NOW);
    const seen = ledger.sums("agent:a", "day", at("2030-01-01T00:00:00")) as Sums;
    seen.cost = 99;
    expect(ledger.sums("agent:a", "day", at("2030-01-01T00:00:00"))?.cost).toBe(0);
  });
});

describe("a correction", () => {
  const NOW = at("2026-11-28T10:00:00");
  const who = node({ agent: "a", run: "r" });
  const unknown = entry(undefined, { usage: undefined, unknown: true });

  test.each([
    ["2026-11-28T10:10:00", [7, 7, 7, 7]],
    ["2026-11-28T11:10:00", [2, 9, 9, 9]],
    ["2026-11-29T00:10:00", [2, 2, 9, 9]],
    ["2026-12-01T00:10:00", [2, 2, 2, 9]],
  ])("at %s changes the windows that the call was added to", (later, costs) => {
    const ledger = createLedger();
    const ended = at("2026-11-28T10:05:00");
    const now = at(later);
    ledger.add(who, entry(5), ended);
    if (costs[0] === 2) ledger.add(who, entry(2), now);
    ledger.correct(who, entry(5), entry(7), ended);
    for (const account of ["all", "agent:a", "run:r"])
      expect(WINDOWS.map((window) => ledger.sums(account, window, now)?.cost)).toEqual(costs);
  });

  test("makes an unknown call a known one, and counts no call", () => {
    const ledger = createLedger();
    ledger.add(who, unknown, NOW);
    expect(ledger.sums("agent:a", "ever", NOW)).toMatchObject({ calls: 1, unknown: 1, cost: 0, input: 0 });
    ledger.correct(who, unknown, entry(3), NOW);
    expect(ledger.sums("agent:a", "ever", NOW)).toMatchObject({ calls: 1, unknown: 0, cost: 3, input: 10 });
  });

  test("of an account that is forgotten does nothing", () => {
    const ledger = createLedger();
    ledger.correct(who, entry(1), entry(2), NOW);
    expect([...ledger.accounts()]).toEqual([]);
  });
});
