import { afterEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import { createJournal, type Journal } from "../../src/process/journal.ts";
import { openMemory } from "../../src/stores/memory.ts";
import type { Change, Store } from "../../src/stores/store.ts";

let journal: Journal;

afterEach(() => journal.close());

function callOf(agent: string): SettledCall {
  const startedAt = Date.now();
  const scope = { agent, rootAgent: agent };
  const seen = { provider: "openai", model: "m", format: "openai-chat", stream: false, ending: "completed" } as const;
  return { id: agent, scope, ...seen, quality: "reported", priced: "true", usage: NO_USAGE, startedAt, durationMs: 0 };
}

const PARTS = [{ model: "m", usage: NO_USAGE, costNano: 1 }];

function record(agent: string): void {
  journal.record(callOf(agent), PARTS);
}

/** A memory whose writes wait until they are let go. */
function createSlowStore(): { store: Store; letGo(): void; forget(): void } {
  let memory = openMemory();
  const waiting: (() => void)[] = [];
  const listeners = new Set<(change: Change) => void>();
  const store: Store = {
    ...memory,
    async putMetered(holder, totals) {
      await new Promise<void>((resolve) => waiting.push(resolve));
      await memory.putMetered(holder, totals);
    },
    metered: (from, until) => memory.metered(from, until),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return {
    store,
    letGo: () => waiting.shift()?.(),
    forget() {
      memory = openMemory();
      for (const listener of listeners) listener({ type: "back" });
    },
  };
}

async function callsIn(store: Store): Promise<number> {
  const rows = await store.metered(0, Number.MAX_SAFE_INTEGER);
  return rows.reduce((sum, { calls }) => sum + calls, 0);
}

function begin(store: Store): void {
  const fail = (error: unknown): never => {
    throw error;
  };
  journal = createJournal({ store: () => store, opening: Promise.resolve(), holder: "one", onFault: fail });
}

async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

describe("the journal", () => {
  test("is flushed when all rows that came before are written, however many wait for it", async () => {
    const { store, letGo } = createSlowStore();
    begin(store);
    record("a");
    const first = journal.flush();
    await turns();
    record("b");
    let flushed = 0;
    const others = [journal.flush(), journal.flush()].map((one) => one.then(() => (flushed += 1)));
    letGo();
    await first;
    await turns();
    expect([flushed, await callsIn(store)]).toEqual([0, 1]);
    letGo();
    await Promise.all(others);
    expect(await callsIn(store)).toBe(2);
  });

  test("writes everything again to a store that came back empty", async () => {
    const { store, letGo, forget } = createSlowStore();
    begin(store);
    for (const agent of ["a", "b", "b"]) record(agent);
    const flushed = journal.flush();
    await turns();
    letGo();
    await flushed;
    forget();
    expect(await callsIn(store)).toBe(0);
    const again = journal.flush();
    await turns();
    letGo();
    await again;
    expect(await callsIn(store)).toBe(3);
  });

  test("lets go of rows that are written, and adds to them when their agents come back", async () => {
    const store = openMemory();
    begin(store);
    for (let round = 1; round <= 2; round++) {
      for (let agent = 0; agent < 21_000; agent++) record(`agent-${agent}`);
      await journal.flush();
      expect(await callsIn(store)).toBe(21_000 * round);
    }
  });
});
