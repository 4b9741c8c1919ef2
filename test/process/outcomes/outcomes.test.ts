import { expect, test } from "vitest";
import { readLateCall } from "../../../src/core/late/late-call.ts";
import { createLedger } from "../../../src/core/ledger.ts";
import { type MeteredRow, mergeMetered, meteredKey, meteredSums, NOTHING_METERED } from "../../../src/core/metered.ts";
import { nestScope } from "../../../src/core/scope.ts";
import { createTagBounds, readTags } from "../../../src/core/tags/tags.ts";
import { WORK_PROVIDER } from "../../../src/core/work/work.ts";
import { createOutcomes } from "../../../src/process/outcomes/outcomes.ts";

const DAY = Date.UTC(2026, 10, 28);
const node = nestScope(undefined, { agent: "desk", team: "support" });

function row(cost: number, fields: Partial<MeteredRow> = {}): MeteredRow {
  return {
    ...NOTHING_METERED,
    ...{ day: DAY, provider: "openai", model: "gpt-5", tier: "", key: "", agent: "desk", rootAgent: "desk" },
    ...{ team: "support", project: "", quality: "reported", priced: "true", calls: 1, cost },
    ...fields,
  };
}

/** What a store would hold: what each call added, and what outcomes moved. */
function stage(max?: number) {
  const written: MeteredRow[] = [];
  const retold: string[] = [];
  const ledger = createLedger();
  const bounds = createTagBounds(max);
  const add = (one: MeteredRow): boolean => {
    written.push({ ...one });
    return true;
  };
  const outcomes = createOutcomes(
    ledger,
    () => ({ add, bounds, retell: (call) => retold.push(call.group.tags ?? "") }),
    { report: (_step, error) => expect.fail(String(error)) },
    () => DAY + 1_000,
  );
  return {
    outcomes,
    ledger,
    retold,
    meter(work: ReturnType<typeof outcomes.begin>, cost: number, fields?: Partial<MeteredRow>): void {
      const one = row(cost, fields);
      add(one);
      outcomes.record(work, [one]);
    },
    /** Cost by outcome of what a reader of the store sees, and works as `works OUTCOME`. */
    stored(): Record<string, number> {
      const sums: Record<string, number> = {};
      for (const one of mergeMetered(written.map((each) => [meteredKey(each), meteredSums(each)]))) {
        const name = readTags(one.tags).outcome ?? "none";
        const isWork = one.provider === WORK_PROVIDER;
        const key = isWork ? `works ${name}` : name;
        sums[key] = (sums[key] ?? 0) + (isWork ? one.calls : one.cost);
      }
      return sums;
    },
  };
}

test("what a scope has spent belongs to its outcome, before and after the word", () => {
  const { outcomes, meter, stored, ledger } = stage();
  const work = outcomes.begin(undefined, node, undefined);
  meter(work, 5);
  outcomes.mark(work, "Resolved!");
  meter(work, 7);
  outcomes.end(work);
  meter(work, 1);
  expect(stored()).toEqual({ resolved: 13, "works resolved": 1 });
  expect(outcomes.uses()).toEqual([{ outcome: "resolved", works: 1, calls: 3, costUsd: 13e-9, costPerWorkUsd: 13e-9 }]);
  expect(ledger.sums("outcome:resolved", "ever", DAY)).toMatchObject({ calls: 3, cost: 13 });
});

test("the last word counts, also after the end", () => {
  const { outcomes, meter, stored } = stage();
  const work = outcomes.begin(undefined, node, undefined);
  meter(work, 5);
  outcomes.mark(work, "resolved");
  outcomes.end(work);
  outcomes.mark(work, "escalated");
  expect(stored()).toEqual({ escalated: 5, "works escalated": 1 });
  expect(outcomes.uses().find(({ outcome }) => outcome === "resolved")).toMatchObject({ works: 0, costUsd: 0 });
});

test("inner scopes without an outcome are part of the outer work, those with one are not", () => {
  const { outcomes, meter, stored } = stage();
  const outer = outcomes.begin(undefined, node, undefined);
  const plain = outcomes.begin(outer, node, undefined);
  const own = outcomes.begin(outer, node, undefined);
  meter(plain, 3);
  meter(own, 4);
  outcomes.mark(own, "found");
  outcomes.end(plain);
  outcomes.end(own);
  outcomes.mark(outer, "resolved");
  outcomes.end(outer);
  meter(plain, 10);
  expect(stored()).toEqual({ resolved: 13, "works resolved": 1, found: 4, "works found": 1 });
});

test("without any outcome nothing moves", () => {
  const { outcomes, meter, stored } = stage();
  const outer = outcomes.begin(undefined, node, "run");
  const inner = outcomes.begin(outer, node, undefined);
  meter(inner, 3);
  outcomes.end(inner);
  outcomes.end(outer);
  meter(inner, 4);
  expect(stored()).toEqual({ none: 7 });
  expect(outcomes.uses()).toEqual([]);
});

test("an error that passes through scopes is one failure; one that was caught is a failure of its own", () => {
  const { outcomes, meter, stored } = stage();
  const error = new Error("boom");
  const outer = outcomes.begin(undefined, node, undefined);
  const caught = outcomes.begin(outer, node, undefined);
  meter(caught, 1);
  outcomes.end(caught, new Error("other"));
  const passed = outcomes.begin(outer, node, undefined);
  meter(passed, 2);
  outcomes.end(passed, error);
  meter(outer, 4);
  outcomes.end(outer, new Error("wrapped", { cause: error }));
  expect(stored()).toEqual({ failed: 7, "works failed": 2 });
});

test("a failed run that is begun again was retried", () => {
  const { outcomes, meter, stored } = stage();
  for (const [cost, error] of [
    [1, "a"],
    [2, "b"],
    [4, undefined],
  ] as const) {
    const work = outcomes.begin(undefined, node, "ticket-1");
    meter(work, cost);
    if (error === undefined) outcomes.mark(work, "resolved");
    outcomes.end(work, error);
  }
  expect(stored()).toEqual({ retried: 3, "works retried": 2, resolved: 4, "works resolved": 1 });
});

test("a word of one's own wins over a throw, and a failure that spent nothing is no work", () => {
  const { outcomes, meter, stored } = stage();
  const refused = outcomes.begin(undefined, node, undefined);
  outcomes.end(refused, new Error("invalid"));
  const work = outcomes.begin(undefined, node, undefined);
  meter(work, 1);
  outcomes.mark(work, "rejected");
  outcomes.end(work, new Error("boom"));
  expect(stored()).toEqual({ rejected: 1, "works rejected": 1 });
});

test("outcomes beyond the bound add up in other, and groups add up", () => {
  const { outcomes, meter, stored } = stage(2);
  for (let index = 0; index < 10; index++) {
    const work = outcomes.begin(undefined, node, undefined);
    for (let call = 0; call < 100; call++) meter(work, 1, { model: `m${call % 3}` });
    outcomes.mark(work, `made up ${index}`);
    outcomes.end(work);
  }
  expect(stored()).toEqual({
    ...{ made_up_0: 100, made_up_1: 100, other: 800 },
    ...{ "works made_up_0": 1, "works made_up_1": 1, "works other": 8 },
  });
});

test("a late call is written again with its outcome, beside its own tags", () => {
  const { outcomes, retold } = stage();
  const work = outcomes.begin(undefined, node, undefined);
  const call = readLateCall(
    JSON.stringify({
      ...{ id: "p/1", responseId: "", startedAt: DAY, endedAt: DAY, terms: {} },
      group: { ...row(1), tags: "customer:acme" },
    }),
  );
  if (call === undefined) return expect.fail("not a late call");
  outcomes.keepLate(work, call);
  outcomes.mark(work, "resolved");
  outcomes.end(work);
  expect(retold).toEqual(["customer:acme,outcome:resolved"]);
});

test.each([undefined, "", "!!!", 7, null, {}])("outcome(%j) is refused", (value) => {
  const { outcomes } = stage();
  expect(() => outcomes.mark(outcomes.begin(undefined, node, undefined), value)).toThrow(/needs a text/);
});

test("outside of a scope it does nothing, and says so", () => {
  expect(stage().outcomes.mark(undefined, "resolved")).toBe(false);
});
