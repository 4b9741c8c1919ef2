import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { isBlocked } from "../../src/guard/blocked.ts";
import { finalise } from "../../src/guard/finalise.ts";
import { eventually } from "../eventually.ts";
import { collectMetrics, stopUserTelemetry } from "../known-failures/tracing.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { answer, chat, type Guarded, guard } from "./guarded.ts";

let server: ModelServer;
let guards: Guarded[] = [];

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  vi.useRealTimers();
  stopUserTelemetry();
  await Promise.all(guards.map((one) => one.stop()));
  guards = [];
});
afterAll(() => server.close());

async function open(config: ConfigFile): Promise<Guarded> {
  const one = await guard(server, config);
  guards.push(one);
  return one;
}

/** Makes calls one after another, each of 100 tokens of output with a limit of 100, and returns their statuses. */
async function statuses(guarded: Guarded, times: number, ask: Parameters<typeof chat>[2] = {}): Promise<number[]> {
  const found: number[] = [];
  for (let call = 0; call < times; call++)
    found.push((await chat(guarded, server.url, { maxTokens: 100, ...ask })).status);
  return found;
}

describe("what a budget caps", () => {
  test.each([
    ["calls", { calls: 2 }, [200, 200, 402, 402]],
    // 150 tokens each; the third would need its reserve of more than 166.
    ["tokens", { tokens: 450 }, [200, 200, 402, 402]],
    ["usd", { usd: 0.00045 }, [200, 200, 402, 402]],
    ["nothing at all", { usd: 0 }, [402, 402, 402, 402]],
  ])("%s", async (_, cap, expected) => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", ...cap }] });
    expect(await statuses(one, 4)).toEqual(expected);
    const sent = expected.filter((status) => status === 200).length;
    expect(server.visits).toHaveLength(sent);
    expect(one.settled.filter(({ ending }) => ending === "blocked")).toHaveLength(4 - sent);
    expect(one.settled.at(-1)).toMatchObject({ ending: "blocked", quality: "unknown", priced: "none" });
  });

  test("each agent has its own where the scope says *, and goes on when another is stopped", async () => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", calls: 1 }] });
    expect(await statuses(one, 2, { agent: "a" })).toEqual([200, 402]);
    expect(await statuses(one, 2, { agent: "b" })).toEqual([200, 402]);
  });

  test("what a child spends counts for its parents, and the strictest cap wins", async () => {
    server.play(answer(50, 100));
    const one = await open({
      budgets: [
        { scope: { agent: "planner" }, per: "hour", calls: 3 },
        { scope: { agent: "*" }, per: "hour", calls: 5 },
        { per: "day", calls: 100 },
      ],
    });
    const { scope } = one.runtime.scoping;
    const inside = await scope({ agent: "planner" }, async () => [
      ...(await statuses(one, 2, { agent: "flights" })),
      ...(await statuses(one, 2, { agent: "hotels" })),
    ]);
    expect(inside).toEqual([200, 200, 200, 402]);
    // The same agent on its own has its own cap left.
    expect(await statuses(one, 1, { agent: "hotels" })).toEqual([200]);
  });

  test("per run, each run has its own", async () => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ scope: { agent: "researcher" }, per: "run", calls: 1 }] });
    const { scope } = one.runtime.scoping;
    for (const run of ["1", "2"]) expect(await scope({ run }, () => statuses(one, 2))).toEqual([200, 402]);
    // Without a run it is the process.
    expect(await statuses(one, 2)).toEqual([200, 402]);
  });

  test.each([
    ["hour", 3_600_000],
    ["day", 86_400_000],
    ["1m", 66_000],
  ])("per %s, a new window begins with nothing spent", async (per, ms) => {
    server.play(answer(50, 100));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 10, 24, 10, 0, 1) });
    const one = await open({ budgets: [{ scope: { agent: "*" }, per, calls: 2 }] });
    expect(await statuses(one, 3)).toEqual([200, 200, 402]);
    vi.setSystemTime(Date.now() + ms);
    expect(await statuses(one, 3)).toEqual([200, 200, 402]);
  });

  test("a moving window lets go bit by bit", async () => {
    server.play(answer(50, 100));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 10, 24, 10, 0, 0) });
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "minute", calls: 2 }] });
    expect(await statuses(one, 1)).toEqual([200]);
    vi.setSystemTime(Date.now() + 30_000);
    expect(await statuses(one, 2)).toEqual([200, 402]);
    vi.setSystemTime(Date.now() + 36_000);
    expect(await statuses(one, 2)).toEqual([200, 402]);
  });

  test("many calls at once pass no cap", async () => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", calls: 10 }] });
    const all = await Promise.all(Array.from({ length: 50 }, () => chat(one, server.url)));
    expect(all.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(server.visits).toHaveLength(10);
  });
});

describe("a hold is given back by every ending", () => {
  const stream = 'data: {"id":"1","model":"test-model","choices":[{"index":0,"delta":{"content":"Hello there"}}]}\n\n';
  const headers = { "content-type": "text/event-stream" };

  test.each([
    ["an error status", { status: 500, headers: { "content-type": "application/json" }, steps: ["{}"] }, undefined],
    ["a cut before the head", { steps: ["cut"] }, undefined],
    ["a cut stream", { headers, steps: [stream, "cut"] }, undefined],
    ["a stream that is broken off", { headers, steps: [stream, "hang"] }, "break"],
    ["an abort", { headers, steps: [stream, "hang"] }, "abort"],
    ["a response that nobody reads, at flush", { headers, steps: [stream, "hang"] }, "unread"],
  ] as const)("%s", async (_, script, reader) => {
    server.play(script);
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", usd: 1 }] });
    const abort = new AbortController();
    const body = JSON.stringify({
      model: "test-model",
      stream: true,
      max_tokens: 1_000,
      messages: [{ role: "user", content: "Hi" }],
    });
    const called = one.fetch(`${server.url}/v1/chat/completions`, { method: "POST", body, signal: abort.signal });
    const response = await called.catch(() => undefined);
    if (response?.ok && reader === undefined) await response.text().catch(() => {});
    const source = reader === "break" || reader === "abort" ? response?.body?.getReader() : undefined;
    await source?.read();
    if (reader === "break") await source?.cancel();
    if (reader === "abort") abort.abort();
    await one.runtime.flush();
    await eventually(() => expect(one.settled).toHaveLength(1));
    const [gauge] = one.runtime.budgets();
    expect(gauge).toMatchObject({ inUse: 0 });
    expect(gauge?.spent).toBe(Math.round((one.settled[0]?.costUsd ?? 0) * 1e9));
  });

  test("unknown usage is not zero: what was held counts", async () => {
    server.play({ headers: { "content-type": "application/json" }, steps: ["not json"] });
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", tokens: 10_000 }] });
    const body = JSON.stringify({ model: "test-model", max_tokens: 500, messages: [{ role: "user", content: "Hi" }] });
    await (await one.fetch(`${server.url}/v1/chat/completions`, { method: "POST", body })).text();
    await one.runtime.flush();
    expect(one.settled[0]?.quality).toBe("unknown");
    const [count] = one.runtime.budgets();
    expect(count?.spent).toBeGreaterThanOrEqual(500);
    expect(count?.inUse).toBe(0);
  });
});

describe("beside the cap", () => {
  test("a warning is given once a window", async () => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ name: "b", scope: { agent: "*" }, per: "hour", calls: 4, warnAt: 0.5 }] });
    await statuses(one, 4);
    expect(one.said).toEqual(['budget "b" of agent:researcher is 50 % spent']);
  });

  test("a finalisation allowance is for calls inside finalise() alone", async () => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", calls: 5, finalisation: 0.4 }] });
    expect(await statuses(one, 4)).toEqual([200, 200, 200, 402]);
    expect(await finalise(() => statuses(one, 3))).toEqual([200, 200, 402]);
    expect(await statuses(one, 1)).toEqual([402]);
  });

  test("shadow mode refuses nothing and says what it would have refused", async () => {
    server.play(answer(50, 100));
    const metrics = collectMetrics();
    const one = await open({ mode: "shadow", budgets: [{ scope: { agent: "*" }, per: "hour", calls: 1 }] });
    expect(await statuses(one, 3)).toEqual([200, 200, 200]);
    expect((await metrics.read()).filter(({ metric }) => metric === "spendfuse.blocked_calls")).toEqual([
      {
        metric: "spendfuse.blocked_calls",
        attributes: {
          agent: "researcher",
          root_agent: "researcher",
          reason: "budget",
          mode: "shadow",
          process: expect.any(String),
        },
        value: 2,
      },
    ]);
  });

  test("the gauges show open circuits and used budgets", async () => {
    server.play(answer(50, 100));
    const metrics = collectMetrics();
    const one = await open({ budgets: [{ name: "b", scope: { team: "*" }, per: "1m", calls: 2, trip: "1m" }] });
    await one.runtime.scoping.scope({ team: "search" }, () => statuses(one, 3));
    const processName = expect.any(String);
    const read = (await metrics.read()).filter(({ metric }) => /circuit|budget/.test(metric));
    expect(read).toEqual([
      {
        metric: "spendfuse.circuit.open",
        attributes: { scope: "team:search", team: "search", source: "budget", process: processName },
        value: 1,
      },
      {
        metric: "spendfuse.budget.used_ratio",
        attributes: { scope: "team:search", team: "search", budget: "b", process: processName },
        value: 1,
      },
    ]);
  });

  test("off checks nothing", async () => {
    server.play(answer(50, 100));
    const one = await open({ mode: "off", budgets: [{ scope: { agent: "*" }, per: "hour", calls: 0 }] });
    expect(await statuses(one, 2)).toEqual([200, 200]);
  });

  test.each([
    ["allow", [200, 200]],
    ["refuse", [402, 402]],
  ] as const)("a model without a price: %s", async (unpriced, expected) => {
    server.play(answer(50, 100));
    const one = await open({ unpriced, budgets: [{ scope: { agent: "*" }, per: "hour", usd: 1 }] });
    expect(await statuses(one, 2, { model: "no-such-model" })).toEqual(expected);
  });

  test("a budget that trips opens the circuit of its scope", async () => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "1m", calls: 1, trip: "15m" }] });
    expect(await statuses(one, 2)).toEqual([200, 402]);
    const third = await chat(one, server.url);
    expect(isBlocked(third.json1)).toMatchObject({ reason: "circuit", source: "budget", scope: "agent:researcher" });
  });

  test("a listener can approve an exception, which is said", async () => {
    server.play(answer(50, 100));
    const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", calls: 1 }] });
    const asked: unknown[] = [];
    one.runtime.approvers.add((blocked, { agent }) => {
      asked.push(blocked);
      return agent === "critical" ? "it is critical" : false;
    });
    one.runtime.approvers.add(async () => {
      throw new Error("broken listener");
    });
    expect(await statuses(one, 2, { agent: "critical" })).toEqual([200, 200]);
    expect(await statuses(one, 2, { agent: "other-one" })).toEqual([200, 402]);
    expect(asked[0]).toMatchObject({ reason: "budget", scope: "agent:critical", spent: 1, limit: 1 });
    expect(one.said.join()).toContain(
      "call of critical allowed although agent:critical is over budget: it is critical",
    );
  });
});

describe("a vendor's own cap", () => {
  const quota = {
    error: {
      message: "You exceeded your current quota",
      type: "insufficient_quota",
      code: "insufficient_quota",
      param: null,
    },
  };

  test("is not tried again, and stops its key before the next call", async () => {
    server.play({ status: 429, headers: { "content-type": "application/json" }, steps: [JSON.stringify(quota)] });
    const one = await open({ budgets: [{ per: "hour", usd: 100 }] });
    const first = await chat(one, server.url);
    expect([first.status, first.headers.get("x-should-retry"), first.json1]).toEqual([429, "false", quota]);
    expect(first.url).toBe(`${server.url}/v1/chat/completions`);
    await eventually(async () => expect((await chat(one, server.url)).status).toBe(402));
    expect(isBlocked((await chat(one, server.url)).json1)).toMatchObject({
      reason: "vendor_cap",
      source: "vendor_cap",
    });
  });

  test.each([
    ["until the vendor says that it ends", 3 * 86_400_000],
    ["for ten minutes where the vendor says a time that has passed", -3 * 86_400_000],
  ])("stops its key %s", async (_, ahead) => {
    const returns = new Date(Math.ceil((Date.now() + ahead) / 86_400_000) * 86_400_000);
    const message = `You have reached your specified API usage limits. You will regain access on ${returns.toISOString().slice(0, 10)} at 00:00 UTC.`;
    const error = { error: { type: "invalid_request_error", message } };
    server.play({ status: 400, headers: { "content-type": "application/json" }, steps: [JSON.stringify(error)] });
    const one = await open({ budgets: [{ per: "hour", usd: 100 }] });
    const before = Date.now();
    await chat(one, server.url);
    await vi.waitFor(async () => expect((await chat(one, server.url)).status).toBe(402));
    const until = isBlocked((await chat(one, server.url)).json1)?.until ?? Number.NaN;
    const expected = ahead > 0 ? returns.getTime() : before + 600_000;
    expect(Math.abs(until - expected)).toBeLessThan(60_000);
  });

  test("an ordinary rate limit is left as it is", async () => {
    const busy = {
      error: { message: "Rate limit reached", type: "requests", code: "rate_limit_exceeded", param: null },
    };
    server.play({
      status: 429,
      headers: { "content-type": "application/json", "retry-after": "1" },
      steps: [JSON.stringify(busy)],
    });
    const one = await open({ budgets: [{ per: "hour", usd: 100 }] });
    for (let call = 0; call < 2; call++) {
      const response = await chat(one, server.url);
      expect([
        response.status,
        response.headers.get("x-should-retry"),
        response.headers.get("retry-after"),
        response.json1,
      ]).toEqual([429, null, "1", busy]);
    }
  });
});
