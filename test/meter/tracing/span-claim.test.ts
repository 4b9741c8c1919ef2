import { context, type Span, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { type ReadableSpan, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  ABANDONED_MS,
  CARRY_MS,
  type ClaimEvent,
  type ClaimState,
  dueAtOf,
  type Holder,
  MAX_RUNNING_MS,
  next,
  type Outcome,
} from "../../../src/meter/tracing/claim-state.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { stopUserTelemetry } from "../../known-failures/tracing.ts";

const COST = "gen_ai.usage.cost.amount";

describe("where the figures of a call stand, by what happens to the span that was open for it", () => {
  const call = { failed: false };
  const failure = { failed: true };
  const figures: Outcome = { used: true, write() {}, carry: () => true };
  const nothing: Outcome = { ...figures, used: false };
  const end = (at: number): ClaimEvent => ({ type: "end", end: { self: "span", args: [at] } });
  const claim = (holder: Holder = call): ClaimEvent => ({ type: "claim", holder });
  const settle = (more: object = {}): ClaimEvent => ({
    type: "settle",
    holder: call,
    outcome: figures,
    open: true,
    abandoned: undefined,
    ...more,
  });
  const due: ClaimEvent = { type: "due" };
  const abandoned = { self: "span", args: ["when the call settled"] };

  const rows: readonly [says: string, events: readonly ClaimEvent[], done: readonly string[]][] = [
    ["ended after the call", [claim(), settle(), end(2)], ["write", "end 2"]],
    ["ended while the call runs", [claim(), end(1), settle()], ["write", "end 1"]],
    ["ended twice while the call runs", [claim(), end(1), end(2), settle()], ["write", "end 1"]],
    ["not ended in time", [claim(), settle(), due], ["carry"]],
    ["ended after the deadline", [claim(), settle(), due, end(3)], ["carry", "end 3"]],
    [
      "left open by who is known for it",
      [claim(), settle({ abandoned }), due, end(3)],
      ["write", "end when the call settled", "end 3"],
    ],
    ["known for it, but ended in time", [claim(), settle({ abandoned }), end(2), due], ["write", "end 2"]],
    ["sent while the call runs", [claim(), end(1), due, settle()], ["end 1", "carry"]],
    ["ended around us while the call runs", [claim(), settle({ open: false })], ["carry"]],
    ["ended twice, the second time around us", [claim(), end(1), settle({ open: false })], ["carry", "end 1"]],
    [
      "of a call that used nothing: not carried",
      [claim(), settle({ outcome: nothing }), due, end(3)],
      ["write", "end 3"],
    ],
    [
      "of an attempt that failed, then of the next one",
      [claim(failure), settle({ holder: failure, outcome: nothing }), claim(), settle(), end(2)],
      ["write", "end 2"],
    ],
    [
      "taken over before the attempt that failed has its price",
      [claim(failure), claim(), settle({ holder: failure }), settle(), end(2)],
      ["carry", "write", "end 2"],
    ],
    ["given back by a call that we failed to settle", [claim(), settle({ outcome: undefined }), end(2)], ["end 2"]],
    ["the same, ended before", [claim(), end(1), settle({ outcome: undefined })], ["end 1"]],
  ];

  test.each(rows)("%s", (_, events, done) => {
    expect(play(events)).toEqual(done);
  });

  function play(events: readonly ClaimEvent[]): readonly string[] {
    const done: string[] = [];
    let state: ClaimState = { phase: "free" };
    for (const event of events) {
      const step = next(state, event, 0);
      state = step.state;
      if (step.write) done.push("write");
      if (step.carry) done.push("carry");
      if (step.end) done.push(`end ${step.end.args[0]}`);
    }
    return done;
  }

  test("how long it waits", () => {
    const waits = (...events: readonly ClaimEvent[]) =>
      dueAtOf(events.reduce((state: ClaimState, event) => next(state, event, 5).state, { phase: "free" })) - 5;
    expect(waits(claim(), settle())).toBe(CARRY_MS);
    expect(waits(claim(), settle({ abandoned }))).toBe(ABANDONED_MS);
    expect(waits(claim(), end(1))).toBe(MAX_RUNNING_MS);
    expect(waits(claim())).toBe(Number.POSITIVE_INFINITY);
    expect(waits(claim(), settle({ outcome: nothing }))).toBe(Number.POSITIVE_INFINITY);
    expect(waits(claim(), settle(), due, end(3))).toBe(Number.POSITIVE_INFINITY);
  });

  test("one span for one call: another gets it only after an attempt that used nothing", () => {
    const takes = (...events: readonly ClaimEvent[]) => {
      const other = { failed: false };
      const before = events.reduce((state: ClaimState, event) => next(state, event, 0).state, { phase: "free" });
      const { state } = next(before, claim(other), 0);
      return state.phase === "running" && state.holder === other;
    };
    expect(takes()).toBe(true);
    expect(takes(claim())).toBe(false);
    expect(takes(claim(failure))).toBe(true);
    expect(takes(claim(failure), end(1))).toBe(false);
    expect(takes(claim(), settle())).toBe(false);
    expect(takes(claim(), settle({ outcome: nothing }))).toBe(true);
    expect(takes(claim(), settle(), end(2))).toBe(false);
    expect(takes(claim(), settle(), due)).toBe(false);
  });

  test("whatever happens in whatever order: the figures of a call stand on exactly one span", () => {
    const calls = [call, failure, { failed: false }, { failed: true }];
    const one = fc.record({
      type: fc.constantFrom("claim", "end", "settle", "due"),
      which: fc.nat(calls.length - 1),
      used: fc.boolean(),
      open: fc.boolean(),
      abandoned: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), (events) => {
        const outcomes = calls.map(() => ({ ...figures }));
        const stands = new Map<Outcome, number>();
        const claimed = new Set<number>();
        const settled = new Set<number>();
        let state = { phase: "free" } as ClaimState;
        let isEnded = false;
        const go = (event: ClaimEvent) => {
          const step = next(state, event, 0);
          state = step.state;
          if (step.write?.used) {
            expect(isEnded).toBe(false);
            stands.set(step.write, (stands.get(step.write) ?? 0) + 1);
          }
          if (step.carry) stands.set(step.carry, (stands.get(step.carry) ?? 0) + 1);
          if (step.end) isEnded = true;
        };
        for (const event of events) {
          const holder = calls[event.which]!;
          if (event.type === "claim" && !claimed.has(event.which)) {
            go({ type: "claim", holder });
            if (state.phase === "running" && state.holder === holder) claimed.add(event.which);
          }
          if (event.type === "end") go(end(0));
          if (event.type === "due") go(due);
          if (event.type === "settle" && claimed.has(event.which) && !settled.has(event.which)) {
            settled.add(event.which);
            const outcome = Object.assign(outcomes[event.which]!, { used: event.used });
            go(settle({ holder, outcome, open: !isEnded && event.open, ...(event.abandoned && { abandoned }) }));
          }
        }
        go(due);
        const expected = [...settled].map((which) => outcomes[which]!).filter(({ used }) => used);
        expect(expected.map((outcome) => stands.get(outcome))).toEqual(expected.map(() => 1));
        expect(stands.size).toBe(expected.length);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("a span that another instrumentation does not end", () => {
  const cost = 0.00225;
  const answer = {
    id: "answer-1",
    model: "gpt-5",
    choices: [],
    usage: { prompt_tokens: 1_000, completion_tokens: 100 },
  };
  let ended: ReadableSpan[];
  let runtime: Runtime;
  let provider: TracerProvider;

  beforeEach(async () => {
    ended = [];
    const keeper: SpanProcessor = {
      onStart() {},
      onEnd: (span) => void ended.push(span),
      async forceFlush() {},
      async shutdown() {},
    };
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    await begin();
    provider = new TracerProvider({ spanProcessors: [keeper] });
    trace.setGlobalTracerProvider(provider);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  });
  afterEach(async () => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    await runtime.stop();
    stopUserTelemetry();
  });

  /** A runtime whose price book is loaded, so that a call settles as soon as its answer has been read. */
  async function begin(config: object = {}): Promise<void> {
    await runtime?.stop();
    runtime = createRuntime(() => {});
    await runtime.start({ telemetry: false, env: {}, config });
    await ask();
    await runtime.flush();
  }

  async function ask(
    body: () => BodyInit = () => JSON.stringify(answer),
    type = "application/json",
  ): Promise<Response> {
    const metered = runtime.wrapFetch(async () => new Response(body(), { headers: { "content-type": type } }));
    const response = await metered("https://api.openai.com/v1/chat/completions", {
      method: "POST",
      headers: { "x-spendfuse-agent": "bot" },
      body: JSON.stringify({ model: "gpt-5", messages: [{ role: "user", content: "Hi" }] }),
    });
    if (type === "application/json") await response.text();
    return response;
  }

  /** Makes a call inside a span like an SDK's and gives the span, which is still open. */
  async function askInSpan(make: () => Promise<unknown> = ask, tracer = "sdk"): Promise<Span> {
    const attributes = { "gen_ai.operation.name": "chat" };
    return trace.getTracer(tracer).startActiveSpan("chat", { attributes }, async (span) => {
      await make();
      return span;
    });
  }

  /** One whose instrumentation leaves it open when a stream is broken off. */
  const FORGETFUL = "@opentelemetry/instrumentation-openai";
  const frame = { id: "answer-1", model: "gpt-5", choices: [{ index: 0, delta: { content: "Hel" } }] };
  const stream = () =>
    new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`)),
    });
  const breakOff = async () => {
    const response = await ask(stream, "text/event-stream");
    for await (const _ of response.body!) break;
  };

  const costs = () => ended.map((span) => [span.instrumentationScope.name, span.attributes[COST]]);
  const millis = ([seconds, nanos]: readonly [number, number]) => seconds * 1e3 + nanos / 1e6;

  test("has the figures if it ends just in time, and no span of ours has them", async () => {
    const span = await askInSpan();
    vi.advanceTimersByTime(CARRY_MS - 1);
    expect(ended).toEqual([]);
    span.end();
    vi.advanceTimersByTime(10 * CARRY_MS);
    expect(costs()).toEqual([["sdk", cost]]);
  });

  test("has none if it ends too late: a span of ours has them, like the one that would have been made", async () => {
    let around: Span | undefined;
    const began = Date.now();
    const span = await trace.getTracer("app").startActiveSpan("job", (job) => {
      around = job;
      return askInSpan();
    });
    vi.advanceTimersByTime(CARRY_MS);
    expect(costs()).toEqual([["spendfuse", cost]]);
    const [ours] = ended;
    expect(ours).toMatchObject({
      name: "chat gpt-5",
      kind: 2,
      parentSpanContext: { spanId: around?.spanContext().spanId },
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.id": "answer-1",
        "gen_ai.agent.name": "bot",
        "gen_ai.usage.output_tokens": 100,
        "spendfuse.ending": "completed",
      },
    });
    expect(ours?.spanContext().traceId).toBe(around?.spanContext().traceId);
    expect(millis(ours!.startTime)).toBe(began);
    expect(millis(ours!.endTime) - began).toBeLessThan(CARRY_MS / 2);
    span.end();
    expect(costs().at(-1)).toEqual(["sdk", undefined]);
    expect(ended).toHaveLength(2);
  });

  test("has the figures however late it ends where we may make no spans", async () => {
    await begin({ spans: false });
    const span = await askInSpan();
    vi.advanceTimersByTime(10 * CARRY_MS);
    await runtime.flush();
    expect(ended).toEqual([]);
    span.end();
    expect(costs()).toEqual([["sdk", cost]]);
  });

  test.each<[string, () => Promise<void>]>([
    ["flush()", () => runtime.flush()],
    ["a flush of the user's provider", () => provider.forceFlush()],
    ["the end of the user's provider", () => provider.shutdown()],
  ])("does not keep the figures back from %s", async (_, flush) => {
    const span = await askInSpan();
    await flush();
    expect(costs()).toEqual([["spendfuse", cost]]);
    span.end();
    vi.advanceTimersByTime(10 * CARRY_MS);
    expect(ended.filter(({ attributes }) => attributes[COST] !== undefined)).toHaveLength(1);
  });

  test("that was sent while the call ran has no figures: a span of ours has them", async () => {
    const rest = Promise.withResolvers<void>();
    const body = () =>
      new ReadableStream({
        async pull(controller) {
          await rest.promise;
          controller.enqueue(new TextEncoder().encode(JSON.stringify(answer)));
          controller.close();
        },
      });
    let reading: Promise<unknown> | undefined;
    const span = await askInSpan(async () => {
      reading = ask(body);
    });
    span.end();
    await provider.forceFlush();
    expect(costs()).toEqual([["sdk", undefined]]);
    rest.resolve();
    await reading;
    expect(costs()).toEqual([
      ["sdk", undefined],
      ["spendfuse", cost],
    ]);
  });

  test("whose stream was broken off is ended by us, when its instrumentation is known to leave it open", async () => {
    await askInSpan(breakOff, FORGETFUL);
    const settledAt = Date.now();
    vi.advanceTimersByTime(ABANDONED_MS - 1);
    expect(ended).toEqual([]);
    vi.advanceTimersByTime(10 * CARRY_MS);
    expect(
      ended.map(({ instrumentationScope: { name }, attributes }) => [name, attributes["spendfuse.ending"]]),
    ).toEqual([[FORGETFUL, "canceled"]]);
    expect(ended[0]?.attributes[COST]).toBeGreaterThan(0);
    expect(Math.abs(millis(ended[0]!.endTime) - settledAt)).toBeLessThan(ABANDONED_MS / 2);
  });

  test("of Datadog's tracer gives the figures to another span of that tracer", async () => {
    const spans: { name: string; tags: Record<string, unknown>; finished: number | undefined; parent: unknown }[] = [];
    const start = (name: string, { tags = {}, childOf }: { tags?: object; childOf?: unknown }) => {
      const state = { name, tags: { ...tags } as Record<string, unknown>, finished: undefined, parent: childOf };
      spans.push(state);
      return {
        context: () => ({ _name: name, _tags: state.tags, _isFinished: state.finished !== undefined }),
        addTags: (more: object) => Object.assign(state.tags, more),
        setTag: (key: string, value: unknown) => Object.assign(state.tags, { [key]: value }),
        finish: (time: number) => Object.assign(state, { finished: time }),
      };
    };
    const theirs = start("openai.request", {});
    vi.stubGlobal("_ddtrace", {
      scope: () => ({ active: () => theirs }),
      startSpan: start,
      inject: (span: unknown, _: string, carrier: object) => Object.assign(carrier, { around: span }),
      extract: (_: string, carrier: object) => ({ said: carrier }),
    });
    const began = Date.now();
    await ask();
    vi.advanceTimersByTime(CARRY_MS - 1);
    expect(spans).toHaveLength(1);
    vi.advanceTimersByTime(1);
    vi.unstubAllGlobals();
    expect(spans).toMatchObject([
      { name: "openai.request", finished: undefined },
      {
        name: "spendfuse.call",
        parent: { said: { around: theirs } },
        tags: { component: "spendfuse", "resource.name": "chat gpt-5", "span.kind": "client", [COST]: cost },
      },
    ]);
    expect(spans[1]?.finished).toBeLessThan(began + CARRY_MS / 2);
    theirs.finish(0);
    expect(spans[0]?.tags).not.toHaveProperty(COST);
  });

  test("costs no timer for those that are ended: one serves all, and keeps no process alive", async () => {
    const timers = vi.spyOn(globalThis, "setTimeout");
    for (let call = 0; call < 100; call += 1) (await askInSpan()).end();
    expect(ended).toHaveLength(100);
    expect(timers.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())).toEqual([false]);
    await askInSpan(breakOff, FORGETFUL);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(CARRY_MS);
    expect(vi.getTimerCount()).toBe(0);
  });
});
