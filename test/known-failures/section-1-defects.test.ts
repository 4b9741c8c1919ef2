import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { drain, expectLeft, expectNear, meter, within } from "./metered.ts";
import { serve } from "./server.ts";
import { startUserTracing } from "./tracing.ts";
import {
  ANTHROPIC_MODEL,
  anthropicBody,
  anthropicFrames,
  anthropicHalf,
  CHAT_USAGE,
  COST,
  chatBody,
  chatFrames,
  chatHalf,
  chatStream,
  HALF,
  OPENAI_MODEL,
  PIECES,
  streamed,
  TRUTH,
  whole,
} from "./vendors.ts";

const messages = [{ role: "user" as const, content: "Hi" }];
const chat = { model: OPENAI_MODEL, messages, stream: true } as const;
const claude = { model: ANTHROPIC_MODEL, max_tokens: 100, messages, stream: true } as const;

const server = await serve();

describe("TL 0.27 and OC 0.22 on openai 7: zero spans, no warning; TL anthropic 0.27 crashes at require", () => {
  const SCRIPT = `
    const { default: OpenAI } = await import("openai");
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const seen = () => [OpenAI, OpenAI.Chat.Completions, OpenAI.Responses, Anthropic, Anthropic.Messages, Response, Request, ReadableStream]
      .flatMap(({ prototype }) => Object.entries(Object.getOwnPropertyDescriptors(prototype)))
      .flatMap(([, { value, get, set }]) => [value, get, set]);
    const before = seen();
    const { createRuntime } = await import("./src/process/runtime.ts");
    const fetch = globalThis.fetch;
    await import("./src/register.ts");
    const { stop } = await import("./src/index.ts");
    const hooked = globalThis.fetch !== fetch;
    const body = ${JSON.stringify(chatBody())};
    const inner = async () => new Response(body, { headers: { "content-type": "application/json" } });
    const openai = new OpenAI({ apiKey: "k", fetch: createRuntime(() => {}).wrapFetch(inner) });
    await openai.chat.completions.create({ model: "gpt-5", messages: [] });
    const after = seen();
    await stop();
    console.log(JSON.stringify({ hooked, members: before.length, same: before.every((one, i) => one === after[i]) }));
  `;

  test("we touch no prototype, at import or later", async () => {
    const env = { ...process.env, SPENDFUSE_CONFIG: "{}", SPENDFUSE_EXIT_SENDER: "0" };
    const args = ["--input-type=module", "-e", SCRIPT];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env,
      cwd: new URL("../..", import.meta.url),
    });
    const { hooked, members, same } = JSON.parse(stdout.trim().split("\n").at(-1) as string);
    expect({ hooked, same }).toEqual({ hooked: true, same: true });
    expect(members).toBeGreaterThan(100);
  });

  test("we say so when we are blind: an answer that we cannot read is unknown and counted, never zero", async () => {
    server.play(whole('{"result":"of some other kind"}'));
    const metered = meter(server);
    await metered.openai.chat.completions.create({ ...chat, stream: false });
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "completed", quality: "unknown", priced: "none" });
    expect([call.usage, call.costUsd]).toEqual([undefined, undefined]);
    expect(metered.sums()).toMatchObject({ calls: 1, unknown: 1, cost: 0 });
  });
});

describe("OC break or socket drop: no span; DD wraps next, not return or throw", () => {
  test("one end for a break: the span ends, once", async () => {
    const { started, ended } = startUserTracing();
    server.play(chatHalf);
    const metered = meter(server);
    for await (const chunk of await metered.openai.chat.completions.create(chat)) {
      if (chunk.choices[0]?.delta.content) break;
    }
    expect(await metered.one()).toMatchObject({ ending: "canceled", quality: "estimated" });
    expect(started.map(({ name }) => name)).toEqual([`chat ${OPENAI_MODEL}`]);
    expect(ended).toEqual(started);
  });

  test("one end for a dropped socket", async () => {
    const { started, ended } = startUserTracing();
    server.play((visit) => streamed(...chatFrames(visit).slice(0, 14), "cut"));
    const metered = meter(server);
    await expect(drain(await metered.openai.chat.completions.create(chat))).rejects.toThrow();
    expect(await metered.one()).toMatchObject({ ending: "failed", quality: "estimated" });
    expect(ended).toEqual(started);
    expect(ended).toHaveLength(1);
  });
});

describe("OI tees and drains: break keeps generation running; on a dropped socket its uncaught promise exits the host process", () => {
  test("a break reaches the server at once, before anything is flushed", async () => {
    for (const [answer, open] of [
      [chatHalf, (m: ReturnType<typeof meter>) => m.openai.chat.completions.create(chat)],
      [anthropicHalf, (m: ReturnType<typeof meter>) => m.anthropic.messages.create(claude)],
    ] as const) {
      server.play(answer);
      const metered = meter(server);
      for await (const _ of await open(metered)) break;
      await expectLeft(server);
      expect((await metered.one()).ending).toBe("canceled");
    }
  });

  test("a dropped socket leaves no promise of ours uncaught", async () => {
    const uncaught: unknown[] = [];
    const keep = (error: unknown) => uncaught.push(error);
    process.on("unhandledRejection", keep);
    for (const read of [
      (response: Response) => response.text(),
      (response: Response) => drain(response.body as ReadableStream<Uint8Array>),
      (response: Response) => response.clone().text(),
      (response: Response) => readAll((response.body as ReadableStream<Uint8Array>).getReader()),
      (response: Response) => response.body?.pipeTo(new WritableStream()),
      (response: Response) => Promise.all((response.body as ReadableStream<Uint8Array>).tee().map(drain)),
    ]) {
      server.play((visit) => streamed(...chatFrames(visit).slice(0, 5), { pause: 5 }, "cut"));
      const metered = meter(server);
      const response = await metered.fetch("https://api.openai.com/v1/chat/completions", {
        method: "POST",
        body: JSON.stringify(chat),
      });
      await expect(read(response)).rejects.toThrow();
      expect((await metered.settled(1))[0]?.ending).toBe("failed");
    }
    // The event comes when the microtasks of a turn are done.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", keep);
    expect(uncaught).toEqual([]);
  });
});

test("TL enrichTokens overwrites 1000/50 with 2/10: reported beats guessed", async () => {
  server.play(chatStream);
  const metered = meter(server);
  await drain(await metered.openai.chat.completions.create(chat));
  // Of "Hi" and the short answer one would guess 5 and 29.
  expect(await metered.one()).toMatchObject({ quality: "reported", usage: TRUTH.openai });
});

describe("OL adds start + cumulative delta (51), sets the caller's tools to true, costs 0 if its price file cannot load", () => {
  test("a cumulative report replaces the one before", async () => {
    server.play(streamed(...anthropicFrames()));
    const metered = meter(server);
    await drain(await metered.anthropic.messages.create(claude));
    expect((await metered.one()).usage?.output).toBe(50);
  });

  test("the caller's arguments stay as they are", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function" as const, function: { name: "get_weather", parameters } }];
    const given = deepFreeze({
      ...chat,
      messages: [...messages],
      tools,
      stream_options: { include_obfuscation: false },
    });
    const before = JSON.stringify(given);
    server.play(chatStream);
    const metered = meter(server);
    await drain(await metered.openai.chat.completions.create(given));
    expect((await metered.one()).quality).toBe("reported");
    expect(JSON.stringify(given)).toBe(before);

    const init = deepFreeze({ method: "POST", headers: { "x-mine": "1" }, body: before });
    server.play(chatStream);
    await (await metered.fetch("https://api.openai.com/v1/chat/completions", init)).text();
    expect((await metered.settled(2))[1]?.quality).toBe("reported");
    expect(init).toEqual({ method: "POST", headers: { "x-mine": "1" }, body: before });
  });

  test("prices need no network", async () => {
    server.play(chatStream);
    const metered = meter(server);
    const network = vi.fn(() => Promise.reject(new TypeError("offline")));
    vi.stubGlobal("fetch", network);
    await drain(await metered.openai.chat.completions.create(chat));
    const call = await metered.one();
    expect(call.costUsd).toBeCloseTo(COST.openai, 12);
    expect(network).not.toHaveBeenCalled();
  });
});

describe("OC without setMeterProvider: the user's stream throws on record", () => {
  test("without any OpenTelemetry the stream is whole and metered", async () => {
    server.play(chatStream);
    const metered = meter(server);
    const chunks = await drain(await metered.openai.chat.completions.create(chat));
    expect(chunks).toHaveLength(PIECES.length + 2);
    expect((await metered.one()).quality).toBe("reported");
  });

  test("with a provider that throws at every use too", async () => {
    const api = Symbol.for("opentelemetry.js.api.1");
    const broken = () => {
      throw new TypeError("record is not a function");
    };
    (globalThis as Record<symbol, unknown>)[api] = {
      metrics: { getMeter: broken },
      trace: { getTracer: broken },
      context: { active: broken, with: broken },
    };
    try {
      server.play(chatStream);
      const metered = meter(server);
      const chunks = await drain(await metered.openai.chat.completions.create(chat));
      expect(chunks).toHaveLength(PIECES.length + 2);
      const [call] = await metered.settled(1);
      expect(call).toMatchObject({ quality: "reported", usage: TRUTH.openai });
      expect([...metered.runtime.faults.counts()]).toEqual([["instruments", 1]]);
    } finally {
      delete (globalThis as Record<symbol, unknown>)[api];
    }
  });
});

describe("floe-guard TS: cancelled stream $0; missing usage throws into the consumer", () => {
  test("a cancelled stream has an estimate, marked, above zero", async () => {
    server.play(chatHalf);
    const metered = meter(server);
    const abort = new AbortController();
    let text = "";
    for await (const chunk of await metered.openai.chat.completions.create(chat, { signal: abort.signal })) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (text === HALF) abort.abort();
    }
    const call = await metered.one();
    expect(call.quality).toBe("estimated");
    expectNear(call.usage?.output, HALF);
    expect(call.costUsd).toBeGreaterThan(0);
  });

  test.each([
    ["absent", undefined],
    ["null", null],
    ["empty", {}],
    ["of another kind", "none"],
  ])("usage that is %s throws nothing, and is estimated and marked", async (_, usage) => {
    server.play(
      streamed(
        ...chatFrames({ body: "{}" } as never).slice(0, -1),
        `data: ${JSON.stringify({ choices: [], usage })}\n\n`,
      ),
    );
    const metered = meter(server);
    const asks = { ...chat, stream_options: { include_usage: true } };
    expect((await drain(await metered.openai.chat.completions.create(asks))).length).toBeGreaterThan(PIECES.length);
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "completed", quality: "estimated", priced: "true" });
    expectNear(call.usage?.output, PIECES.join(""));
  });
});

describe("AB (commit f320234): over-limit cost not recorded; childSession does not roll up; unknown model $0", () => {
  test("every call is recorded, however much was spent before", async () => {
    const metered = meter(server);
    for (let turn = 1; turn <= 3; turn++) {
      server.play(whole(chatBody({ ...CHAT_USAGE, completion_tokens: 1e9, total_tokens: 1e9 + 1000 })));
      await metered.openai.chat.completions.create({ ...chat, stream: false });
    }
    const calls = await metered.settled(3);
    for (const call of calls) expect(call.costUsd).toBeCloseTo((200 * 1.25 + 800 * 0.125 + 1e9 * 10) / 1e6, 6);
    expect(metered.sums()).toMatchObject({ calls: 3, cost: 3 * (350_000 + 1e13) });
  });

  test("what a sub-agent spends is on the agents above it too, once", async () => {
    server.play(whole(chatBody()));
    const metered = meter(server);
    const { scope } = metered.runtime.scoping;
    const create = () => metered.openai.chat.completions.create({ ...chat, stream: false });
    await scope({ agent: "planner" }, () =>
      scope({ agent: "coder" }, async () => scope({ agent: "tester" }, async () => create())),
    );
    const call = await metered.one();
    expect(call.scope).toMatchObject({ agent: "tester", rootAgent: "planner" });
    const cost = Math.round(COST.openai * 1e9);
    for (const account of ["agent:planner", "agent:coder", "agent:tester", "all"]) {
      expect([account, metered.sums(account)?.cost, metered.sums(account)?.calls]).toEqual([account, cost, 1]);
    }
  });

  test("a model without a price has no cost, and is counted as such", async () => {
    server.play(whole(chatBody(CHAT_USAGE, "nobody-knows-7b")));
    const metered = meter(server);
    await metered.openai.chat.completions.create({ ...chat, model: "nobody-knows-7b", stream: false });
    const call = await metered.one();
    expect(call).toMatchObject({ quality: "reported", priced: "false", usage: TRUTH.openai });
    expect(call).not.toHaveProperty("costUsd");
    expect(metered.sums()).toMatchObject({ calls: 1, unpriced: 1, cost: 0, input: 1000, output: 50 });
  });
});

describe("Native Anthropic span plus another instrumentation: two spans, full tokens each", () => {
  test("one span, the SDK's own, with its tokens once and our cost", async () => {
    const { started, ended } = startUserTracing();
    server.play(streamed(...anthropicFrames()));
    const metered = meter(server);
    await drain(await metered.anthropic.messages.create(claude));
    const call = await metered.one();
    expect(started).toHaveLength(1);
    await within(
      turnsUntil(() => ended.length === 1),
      () => "the span did not end",
    );
    const [span] = ended;
    expect(span?.instrumentationScope.name).toBe("com.anthropic.sdk.typescript");
    expect(span?.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.usage.input_tokens": 1010,
      "gen_ai.usage.output_tokens": 50,
      "gen_ai.usage.cost.amount": call.costUsd,
      "spendfuse.quality": "reported",
    });
    expect(metered.sums()).toMatchObject({ calls: 1, input: 1010, output: 50 });
  });

  test.each(["whole", "withResponse()", "stream()"])("%s: one span, with the cost of the whole call", async (way) => {
    const { started, ended } = startUserTracing();
    server.play(way === "whole" ? whole(anthropicBody()) : streamed(...anthropicFrames()));
    const metered = meter(server);
    if (way === "whole") await metered.anthropic.messages.create({ ...claude, stream: false });
    else if (way === "stream()") await metered.anthropic.messages.stream(claude).finalMessage();
    else await drain((await metered.anthropic.messages.create(claude).withResponse()).data);
    const call = await metered.one();
    expect(call).toMatchObject({ quality: "reported", usage: TRUTH.anthropic });
    await within(
      turnsUntil(() => ended.length === 1),
      () => "the span did not end",
    );
    expect(started).toHaveLength(1);
    expect(ended[0]?.attributes).toMatchObject({
      "gen_ai.usage.output_tokens": 50,
      "gen_ai.usage.cost.amount": call.costUsd,
      "spendfuse.quality": "reported",
      "spendfuse.ending": "completed",
    });
  });

  test.each(["break", "abort"])("a stream that ends by %s still has one, with what the SDK lacks", async (way) => {
    const metered = meter(server);
    server.play(streamed(...anthropicFrames()));
    await drain(await metered.anthropic.messages.create(claude));
    const { started, ended } = startUserTracing();
    server.play(anthropicHalf);
    const abort = new AbortController();
    let text = "";
    for await (const event of await metered.anthropic.messages.create(claude, { signal: abort.signal })) {
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") text += event.delta.text;
      if (text !== HALF) continue;
      if (way === "break") break;
      abort.abort();
    }
    const [, call] = await metered.settled(2);
    expect(call).toMatchObject({ ending: "canceled", quality: "estimated" });
    await within(
      turnsUntil(() => ended.length === 1),
      () => "the span did not end",
    );
    expect(started).toHaveLength(1);
    // The SDK ends its span before the cancellation reaches the body: how the call ended comes too late for it.
    expect(ended[0]?.attributes).toMatchObject({
      "gen_ai.usage.input_tokens": 1010,
      "gen_ai.usage.output_tokens": call?.usage?.output,
      "gen_ai.usage.cost.amount": call?.costUsd,
      "spendfuse.quality": "estimated",
      "spendfuse.priced": "true",
    });
  });
});

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

/** Turn by turn, until it holds. */
async function turnsUntil(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
