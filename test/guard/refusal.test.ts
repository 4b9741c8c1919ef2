import { afterEach, describe, expect, test } from "vitest";
import { type Blocked, isBlocked } from "../../src/guard/blocked.ts";
import { describe as explain } from "../../src/guard/refusal.ts";
import { MADE_UP } from "../recordings/made-up.ts";
import { type Guarded, guard } from "./guarded.ts";

const UNTIL = Date.UTC(2026, 10, 24, 13);

let guarded: Guarded | undefined;
afterEach(async () => {
  await guarded?.stop();
  guarded = undefined;
});

const FORMATS = [...new Map(MADE_UP.map((exchange) => [exchange.format, exchange]))];

describe("a refusal is an answer of the vendor", () => {
  test.each(FORMATS)("%s", async (_format, { uri, request }) => {
    guarded = await guard(undefined, { budgets: [{ name: "none at all", per: "hour", calls: 0 }] });
    const response = await guarded.fetch(uri, { method: "POST", body: request });
    expect([response.status, response.statusText]).toEqual([402, "Payment Required"]);
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "application/json",
      // An SDK that tries a 402 again would pay for nothing; those that ask this header do not, whatever the status.
      "x-should-retry": "false",
      "x-spendfuse-blocked": "budget",
    });
    const body = (await response.json()) as { error: { message: string } };
    expect(isBlocked(body)).toMatchObject({
      reason: "budget",
      scope: "all",
      budget: "none at all",
      spent: 0,
      limit: 0,
    });
    expect(body.error.message).toMatch(/^spendfuse refused this call of all: /);
  });
});

describe("the message says who, what, how much, until when, and what to do", () => {
  test.each<[Blocked, readonly string[]]>([
    [
      { reason: "budget", scope: "agent:a", budget: "b", spentUsd: 20.0123, limitUsd: 20, until: UNTIL },
      ["agent:a", 'budget "b"', "$20.01 of $20.00", "2026-11-24T13:00:00.000Z", "Raise the budget, or wait."],
    ],
    [
      { reason: "budget", scope: "run:1", budget: "b", spentUsd: 0.00123, limitUsd: 0.002 },
      ["run:1", "$0.0012 of $0.0020", "Raise the budget in spendfuse.config.json."],
    ],
    [{ reason: "budget", scope: "all", limitUsd: 0 }, ["its budget has $0.00 of $0.00"]],
    [{ reason: "budget", scope: "team:t", unit: "tokens", spent: 900, limit: 1_000 }, ["900 of 1000 tokens"]],
    [{ reason: "budget", scope: "all", why: "no price of gpt-9 is known" }, ["all: no price of gpt-9 is known."]],
    [
      { reason: "circuit", scope: "agent:a", source: "datadog", why: "monitor 1 alerts", until: UNTIL },
      ["circuit is open (datadog): monitor 1 alerts", "spendfuse breaker reset agent:a"],
    ],
    [{ reason: "circuit", scope: "agent:a", source: "operator" }, ["circuit is open (operator)."]],
    [
      { reason: "vendor_cap", scope: "key:k", source: "vendor_cap", why: "quota" },
      ["the vendor's own cap is reached: quota", "Raise the limit at the vendor, or wait."],
    ],
  ])("%o", (blocked, parts) => {
    const message = explain(blocked);
    for (const part of parts) expect(message).toContain(part);
    expect(message).not.toMatch(/undefined|NaN/);
    expect(isBlocked(new Error(message))).toEqual(blocked);
  });
});
