import { describe, expect, test } from "vitest";
import { newReading, type Reading, type WireFormat } from "../../../../src/meter/wire/formats/format.ts";
import { bedrockConverse, bedrockInvoke } from "../../../../src/meter/wire/formats/registry.ts";
import { EventStreamReader } from "../../../../src/meter/wire/streams/eventstream-reader.ts";
import {
  anthropicChunks,
  chunkFrame,
  converseEvents,
  eventFrame,
  exceptionFrame,
  frameOf,
} from "../../../servers/bedrock-frames.ts";

const USAGE = { inputTokens: 1_000, outputTokens: 7, totalTokens: 1_837 };
const CACHE = {
  cacheReadInputTokens: 800,
  cacheWriteInputTokens: 30,
  cacheDetails: [
    { inputTokens: 10, ttl: "5m" },
    { inputTokens: 20, ttl: "1h" },
  ],
} as const;

function read(format: WireFormat, ...frames: readonly Uint8Array[]): Reading {
  const reading = newReading(undefined);
  const reader = new EventStreamReader(format, reading, (error) => {
    throw error;
  });
  for (const frame of frames) reader.push(frame);
  return reading;
}

const delta = (text: string) => eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { text } });

describe("ConverseStream", () => {
  test("reports the usage of its metadata, cached input on top", () => {
    const reading = read(bedrockConverse, ...converseEvents(["Hello"], { ...USAGE, ...CACHE }));
    expect(reading).toMatchObject({ terminal: true, finished: true, inputReported: true, outputReported: true });
    expect(reading.usage).toMatchObject({ input: 1_830, output: 7, cacheRead: 800, cacheWrite: 30, cacheWrite1h: 20 });
  });

  test("measures the text of deltas, parsed and by their shape alike", () => {
    const texts = ["Hello", "é\u00e9", 'a "quoted" \\ word\n', "\u2028", "", "done"];
    const reading = read(bedrockConverse, ...texts.map(delta));
    expect(reading.visible).toBe(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0));
    expect(reading.deltas).toBe(texts.length - 1);
  });

  test("parses no delta once their shape is known", () => {
    const calls: string[] = [];
    const format: WireFormat = {
      ...bedrockConverse,
      readFrame(frame, event, reading) {
        calls.push(event);
        return bedrockConverse.readFrame(frame, event, reading);
      },
    };
    read(format, ...Array.from({ length: 50 }, (_, index) => delta(`word ${index}`)));
    expect(calls).toEqual(["contentBlockDelta"]);
  });

  test("counts reasoning and tools apart from text", () => {
    const block = (delta: object) => eventFrame("contentBlockDelta", { contentBlockIndex: 1, delta });
    const reading = read(
      bedrockConverse,
      block({ reasoningContent: { text: "Hmm" } }),
      block({ reasoningContent: { text: "well" } }),
      eventFrame("contentBlockStart", { contentBlockIndex: 2, start: { toolUse: { toolUseId: "t", name: "find" } } }),
      block({ toolUse: { input: '{"a":' } }),
      block({ toolUse: { input: "1}" } }),
    );
    expect(reading).toMatchObject({ thought: 7, visible: 11, toolCalls: 1, reasons: true });
  });

  test("reads tier, latency, guardrail and router out of the metadata", () => {
    const counts = { topicPolicyUnits: 2, contentPolicyUnits: 3, wordPolicyUnits: 4 };
    const assessment = { invocationMetrics: { usage: counts } };
    const trace = {
      guardrail: { inputAssessment: { g1: assessment }, outputAssessments: { g1: [assessment] } },
      promptRouter: { invokedModelId: "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-lite-v1:0" },
    };
    const more = { serviceTier: { type: "flex" }, performanceConfig: { latency: "optimized" }, trace };
    const reading = read(bedrockConverse, ...converseEvents(["a"], USAGE, more));
    expect(reading).toMatchObject({ tier: "flex", speed: "optimized" });
    expect(reading.served?.model).toBe("us.amazon.nova-lite-v1:0");
    expect(reading.tools?.units).toEqual({ guardrail_topic: 4, guardrail_content: 6 });
  });

  test.each([
    ["an exception", exceptionFrame("modelStreamErrorException", "no")],
    ["an error", frameOf({ ":message-type": "error", ":error-code": "500", ":error-message": "no" }, "")],
  ])("fails by %s", (_what, frame) => {
    expect(read(bedrockConverse, delta("a"), frame).failed).toBe(true);
  });

  test("reads a frame longer than what is held, in pieces of any size", () => {
    const long = eventFrame("metadata", { trace: { guardrail: { text: "x".repeat(3_000_000) } }, usage: USAGE });
    for (const size of [1_000, 65_536, long.length]) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < long.length; at += size) pieces.push(long.subarray(at, at + size));
      expect(read(bedrockConverse, ...pieces).usage).toMatchObject({ input: 1_000, output: 7 });
    }
  });

  test("holds its own copy of a frame that is not whole", () => {
    const [first = Buffer.alloc(0)] = converseEvents(["Hello"], USAGE).slice(-1);
    const head = Buffer.from(first.subarray(0, 40));
    const reading = newReading(undefined);
    const reader = new EventStreamReader(bedrockConverse, reading, () => {});
    reader.push(head);
    head.fill(0);
    reader.push(first.subarray(40));
    expect(reading.usage).toMatchObject({ input: 1_000 });
  });

  test.each([
    ["a length below the least", [0, 0, 0, 15, 0, 0, 0, 0]],
    ["headers longer than the frame", [0, 0, 0, 20, 0, 0, 0, 5]],
    ["a length beyond all frames", [255, 255, 255, 255, 0, 0, 0, 0]],
  ])("reads nothing behind %s", (_what, lengths) => {
    const bad = Buffer.concat([Buffer.from(lengths), Buffer.alloc(12)]);
    const reading = read(bedrockConverse, delta("a"), bad, ...converseEvents(["b"], USAGE));
    expect(reading).toMatchObject({ visible: 1, usage: undefined, failed: false });
  });

  test("passes over a frame whose headers are malformed", () => {
    const bad = delta("a");
    bad.writeUInt8(255, 12);
    expect(read(bedrockConverse, bad, ...converseEvents(["b"], USAGE))).toMatchObject({ outputReported: true });
  });
});

describe("InvokeModelWithResponseStream", () => {
  test("reads Anthropic's events", () => {
    const usage = { input_tokens: 1_000, cache_read_input_tokens: 800, cache_creation_input_tokens: 30 };
    const reading = read(bedrockInvoke, ...anthropicChunks("claude-sonnet-5", ["Hello", " there"], usage, 7));
    expect(reading.usage).toMatchObject({ input: 1_830, output: 7, cacheRead: 800, cacheWrite: 30 });
    expect(reading.terminal).toBe(true);
  });

  const metrics = (input: number, output: number) => ({
    "amazon-bedrock-invocationMetrics": { inputTokenCount: input, outputTokenCount: output },
  });
  const VENDORS: Readonly<Record<string, readonly object[]>> = {
    Nova: [
      { messageStart: { role: "assistant" } },
      { contentBlockDelta: { delta: { text: "Hello" }, contentBlockIndex: 0 } },
      { messageStop: { stopReason: "end_turn" } },
      { metadata: { usage: { inputTokens: 11, outputTokens: 7 }, metrics: {} }, ...metrics(11, 7) },
    ],
    Llama: [
      { generation: "Hello", prompt_token_count: 11, generation_token_count: 1, stop_reason: null },
      { generation: "", prompt_token_count: null, generation_token_count: 7, stop_reason: "stop", ...metrics(11, 7) },
    ],
    Mistral: [
      { outputs: [{ text: "Hello", stop_reason: null }] },
      { outputs: [{ text: "", stop_reason: "stop" }], ...metrics(11, 7) },
    ],
    Titan: [
      { outputText: "Hello", index: 0, totalOutputTextTokenCount: null, completionReason: null },
      {
        ...{ outputText: "", index: 0, totalOutputTextTokenCount: 7, completionReason: "FINISH" },
        ...{ inputTextTokenCount: 11, ...metrics(11, 7) },
      },
    ],
    DeepSeek: [
      { choices: [{ text: "Hello", stop_reason: null }] },
      { choices: [{ text: "", stop_reason: "stop" }], ...metrics(11, 7) },
    ],
    "those that are like OpenAI's": [
      { id: "1", choices: [{ index: 0, delta: { content: "Hello" }, finish_reason: null }] },
      { id: "1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }], ...metrics(11, 7) },
    ],
  };

  test.each(Object.entries(VENDORS))("reads the frames of %s", (_vendor, frames) => {
    const started = read(bedrockInvoke, ...frames.slice(0, -1).map(chunkFrame));
    expect(started).toMatchObject({ recognized: true, visible: 5, usage: undefined });
    const reading = read(bedrockInvoke, ...frames.map(chunkFrame));
    expect(reading.usage).toMatchObject({ input: 11, output: 7 });
    expect(reading).toMatchObject({ finished: true, terminal: true, visible: 0 });
  });
});
