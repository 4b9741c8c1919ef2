import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import type { Step } from "../../src/core/faults.ts";
import * as registry from "../../src/meter/wire/formats/registry.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { newStateDir, removeStateDirs } from "../fixtures/exporting.ts";
import { type Metered, meter, toServer } from "../known-failures/metered.ts";
import {
  ANTHROPIC_MODEL,
  anthropicBody,
  chatBody,
  chatFrames,
  chatHalf,
  chatStream,
  HALF,
  OPENAI_MODEL,
  streamed,
  whole,
} from "../known-failures/vendors.ts";
import { type Answer, type ModelServer, type Script, startModelServer } from "../servers/model-server.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";

const messages = [{ role: "user" as const, content: "What is a harbour?" }];
const chat = { model: OPENAI_MODEL, messages };
const CHAT = "https://api.openai.com/v1/chat/completions";
const json = { "content-type": "application/json", authorization: "Bearer sk-known" };

/** A way of calling: what the vendor answers, and everything that the caller gets. */
interface Way {
  readonly answer: Answer | Script;
  readonly run: (fetch: typeof globalThis.fetch) => Promise<unknown>;
}

const post = (body: object): RequestInit => ({ method: "POST", headers: json, body: JSON.stringify(body) });
const headOf = ({ status, statusText, ok, type }: Response) => ({ status, statusText, ok, type });
/** What fetch asks for with a body that streams, and its types lack. */
const HALF_DUPLEX = { duplex: "half" } as object;
const client = (fetch: typeof globalThis.fetch): OpenAI => new OpenAI({ apiKey: "k", fetch, maxRetries: 0 });

const WAYS = {
  whole: {
    answer: whole(chatBody()),
    async run(fetch) {
      const response = await fetch(CHAT, post(chat));
      return [headOf(response), await response.text()];
    },
  },
  "whole, as JSON": { answer: whole(chatBody()), run: async (fetch) => (await fetch(CHAT, post(chat))).json() },
  "whole, SDK": { answer: whole(chatBody()), run: (fetch) => client(fetch).chat.completions.create(chat) },
  stream: {
    answer: chatStream,
    async run(fetch) {
      const response = await fetch(CHAT, post({ ...chat, stream: true }));
      return [headOf(response), await response.text()];
    },
  },
  "stream, read by chunks": {
    answer: chatStream,
    async run(fetch) {
      const response = await fetch(CHAT, post({ ...chat, stream: true }));
      const chunks: Uint8Array[] = [];
      for await (const chunk of response.body as ReadableStream<Uint8Array>) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    },
  },
  "stream, SDK": {
    answer: chatStream,
    async run(fetch) {
      const got: unknown[] = [];
      for await (const chunk of await client(fetch).chat.completions.create({ ...chat, stream: true })) got.push(chunk);
      return got;
    },
  },
  "stream, SDK, break": {
    answer: chatHalf,
    async run(fetch) {
      let text = "";
      for await (const chunk of await client(fetch).chat.completions.create({ ...chat, stream: true })) {
        text += chunk.choices[0]?.delta.content ?? "";
        if (text === HALF) break;
      }
      const visit = await server.visit(0);
      return [text, (await visit.over).by];
    },
  },
  "stream, SDK, cut": {
    answer: (visit) => streamed(...chatFrames(visit).slice(0, 5), "cut"),
    run: async (fetch) => {
      for await (const _ of await client(fetch).chat.completions.create({ ...chat, stream: true }));
    },
  },
  "stream, cloned": {
    answer: chatStream,
    async run(fetch) {
      const response = await fetch(CHAT, post({ ...chat, stream: true }));
      return Promise.all([response.clone().text(), response.text()]);
    },
  },
  "a Request whose body streams": {
    answer: whole(chatBody()),
    async run(fetch) {
      const body = new Blob([JSON.stringify(chat)]).stream();
      const response = await fetch(new Request(CHAT, { method: "POST", headers: json, body, ...HALF_DUPLEX }));
      return [server.visits[0]?.body, await response.text()];
    },
  },
  "a body that streams": {
    answer: whole(chatBody()),
    async run(fetch) {
      const body = new Blob([JSON.stringify(chat)]).stream();
      const response = await fetch(CHAT, { method: "POST", headers: json, body, ...HALF_DUPLEX });
      return [server.visits[0]?.body, await response.text()];
    },
  },
  "error status": {
    answer: { ...whole('{"error":{"message":"no"}}'), status: 429 },
    run: (fetch) => client(fetch).chat.completions.create(chat),
  },
  "no connection": { answer: { steps: ["cut"] }, run: (fetch) => fetch(CHAT, post(chat)) },
  "anthropic, SDK": {
    answer: whole(anthropicBody()),
    run: (fetch) =>
      new Anthropic({ apiKey: "k", fetch, maxRetries: 0 }).messages.create({
        model: ANTHROPIC_MODEL,
        max_tokens: 9,
        messages,
      }),
  },
} as const satisfies Record<string, Way>;

type WayName = keyof typeof WAYS;
const ALL = Object.keys(WAYS) as WayName[];
const STREAMS = ALL.filter((name) => name.startsWith("stream"));
/** Ways that settle with a usage: what comes after the usage is only asked then. */
const USED = ALL.filter((name) => name !== "error status" && name !== "no connection");

const broken = (): never => {
  throw new TypeError("broken on purpose");
};

/** An object that breaks where this member of it is read. */
function throwing<T extends object>(...members: readonly string[]): T {
  const traps = members.map((member) => [member, { get: broken, enumerable: true }] as const);
  return Object.defineProperties({}, Object.fromEntries(traps)) as T;
}

/** Breaks the garbage collector's registry for us, and not for fetch itself, which has its own. */
function breakRegistry(method: "register" | "unregister", isOurs: (...args: readonly unknown[]) => boolean): void {
  const original = FinalizationRegistry.prototype[method] as (...args: unknown[]) => never;
  vi.spyOn(FinalizationRegistry.prototype, method).mockImplementation(function (this: unknown, ...args: unknown[]) {
    return isOurs(...args) ? broken() : original.apply(this, args);
  } as never);
}

const listen =
  (listener: () => unknown) =>
  ({ runtime }: Metered): unknown =>
    runtime.listeners.add(listener);

const API = Symbol.for("opentelemetry.js.api.1");
const nothing = (): void => {};

/** A user's own tracing of which some methods are broken. */
function tracing(methods: Record<string, unknown>): () => void {
  const span = {
    ...{
      spanContext: () => ({ traceId: "1".repeat(32), spanId: "1".repeat(16), traceFlags: 1 }),
      isRecording: () => true,
    },
    ...{ setAttribute: nothing, setAttributes: nothing, setStatus: nothing, recordException: nothing, end: nothing },
    ...methods,
  };
  const tracer = { startSpan: () => span, ...methods };
  return () => setApi({ trace: { getTracer: () => tracer } });
}

/** A user's own span of which some methods are broken is active. */
function activeSpan(methods: Record<string, unknown>): () => void {
  const span = { spanContext: nothing, ...methods };
  const context = { getValue: () => span, setValue: () => context };
  return () => setApi({ context: { active: () => context, with: (_: unknown, fn: () => unknown) => fn() } });
}

/** A row of the configuration that is valid when it is read, and breaks when it is used. */
async function startThenBreak<Row extends object>(
  runtime: Runtime,
  row: Row,
  key: keyof Row,
  config: (row: Row) => ConfigFile,
): Promise<void> {
  let get = (): unknown => row[key];
  const trap = Object.defineProperty({ ...row }, key, { enumerable: true, get: () => get() });
  await runtime.start({ config: config(trap), telemetry: false });
  get = broken;
}

/** Starts exporting to where it fails. */
function exporting(url: () => string): (metered: Metered) => Promise<void> {
  return ({ runtime }) =>
    runtime.start({
      env: {
        ...{ SPENDFUSE_CONFIG: "{}", SPENDFUSE_STATE_DIR: newStateDir(), SPENDFUSE_EXIT_SENDER: "0" },
        ...{ OTEL_EXPORTER_OTLP_ENDPOINT: url(), OTEL_METRIC_EXPORT_INTERVAL: "3600000" },
      },
    });
}

/** A user's own meter provider of which some methods are broken. */
/** What the meter providers that are made here call when they collect. */
const collections: ((result: object) => void)[] = [];

function metering(methods: Record<string, unknown>): () => void {
  const addCallback = (callback: (typeof collections)[number]) => collections.push(callback);
  const instrument = { add: nothing, record: nothing, addCallback, ...methods };
  const make = () => instrument;
  const meter = { createCounter: make, createHistogram: make, createObservableGauge: make, ...methods };
  return () => setApi({ metrics: { getMeter: () => meter, ...methods } });
}

function setApi(api: object | undefined): void {
  (globalThis as Record<symbol, unknown>)[API] = api;
}

/** One fault: where it is, how it comes in from outside, and the ways of calling that meet it. */
interface Fault {
  readonly step: Step;
  readonly name: string;
  readonly inject: (metered: Metered) => unknown;
  readonly met: readonly WayName[];
  /** Before the runtime reads its configuration. */
  readonly env?: Readonly<Record<string, string>>;
}

const formats = Object.values(registry);
const breakFormats = (method: "readRequest" | "readBody" | "readFrame") => () => {
  for (const format of formats) vi.spyOn(format, method).mockImplementation(broken);
};

const FAULTS: readonly Fault[] = [
  { step: "request", name: "wire format: readRequest", inject: breakFormats("readRequest"), met: ALL },
  {
    step: "parser",
    name: "wire format: readBody",
    inject: breakFormats("readBody"),
    met: USED.filter((name) => !name.startsWith("stream")),
  },
  { step: "parser", name: "wire format: readFrame", inject: breakFormats("readFrame"), met: STREAMS },
  {
    step: "price",
    name: "prices that cannot be read",
    inject: ({ runtime }) =>
      startThenBreak(runtime, { model: "m", inputPerMTok: 1, outputPerMTok: 1 }, "model", (row) => ({ prices: [row] })),
    met: ALL,
  },
  {
    step: "price",
    name: "prices that fail for a call",
    inject: ({ runtime }) => startThenBreak(runtime, { factor: 1 }, "factor", (row) => ({ discounts: [row] })),
    met: USED,
  },
  {
    step: "ledger",
    name: "ledger",
    inject: ({ runtime }) => vi.spyOn(runtime.ledger, "add").mockImplementation(broken),
    met: ALL,
  },
  {
    step: "request",
    name: "the key's alias, when the body was taken already",
    inject: ({ runtime }) => runtime.start({ config: { keys: new Proxy({}, { get: broken }) }, telemetry: false }),
    met: ALL,
  },
  { step: "listener", name: "a listener that throws", inject: listen(broken), met: ALL },
  { step: "listener", name: "a listener that rejects", inject: listen(async () => broken()), met: ALL },
  { step: "listener", name: "a listener whose promise is a trap", inject: listen(() => throwing("then")), met: ALL },
  {
    step: "listener",
    name: "a listener whose promise breaks when it is asked",
    // biome-ignore lint/suspicious/noThenProperty: that is the fault
    inject: listen(() => ({ then: broken })),
    met: ALL,
  },
  { step: "span", name: "a tracer that starts no span", inject: tracing({ startSpan: broken }), met: ALL },
  { step: "span", name: "a span that takes no attributes", inject: tracing({ setAttributes: broken }), met: ALL },
  { step: "span", name: "a span that does not end", inject: tracing({ end: broken }), met: ALL },
  {
    step: "span",
    name: "a span that fails to fail",
    inject: tracing({ setStatus: broken }),
    met: ["stream, SDK, cut", "error status", "no connection"],
  },
  {
    step: "span",
    name: "an active span without attributes",
    inject: activeSpan({ isRecording: broken }),
    met: ALL,
  },
  { step: "instruments", name: "a meter provider without a meter", inject: metering({ getMeter: broken }), met: ALL },
  { step: "instruments", name: "a meter without counters", inject: metering({ createCounter: broken }), met: ALL },
  { step: "instruments", name: "a histogram that does not record", inject: metering({ record: broken }), met: ALL },
  { step: "exporter", name: "a receiver that refuses", inject: exporting(() => receiver.url), met: ALL },
  { step: "exporter", name: "no receiver", inject: exporting(() => "http://127.0.0.1:1"), met: ALL },
  {
    step: "config",
    name: "a configuration that is no JSON",
    inject: () => {},
    env: { SPENDFUSE_CONFIG: "{agent:" },
    met: ALL,
  },
];

let server: ModelServer;
let receiver: OtlpReceiver;
const unhandled: unknown[] = [];
const keep = (error: unknown): void => void unhandled.push(error);

beforeAll(async () => {
  server = await startModelServer();
  receiver = await startOtlpReceiver();
  receiver.answer(() => ({ status: 500 }));
  process.on("unhandledRejection", keep);
});
beforeEach(() => {
  unhandled.length = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  setApi(undefined);
  server.drop();
});
afterAll(async () => {
  process.off("unhandledRejection", keep);
  await server.close();
  await receiver.close();
  removeStateDirs();
});

/** Everything a caller can tell one run from another by. */
async function outcome(way: Way, fetch: typeof globalThis.fetch): Promise<object> {
  server.play(way.answer);
  try {
    return { got: await way.run(fetch) };
  } catch (error) {
    const { name, message, cause } = error as Error;
    const { status } = error as { status?: number };
    return {
      error: { class: (error as object).constructor.name, name, message, status, cause: (cause as Error)?.message },
    };
  }
}

/** Rejections are told when the microtasks of a turn are done. */
const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each(FAULTS)("$step: $name", ({ step, inject, met, env }) => {
  test.each(ALL)("%s: the caller does not notice, and it is counted", async (name) => {
    const way: Way = WAYS[name];
    const bare = await outcome(way, toServer(server));
    for (const [key, value] of Object.entries(env ?? {})) vi.stubEnv(key, value);
    const metered = meter(server);
    await inject(metered);
    const got = await outcome(way, metered.fetch);
    for (const collect of collections.splice(0)) collect({ observe: nothing });
    await metered.runtime.stop();
    await aTurn();
    vi.restoreAllMocks();
    expect(got).toEqual(bare);
    expect(unhandled).toEqual([]);
    const counted = metered.runtime.faults.counts().get(step) ?? 0;
    expect(counted > 0).toBe(met.includes(name));
  });
});

/** Only a call that is not over at once is watched for garbage collection. */
test.each([
  ["register", (_target: unknown, held: unknown) => "settle" in Object(held)],
  ["unregister", (token: unknown) => "settle" in Object(token)],
] as const)("body: a registry of garbage that fails to %s", async (method, isOurs) => {
  const later = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 150));
  const way: Way = {
    ...WAYS["stream, SDK"],
    answer: (visit) => {
      const frames = chatFrames(visit);
      return streamed(...frames.slice(0, 5), { until: later() }, ...frames.slice(5));
    },
  };
  const bare = await outcome(way, toServer(server));
  const metered = meter(server);
  breakRegistry(method, isOurs);
  const got = await outcome(way, metered.fetch);
  await metered.runtime.stop();
  vi.restoreAllMocks();
  expect(got).toEqual(bare);
  expect(metered.calls).toHaveLength(1);
  expect(metered.runtime.faults.counts().get("body")).toBe(1);
});

function failsToWrite(json: string): boolean {
  try {
    JSON.stringify(JSON.parse(json));
    return false;
  } catch {
    return true;
  }
}

/** Runs with and without us, and returns how often each step of ours failed. */
async function compare(way: Way, inner: typeof fetch = toServer(server)): Promise<Readonly<Record<string, number>>> {
  const bare = await outcome(way, inner);
  const metered = meter(server, inner);
  expect(await outcome(way, metered.fetch)).toEqual(bare);
  await metered.runtime.flush();
  await aTurn();
  expect(unhandled).toEqual([]);
  expect(metered.calls.length).toBeLessThanOrEqual(1);
  return Object.fromEntries(metered.runtime.faults.counts());
}

/** Arrays in arrays, too many for any code that calls itself for each. */
const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

describe("bodies that break what reads them", () => {
  test("a request nested deeper than any stack is measured", async () => {
    const body = `{"model":"${OPENAI_MODEL}","messages":[{"role":"user","content":${deep(50_000)}}]}`;
    const way: Way = {
      answer: whole(chatBody()),
      run: async (fetch) => [
        await (await fetch(CHAT, { method: "POST", body })).text(),
        server.visits[0]?.body === body,
      ],
    };
    expect(await compare(way)).toEqual({});
  });

  test("an answer nested too deep for us, whole and streamed", async () => {
    const input = `{"a":${deep(50_000)}}`;
    const block = `{"type":"tool_use","id":"t","name":"n","input":${input}}`;
    const body = `{"type":"message","model":"${ANTHROPIC_MODEL}","content":[${block}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":9}}`;
    const frames = streamed(
      `event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":${block}}\n\n`,
    );
    const run = async (fetch: typeof globalThis.fetch) => {
      const request = { model: ANTHROPIC_MODEL, max_tokens: 9, messages };
      return (await fetch("https://api.anthropic.com/v1/messages", post(request))).text();
    };
    // Newer engines write any depth.
    const met = failsToWrite(input) ? { parser: 1 } : {};
    expect(await compare({ answer: whole(body), run })).toEqual(met);
    expect(await compare({ answer: frames, run })).toEqual(met);
  });

  test.each([
    ["no JSON", "<html>bad gateway</html>"],
    ["half of it", chatBody().slice(0, 100)],
    ["null", "null"],
    ["a number", "7"],
    ["members of other kinds", '{"choices":7,"usage":"x","model":{},"id":[]}'],
    ["items of other kinds", '{"choices":[null,7,"x",{"message":null}],"usage":{"prompt_tokens":null}}'],
    ["nothing", ""],
  ])("an answer that is %s is no fault, and is passed on", async (_, body) => {
    for (const name of ["whole", "whole, as JSON", "whole, SDK"] as const) {
      expect(await compare({ ...WAYS[name], answer: whole(body) })).toEqual({});
    }
    expect(await compare({ ...WAYS.stream, answer: streamed(body, `data: ${body}\n\n`, "data: [DONE]\n\n") })).toEqual(
      {},
    );
  });
});

describe("responses of other making", () => {
  const text = async (fetch: typeof globalThis.fetch) => (await fetch(CHAT, post(chat))).text();
  const make = () => new Response(chatBody(), { headers: { "content-type": "application/json" } });

  test("a mock that is only like a response", async () => {
    const inner = async () => ({ ok: true, status: 200, json: async () => ({ mine: true }) }) as Response;
    const run = async (fetch: typeof globalThis.fetch) => (await fetch(CHAT, post(chat))).json();
    expect(await compare({ answer: whole(""), run }, inner)).toEqual({ body: 1 });
  });

  test("nothing at all", async () => {
    const inner = async () => undefined as unknown as Response;
    expect(await compare({ answer: whole(""), run: (fetch) => fetch(CHAT, post(chat)) }, inner)).toEqual({ body: 1 });
  });

  test("one that cannot be changed", async () => {
    expect(await compare({ answer: whole(""), run: text }, async () => Object.freeze(make()))).toEqual({ body: 1 });
  });

  test("such a call is settled at once, as unobserved", async () => {
    const metered = meter(server, async () => Object.freeze(make()));
    await text(metered.fetch);
    const [call] = await metered.settled(1);
    expect(call).toMatchObject({ ending: "completed", quality: "unknown", priced: "none" });
  });

  test("one of a class that only its maker can make", async () => {
    const key = Symbol("key");
    class Own extends Response {
      constructor(body: BodyInit | null, init: ResponseInit, given?: symbol) {
        if (given !== key) broken();
        super(body, init);
      }
    }
    const inner = async () => new Own(chatBody(), { headers: { "content-type": "application/json" } }, key);
    const way = (run: Way["run"]): Way => ({ answer: whole(""), run });
    expect(await compare(way(text), inner)).toEqual({});
    expect(
      await compare(
        way(async (fetch) => (await fetch(CHAT, post(chat))).clone().text()),
        inner,
      ),
    ).toEqual({});
    expect(
      await compare(
        way(async (fetch) => new Response((await fetch(CHAT, post(chat))).body).text()),
        inner,
      ),
    ).toEqual({});
  });
});

describe("scopes with spans that fail", () => {
  test.each(["startSpan", "setAttributes", "end", "setStatus", "recordException"])("%s", async (method) => {
    tracing({ [method]: broken })();
    const { runtime } = meter(server);
    const { scope } = runtime.scoping;
    const error = new RangeError("mine");
    const fail = () => {
      throw error;
    };
    const thrown = (run: () => unknown) => {
      try {
        return run();
      } catch (caught) {
        return caught;
      }
    };
    expect(scope({ agent: "a" }, () => 5)).toBe(5);
    expect(await scope({ agent: "a" }, async () => 6)).toBe(6);
    expect(thrown(() => scope({ agent: "a" }, fail))).toBe(error);
    await expect(scope({ agent: "a" }, async () => fail())).rejects.toBe(error);
    const numbers = scope({ agent: "a" }, function* () {
      yield 1;
      yield 2;
    });
    expect([...numbers]).toEqual([1, 2]);
    await aTurn();
    expect(unhandled).toEqual([]);
    const counted = runtime.faults.counts().get("span") ?? 0;
    expect(counted).toBeGreaterThan(0);
  });
});

test("a sub-agent's span that fails takes nothing from the agent around it", async () => {
  const written: Record<string, object> = {};
  const ended: string[] = [];
  const startSpan = (name: string) => ({
    ...{ spanContext: nothing, isRecording: () => true, setStatus: nothing, recordException: nothing },
    setAttributes:
      name === "invoke_agent inner"
        ? broken
        : (attributes: object) => {
            written[name] = { ...written[name], ...attributes };
          },
    end: name === "invoke_agent inner" ? broken : () => ended.push(name),
  });
  setApi({ trace: { getTracer: () => ({ startSpan }) } });
  const metered = meter(server);
  const { scope } = metered.runtime.scoping;
  server.play(whole(chatBody()));
  await scope({ agent: "outer" }, () =>
    scope({ agent: "inner" }, async () => metered.openai.chat.completions.create(chat)),
  );
  const [call] = await metered.settled(1);
  expect(ended).toEqual([`chat ${OPENAI_MODEL}`, "invoke_agent outer"]);
  expect(written["invoke_agent outer"]).toMatchObject({
    "spendfuse.calls": 1,
    "gen_ai.usage.cost.amount": call?.costUsd,
  });
  expect(metered.runtime.faults.counts().get("span")).toBeGreaterThan(0);
});

test("a fault that cannot even be said is counted, and goes nowhere", async () => {
  const runtime = createRuntime(broken);
  runtime.listeners.add(broken);
  const fetch = runtime.wrapFetch(toServer(server));
  server.play(whole(chatBody()));
  expect(await (await fetch(CHAT, post(chat))).text()).toBe(chatBody());
  await runtime.flush();
  await aTurn();
  expect(unhandled).toEqual([]);
  expect(runtime.faults.counts().get("listener")).toBe(1);
});

test("one step that fails does not keep the others from theirs", async () => {
  const metered = meter(server);
  metered.runtime.listeners.clear();
  const heard: unknown[] = [];
  metered.runtime.listeners.add(broken);
  metered.runtime.listeners.add((call) => heard.push(call));
  vi.spyOn(metered.runtime.ledger, "add").mockImplementation(broken);
  tracing({ setAttributes: broken })();
  server.play(whole(chatBody()));
  await metered.openai.chat.completions.create(chat);
  await metered.runtime.flush();
  expect(heard).toHaveLength(1);
  expect(heard[0]).toMatchObject({ quality: "reported", priced: "true" });
  expect(Object.fromEntries(metered.runtime.faults.counts())).toEqual({ ledger: 1, listener: 1, span: 1 });
});
