import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Blocked, isBlocked } from "../../src/guard/blocked.ts";
import { describe as describeRefusal } from "../../src/guard/refusal.ts";
import { MADE_UP } from "../recordings/made-up.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { answer, chat, type Guarded, guard } from "./guarded.ts";

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

const HOUR = { reason: "budget", scope: "agent:a", budget: "agent hour", per: "hour", until: UNTIL } as const;

describe("the message says what the call may cost, what is held and left, until when, and one way out", () => {
  test.each<[text: string, Blocked, raise?: "breaker" | "store"]>([
    [
      "this call may cost $0.25, and the budget \"agent hour\" has $0.10 left of $20.00 ($19.80 spent, $0.10 held by calls under way). It resets at 2026-11-24T13:00:00.000Z. To raise it until then: spendfuse budget raise 'agent hour' 2 --scope agent:a --reason TEXT",
      { ...HOUR, spentUsd: 19.8, limitUsd: 20, needUsd: 0.25, heldUsd: 0.1 },
      "breaker",
    ],
    [
      'this call may cost $0.0015, and the budget "agent hour" has nothing left of $0.002 ($0.0012 spent, $0.0008 held by calls under way). It resets at 2026-11-24T13:00:00.000Z. Raise its cap in the configuration and start the process again.',
      { ...HOUR, spentUsd: 0.0012, limitUsd: 0.002, needUsd: 0.0015, heldUsd: 0.0008 },
    ],
    [
      "this call may cost $1.004, and the budget \"agent hour\" has $1.00 left of $2.00 ($1.00 spent). It resets at 2026-11-24T13:00:00.000Z. To raise it until then: spendfuse budget raise 'agent hour' 0.2 --scope agent:a --store ADDRESS --reason TEXT",
      { ...HOUR, spentUsd: 1, limitUsd: 2, needUsd: 1.004, heldUsd: 0 },
      "store",
    ],
    [
      'this call may cost $3.00, and the budget "r" has $1.00 left of $5.00 ($3.00 spent, $1.00 kept for finalise()). The budget is per run: a new run begins at zero. To raise it until then: spendfuse budget raise r 2 --scope agent:a --run 7 --reason TEXT',
      { ...HOUR, budget: "r", per: "run", run: "7", spentUsd: 3, limitUsd: 5, needUsd: 3, heldUsd: 0, keptUsd: 1 },
      "breaker",
    ],
    [
      'this call may use 300 tokens, and the budget "t" has 100 tokens left of 1000 tokens (900 tokens spent). Its window is the last 5h: spend drops out of it bit by bit, next at 2026-11-24T13:00:00.000Z. To raise it until then: spendfuse budget raise t 200 --reason TEXT',
      { ...HOUR, scope: "all", budget: "t", per: "5h", unit: "tokens", spent: 900, limit: 1_000, need: 300, held: 0 },
      "breaker",
    ],
    [
      'the budget "agent hour" has nothing left of $20.00 ($20.50 spent). It resets at 2026-11-24T13:00:00.000Z. Raise its cap in the configuration and start the process again.',
      { ...HOUR, spentUsd: 20.5, limitUsd: 20 },
    ],
    [
      'no price of gpt-9 is known. Add its price to "prices" in spendfuse.config.json.',
      { reason: "budget", scope: "all", why: "no price of gpt-9 is known" },
    ],
    [
      "its circuit is open (datadog): monitor 1 alerts. Calls are tried again at 2026-11-24T13:00:00.000Z. Wait, or run: spendfuse breaker reset agent:a",
      { reason: "circuit", scope: "agent:a", source: "datadog", why: "monitor 1 alerts", until: UNTIL },
    ],
    [
      "its circuit is open (operator). Wait, or run: spendfuse breaker reset agent:a",
      { reason: "circuit", scope: "agent:a", source: "operator" },
    ],
    [
      "the vendor's own cap is reached: quota. Raise the limit at the vendor, or wait.",
      { reason: "vendor_cap", scope: "key:k", source: "vendor_cap", why: "quota" },
    ],
    [
      "the store redis does not answer. Start it, or mend the connection: spendfuse doctor says what is wrong.",
      { reason: "budget", scope: "all", why: "the store redis does not answer", unknown: "no answer" },
    ],
    [
      "a fault. SPENDFUSE_DEBUG=1 shows the fault.",
      { reason: "budget", scope: "all", why: "a fault", unknown: "fault" },
    ],
  ])("%s", (text, blocked, raise) => {
    const message = describeRefusal(blocked, raise);
    expect(message.slice(0, message.indexOf(" [spendfuse {"))).toBe(
      `spendfuse refused this call of ${blocked.scope}: ${text}`,
    );
    expect(isBlocked(new Error(message))).toEqual(blocked);
  });

  test("a budget's name cannot break out of the command", () => {
    const blocked: Blocked = { ...HOUR, budget: "a'; rm -rf $HOME", spentUsd: 1, limitUsd: 1, needUsd: 1, heldUsd: 0 };
    expect(describeRefusal(blocked, "breaker")).toContain("budget raise 'a'\\''; rm -rf $HOME' 1 ");
  });
});

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

describe("a refusal is a line of the log, once for each scope and window", () => {
  test.each(["enforce", "shadow"] as const)("%s", async (mode) => {
    server.play(() => answer(1_000_000, 0));
    guarded = await guard(server, { mode, budgets: [{ name: "day", scope: { agent: "*" }, per: "day", usd: 0.5 }] });
    for (const agent of ["a", "a", "b", "a", "b", "b"]) await chat(guarded, server.url, { agent, maxTokens: 10 });
    const lines = guarded.said.filter((line) => line.includes(" calls of agent:"));
    const verb = mode === "shadow" ? "shadow mode: would refuse" : "refuses";
    expect(lines.map((line) => line.slice(line.indexOf(verb)))).toEqual(
      ["a", "b"].map((agent) => expect.stringMatching(`^${verb} calls of agent:${agent}: this call may cost \\$`)),
    );
    expect(lines[0]).toMatch(/has nothing left of \$0\.50 \(\$1\.00 spent\)\. It resets at .*Z\. Raise its cap in/);
  });
});
