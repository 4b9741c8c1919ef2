import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { type ReadableSpan, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { stopUserTelemetry } from "../../known-failures/tracing.ts";

const COST = "gen_ai.usage.cost.amount";
const CHAT = { "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5" };
const ANSWER = {
  model: "gpt-5",
  choices: [],
  usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
};

let ended: ReadableSpan[];
let runtime: Runtime;
let calls: SettledCall[];
let provider: TracerProvider;

/** What keeps what has ended when it is flushed, as exporters do; nothing that comes later. */
function keeper(): SpanProcessor {
  let open = true;
  return {
    onStart() {},
    onEnd: (span) => void (open && ended.push(span)),
    forceFlush: async () => {},
    async shutdown() {
      open = false;
    },
  };
}

beforeEach(async () => {
  ended = [];
  calls = [];
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  runtime = createRuntime(() => {});
  runtime.listeners.add((call) => calls.push(call));
  await runtime.start({ telemetry: false, env: {} });
  provider = new TracerProvider({ spanProcessors: [keeper()] });
  trace.setGlobalTracerProvider(provider);
});
afterEach(async () => {
  await runtime.stop();
  stopUserTelemetry();
});

/** A model call that is answered in this way, with a header that names its agent. */
async function ask(answer: () => Response = () => Response.json(ANSWER), agent = "bot"): Promise<Response> {
  const metered = runtime.wrapFetch(async () => answer());
  return metered("https://api.openai.com/v1/chat/completions", {
    method: "POST",
    headers: { "x-spendfuse-agent": agent },
    body: JSON.stringify({ model: "gpt-5", messages: [{ role: "user", content: "Hi" }], stream: false }),
  });
}

const inChat = <T>(fn: (end: () => void) => T): T =>
  trace.getTracer("sdk").startActiveSpan("chat gpt-5", { attributes: CHAT }, (span) => fn(() => span.end()));

const summary = () =>
  ended.map(({ name, instrumentationScope, attributes }) => [
    instrumentationScope.name,
    name,
    attributes["gen_ai.agent.name"],
    attributes[COST],
  ]);
const cost = 0.00225;

describe("a span that somebody has open for a model call", () => {
  test("is filled, and none is added", async () => {
    await inChat(async (end) => {
      await (await ask()).json();
      end();
    });
    await runtime.flush();
    expect(summary()).toEqual([["sdk", "chat gpt-5", "bot", cost]]);
  });

  test("does not get an unknown agent's name", async () => {
    await inChat(async (end) => {
      await (await ask(undefined, "")).json();
      end();
    });
    await runtime.flush();
    expect(summary()).toEqual([["sdk", "chat gpt-5", undefined, cost]]);
    expect(ended[0]?.attributes).not.toHaveProperty("spendfuse.root_agent");
  });

  test("is of one call: each further one has a span of its own, and an agent of its own", async () => {
    await inChat(async (end) => {
      for (const agent of ["router", "writer", "critic"]) await (await ask(undefined, agent)).json();
      end();
    });
    await runtime.flush();
    expect(summary()).toEqual([
      ["spendfuse", "chat gpt-5", "writer", cost],
      ["spendfuse", "chat gpt-5", "critic", cost],
      ["sdk", "chat gpt-5", "router", cost],
    ]);
    expect(calls.map(({ scope }) => scope.agent)).toEqual(["router", "writer", "critic"]);
  });

  test("of calls at once as well", async () => {
    await inChat(async (end) => {
      const [one, two] = await Promise.all([ask(), ask()]);
      await Promise.all([one.json(), two.json()]);
      end();
    });
    await runtime.flush();
    expect(
      summary()
        .map(([by, , , amount]) => [by, amount])
        .sort(),
    ).toEqual([
      ["sdk", cost],
      ["spendfuse", cost],
    ]);
  });

  test("stays that of the call through attempts that fail", async () => {
    await inChat(async (end) => {
      await (await ask(() => Response.json({ error: {} }, { status: 429 }))).json();
      await (await ask()).json();
      end();
    });
    await runtime.flush();
    expect(summary()).toEqual([["sdk", "chat gpt-5", "bot", cost]]);
    expect(calls).toHaveLength(2);
  });

  test("is filled when it was ended before the call was over, with the time at which it was", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const body = () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await held;
            controller.enqueue(new TextEncoder().encode(JSON.stringify(ANSWER)));
            controller.close();
          },
        }),
        { headers: { "content-type": "application/json" } },
      );
    const response = await inChat(async (end) => {
      const answer = await ask(body);
      end();
      return answer;
    });
    const endedBy = Date.now();
    expect(ended).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    release();
    await response.json();
    await runtime.flush();
    expect(summary()).toEqual([["sdk", "chat gpt-5", "bot", cost]]);
    const [seconds = 0, nanos = 0] = ended[0]?.endTime ?? [];
    expect(seconds * 1e3 + nanos / 1e6).toBeLessThan(endedBy + 20);
  });

  test("is not lost when the response is never read: its provider sends it", async () => {
    await inChat(async (end) => {
      await ask();
      end();
    });
    await provider.shutdown();
    expect(summary().map(([by, name]) => [by, name])).toEqual([["sdk", "chat gpt-5"]]);
  });
});

describe("the user's provider", () => {
  test("is registered whatever its processors are, and its list stays the user's", () => {
    trace.disable();
    const list = Object.freeze([keeper()]) as SpanProcessor[];
    expect(() => trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: list }))).not.toThrow();
    expect(list).toHaveLength(1);
  });

  test("is joined anew when another is registered", async () => {
    await inChat(async (end) => {
      await (await ask()).json();
      end();
    });
    trace.disable();
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [keeper()] }));
    const inAgents = () =>
      trace
        .getTracer("a")
        .startActiveSpan("invoke_agent chief", () =>
          trace.getTracer("a").startActiveSpan("invoke_agent desk", async () => (await ask()).json()),
        );
    await inAgents();
    await inAgents();
    await runtime.flush();
    expect(calls.at(-1)?.scope).toMatchObject({ rootAgent: "chief", agent: "desk" });
  });
});
