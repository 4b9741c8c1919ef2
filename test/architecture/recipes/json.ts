import { type LateCall, type LateSettlement, metersOf } from "../../../src/core/late/late-call.ts";
import { type MinuteTotal, mergeMinutes, minuteKey, minuteSums } from "../../../src/core/late/minute.ts";
import { mergeMetered } from "../../../src/core/metered.ts";
import type { Circuit } from "../../../src/limits/circuit.ts";
import { type LastTurn, nextTurn } from "../../../src/limits/pace.ts";
import {
  changedKey,
  emptyTally,
  exchange,
  type Holding,
  raisedOf,
  spentOf,
  type Tally,
} from "../../../src/limits/tally.ts";
import {
  type AuditEntry,
  type Change,
  countOf,
  type MeteredTotal,
  NO_RECORDS,
  type Store,
  type StoreKind,
} from "../../../src/stores/store.ts";

const { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } = process.getBuiltinModule("node:fs");

const SCHEME = "json:";

/** A JSON file that is written anew with each change, to follow the recipe with. Changes of others are not told. */
export const json: StoreKind = {
  name: "json",
  form: "json:PATH",
  pattern: /^json:./,
  example: "json:/var/lib/app/spendfuse.json",
  reach: "host",
  open: async (address) => openJson(address.slice(SCHEME.length)),
};

interface State {
  readonly tallies: Record<string, { readonly base: number; tightUntil: number; holders: [string, Holding][] }>;
  readonly circuits: Record<string, Circuit>;
  readonly audit: AuditEntry[];
  readonly turns: Record<string, LastTurn>;
  readonly metered: Record<string, MeteredTotal>;
  readonly lateCalls: Record<string, LateCall>;
  readonly settlements: Record<string, LateSettlement>;
  readonly minutes: Record<string, MinuteTotal>;
}

function openJson(path: string): Store {
  const listeners = new Set<(change: Change) => void>();

  function change<T>(run: (state: State) => T): T {
    const lock = lockFile(`${path}.lock`);
    try {
      const state: State = existsSync(path)
        ? JSON.parse(readFileSync(path, "utf8"))
        : { tallies: {}, circuits: {}, audit: [], turns: {}, metered: {}, lateCalls: {}, settlements: {}, minutes: {} };
      const result = run(state);
      writeFileSync(path, JSON.stringify(state));
      return result;
    } finally {
      closeSync(lock);
      rmSync(`${path}.lock`);
    }
  }

  return {
    alone: false,
    exchange: (reports) =>
      change(({ tallies }) =>
        reports.map((report) => {
          const now = Date.now();
          const tally = tallyOf(tallies[report.key]);
          const earlier = report.earlier.reduce((sum, key) => sum + spentOf(tallyOf(tallies[key]), now), 0);
          const standing = exchange(tally, report, earlier, now);
          tallies[report.key] = { ...tally, holders: [...tally.holders] };
          return standing;
        }),
      ),
    counts: (limit) =>
      change(({ tallies }) =>
        Object.entries(tallies)
          .map(([key, tally]) => countOf(key, tallyOf(tally), Date.now()))
          .slice(0, limit),
      ),
    circuits: () => change(({ circuits }) => Object.values(circuits)),
    circuit: (scope) => change(({ circuits }) => circuits[scope]),
    putCircuit: (circuit, entry) =>
      change(({ circuits, audit }) => {
        if ((circuits[circuit.scope]?.rev ?? 0) !== circuit.rev - 1) return false;
        circuits[circuit.scope] = circuit;
        if (entry !== undefined) audit.push(entry);
        for (const listener of listeners) listener({ type: "circuit", circuit });
        return true;
      }),
    changeCap: (reports, expected, entry) =>
      change(({ tallies, audit }) => {
        const found = reports.map(({ key }) => tallyOf(tallies[key]));
        const raised = raisedOf(found[0] ?? emptyTally());
        if (reports.some(({ holder }, index) => found[index]?.holders.has(holder)))
          return { outcome: "repeated", raised };
        if (raised !== expected) return { outcome: "outdated", raised };
        for (const [index, report] of reports.entries()) {
          const tally = found[index] ?? emptyTally();
          exchange(tally, report, 0, Date.now());
          tallies[report.key] = { ...tally, holders: [...tally.holders] };
          for (const listener of listeners) listener({ type: "recall", key: changedKey(report.key) });
        }
        audit.push(entry);
        return { outcome: "applied", raised: raisedOf(found[0] ?? emptyTally()) };
      }),
    addAudit: (entry) => change(({ audit }) => void audit.push(entry)),
    takeTurn: (pace) =>
      change(({ turns }) => {
        const now = Date.now();
        const turn = nextTurn(turns[pace.key], pace, now);
        turns[pace.key] = turn;
        return turn.due - now;
      }),
    audit: (limit) => change(({ audit }) => audit.slice(-limit).reverse()),
    putMetered: (holder, totals, late = NO_RECORDS) =>
      change(({ metered, lateCalls, minutes }) => {
        for (const total of totals) metered[`${holder} ${total.key}`] = total;
        for (const call of late.calls) lateCalls[call.id] = call;
        for (const minute of late.minutes) minutes[`${holder} ${minuteKey(minute)}`] = minute;
      }),
    metered: (from, until) =>
      change(({ metered, lateCalls, settlements }) => {
        const totals = Object.values(metered).filter(({ day }) => day >= from && day < until);
        const settled = Object.values(lateCalls).filter(({ group }) => group.day >= from && group.day < until);
        return mergeMetered([
          ...totals.map(({ key, sums }) => [key, sums] as const),
          ...settled.flatMap((call) => {
            const settlement = settlements[call.id];
            return settlement === undefined ? [] : metersOf(call, settlement);
          }),
        ]);
      }),
    late: (from, until) =>
      change(({ lateCalls, settlements, minutes }) => ({
        calls: Object.values(lateCalls).filter(({ endedAt }) => endedAt >= from && endedAt < until),
        settlements: new Map(Object.entries(settlements)),
        minutes: mergeMinutes(
          Object.values(minutes).map((minute) => [minuteKey(minute), JSON.stringify(minuteSums(minute))]),
        ),
      })),
    settle: ({ id }, settlement) =>
      change(({ settlements }) => {
        if (settlements[id] !== undefined) return false;
        settlements[id] = settlement;
        return true;
      }),
    settlements: (calls) => change(({ settlements }) => calls.map(({ id }) => settlements[id])),
    recall: (key) => {
      for (const listener of listeners) listener({ type: "recall", key });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => listeners.clear(),
  };
}

function tallyOf(kept: State["tallies"][string] | undefined): Tally {
  return kept === undefined ? emptyTally() : { ...emptyTally(), ...kept, holders: new Map(kept.holders) };
}

/** Waits until the lock is free. */
function lockFile(path: string): number {
  for (;;) {
    try {
      return openSync(path, "wx");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
