import { setImmediate as turn } from "node:timers/promises";
import { context, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import type { ScopeFields } from "../../../src/core/scope.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

const exporter = new InMemorySpanExporter();
let runtime: Runtime;
let metered: typeof fetch;
/** What the network answers; the last one stays. */
let answers: (() => Response)[];

const usage = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 };
const whole = (): Response =>
  Response.json({
    id: "c",
    model: "m",
    choices: [{ message: { role: "assistant", content: "x" }, finish_reason: "stop" }],
    usage,
  });
const refused = (): Response =>
  Response.json({ error: { message: "slow down" } }, { status: 429, headers: { "retry-after-ms": "1" } });
const stream = (chunks: AsyncIterable<string>) => (): Response =>
  new Response((ReadableStream as unknown as { from(c: unknown): ReadableStream }).from(bytes(chunks)), {
    headers: { "content-type": "text/event-stream" },
  });

async function* bytes(chunks: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
});

afterAll(() => {
  trace.disable();
  context.disable();
});

async function begin(config: ConfigFile = {}): Promise<void> {
  runtime = createRuntime(() => {});
  const prices = [{ model: "m", inputPerMTok: 1, outputPerMTok: 10 }];
  await runtime.start({ telemetry: false, env: {}, config: { prices, ...config } as ConfigFile });
  await runtime.stop();
  metered = runtime.wrapFetch((async () => (answers.length > 1 ? answers.shift() : answers[0])?.()) as typeof fetch);
  // The price book loads with the first call; from then on calls settle on the spot.
  await (await call()).text();
  await runtime.flush();
  exporter.reset();
}

beforeEach(async () => {
  answers = [whole];
  await begin();
});

const scope = <T>(fields: ScopeFields, fn: () => T): T => runtime.scoping.scope(fields, fn);
const request = { model: "m", messages: [{ role: "user" as const, content: "hi" }] };
const call = (more: object = {}): Promise<Response> =>
  metered("https://api.openai.com/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({ ...request, ...more }),
  });
const spend = async (): Promise<unknown> => (await call()).json();

const spans = (): ReadableSpan[] => exporter.getFinishedSpans();
const find = (name: string): ReadableSpan => {
  const [found, another] = spans().filter((span) => span.name === name);
  if (!found || another) throw new Error(`${name} is not once in ${spans().map((span) => span.name)}`);
  return found;
};
const sums = (span: ReadableSpan) => ({
  calls: span.attributes["spendfuse.calls"],
  input: span.attributes["gen_ai.usage.input_tokens"],
  output: span.attributes["gen_ai.usage.output_tokens"],
  cost: span.attributes["gen_ai.usage.cost.amount"],
  quality: span.attributes["spendfuse.quality"],
});
const times = (n: number, quality = "reported") => ({
  calls: n,
  input: 1000 * n,
  output: 100 * n,
  cost: 0.002 * n,
  quality,
});

describe("an agent's span", () => {
  test("is opened by its scope, around the spans of its calls, and carries their sums", async () => {
    await scope({ agent: "Lead", run: "r1" }, async () => {
      await spend();
      await spend();
    });
    const lead = find("invoke_agent lead");
    expect(lead.attributes).toMatchObject({
      "gen_ai.operation.name": "invoke_agent",
      "gen_ai.agent.name": "lead",
      "gen_ai.usage.cost.currency": "USD",
      "spendfuse.unpriced_calls": 0,
    });
    expect(sums(lead)).toEqual(times(2));
    const chats = spans().filter(({ name }) => name === "chat m");
    expect(chats).toHaveLength(2);
    for (const chat of chats) {
      expect(chat.parentSpanContext?.spanId).toBe(lead.spanContext().spanId);
      expect(chat.attributes).toMatchObject({
        "gen_ai.agent.name": "lead",
        "gen_ai.usage.cost.amount": 0.002,
        "spendfuse.run": "r1",
      });
    }
  });

  test("carries the sums of its sub-agents, each of which carries its own", async () => {
    await scope({ agent: "lead" }, async () => {
      await spend();
      await Promise.all(
        ["a", "b"].map((agent) =>
          scope({ agent }, async () => {
            await spend();
            await scope({ agent: `${agent}-inner` }, spend);
          }),
        ),
      );
    });
    expect(sums(find("invoke_agent lead"))).toEqual(times(5));
    for (const agent of ["a", "b"]) {
      expect(sums(find(`invoke_agent ${agent}`))).toEqual(times(2));
      expect(sums(find(`invoke_agent ${agent}-inner`))).toEqual(times(1));
      expect(find(`invoke_agent ${agent}`).parentSpanContext?.spanId).toBe(
        find("invoke_agent lead").spanContext().spanId,
      );
    }
  });

  test("waits for streams that finish after it, and takes their sums", async () => {
    const gate = Promise.withResolvers<void>();
    answers = [
      stream(
        (async function* () {
          yield 'data: {"model":"m","choices":[{"delta":{"content":"x"}}]}\n\n';
          await gate.promise;
          yield 'data: {"model":"m","choices":[{"delta":{},"finish_reason":"stop"}]}\n\n';
          yield `data: ${JSON.stringify({ model: "m", choices: [], usage })}\n\ndata: [DONE]\n\n`;
        })(),
      ),
    ];
    const late = await scope({ agent: "lead" }, () =>
      scope({ agent: "sub" }, () => call({ stream: true, stream_options: { include_usage: true } })),
    );
    await turn();
    expect(spans()).toEqual([]);
    gate.resolve();
    await late.text();
    expect(sums(find("invoke_agent sub"))).toEqual(times(1));
    expect(sums(find("invoke_agent lead"))).toEqual(times(1));
  });

  test("of a stream that is broken off says that it is estimated", async () => {
    answers = [
      stream(
        (async function* () {
          yield 'data: {"model":"m","choices":[{"delta":{"content":"some visible text"}}]}\n\n';
          await new Promise(() => {});
        })(),
      ),
    ];
    await scope({ agent: "lead" }, async () => {
      for await (const _ of (await call({ stream: true })).body as ReadableStream) break;
    });
    expect(sums(find("invoke_agent lead"))).toMatchObject({ calls: 1, quality: "estimated", output: 4 });
    expect(find("chat m").attributes).toMatchObject({ "spendfuse.ending": "canceled" });
  });

  test("of a generator ends with its last step, broken off or not", async () => {
    async function* work(): AsyncGenerator<number> {
      for (let n = 0; ; n += 1) {
        await spend();
        yield n;
      }
    }
    for await (const n of scope({ agent: "lead" }, work)) {
      expect(spans().some(({ name }) => name === "invoke_agent lead")).toBe(false);
      if (n === 2) break;
    }
    expect(sums(find("invoke_agent lead"))).toEqual(times(3));
  });

  test("of an SDK's own promise counts its retries too", async () => {
    answers = [refused, refused, whole];
    const client = new OpenAI({ apiKey: "k", fetch: metered, maxRetries: 2 });
    const { data } = await scope({ agent: "lead" }, () => client.chat.completions.create(request)).withResponse();
    expect(data.usage).toEqual(usage);
    await turn();
    // A refused call has no usage and raises no alarm about it.
    expect(sums(find("invoke_agent lead"))).toEqual({ ...times(1), calls: 3 });
    expect(find("invoke_agent lead").status.code).toBe(SpanStatusCode.UNSET);
  });

  test("of an SDK's own promise that is never awaited still ends", async () => {
    const client = new OpenAI({ apiKey: "k", fetch: metered, maxRetries: 0 });
    void scope({ agent: "lead" }, () => client.chat.completions.create(request));
    await turn();
    await turn();
    await runtime.flush();
    expect(sums(find("invoke_agent lead"))).toMatchObject({ calls: 1 });
  });

  test("without any call is a span all the same", async () => {
    expect(scope({ agent: "lead" }, () => 5)).toBe(5);
    await turn();
    expect(sums(find("invoke_agent lead"))).toEqual(times(0));
  });

  test("that throws says so, and the error is the caller's", async () => {
    const error = new RangeError("mine");
    await expect(
      scope({ agent: "lead" }, async () => {
        await spend();
        throw error;
      }),
    ).rejects.toBe(error);
    expect(() =>
      scope({ agent: "thrower" }, () => {
        throw error;
      }),
    ).toThrow(error);
    expect(find("invoke_agent lead").status).toEqual({ code: SpanStatusCode.ERROR, message: "mine" });
    expect(find("invoke_agent thrower").status.code).toBe(SpanStatusCode.ERROR);
    expect(sums(find("invoke_agent lead"))).toEqual(times(1));
  });

  test("is not opened by a scope without an agent, nor when spans are switched off", async () => {
    await scope({ team: "search" }, spend);
    expect(spans().map(({ name }) => name)).toEqual(["chat m"]);
    await begin({ spans: false });
    await scope({ agent: "lead" }, spend);
    expect(spans()).toEqual([]);
  });
});

describe("a span of somebody else's", () => {
  const tracer = () => trace.getTracer("framework");

  test("that is an agent's already is filled and not doubled, nor ended", async () => {
    await tracer().startActiveSpan(
      "invoke_agent theirs",
      { attributes: { "gen_ai.operation.name": "invoke_agent" } },
      async (span) => {
        await scope({ agent: "lead" }, spend);
        expect(span.isRecording()).toBe(true);
        span.end();
      },
    );
    expect(
      spans()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["chat m", "invoke_agent theirs"]);
    expect(sums(find("invoke_agent theirs"))).toEqual(times(1));
  });

  test("that is something else is the parent", async () => {
    await tracer().startActiveSpan("request", async (span) => {
      await scope({ agent: "lead" }, spend);
      span.end();
    });
    expect(find("invoke_agent lead").parentSpanContext?.spanId).toBe(find("request").spanContext().spanId);
    expect(find("request").attributes).toEqual({});
  });

  test("between the agent and the call is the call's parent, and the agent still sums", async () => {
    await scope({ agent: "lead" }, () =>
      tracer().startActiveSpan("step", async (span) => {
        await spend();
        span.end();
      }),
    );
    expect(find("chat m").parentSpanContext?.spanId).toBe(find("step").spanContext().spanId);
    expect(find("step").parentSpanContext?.spanId).toBe(find("invoke_agent lead").spanContext().spanId);
    expect(sums(find("invoke_agent lead"))).toEqual(times(1));
  });

  test("that is the call's own, of an SDK, is filled and not doubled", async () => {
    await scope({ agent: "lead" }, () =>
      tracer().startActiveSpan("chat", { attributes: { "gen_ai.operation.name": "chat" } }, async (span) => {
        await spend();
        span.end();
      }),
    );
    expect(
      spans()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["chat", "invoke_agent lead"]);
    expect(find("chat").attributes).toMatchObject({
      "gen_ai.usage.cost.amount": 0.002,
      "spendfuse.quality": "reported",
    });
  });
});
