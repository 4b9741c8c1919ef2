import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { createRuntime, type StartOptions } from "../../src/process/runtime.ts";
import { startLine } from "../../src/process/start-line.ts";

const DAY = { per: "day", usd: 1 };

describe("one line says what is on", () => {
  test.each<[ConfigFile, Record<string, string>, string | undefined]>([
    [{}, {}, undefined],
    [{ agent: "a", spans: false }, {}, undefined],
    [{ mode: "off" }, {}, undefined],
    [{}, { SPENDFUSE_CONFIG: "{}" }, "guard: off, no budgets, store, breaker, mode or repeats, from SPENDFUSE_CONFIG"],
    [{}, { SPENDFUSE_CONFIG: '{ "mode": "off" }' }, 'guard: off by "mode", from SPENDFUSE_CONFIG'],
    [{ budgets: [DAY] }, {}, "guard: enforce, 1 budget, store memory"],
    [
      { budgets: [DAY, { ...DAY, name: "b", calls: 1 }], mode: "shadow", store: "file:/tmp/a.db" },
      {},
      "guard: shadow, 2 budgets, store file",
    ],
    [
      { store: "rediss://:hunter2@h:1/2", breaker: { url: "http://u:hunter2@127.0.0.1:4319/x?y" } },
      {},
      "guard: enforce, 0 budgets, store rediss, breaker http://127.0.0.1:4319",
    ],
    [
      { breaker: { port: 0 }, repeats: { max: 3, within: "5m" } },
      {},
      "guard: enforce, 0 budgets, store memory, breaker in this process, repeats 3 in 5m",
    ],
  ])("%j with %j", (given, env, line) => {
    expect(startLine(readConfig(given, env), false)).toBe(line);
  });

  test("where a configuration is required, also that there is none", () => {
    const line = startLine(readConfig({}, {}), true);
    expect(line).toBe("guard: off, no configuration found");
  });
});

describe("start()", () => {
  async function said(...options: readonly StartOptions[]): Promise<readonly string[]> {
    const lines: string[] = [];
    const runtime = createRuntime((line) => lines.push(line));
    try {
      for (const option of options) await runtime.start({ telemetry: false, ...option });
    } finally {
      await runtime.stop();
    }
    return lines;
  }

  test("takes the keys of the file at its top level, which win over those in config", async () => {
    const line = "guard: shadow, 1 budget, store memory";
    const keys: StartOptions = { env: {}, budgets: [DAY], mode: "shadow" };
    expect(await said(keys)).toEqual([line]);
    expect(await said({ ...keys, config: { mode: "enforce" } })).toEqual([line]);
    expect(await said({ env: {}, config: { budgets: [DAY], mode: "shadow" }, mode: undefined as never })).toEqual([
      line,
    ]);
  });

  test("says it once, and again where it has changed", async () => {
    const one = { env: {}, budgets: [DAY] };
    const lines = ["guard: enforce, 1 budget, store memory", "guard: shadow, 1 budget, store memory"];
    expect(await said(one, one, { ...one, mode: "shadow" })).toEqual(lines);
  });

  test("is absent without a configuration, or with SPENDFUSE_QUIET", async () => {
    expect(await said({ env: {} })).toEqual([]);
    expect(await said({ env: { SPENDFUSE_QUIET: "1" }, budgets: [DAY] })).toEqual([]);
  });

  test.each([
    [{ telemtry: false }, 'start(): unknown key "telemtry"; did you mean "telemetry"?'],
    [{ confg: {} }, 'start(): unknown key "confg"; did you mean "config"?'],
    [{ budget: [] }, 'start(): unknown key "budget"; did you mean "budgets"?'],
    [{ config: { telemetry: false } }, 'start(): unknown key "telemetry"; known keys: agent,'],
  ])("throws on what it does not know: %j", async (options, message) => {
    const runtime = createRuntime(() => {});
    await expect(runtime.start({ env: {}, ...(options as StartOptions) })).rejects.toThrow(message);
  });

  test("goes on where the line cannot be written", async () => {
    const runtime = createRuntime(() => {
      throw new Error("EPIPE");
    });
    await runtime.start({ telemetry: false, env: {}, budgets: [DAY] });
    expect(runtime.faults.counts().get("config")).toBe(1);
    await runtime.stop();
  });
});
