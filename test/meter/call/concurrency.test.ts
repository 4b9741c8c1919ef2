import Anthropic from "@anthropic-ai/sdk";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ledger, onCall, type SettledCall, scope, start, stop } from "../../../src/index.ts";
import * as wire from "../../servers/formats.ts";
import { type ModelServer, type Script, startModelServer, type Visit } from "../../servers/model-server.ts";

const ROOTS = 10;
/** Agents inside each outermost agent, which calls too: 50 scopes. */
const INNER = 4;
const CALLS = 4;
const STREAMS = ROOTS * (1 + INNER) * CALLS;
const RATES = { inputPerMTok: 2, outputPerMTok: 8, cacheReadPerMTok: 0.5 };

/** What the vendor bills for stream number `n`: no two bill the same. */
const billed = (n: number) => ({ input: 1000 + n, cacheRead: 3 * n, output: 7 + 2 * n });
const nanoUsd = (n: number) => {
  const { input, cacheRead, output } = billed(n);
  return (input - cacheRead) * 2000 + cacheRead * 500 + output * 8000;
};

interface Stream {
  readonly n: number;
  readonly root: number;
  /** 0 is the outermost agent itself. */
  readonly inner: number;
}

const STREAM_LIST: readonly Stream[] = Array.from({ length: STREAMS }, (_, n) => ({
  n,
  root: Math.floor(n / ((1 + INNER) * CALLS)),
  inner: Math.floor(n / CALLS) % (1 + INNER),
}));
const rootName = (root: number) => `root-${root}`;
const nameOf = ({ root, inner }: Stream) => (inner === 0 ? rootName(root) : `${rootName(root)}/inner-${inner}`);

let openai: ModelServer;
let anthropic: ModelServer;
const spans = new InMemorySpanExporter();
const calls: SettledCall[] = [];
const settledAll = Promise.withResolvers<void>();
/** Nothing ends before all are open. */
const allOpen = Promise.withResolvers<void>();

beforeAll(async () => {
  openai = await startModelServer();
  anthropic = await startModelServer();
  let open = 0;
  const answer = (script: (n: number) => Script) => (visit: Visit) => {
    open += 1;
    if (open === STREAMS) allOpen.resolve();
    return script(Number(/stream number (\d+)/.exec(visit.body)?.[1]));
  };
  openai.play(answer(chat));
  anthropic.play(answer(messages));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }));
  onCall((call) => {
    calls.push(call);
    if (calls.length === STREAMS) settledAll.resolve();
  });
  const hosts = [
    { host: openai.host, like: "api.openai.com" },
    { host: anthropic.host, like: "api.anthropic.com" },
  ];
  const prices = ["gpt-4o", "claude-sonnet-4-6"].map((model) => ({ model, ...RATES }));
  await start({ telemetry: false, config: { hosts, prices }, env: {} });
});

afterAll(async () => {
  await stop();
  trace.disable();
  context.disable();
  await openai.close();
  await anthropic.close();
});

test(`${STREAMS} concurrent streams in ${ROOTS * (1 + INNER)} scopes, read outside of them`, async () => {
  const opened: Promise<AsyncIterable<unknown>>[] = [];
  for (let root = 0; root < ROOTS; root++) {
    scope({ agent: rootName(root), team: `team-${root % 3}` }, () => {
      for (const stream of STREAM_LIST.filter((one) => one.root === root && one.inner === 0)) opened.push(open(stream));
      for (let inner = 1; inner <= INNER; inner++) {
        scope({ agent: `${rootName(root)}/inner-${inner}` }, () => {
          for (const stream of STREAM_LIST.filter((one) => one.root === root && one.inner === inner)) {
            opened.push(open(stream));
          }
        });
      }
    });
  }
  // Every scope is over before the first of its streams is read, and each reader takes its own time.
  const texts = await Promise.all(opened.map(async (stream, index) => read(await stream, index % 5)));
  expect(texts.length).toBe(STREAMS);
  expect(texts.every((text) => /^one two \d+ end$/.test(text))).toBe(true);
  await settledAll.promise;

  checkCalls();
  checkLedger();
  checkSpans();
});

/** Every call on the scope in which it was made, with what its vendor bills for it. */
function checkCalls(): void {
  expect(calls.length).toBe(STREAMS);
  const byNumber = new Map(calls.map((call) => [Number(call.responseId?.split("-")[1]), call]));
  expect(byNumber.size).toBe(STREAMS);
  for (const stream of STREAM_LIST) {
    const call = byNumber.get(stream.n) as SettledCall;
    expect(call).toMatchObject({ ending: "completed", quality: "reported", priced: "true", usage: billed(stream.n) });
    expect(call.scope).toMatchObject({
      agent: nameOf(stream),
      rootAgent: rootName(stream.root),
      team: `team-${stream.root % 3}`,
    });
    expect(Math.round((call.costUsd as number) * 1e9)).toBe(nanoUsd(stream.n));
  }
}

/** An agent's account holds its own calls and those of the agents inside it, to the nano-dollar. */
function checkLedger(): void {
  const groups: [account: string, streams: readonly Stream[]][] = [["all", STREAM_LIST]];
  for (let root = 0; root < ROOTS; root++) {
    groups.push([`agent:${rootName(root)}`, STREAM_LIST.filter((one) => one.root === root)]);
    for (let inner = 1; inner <= INNER; inner++) {
      const streams = STREAM_LIST.filter((one) => one.root === root && one.inner === inner);
      groups.push([`agent:${rootName(root)}/inner-${inner}`, streams]);
    }
  }
  for (const team of [0, 1, 2]) groups.push([`team:team-${team}`, STREAM_LIST.filter((one) => one.root % 3 === team)]);
  for (const [account, streams] of groups) {
    const sums = ledger().sums(account, "ever", Date.now());
    expect([account, sums]).toEqual([account, expect.objectContaining({ ...sumOf(streams), unpriced: 0, unknown: 0 })]);
  }
}

/** The agent's span has the same sums, ends after its streams, and every call's span is inside it. */
function checkSpans(): void {
  const ended = spans.getFinishedSpans();
  const agents = new Map(
    ended.filter((span) => span.name.startsWith("invoke_agent ")).map((span) => [span.name.slice(13), span]),
  );
  expect(agents.size).toBe(ROOTS * (1 + INNER));
  const inference = ended.filter((span) => span.attributes["gen_ai.operation.name"] === "chat");
  expect(inference.length).toBe(STREAMS);
  for (let root = 0; root < ROOTS; root++) {
    for (let inner = 0; inner <= INNER; inner++) {
      const name = nameOf({ n: 0, root, inner });
      const span = agents.get(name) as ReadableSpan;
      const inside = STREAM_LIST.filter((one) => one.root === root && (inner === 0 || one.inner === inner));
      const { calls: count, cost, input, output, cacheRead } = sumOf(inside);
      expect([name, span.attributes]).toEqual([
        name,
        expect.objectContaining({
          "gen_ai.agent.name": name,
          "spendfuse.calls": count,
          "spendfuse.unpriced_calls": 0,
          "spendfuse.quality": "reported",
          "gen_ai.usage.input_tokens": input,
          "gen_ai.usage.output_tokens": output,
          "gen_ai.usage.cache_read.input_tokens": cacheRead,
          "gen_ai.usage.cost.amount": cost / 1e9,
        }),
      ]);
      expect(span.parentSpanContext?.spanId).toBe(
        inner === 0 ? undefined : agents.get(rootName(root))?.spanContext().spanId,
      );
      const own = inference.filter((call) => call.parentSpanContext?.spanId === span.spanContext().spanId);
      expect(own.length).toBe(CALLS);
      for (const call of own) expect(call.attributes["gen_ai.agent.name"]).toBe(name);
    }
  }
}

function sumOf(streams: readonly Stream[]): {
  calls: number;
  cost: number;
  input: number;
  output: number;
  cacheRead: number;
} {
  const sums = { calls: streams.length, cost: 0, input: 0, output: 0, cacheRead: 0 };
  for (const { n } of streams) {
    const { input, output, cacheRead } = billed(n);
    sums.cost += nanoUsd(n);
    sums.input += input;
    sums.output += output;
    sums.cacheRead += cacheRead;
  }
  return sums;
}

function open({ n }: Stream): Promise<AsyncIterable<unknown>> {
  const content = [{ role: "user" as const, content: `This is stream number ${n}` }];
  if (n % 2 === 0) {
    const client = new OpenAI({ baseURL: `${openai.url}/v1`, apiKey: "sk-test", maxRetries: 0 });
    return client.chat.completions.create({ model: "gpt-4o", messages: content, stream: true });
  }
  const client = new Anthropic({ baseURL: anthropic.url, apiKey: "sk-test", maxRetries: 0 });
  return client.messages.create({ model: "claude-sonnet-4-6", max_tokens: 99, messages: content, stream: true });
}

/** Reads to the end, in an unrelated scope, and yields to the others now and then. */
async function read(stream: AsyncIterable<unknown>, patience: number): Promise<string> {
  let text = "";
  let seen = 0;
  for await (const item of stream) {
    const { choices, delta } = item as { choices?: { delta: { content?: string } }[]; delta?: { text?: string } };
    text += choices?.[0]?.delta.content ?? delta?.text ?? "";
    if (seen++ % 5 < patience) await new Promise((resolve) => setImmediate(resolve));
  }
  return text;
}

const words = (n: number) => ["one ", "two ", `${n} `, "end"];

function chat(n: number): Script {
  const origin = { id: `chat-${n}`, model: "gpt-4o" };
  const { input, cacheRead, output } = billed(n);
  const [first = "", ...rest] = words(n).map((content) => wire.chatDelta(origin, { content }, { usage: null }));
  const stopped = wire.chatDelta(origin, {}, { usage: null }, "stop");
  const last = wire.chatChunk(origin, [], { usage: wire.chatUsage({ input, output, cached: cacheRead }) });
  return wire.streamed(first, { until: allOpen.promise }, ...rest, stopped, last, wire.DONE);
}

function messages(n: number): Script {
  const { input, cacheRead, output } = billed(n);
  const usage = { input_tokens: input - cacheRead, cache_read_input_tokens: cacheRead, output_tokens: 1 };
  const origin = { id: `msg-${n}`, model: "claude-sonnet-4-6" };
  const deltas = words(n).map((text) => ({ type: "text_delta", text }));
  const [begun = "", ...rest] = wire.contentBlock(0, { type: "text", text: "" }, deltas);
  const opened = [wire.messageStart(wire.anthropicMessage(origin, [], null, usage)), begun];
  const ended = [wire.messageDelta({ ...usage, output_tokens: output }), wire.MESSAGE_STOP];
  return wire.streamed(...opened, { until: allOpen.promise }, ...rest, ...ended);
}
