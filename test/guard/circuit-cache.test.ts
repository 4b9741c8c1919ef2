import { describe, expect, test } from "vitest";
import { nestScope } from "../../src/core/scope.ts";
import { type CircuitCache, createCircuitCache } from "../../src/guard/circuits/circuit-cache.ts";
import { type Circuit, closedCircuit, HOLD_MS, nextCircuit, PROBES, PROBING_MS } from "../../src/limits/circuit.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Change, Store } from "../../src/stores/store.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const TTL = 10 * 60_000;
const NODE = nestScope(nestScope(undefined, { agent: "planner", team: "t" }), { agent: "a" });

function opened(scope: string, ttlMs = TTL, before = closedCircuit(scope)): Circuit {
  const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs } as const;
  return nextCircuit(before, trip, NOW).circuit;
}

interface Stage {
  readonly cache: CircuitCache;
  readonly clock: { now: number };
  readonly told: string[];
  tell(change: Change): void;
}

function stage(store: Store = openMemory(() => NOW), fed = false): Stage {
  const clock = { now: NOW };
  const told: string[] = [];
  let tell: (change: Change) => void = () => {};
  const cache = createCircuitCache({
    store: {
      ...store,
      subscribe(listener) {
        tell = listener;
        return () => void told.push("unsubscribed");
      },
    },
    fed,
    clock: () => clock.now,
    onBack: () => void told.push("back"),
    onRecall: (key) => void told.push(`recall ${key}`),
    onFailure: (error) => void told.push(String(error)),
    onChange: ({ scope, state }) => void told.push(`${scope} ${state}`),
  });
  return { cache, clock, told, tell: (change) => tell(change) };
}

const circuit = (one: Circuit): Change => ({ type: "circuit", circuit: one });

describe("the circuit that a call runs into", () => {
  test.each([
    ["agent:a", true],
    ["agent:planner", true],
    ["team:t", true],
    ["root_agent:planner", true],
    ["all", true],
    ["agent:a,team:t", true],
    ["root_agent:planner,team:t", true],
    ["agent:b", false],
    ["root_agent:a", false],
    ["agent:a,team:other", false],
    ["agent:b,team:t", false],
  ])("%s: %s", (scope, found) => {
    const { cache, tell } = stage();
    expect(cache.find(NODE, NOW)).toBeUndefined();
    tell(circuit(opened(scope)));
    expect(cache.find(NODE, NOW)?.scope).toBe(found ? scope : undefined);
    cache.feed.replace([opened(scope)]);
    expect(cache.find(NODE, NOW)?.scope).toBe(found ? scope : undefined);
  });

  test("lasts as long as it is open, then it probes, then it is gone and said to be closed", () => {
    const { cache, tell, told, clock } = stage();
    tell(circuit(opened("agent:a")));
    for (const later of [0, TTL - 1, TTL, TTL + PROBING_MS - 1])
      expect([later, cache.find(NODE, NOW + later)?.scope]).toEqual([later, "agent:a"]);
    clock.now = NOW + TTL + PROBING_MS;
    expect(cache.find(NODE, clock.now)).toBeUndefined();
    expect(told).toEqual(["agent:a open", "agent:a closed"]);
    expect(cache.open).toEqual([]);
  });

  test("of two parts is gone by then as well", () => {
    const { cache, tell, clock } = stage();
    tell(circuit(opened("agent:a,team:t")));
    clock.now = NOW + TTL + PROBING_MS;
    expect(cache.find(NODE, clock.now)).toBeUndefined();
  });
});

describe("what is heard of a circuit", () => {
  test("an older state changes nothing, a newer one does", () => {
    const { cache, tell, told } = stage();
    const first = opened("agent:a");
    const reset = nextCircuit(first, { type: "reset", by: "me", reason: "over" }, NOW).circuit;
    const again = opened("agent:a", TTL, reset);
    tell(circuit(again));
    tell(circuit(reset));
    tell(circuit(first));
    expect(cache.find(NODE, NOW)).toBe(again);
    tell(circuit(nextCircuit(again, { type: "reset", by: "me", reason: "over" }, NOW).circuit));
    expect(cache.find(NODE, NOW)).toBeUndefined();
    expect(told).toEqual(["agent:a open", "agent:a closed"]);
  });

  test("the feed says all that is open: what it leaves out is closed", () => {
    const { cache } = stage();
    cache.feed.replace([opened("agent:a"), opened("team:t")]);
    expect(cache.open.map(({ scope }) => scope)).toEqual(["agent:a", "team:t"]);
    cache.feed.replace([opened("team:t")]);
    expect(cache.open.map(({ scope }) => scope)).toEqual(["team:t"]);
    cache.feed.put(closedCircuit("team:t"));
    expect(cache.find(NODE, NOW)).toBeUndefined();
  });

  test("a store that has forgotten a circuit is told of it", async () => {
    const store = openMemory(() => NOW);
    const { cache, tell, told } = stage(store);
    const known = { ...opened("agent:a"), rev: 7 };
    tell(circuit(known));
    tell(circuit({ ...opened("team:t", 1), until: NOW - PROBING_MS } as Circuit));
    tell({ type: "back" });
    expect(await store.circuits()).toEqual([{ ...known, rev: 1 }]);
    expect(cache.find(NODE, NOW)?.scope).toBe("agent:a");
    expect(told).toContain("back");
  });

  test("what a store knows better when it is back", async () => {
    const store = openMemory(() => NOW);
    const { cache, tell } = stage(store);
    tell(circuit({ ...opened("agent:a"), rev: 7 }));
    await store.putCircuit({ ...closedCircuit("agent:a"), rev: 1, since: NOW });
    tell({ type: "back" });
    expect(cache.find(NODE, NOW)).toBeUndefined();
  });

  test("recalls are passed on", () => {
    const { tell, told } = stage();
    tell({ type: "recall", key: "k" });
    expect(told).toEqual(["recall k"]);
  });
});

describe("whether anything is known", () => {
  test("a store is heard of at once, a feed when it has spoken", async () => {
    const { cache } = stage(undefined, true);
    expect(cache.isUnknown(NOW)).toBe(true);
    const known = cache.known(60_000);
    cache.feed.replace([]);
    await known;
    expect(cache.isUnknown(NOW)).toBe(false);
    expect(stage().cache.isUnknown(NOW)).toBe(false);
  });

  test.each(["feed", "store"])("a %s that went away is good for half a minute", (which) => {
    const { cache, tell, clock } = stage(undefined, true);
    cache.feed.replace([]);
    const away = () => (which === "feed" ? cache.feed.away() : tell({ type: "away" }));
    away();
    clock.now += 20_000;
    away();
    expect(cache.isUnknown(NOW + 30_000)).toBe(false);
    expect(cache.isUnknown(NOW + 30_001)).toBe(true);
    if (which === "feed") cache.feed.replace([]);
    else tell({ type: "back" });
    expect(cache.isUnknown(NOW + 1e9)).toBe(false);
  });

  test("who waits does so for as long as given, and no longer", async () => {
    const { cache } = stage(undefined, true);
    await cache.known(1);
    expect(cache.isUnknown(NOW)).toBe(true);
  });

  test("a store that cannot be read is unknown, and says why", async () => {
    const failing = { ...openMemory(), circuits: () => Promise.reject(new Error("no answer")) };
    const { cache, told } = stage(failing);
    await Promise.resolve();
    await Promise.resolve();
    expect(told).toEqual(["Error: no answer"]);
    expect(cache.isUnknown(NOW)).toBe(true);
    cache.close();
    expect(told).toEqual(["Error: no answer", "unsubscribed"]);
  });
});

describe("a circuit that probes", () => {
  const tries = async (cache: CircuitCache, at: number): Promise<number> => {
    let passed = 0;
    for (let call = 0; call < PROBES + 2; call++) {
      const found = cache.find(NODE, at);
      if (found === undefined || (await cache.probe(found, at))) passed += 1;
    }
    return passed;
  };

  test("of the store lets so many through, among all processes", async () => {
    const store = openMemory(() => NOW);
    const { cache, tell } = stage(store);
    await store.putCircuit(opened("agent:a"));
    store.subscribe(tell);
    tell(circuit((await store.circuits())[0] as Circuit));
    expect(await tries(cache, NOW + TTL)).toBe(PROBES);
  });

  test("of the feed lets so many through in this process", async () => {
    const { cache } = stage();
    cache.feed.replace([opened("agent:a")]);
    expect(await tries(cache, NOW + TTL)).toBe(PROBES);
  });

  test("lets a call through that finds it closed by then", async () => {
    const store = openMemory(() => NOW);
    const { cache, tell } = stage(store);
    await store.putCircuit(opened("agent:a"));
    tell(circuit((await store.circuits())[0] as Circuit));
    const found = cache.find(NODE, NOW + TTL) as Circuit;
    expect(await cache.probe(found, NOW + TTL + PROBING_MS)).toBe(true);
    cache.feed.replace([opened("agent:a")]);
    expect(await cache.probe(opened("agent:a"), NOW + TTL + PROBING_MS)).toBe(true);
  });
});

test("a recovery holds a circuit for its time, here as well", () => {
  const { cache, tell } = stage();
  const open = opened("agent:a");
  tell(circuit({ ...open, rev: 2, until: NOW + HOLD_MS } as Circuit));
  expect(cache.find(NODE, NOW + HOLD_MS - 1)).toMatchObject({ state: "open" });
});
