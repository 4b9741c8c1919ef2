import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { isBlocked } from "../../src/guard/blocked.ts";
import { answer, type Guarded, guard, MODEL } from "../guard/guarded.ts";
import { expectNear, meter } from "./metered.ts";
import { serve } from "./server.ts";
import { chatHalf, HALF, OPENAI_MODEL } from "./vendors.ts";

const messages = [{ role: "user" as const, content: "What is a harbour?" }];
const chat = { model: OPENAI_MODEL, messages, stream: true } as const;

const server = await serve();

describe('litellm#27639, #40050, #36926, #27735, PR 30522: false "exceeded": reservation leaks on cancelled streams', () => {
  // Reservations are the guard's. What it settles them by is the meter's: each canceled call, once, at its estimate.
  test("a cancel settles to the estimate, for every one of many at once", async () => {
    server.play(chatHalf);
    const metered = meter(server);
    const cancel = async (way: number) => {
      const abort = new AbortController();
      const stream = await metered.openai.chat.completions.create(chat, { signal: abort.signal });
      let text = "";
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        if (text !== HALF) continue;
        if (way % 2 === 0) break;
        abort.abort();
      }
    };
    await metered.runtime.scoping.scope({ agent: "researcher" }, () =>
      Promise.all(Array.from({ length: 20 }, (_, i) => cancel(i))),
    );
    const calls = await metered.settled(20);
    for (const call of calls) {
      expect(call).toMatchObject({ ending: "canceled", quality: "estimated", priced: "true" });
      expectNear(call.usage?.output, HALF);
    }
    const cost = calls.reduce((sum, { costUsd = 0 }) => sum + Math.round(costUsd * 1e9), 0);
    expect(cost).toBeGreaterThan(0);
    // Nothing is left open: a flush finds nothing more to settle.
    await metered.runtime.flush();
    expect(metered.calls).toHaveLength(20);
    expect(metered.sums("agent:researcher")).toMatchObject({ calls: 20, cost });
  });
});

const MESSAGES = [{ role: "user" as const, content: "Go on." }];
let guards: Guarded[] = [];

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(guards.map((one) => one.stop()));
  guards = [];
});

async function guarded(config: ConfigFile): Promise<Guarded> {
  const one = await guard(server, config);
  guards.push(one);
  return one;
}

/** A call of the real SDK; resolves to what it raised, if it did. */
function ask(one: Guarded, agent = "researcher"): Promise<unknown> {
  const client = new OpenAI({ apiKey: "sk-test", baseURL: `${server.url}/v1`, fetch: one.fetch });
  const call = () => client.chat.completions.create({ model: MODEL, messages: MESSAGES, max_tokens: 100 });
  return one.runtime.scoping.scope({ agent }, call).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("litellm#26672, #27381, #23714: limiter never registered, or race", () => {
  test("a budget of the configuration stops the SDK's very next call, on the wire too", async () => {
    server.play(answer(50, 100));
    const one = await guarded({ budgets: [{ scope: { agent: "*" }, per: "day", tokens: 450 }] });
    const raised = [await ask(one), await ask(one), await ask(one)];
    expect(raised.map((error) => isBlocked(error)?.reason)).toEqual([undefined, undefined, "budget"]);
    expect(server.visits).toHaveLength(2);
  });
});

describe("litellm#34732, #40095: parallel calls pass one budget (check, then add)", () => {
  test.each([2, 10, 100])("%d calls at once, a cap of 5: it holds", async (calls) => {
    server.play(answer(50, 100));
    const one = await guarded({ budgets: [{ scope: { agent: "*" }, per: "day", calls: 5 }] });
    const raised = await Promise.all(Array.from({ length: calls }, () => ask(one)));
    expect(raised.filter((error) => error === undefined)).toHaveLength(Math.min(calls, 5));
    expect(server.visits).toHaveLength(Math.min(calls, 5));
  });
});

describe("litellm#27639, #40050, #36926, #27735, PR 30522: reservations", () => {
  test("a hundred canceled streams leave nothing reserved, and the budget open for the next call", async () => {
    server.play({ headers: { "content-type": "text/event-stream" }, steps: ["head", "hang"] });
    const one = await guarded({ budgets: [{ scope: { agent: "*" }, per: "day", tokens: 100_000 }] });
    const client = new OpenAI({ apiKey: "sk-test", baseURL: `${server.url}/v1`, fetch: one.fetch });
    for (let call = 0; call < 100; call++) {
      const abort = new AbortController();
      const body = { model: MODEL, messages: MESSAGES, max_tokens: 500, stream: true } as const;
      const stream = await client.chat.completions.create(body, { signal: abort.signal });
      abort.abort();
      for await (const _ of stream);
    }
    expect(one.runtime.budgets()).toMatchObject([{ inUse: 0 }]);
    server.play(answer(50, 100));
    expect(await ask(one)).toBeUndefined();
  });
});

describe("litellm#40020: process-local cap never resets", () => {
  test("the next day begins with nothing spent", async () => {
    server.play(answer(50, 100));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 10, 30, 23, 59) });
    const one = await guarded({ budgets: [{ scope: { agent: "*" }, per: "month", calls: 1 }] });
    expect([await ask(one), await ask(one)].map((error) => isBlocked(error)?.until)).toEqual([
      undefined,
      Date.UTC(2026, 11, 1),
    ]);
    vi.setSystemTime(Date.UTC(2026, 11, 1));
    expect(await ask(one)).toBeUndefined();
  });
});

describe("litellm#20615: one wrong price blocks for good", () => {
  test("an operator raises the cap: what was counted is kept, and the agent goes on", async () => {
    server.play(answer(50, 100));
    const folder = mkdtempSync(join(tmpdir(), "spendfuse-price-"));
    const store = `file:${join(folder, "store.db")}`;
    const budget = (usd: number) => ({ scope: { agent: "*" }, per: "month", usd }) as const;
    const wrong = [{ model: MODEL, inputPerMTok: 10_000, outputPerMTok: 10_000 }];
    const one = await guarded({ store, prices: wrong, budgets: [budget(3)] });
    expect([isBlocked(await ask(one)), isBlocked(await ask(one))?.reason]).toEqual([undefined, "budget"]);
    await one.stop();
    const right = [{ model: MODEL, inputPerMTok: 1, outputPerMTok: 1 }];
    const two = await guarded({ store, prices: right, budgets: [budget(8)] });
    expect(await ask(two)).toBeUndefined();
    expect(two.runtime.budgets()).toMatchObject([{ spent: 1.5e9 + 150_000 }]);
    await two.stop();
    rmSync(folder, { recursive: true });
  });
});

describe("openai-agents-python#2848, #3353: thousands of unexpected calls; hard guardrails", () => {
  test("an operator, or a monitor, stops the agent everywhere, and only it", async () => {
    server.play(answer(50, 100));
    const one = await guarded({ breaker: { port: 0 } });
    expect(await ask(one)).toBeUndefined();
    const body = JSON.stringify({ scope: "agent:researcher", reason: "runs away" });
    await fetch(`${one.runtime.breakerUrl()}/circuits/trip`, { method: "POST", body });
    expect(isBlocked(await ask(one))).toMatchObject({ reason: "circuit", source: "operator", why: "runs away" });
    expect(await ask(one, "another")).toBeUndefined();
  });
});
