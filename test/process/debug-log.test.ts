import { describe, expect, test, vi } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createFaults } from "../../src/core/faults.ts";
import { chargeLineOf, createChargeLog, createDebugLog, lineOf } from "../../src/process/debug-log.ts";
import { settledCall, USAGE } from "../fixtures/calls.ts";

describe("a line per call", () => {
  const CALL: SettledCall = {
    ...settledCall("writer"),
    id: "a-0",
    provider: "openai",
    model: "gpt-5",
    format: "openai-chat",
    stream: true,
    ending: "canceled",
    quality: "estimated",
    priced: "inexact",
    usage: { ...USAGE, input: 78, output: 8, cacheRead: 20, cacheWrite: 0, reasoning: 3 },
    costUsd: 0.000012345678,
    costSource: "local",
    durationMs: 412.6,
    responseId: "chatcmpl-1",
    scope: { agent: "writer", rootAgent: "chief", team: "search", run: "r1" },
  };

  test("says what was called, how it ended, what it used and cost, and whose it was", () => {
    expect(lineOf(CALL)).toBe(
      "call a-0: openai gpt-5 (openai-chat, stream) canceled in 413 ms; " +
        "78 in [cache: 20 read, 0 written], 8 out [3 reasoning] (estimated); $0.0000123457 by our prices (inexact); " +
        "agent writer of chief, team search, run r1; response chatcmpl-1",
    );
  });

  test("leaves out what is not known, and names the status of an error", () => {
    const { usage: _usage, costUsd: _costUsd, costSource: _source, responseId: _id, ...rest } = CALL;
    const failed: SettledCall = {
      ...rest,
      stream: false,
      ending: "failed",
      status: 500,
      quality: "unknown",
      priced: "none",
      scope: { agent: "chief", rootAgent: "chief" },
    };
    expect(lineOf(failed)).toBe(
      "call a-0: openai gpt-5 (openai-chat) failed (500) in 413 ms; no usage (unknown); no cost; agent chief",
    );
  });

  test("is written once per call", () => {
    const said: string[] = [];
    createDebugLog((message) => said.push(message))(CALL);
    expect(said).toEqual([`debug: ${lineOf(CALL)}`]);
  });
});

describe("a line per charge", () => {
  const { scope } = settledCall("writer");

  test.each([
    [{ what: "web_search", units: undefined, costNano: 8_000_000 }, "charge: web_search; $0.008; agent writer"],
    [{ what: "web_search", units: 1, costNano: 8_000_000 }, "charge: web_search; $0.008; agent writer"],
    [{ what: "pages", units: 12, costNano: 0 }, "charge: pages; 12 units; $0; agent writer"],
  ])("%o", (charge, line) => {
    expect(chargeLineOf({ ...charge, scope, at: 0 })).toBe(line);
  });

  test.each([
    ["1", 1],
    ["0", 0],
  ])("is written with SPENDFUSE_DEBUG=%s %d times", (debug, times) => {
    vi.stubEnv("SPENDFUSE_DEBUG", debug);
    const said: string[] = [];
    createChargeLog((message) => said.push(message))?.({ what: "a", units: 1, costNano: 1, scope, at: 0 });
    vi.unstubAllEnvs();
    expect(said).toHaveLength(times);
  });
});

describe("faults", () => {
  test("are reported each with its stack when debugging, and once per step otherwise", () => {
    const said: string[] = [];
    let debugs = true;
    const faults = createFaults(
      (message) => said.push(message),
      () => debugs,
    );
    const error = new Error("broken");
    faults.report("parser", error);
    faults.report("parser", error);
    expect(said).toEqual([1, 2].map(() => `debug: fault in step "parser": ${error.stack}`));
    debugs = false;
    faults.report("price", error);
    faults.report("price", error);
    expect(said.slice(2)).toEqual(['a fault in step "price" was swallowed, calls go on: Error: broken']);
  });
});
