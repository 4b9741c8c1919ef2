import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import * as registry from "../../src/meter/wire/formats/registry.ts";
import { part, settledCall } from "../fixtures/calls.ts";
import { newStateDir, removeStateDirs, startExporting } from "../fixtures/exporting.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../servers/otlp-receiver.ts";
import { drain, meter } from "./metered.ts";
import { collectMetrics, startUserTracing, stopUserTelemetry } from "./tracing.ts";
import { COST, chatBody, chatFrames, chatStream, OPENAI_MODEL, PIECES, streamed, TRUTH, whole } from "./vendors.ts";

const messages = [{ role: "user" as const, content: "What is a harbour?" }];
const chat = { model: OPENAI_MODEL, messages, stream: true } as const;
const nano = Math.round(COST.openai * 1e9);

let server: ModelServer;
let receiver: OtlpReceiver;

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(() => {
  vi.restoreAllMocks();
  stopUserTelemetry();
  server.drop();
});
afterAll(async () => {
  await server.close();
  removeStateDirs();
});

describe("dd-trace-py#18772: Bedrock stream tokens 0 (events missed)", () => {
  // Bedrock's binary event streams come with a transport of their own; what it sends as server-sent events is read.
  const bedrock = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions";
  const asked = { body: '{"stream_options":{"include_usage":true}}' } as never;
  const frames = chatFrames(asked);

  /** Ways in which an event stream may be written. */
  const WRITINGS: Record<string, string> = {
    plain: frames.join(""),
    "lines that end with CR LF": frames.join("").replaceAll("\n", "\r\n"),
    "no blank behind the colon": frames.join("").replaceAll("data: ", "data:"),
    comments: frames.map((frame) => `: keep-alive\n\n${frame}`).join(""),
    "a comment inside each event": frames.map((frame) => `: ping\n${frame}`).join(""),
    "other fields": frames.map((frame) => `id: 7\nretry: 10\nevent: chunk\n${frame}`).join(""),
    "fields behind the data": frames.map((frame) => frame.replace(/\n\n$/, "\nid: 7\n\n")).join(""),
    "data on several lines": frames.map((frame) => frame.replaceAll(',"', ',\ndata: "')).join(""),
    "more blank lines": frames.map((frame) => `${frame}\n\n`).join(""),
    "no blank line at the end, no [DONE]": frames.slice(0, -1).join("").trimEnd(),
  };

  test.each(Object.keys(WRITINGS))("every event is read: %s", async (name) => {
    const body = WRITINGS[name] as string;
    for (const size of [1, 13, 1 << 20]) {
      const parts = Array.from({ length: Math.ceil(body.length / size) }, (_, i) =>
        body.slice(i * size, (i + 1) * size),
      );
      server.play(streamed(...parts));
      const metered = meter(server);
      const asks = { ...chat, stream_options: { include_usage: true } };
      const response = await metered.fetch(bedrock, { method: "POST", body: JSON.stringify(asks) });
      expect(await response.text()).toBe(body);
      const call = await metered.one();
      expect(call).toMatchObject({
        provider: "aws.bedrock",
        ending: "completed",
        quality: "reported",
        usage: TRUTH.openai,
      });
    }
  });
});

describe("dd-trace-py#19760: error in token code drops the span", () => {
  test.each(["an SDK", "fetch"])("a parser that fails loses neither span nor call: %s", async (who) => {
    vi.spyOn(registry.openaiChat, "readFrame").mockImplementation(() => {
      throw new TypeError("cannot read tokens");
    });
    const { started, ended } = startUserTracing();
    server.play(chatStream);
    const metered = meter(server);
    if (who === "fetch") {
      const url = "https://api.openai.com/v1/chat/completions";
      await (await metered.fetch(url, { method: "POST", body: JSON.stringify(chat) })).text();
    } else await drain(await metered.openai.chat.completions.create(chat));
    const [call] = await metered.settled(1);
    expect(metered.runtime.faults.counts().get("parser")).toBe(1);
    // Nothing of the answer could be read, and that is what is said.
    expect(call).toMatchObject({ ending: "completed", quality: "unknown", priced: "none", model: OPENAI_MODEL });
    expect(metered.sums()).toMatchObject({ calls: 1, unknown: 1 });
    expect(ended).toEqual(started);
    expect(ended[0]?.attributes).toMatchObject({ "spendfuse.quality": "unknown", "spendfuse.ending": "completed" });
  });

  test("a parser that fails in the middle keeps what came before, marked", async () => {
    const original = registry.openaiChat.readFrame;
    let frames = 0;
    vi.spyOn(registry.openaiChat, "readFrame").mockImplementation((...args) => {
      if (++frames > 2) throw new TypeError("cannot read tokens");
      return original(...args);
    });
    const text = PIECES.join("");
    const { ended } = startUserTracing();
    server.play((visit) => {
      const [first, ...rest] = chatFrames(visit);
      const one = (first as string).replace('"content":""', `"content":${JSON.stringify(text)}`);
      return streamed(one, ...rest);
    });
    const metered = meter(server);
    await drain(await metered.openai.chat.completions.create(chat));
    const [call] = await metered.settled(1);
    expect(call).toMatchObject({ ending: "completed", quality: "estimated", priced: "true" });
    expect(call?.usage?.output).toBeGreaterThanOrEqual(text.length / 6);
    expect(metered.sums()?.cost).toBeGreaterThan(0);
    expect(ended[0]?.attributes["gen_ai.usage.cost.amount"]).toBe(call?.costUsd);
  });

  test("spans that fail lose no cost, and metrics that fail neither", async () => {
    const { ended } = startUserTracing();
    const metrics = collectMetrics();
    const metered = meter(server);
    server.play(whole(chatBody()));
    const create = () => metered.openai.chat.completions.create({ ...chat, stream: false });
    await create();
    const [span] = ended;
    const broken = vi.spyOn(Object.getPrototypeOf(span), "setAttributes").mockImplementation(() => {
      throw new TypeError("no");
    });
    await create();
    broken.mockRestore();
    await metered.settled(2);
    expect(metered.runtime.faults.counts().get("span")).toBeGreaterThan(0);
    expect(metered.sums()?.cost).toBe(2 * nano);
    const cost = (await metrics.read()).filter(({ metric }) => metric === METRICS.cost.name);
    expect(cost.reduce((sum, { value }) => sum + Math.round(value * 1e9), 0)).toBe(2 * nano);
  });
});

describe("claude-code#56317: counters of several processes collide; increase() 100x", () => {
  test("each process has a `process` tag of its own, and sends what came since the last time", async () => {
    receiver = await startOtlpReceiver();
    const stateDir = newStateDir();
    const now = () => 1_790_000_000_000;
    const both = [process.pid, process.ppid].map((pid) => startExporting({ url: receiver.url, stateDir, pid, now }));
    try {
      for (let interval = 0; interval < 3; interval++) {
        for (const { instruments } of both) instruments.record(settledCall("a"), [part(5)]);
        await Promise.all(both.map(({ exporter }) => exporter.flush()));
      }
      const points = receiver.points(METRICS.cost.name);
      expect(new Set(points.map(({ tags }) => tags.process)).size).toBe(2);
      expect(points.map(({ temporality, value }) => [temporality, Math.round(value * 1e9)])).toEqual(
        Array.from({ length: 6 }, () => [1, 5]),
      );
      // The receiver keeps one of two points with equal tags in one second, as Datadog does.
      expect(receiver.total(METRICS.cost.name)).toBe(30);
    } finally {
      for (const { exporter } of both) exporter.stop();
      await receiver.close();
    }
  });
});

describe("claude-code#92776: cost metric silently stops; 3 % captured", () => {
  test("what arrives is what was spent, whatever fails on the way, and a failure is told", async () => {
    receiver = await startOtlpReceiver();
    const metered = meter(server);
    const { runtime } = metered;
    await runtime.start({
      env: {
        ...{ SPENDFUSE_CONFIG: "{}", SPENDFUSE_STATE_DIR: newStateDir(), SPENDFUSE_EXIT_SENDER: "0" },
        ...{ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_METRIC_EXPORT_INTERVAL: "3600000" },
      },
    });
    try {
      server.play(whole(chatBody()));
      const spend = async () => {
        await metered.openai.chat.completions.create({ ...chat, stream: false });
        await runtime.flush();
      };
      await spend();
      expect(receiver.total(METRICS.cost.name)).toBe(nano);
      receiver.answer(() => ({ status: 400 }));
      await spend();
      await spend();
      expect(receiver.total(METRICS.cost.name)).toBe(nano);
      expect(metered.said.join("\n")).toMatch(/export/);
      expect(runtime.faults.counts().get("exporter")).toBeGreaterThan(0);
      receiver.answer(() => ({ status: 200 }));
      await spend();
      await runtime.flush();
      expect(metered.sums()?.cost).toBe(4 * nano);
      expect(receiver.total(METRICS.cost.name)).toBe(4 * nano);
      expect(receiver.total(METRICS.calls.name)).toBe(4);
      expect(receiver.total(METRICS.faults.name, { step: "exporter" })).toBeGreaterThan(0);
    } finally {
      await runtime.stop();
      await receiver.close();
    }
  });

  test("a user's provider that comes, goes and comes again leaves no gap", async () => {
    const metered = meter(server);
    server.play(whole(chatBody()));
    let seen = 0;
    for (let turn = 0; turn < 3; turn++) {
      const metrics = collectMetrics();
      await metered.openai.chat.completions.create({ ...chat, stream: false });
      await metered.openai.chat.completions.create({ ...chat, stream: false });
      for (const { metric, value } of await metrics.read()) {
        if (metric === METRICS.cost.name) seen += Math.round(value * 1e9);
      }
      stopUserTelemetry();
      await metered.openai.chat.completions.create({ ...chat, stream: false });
    }
    const last = collectMetrics();
    await metered.openai.chat.completions.create({ ...chat, stream: false });
    for (const { metric, value } of await last.read()) {
      if (metric === METRICS.cost.name) seen += Math.round(value * 1e9);
    }
    expect(metered.sums()?.cost).toBe(10 * nano);
    expect(seen).toBe(10 * nano);
  });
});
