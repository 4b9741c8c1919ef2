import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openBook } from "../../../../src/billing/book.ts";
import { command } from "../../../../src/cli/commands/budget.ts";
import { meteredKey, meteredSums, NOTHING_METERED } from "../../../../src/core/metered.ts";
import { AGENTS } from "../../../../src/demo/agents.ts";
import { openStore } from "../../../../src/stores/open.ts";
import { setStage } from "../../../billing/stage.ts";
import { settledCall } from "../../../fixtures/calls.ts";
import { answer, chat, guard } from "../../../guard/guarded.ts";
import { createRandom } from "../../../random.ts";
import { startModelServer } from "../../../servers/model-server.ts";

const DAY = 86_400_000;
const MONTH = Date.UTC(2026, 9, 1);
const folder = mkdtempSync(join(tmpdir(), "spendfuse-past-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let env: Record<string, string>;
beforeEach(() => {
  env = { SPENDFUSE_CONFIG: "{}", SPENDFUSE_BILL: join(folder, "none.db") };
});

/** Runs the command in this process. */
async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const before = { ...process.env };
  let out = "";
  let err = "";
  const told = vi.spyOn(console, "log").mockImplementation((line) => {
    out += `${line}\n`;
  });
  const said = vi.spyOn(console, "error").mockImplementation((line) => {
    err += `${line}\n`;
  });
  for (const name of Object.keys(process.env)) if (/^(DD|OTEL|SPENDFUSE)_/.test(name)) delete process.env[name];
  Object.assign(process.env, env);
  try {
    return { code: await command.run([...args]), out, err };
  } finally {
    process.env = before;
    told.mockRestore();
    said.mockRestore();
  }
}

function writeCalls(calls: readonly object[]): string {
  const file = join(folder, `${Math.random()}.jsonl`);
  writeFileSync(file, calls.map((call) => `${JSON.stringify(call)}\n`).join(""));
  return file;
}

function callOf(agent: string, runId: string, at: number, costUsd: number, more: object = {}): object {
  const parent = AGENTS.find(({ name }) => name === agent)?.parent;
  const scope = { agent, rootAgent: parent ?? agent, run: runId };
  return { ...settledCall(agent, { startedAt: at, costUsd }), scope, ...more };
}

interface RunOfMonth {
  readonly agent: string;
  readonly id: string;
  readonly costs: readonly number[];
  readonly finished: boolean;
}

/** A month of the demo's agents: runs of some calls, few of them dear, some of which fail. */
function makeMonth(): { readonly runs: readonly RunOfMonth[]; readonly calls: readonly object[] } {
  const random = createRandom(7);
  const runs: RunOfMonth[] = [];
  const calls: object[] = [];
  for (const { name } of AGENTS)
    for (let index = 0; index < 150; index++) {
      const id = `${name}-${index}`;
      const dear = random() < 0.05 ? 20 : 1;
      const costs = Array.from(
        { length: 1 + Math.floor(random() * 12) },
        () => Math.round(random() * 100_000 * dear) / 1e6,
      );
      const finished = random() < 0.9;
      const begin = MONTH + Math.floor(random() * 30 * DAY);
      runs.push({ agent: name, id, costs, finished });
      for (const [step, cost] of costs.entries()) {
        const isLast = step === costs.length - 1;
        calls.push(
          callOf(name, id, begin + step * 1_000, cost, { ending: isLast && !finished ? "failed" : "completed" }),
        );
      }
    }
  return {
    runs,
    calls: calls
      .map((call, index) => ({ call, key: (index * 7919) % 10_007 }))
      .sort((a, b) => a.key - b.key)
      .map(({ call }) => call),
  };
}

const total = (amounts: readonly number[]): number => amounts.reduce((sum, amount) => sum + amount, 0);

/** The shortest list of the dearest runs that is less than what may pass the cap: a percentile without a rank. */
function percentileApart(sums: readonly number[], percentile: number): number {
  const most = (sums.length * (100 - percentile)) / 100;
  const candidates = [...sums].sort((a, b) => b - a);
  let chosen = candidates[0] as number;
  for (const one of candidates) if (sums.filter((sum) => sum > one).length <= most) chosen = one;
  return chosen;
}

describe("the month of the demo's agents", () => {
  const { runs, calls } = makeMonth();
  const file = writeCalls(calls);

  test.each([0.5, 1, 3])("replay with $%d a run: each run is stopped where its own sum says", async (cap) => {
    const { code, out } = await run("replay", "--calls", file, "--usd", `${cap}`, "--scope", "run:*", "--json");
    expect(code).toBe(0);
    const found = JSON.parse(out);
    const wanted = runs.flatMap(({ id, costs, finished }) => {
      const sums = costs.map((_, index) => total(costs.slice(0, index + 1)));
      const at = sums.findIndex((sum) => Math.round(sum * 1e9) > cap * 1e9);
      return at < 0 ? [] : [{ id, calls: costs.length - at, saved: total(costs.slice(at)), finished }];
    });
    expect(found.stops.length).toBe(wanted.length);
    const savedOf = new Map(wanted.map((one) => [one.id, one]));
    for (const stop of found.stops) {
      const one = savedOf.get(stop.run);
      expect([stop.calls, stop.finished]).toEqual([one?.calls, one?.finished]);
      expect(stop.savedUsd).toBeCloseTo(one?.saved as number, 9);
    }
    expect(found.savedUsd).toBeCloseTo(total(wanted.map(({ saved }) => saved)), 6);
    expect(found.spentUsd).toBeCloseTo(total(runs.flatMap(({ costs }) => costs)), 6);
    expect([found.runs, found.finishedRuns]).toEqual([runs.length, runs.filter(({ finished }) => finished).length]);
    expect(found.budgets[0].brokenRuns).toBe(wanted.filter(({ finished }) => finished).length);
  });

  test("suggest: the percentiles of each agent, computed apart; the planner's include its sub-agents' runs", async () => {
    const { code, out } = await run("suggest", "--calls", file, "--json");
    expect(code).toBe(0);
    const { scopes } = JSON.parse(out);
    expect(scopes.length).toBe(AGENTS.length);
    for (const { name } of AGENTS) {
      const own = runs.filter(
        ({ agent }) => agent === name || AGENTS.find((one) => one.name === agent)?.parent === name,
      );
      const sums = own.map(({ costs }) => Math.round(total(costs) * 1e9)).filter((sum) => sum > 0);
      const found = scopes.find(({ scope }: { scope: string }) => scope === `agent:${name}`);
      expect(found.samples).toBe(sums.length);
      expect(Math.round(found.medianUsd * 1e9)).toBe(percentileApart(sums, 50));
      expect(Math.round(found.mostUsd * 1e9)).toBe(Math.max(...sums));
      for (const { percentile, usd, stopped, stoppedShare } of found.caps) {
        const exact = percentileApart(sums, percentile);
        expect(usd * 1e9).toBeGreaterThanOrEqual(exact);
        expect(usd * 1e9).toBeLessThanOrEqual(exact * 1.1);
        expect(stopped).toBe(sums.filter((sum) => sum > Math.round(usd * 1e9)).length);
        expect(stoppedShare).toBe(stopped / sums.length);
        expect(stoppedShare).toBeLessThanOrEqual((100 - percentile) / 100);
      }
    }
  });

  test("what suggest says a cap stops is what replay stops", async () => {
    const { scopes } = JSON.parse((await run("suggest", "--calls", file, "--json")).out);
    const { scope, caps } = scopes.find(({ scope: one }: { scope: string }) => one === "agent:researcher");
    for (const { usd, stopped } of caps) {
      const { out } = await run("replay", "--calls", file, "--usd", `${usd}`, "--scope", scope, "--json");
      expect(JSON.parse(out).stops.length).toBe(stopped);
    }
  });
});

describe("for people", () => {
  const at = Date.UTC(2026, 9, 5, 8);
  const file = writeCalls([
    callOf("researcher", "a", at, 0.6),
    callOf("researcher", "a", at + 60_000, 0.6),
    { ...callOf("researcher", "b", at + 120_000, 0), costUsd: undefined },
    { ...callOf("researcher", "b", at + 180_000, 9), ending: "blocked" },
  ]);

  test("replay says which run, when, what it saves and what it breaks, and what it does not know", async () => {
    writeFileSync(file, "not a call\n", { flag: "a" });
    const { out } = await run("replay", "--calls", file, "--usd", "1");
    expect(out).toContain("3 calls, $1.20 in 2 runs, 1 of them finished");
    expect(out).toContain("saved by all budgets together: $0.6000, 50.0 %");
    expect(out).toMatch(/agent:\* per run +\$1\.00 +1 run +\$0\.6000 +1/);
    expect(out).toMatch(/run a +agent:\* per run +2026-10-05T08:01:00 +\$0\.6000 +\$0\.6000 +1 +yes: broken/);
    expect(out).toContain("1 line left out: not a settled call");
    expect(out).toContain("1 call without a known price, counted as $0");
  });

  test("suggest", async () => {
    const { out } = await run("suggest", "--calls", file);
    expect(out).toMatch(/agent:researcher +1 +\$1\.20 +\$1\.20 \(0\.0 %\)/);
  });

  test("--from and --to bound it", async () => {
    const trial = ["replay", "--calls", file, "--usd", "1"];
    const { code, err } = await run(...trial, "--from", "2026-10-06");
    expect([code, err]).toEqual([2, expect.stringContaining("nothing is known of this time")]);
    expect((await run(...trial, "--from", "2026-10-05", "--to", "2026-10-05")).code).toBe(0);
  });

  test.each([
    [["replay", "--usd", "1"], "name the past"],
    [["replay", "--calls", "/nowhere/calls.jsonl", "--usd", "1"], "ENOENT"],
    [["replay", "--calls", file], "there is no budget to try"],
    [["replay", "--calls", file, "--usd", "0"], "--usd must be"],
    [["replay", "--calls", file, "--usd", "1", "--per", "week"], "--per must be"],
    [["replay", "--calls", file, "--usd", "1", "--scope", "researcher"], "--scope must be"],
    [["suggest", "--calls", file, "--of", "nobody"], "--of takes agent"],
    [["suggest", "--calls", file, "--per", "week"], "--per must be"],
  ])("%j is refused with the fix", async (args, text) => {
    const { code, err } = await run(...(args as string[]));
    expect([code, err]).toEqual([2, expect.stringContaining(text)]);
  });
});

describe("over a store and a book", () => {
  const day = Math.floor(Date.now() / DAY) * DAY - 5 * DAY;

  async function makeStore(costs: readonly number[]): Promise<string> {
    const address = `file:${join(folder, `${Math.random()}.db`)}`;
    const store = await openStore(address);
    const group = {
      provider: "openai",
      model: "gpt-5",
      tier: "",
      key: "",
      agent: "researcher",
      rootAgent: "researcher",
    };
    const rest = { team: "", project: "", quality: "reported" as const, priced: "true" as const, calls: 10 };
    const rows = costs.map((cost, index) => ({
      ...NOTHING_METERED,
      ...group,
      ...rest,
      day: day + index * DAY,
      cost: cost * 1e9,
      output: 1_000,
    }));
    await store.putMetered(
      "p",
      rows.map((row) => ({ day: row.day, key: meteredKey(row), sums: meteredSums(row) })),
    );
    await store.close();
    return address;
  }

  test("days are tried by their sums, and suggested from", async () => {
    const address = await makeStore([4, 1, 2]);
    const trial = ["--usd", "3", "--per", "day", "--json"];
    const found = JSON.parse((await run("replay", "--store", address, ...trial)).out);
    expect(found.stops).toMatchObject([
      { scope: "agent:researcher", at: day, onlyDayKnown: true, beforeUsd: 3, savedUsd: 1 },
    ]);
    const { scopes, per } = JSON.parse((await run("suggest", "--store", address, "--json")).out);
    expect([per, scopes[0].samples, scopes[0].medianUsd, scopes[0].mostUsd]).toEqual(["day", 3, 2, 4]);
  });

  test("a complete bill's amounts count, and what no call explains is said", async () => {
    const address = await makeStore([4]);
    const stage = await setStage("openai");
    stage.clock = Date.now();
    const line = { day: day / 1_000, line_item: "gpt-5, output", quantity_unit: "tokens" };
    stage.books.costs = [
      { ...line, value: 6, quantity: 1_000 },
      { ...line, line_item: "o3, output", value: 2, quantity: 50 },
    ];
    await stage.poll();
    await (await openBook(stage.path, { alone: false })).close();
    const trial = ["--usd", "3", "--per", "day", "--json", "--db", stage.path];
    const found = JSON.parse((await run("replay", "--store", address, ...trial)).out);
    expect(found).toMatchObject({ spentUsd: 6, savedUsd: 3, bill: { differenceUsd: 2, ungovernedUsd: 2 } });
    await stage.close();
  });

  test("runs that budgets of a real guard counted are tried by their sums", async () => {
    const address = `file:${join(folder, `${Math.random()}.db`)}`;
    const budget = { name: "run", scope: { agent: "*" }, per: "run", calls: 100 };
    const server = await startModelServer();
    server.play(() => answer(400, 400));
    const guarded = await guard(server, { store: address, budgets: [budget] });
    for (let index = 0; index < 3; index++) await chat(guarded, server.url);
    await guarded.stop();
    await server.close();
    env.SPENDFUSE_CONFIG = JSON.stringify({ budgets: [{ ...budget, calls: 2 }] });
    const { code, out, err } = await run("replay", "--store", address, "--json");
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out).stops).toMatchObject([{ budget: "run", scope: "agent:researcher", calls: 1 }]);
  });
});
