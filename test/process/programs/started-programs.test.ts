import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { createFaults } from "../../../src/core/faults.ts";
import { nestScope } from "../../../src/core/scope.ts";
import { canonicalUsage } from "../../../src/core/usage.ts";
import type { ProgramReport, ProgramStart } from "../../../src/meter/call/started-program.ts";
import { createPriceQueue } from "../../../src/pricing/queue.ts";
import { createStartedPrograms } from "../../../src/process/programs/started-programs.ts";

const CLAUDE: ProgramStart = { name: "claude", asks: true, resumes: false, host: "api.anthropic.com" };
const CODEX: ProgramStart = { name: "codex", asks: true, resumes: false, host: "api.openai.com", model: "gpt-5" };
const WHY = { host: "gw.example", reason: "ANTHROPIC_BASE_URL names gw.example", fix: "leave it out" };
const PLACE = { around: { tracerProvider: undefined, context: undefined, span: undefined }, agentSpan: undefined };
const NODE = nestScope(undefined, { agent: "planner" });

function stage(isGuided = true) {
  const seen = {
    calls: [] as SettledCall[],
    spans: [] as [usd: number | undefined, inPlace: boolean][],
    unmetered: [] as string[],
    said: [] as string[],
    debug: [] as string[],
    faults: [] as string[],
  };
  const faults = createFaults(
    (line) => seen.faults.push(line),
    () => false,
  );
  const price = ({ model }: { model: string }) => (model === "gpt-5" ? { nanoUsd: 7_000_000, exact: true } : undefined);
  const prices = createPriceQueue(
    async () => price,
    () => price,
    faults,
  );
  prices.drainNow();
  const addresses = { proxy: "p", openai: "o", anthropic: "a", gemini: "g" };
  const programs = createStartedPrograms({
    proxy: { addresses: () => (isGuided ? addresses : undefined), isBehind: () => false, drain: () => {} },
    node: () => NODE,
    leftUsd: () => undefined,
    spans: { place: () => PLACE, write: (call, place) => void seen.spans.push([call.costUsd, place === PLACE]) },
    record: (call) => seen.calls.push(call),
    prices: () => ({ ...prices, run: (use) => use(), price }),
    unmetered: (host) => seen.unmetered.push(host),
    say: (line) => seen.said.push(line),
    debug: (line) => seen.debug.push(line),
    faults,
  });
  return { programs, seen };
}

function claude(usd: number, input: number): ProgramReport {
  const model = { model: "claude-sonnet-4-6", usage: canonicalUsage({ input, output: 10 }), usd };
  return { provider: "anthropic", format: "anthropic-messages", usd, models: [model] };
}

function codex(input: number): ProgramReport {
  const model = { model: undefined, usage: canonicalUsage({ input, output: 10 }), usd: undefined };
  return { provider: "openai", format: "openai-responses", usd: undefined, models: [model] };
}

const call = (costUsd: number): SettledCall => ({ costUsd, ending: "completed", status: 200 }) as SettledCall;

describe("a program whose calls do not reach the proxy", () => {
  test("is counted, and has a record for each turn, of the scope that started it", () => {
    const { programs, seen } = stage();
    const started = programs.start(CLAUDE);
    for (const report of [claude(0.1, 100), claude(0.25, 160)]) {
      started?.report(report);
      programs.conclude();
    }
    started?.ended(0);
    programs.conclude();
    expect(seen.calls).toMatchObject([
      { costUsd: 0.1, usage: { input: 100 }, quality: "reported", costSource: "provider", scope: { agent: "planner" } },
      { costUsd: 0.15, usage: { input: 60 }, model: "claude-sonnet-4-6", ending: "completed" },
    ]);
    expect(seen.spans.map(([, inPlace]) => inPlace)).toEqual([true, true]);
    expect(seen.unmetered).toEqual(["api.anthropic.com"]);
    expect(seen.said).toEqual([
      expect.stringMatching(/^calls of claude are not metered: none reached the proxy.*;.*env -i/),
    ]);
    expect(seen.faults).toEqual([]);
  });

  test("is said once for each reason, and counted each time", () => {
    const { programs, seen } = stage();
    for (let count = 0; count < 3; count++) programs.start(CLAUDE)?.past(WHY);
    expect([seen.unmetered.length, seen.said.length]).toEqual([3, 1]);
    expect(seen.said[0]).toContain(
      "calls of claude are not metered: ANTHROPIC_BASE_URL names gw.example; leave it out.",
    );
  });

  test("is known by its end, where it was told what to do", () => {
    const { programs, seen } = stage();
    programs.start(CLAUDE)?.ended(0);
    programs.conclude();
    expect([seen.unmetered.length, seen.said.length, seen.calls.length]).toEqual([1, 1, 0]);
  });

  test.each([
    ["failed", CLAUDE, 1],
    ["was killed, or did not start", CLAUDE, null],
    ["was not told what to do", { ...CLAUDE, asks: false }, 0],
  ] as const)("is not suspected where it %s", (_name, start, code) => {
    const { programs, seen } = stage();
    programs.start(start)?.ended(code);
    programs.conclude();
    expect(seen.unmetered).toEqual([]);
  });

  test("says tokens alone: they are priced by the model that it was told to use", () => {
    const { programs, seen } = stage();
    programs.start(CODEX)?.report(codex(1000));
    programs.start({ ...CODEX, model: undefined })?.report(codex(1000));
    programs.conclude();
    expect(seen.calls).toMatchObject([
      { model: "gpt-5", costUsd: 0.007, costSource: "local", priced: "true" },
      { model: "unknown", priced: "false" },
    ]);
    expect(seen.calls[1]).not.toHaveProperty("costUsd");
  });

  test("goes on with an earlier session: the first report is where the next one begins", () => {
    const { programs, seen } = stage();
    const started = programs.start({ ...CLAUDE, resumes: true });
    started?.report(claude(5, 9000));
    started?.report(claude(5.5, 9100));
    programs.conclude();
    expect(seen.calls).toMatchObject([{ costUsd: 0.5, usage: { input: 100 } }]);
  });

  test("clears its session, or crashes: nothing is counted twice, and nothing is below zero", () => {
    const { programs, seen } = stage();
    const started = programs.start(CLAUDE);
    for (const report of [claude(0.3, 300), claude(0.1, 50), claude(0, 0), claude(0.4, 90)]) started?.report(report);
    programs.conclude();
    expect(seen.calls.map(({ costUsd }) => costUsd)).toEqual([0.3, 0.1, 0.3]);
  });

  test("has no proxy, because that did not start", () => {
    const { programs, seen } = stage(false);
    const started = programs.start(CLAUDE);
    expect(started?.addresses).toBeUndefined();
    started?.ended(0);
    programs.conclude();
    expect(seen.said).toEqual([expect.stringContaining("the proxy for programs did not start")]);
  });
});

describe("a program whose calls reach the proxy", () => {
  test.each([
    [0.5, 0.5, "claude: metered $0.5000, by its own report $0.5000"],
    [0.5, 0.504, "claude: metered $0.5000, by its own report $0.5040"],
    [0.001, 0.009, "claude: metered $0.0010, by its own report $0.0090"],
    [0.5, 0.52, "claude: metered $0.5000, by its own report $0.5200; they differ by $0.0200"],
  ])("has no second record; metered at $%d and said to be $%d", (ours, theirs, line) => {
    const { programs, seen } = stage();
    const started = programs.start(CLAUDE);
    programs.reached("0");
    started?.report(claude(theirs, 100));
    programs.reached("0", call(ours));
    started?.ended(0);
    programs.conclude();
    expect([seen.calls, seen.unmetered, seen.said]).toEqual([[], [], []]);
    expect(seen.debug).toEqual([line]);
  });

  test("is known as such although its call comes after its report", () => {
    const { programs, seen } = stage();
    const started = programs.start(CLAUDE);
    started?.report(claude(0.1, 100));
    programs.reached("0", call(0.1));
    programs.conclude();
    expect(seen.calls).toEqual([]);
  });

  test("is not compared where a call has no price, or the session is an earlier one", () => {
    const { programs, seen } = stage();
    for (const [start, settled] of [
      [CLAUDE, { ending: "completed", status: 200 } as SettledCall],
      [{ ...CLAUDE, resumes: true }, call(0.1)],
    ] as const) {
      const started = programs.start(start);
      programs.reached(start.resumes ? "1" : "0", settled);
      started?.report(claude(0.3, 100));
      started?.ended(0);
    }
    programs.conclude();
    expect(seen.debug).toEqual([]);
  });
});
