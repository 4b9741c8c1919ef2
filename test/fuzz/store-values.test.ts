import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, expect } from "vitest";
import { attribute } from "../../src/billing/late/attribute.ts";
import { cutsOf, MINUTE_RULES } from "../../src/billing/late/minute-cuts.ts";
import { spansOf } from "../../src/billing/late/minute-spans.ts";
import type { LateCall } from "../../src/core/late/late-call.ts";
import { mergeMetered, sumsOf } from "../../src/core/metered.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import { asCircuit, type CircuitEvent, circuitAt, closedCircuit, nextCircuit } from "../../src/limits/circuit.ts";
import { emptyTally, exchange, isAmount, type Report, spentOf } from "../../src/limits/tally.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { readTally, writeTally } from "../../src/stores/file/tables.ts";
import { type Change, changeCircuit, countOf, type Store } from "../../src/stores/store.ts";
import { anyJson, fuzz, replaced } from "./fuzz.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const DAY = Date.UTC(2026, 10, 24);
const HOUR = 3_600_000;
const mark = { cycle: "c1", transition: "Triggered", event: "777", at: NOW };
const alert = ["123", mark] as const;

const EVENTS: readonly CircuitEvent[] = [
  { type: "trip", source: "datadog", reason: "r", by: "monitor 123", ttlMs: HOUR, alert },
  { type: "trip", source: "operator", reason: "r", by: "me", ttlMs: HOUR },
  { type: "recover", by: "monitor 123", alert: ["123", { ...mark, transition: "Recovered", at: NOW + 1 }] },
  { type: "reset", by: "me", reason: "r" },
  { type: "probe" },
];
const open = nextCircuit(closedCircuit("agent:a"), EVENTS[0]!, NOW).circuit;
const CIRCUITS = [open, circuitAt(open, NOW + HOUR), circuitAt(open, NOW + 3 * HOUR)];

const holding = { spent: 3, inUse: 1, slice: 2, until: NOW + HOUR };
const TALLIES = [
  writeTally(emptyTally()),
  JSON.stringify([
    5,
    0,
    [
      ["me", holding],
      ["other", holding],
    ],
    0,
  ]),
];
const REPORT: Report = {
  ...{ key: "k", earlier: [], holder: "me", cap: 10, spent: 1, acked: 0, others: 0, inUse: 0, keep: 0, need: 1 },
  ...{ spare: 1, tight: false, leave: false, leaseMs: HOUR, keepMs: HOUR },
};

const anyText = fc.string({ unit: "binary" });
const asText = (values: fc.Arbitrary<unknown>): fc.Arbitrary<string> => values.map((json) => JSON.stringify(json));
const circuits = fc.oneof(anyText, asText(anyJson), asText(fc.oneof(...CIRCUITS.map(replaced))));
const tallies = fc.oneof(
  anyText,
  asText(anyJson),
  asText(fc.oneof(...TALLIES.map((text) => replaced(JSON.parse(text) as object)))),
);
const sums = fc.oneof(anyText, asText(anyJson), asText(replaced([1, 2, 3, 4, 5, 6, 7])));
const GROUP = JSON.stringify([DAY, "openai", "m", "default", "key", "a", "a", "team", "project", "reported", "true"]);
const groups = fc.oneof(anyText, asText(anyJson), asText(replaced(JSON.parse(GROUP) as object)));
const texts = fc.oneof(anyText, asText(anyJson));
const signals = fc.oneof(
  anyText,
  asText(anyJson),
  ...[{ circuit: "agent:a" }, { type: "recall", key: "k" }].map((signal) => asText(replaced(signal))),
);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const folder = mkdtempSync(join(tmpdir(), "spendfuse-fuzz-"));
const path = join(folder, "store.db");
const heard: Change[] = [];
let files: { readonly store: Store; readonly db: DatabaseSync } | undefined;
afterAll(async () => {
  await files?.store.close();
  files?.db.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openOnce() {
  if (files !== undefined) return files;
  const store = await openFile(path, { clock: () => NOW, pollMs: 1 });
  store.subscribe((change) => heard.push(change));
  files = { store, db: new DatabaseSync(path, { timeout: 1_000 }) };
  return files;
}

fuzz("a circuit is one that lives on, or none", fc.tuple(circuits, fc.constantFrom(...EVENTS)), ([text, event]) => {
  const circuit = asCircuit(parsed(text));
  if (circuit === undefined) return;
  for (const at of [0, NOW, NOW + HOUR, NOW + 10 * HOUR]) {
    expect(asCircuit(circuitAt(circuit, at))).toBeDefined();
    const step = nextCircuit(circuit, event, at);
    if (step.changed) expect(asCircuit(step.circuit)).toBeDefined();
  }
});

fuzz("a count can be added to", tallies, (text) => {
  const tally = readTally(text);
  const { spent, inUse, held } = countOf("k", tally, NOW);
  for (const one of [spent, inUse, held, spentOf(tally, NOW)]) expect(isAmount(one)).toBe(true);
  const standing = exchange(tally, REPORT, 0, NOW);
  for (const [name, one] of Object.entries(standing)) expect([name, Number.isNaN(one)]).toEqual([name, false]);
  expect(readTally(writeTally(tally)).damaged ?? false).toBe(false);
});

fuzz("metered sums add up", fc.array(fc.tuple(groups, sums), { maxLength: 5 }), (rows) => {
  for (const row of mergeMetered(rows.map(([key, text]) => [key, sumsOf(text)] as const)))
    for (const [name, one] of Object.entries(row))
      if (typeof one === "number" && name !== "day") expect([name, Number.isFinite(one)]).toEqual([name, true]);
});

fuzz(
  "in a file, one that is broken affects only itself",
  fc.record({ circuit: circuits, tally: tallies, group: groups, sums, signal: signals, audit: texts }),
  async (bad) => {
    const { store, db } = await openOnce();
    db.exec("BEGIN IMMEDIATE");
    for (const table of ["circuits", "tallies", "metered", "signals", "audit"]) db.exec(`DELETE FROM ${table}`);
    db.prepare("INSERT INTO circuits VALUES ('agent:bad', 1, ?)").run(bad.circuit);
    db.prepare("INSERT INTO tallies VALUES ('bad', ?, ?)").run(bad.tally, NOW + HOUR);
    db.prepare("INSERT INTO metered VALUES (?, 'bad', ?, ?)").run(DAY, bad.group, bad.sums);
    db.prepare("INSERT INTO audit (json) VALUES (?)").run(bad.audit);
    db.prepare("INSERT INTO signals (at, json) VALUES (?, ?)").run(NOW, bad.signal);
    db.exec("COMMIT");
    await store.putMetered("me", [{ day: DAY, key: GROUP, sums: [1, 2, 3, 4, 5, 6, 7] }]);
    const { changed } = await changeCircuit(store, "agent:good", EVENTS[1]!, NOW);
    expect(changed).toBe(true);
    expect((await store.circuits()).map(({ scope }) => scope)).toContain("agent:good");
    for (const event of EVENTS) await changeCircuit(store, "agent:bad", event, NOW);
    const standings = await store.exchange([
      { ...REPORT, key: "bad" },
      { ...REPORT, key: "good" },
    ]);
    expect(standings[1]).toMatchObject({ spent: 1 });
    expect((await store.counts(10)).map(({ key }) => key)).toContain("good");
    expect((await store.metered(DAY, DAY + 1)).some(({ provider }) => provider === "openai")).toBe(true);
    await store.audit(10);
    for (const change of heard.splice(0)) {
      expect(["circuit", "recall", "back"]).toContain(change.type);
      if (change.type === "circuit") expect(asCircuit(change.circuit)).toBeDefined();
      if (change.type === "recall") expect(change.key).toBeTypeOf("string");
    }
  },
);

const USAGE = { ...NO_USAGE, input: 10, output: 5 };
const CALL = {
  ...{ id: "bad", responseId: "r", usage: USAGE, costNano: 60, startedAt: NOW - 2 * HOUR, endedAt: NOW - 2 * HOUR },
  group: {
    ...{ day: DAY, provider: "openai", model: "gpt-5", tier: "default", key: "k", agent: "a", rootAgent: "a" },
    ...{ team: "", project: "", quality: "estimated" as const, priced: "true" as const },
  },
  terms: { speed: "fast" },
} as const;
const GOOD: LateCall = { ...CALL, id: "good" };
const SETTLEMENT = { id: "bad", at: NOW, by: "poll", usage: USAGE, costNano: 7, priced: "true" } as const;
const MINUTE = { provider: "openai", key: "k", model: "gpt-5", from: NOW - 2 * HOUR, until: NOW - 2 * HOUR };
const of = (value: object): fc.Arbitrary<string> => fc.oneof(anyText, asText(anyJson), asText(replaced(value)));

fuzz(
  "in a file, a late call, a settlement and a minute that are broken affect only themselves",
  fc.record({
    call: of(CALL),
    settlement: of(SETTLEMENT),
    key: of(Object.values(MINUTE)),
    sums: of([1, 2, 3, 4, 5, 6, 7]),
  }),
  async (bad) => {
    const { store, db } = await openOnce();
    db.exec("BEGIN IMMEDIATE");
    for (const table of ["metered", "late_calls", "minutes"]) db.exec(`DELETE FROM ${table}`);
    db.prepare("INSERT INTO late_calls VALUES (?, 'bad', ?, ?)").run(DAY, bad.call, bad.settlement);
    db.prepare("INSERT INTO minutes VALUES (?, 'bad', ?, ?)").run(NOW - 2 * HOUR, bad.key, bad.sums);
    db.exec("COMMIT");
    await store.putMetered("me", [{ day: DAY, key: GROUP, sums: [1, 2, 3, 4, 5, 6, 7] }], {
      calls: [GOOD],
      minutes: [
        {
          ...MINUTE,
          requests: 1,
          ...{ inputUncached: 1, cacheRead: 0, cacheWrite: 0, cacheWrite1h: 0 },
          output: 1,
          webSearches: 0,
        },
      ],
    });
    const { calls, settlements, minutes } = await store.late(NOW - 3 * HOUR, NOW);
    expect(calls.some(({ id }) => id === "good")).toBe(true);
    for (const span of spansOf(calls, settlements, minutes)) {
      for (const rule of MINUTE_RULES) cutsOf(span, calls, settlements, minutes, rule);
      attribute(span, [], () => undefined);
    }
    expect(await store.settle(GOOD, { ...SETTLEMENT, id: "good" })).toBe(true);
    const [settled] = await store.settlements([GOOD, CALL]);
    expect(settled).toMatchObject({ id: "good", costNano: 7 });
    for (const row of await store.metered(DAY, DAY + 1))
      for (const one of Object.values(row)) if (typeof one === "number") expect(Number.isFinite(one)).toBe(true);
  },
);
