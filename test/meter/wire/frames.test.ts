import { describe, expect, test } from "vitest";
import type { DeltaShapes } from "../../../src/meter/wire/delta-template.ts";
import { newReading, type WireFormat } from "../../../src/meter/wire/formats/format.ts";
import * as registry from "../../../src/meter/wire/formats/registry.ts";
import { FrameReader } from "../../../src/meter/wire/frames.ts";
import { recordings, split } from "../../recordings/recording.ts";

const { openaiChat, openaiResponses, anthropicMessages } = registry;

function read(format: WireFormat, body: string, size: number, hide = false) {
  const reading = newReading(undefined);
  const rethrow = (error: unknown): never => {
    throw error;
  };
  const reader = new FrameReader(format, reading, hide, rethrow, new Map());
  const passed: Uint8Array[] = [];
  for (const chunk of split(body, size)) passed.push(reader.push(chunk));
  passed.push(reader.rest());
  return { reading, text: Buffer.concat(passed).toString() };
}

/** The same format without learned shapes: every frame is parsed. */
const parsing = (format: WireFormat): WireFormat => ({ ...format, deltaKeys: [] });

const chat = (delta: object, more = "") =>
  `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-5","service_tier":"default","choices":[{"index":0,"delta":${JSON.stringify(delta)},"logprobs":null,"finish_reason":null}]${more}}\n\n`;
const usage = `,"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}`;
const report = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[]${usage}}\n\n`;
const stop = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-5","service_tier":"default","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\n`;
const done = "data: [DONE]\n\n";
const texts = ["Hello", " wörld", ' "quoted"', "\\back\\", "\n\t", "漢字", "\u0001", "🙂", "", "a".repeat(500)];

const STREAMS: Record<string, { format: WireFormat; body: string }> = {
  plain: { format: openaiChat, body: texts.map((content) => chat({ content })).join("") + stop + report + done },
  padded: {
    format: openaiChat,
    body:
      texts.map((content, i) => chat({ content }, `,"usage":null,"obfuscation":"${"xY9".repeat(i)}"`)).join("") +
      stop +
      report +
      done,
  },
  escaped: {
    format: openaiChat,
    body:
      texts
        .map((content) => chat({ content }))
        .join("")
        .replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`) +
      stop +
      report +
      done,
  },
  "a delta longer by one frame": {
    format: openaiChat,
    body:
      chat({ content: "a" }) +
      chat({ content: "Hello" }).replace(
        '"default"',
        `"${"d".repeat("default".length + chat({ content: " near Sunderland Point" }).length)}"`,
      ) +
      chat({ content: " near Sunderland Point" }) +
      chat({ content: " near Sunderland Point" }) +
      stop +
      report +
      done,
  },
  "usage in a delta": {
    format: openaiChat,
    body: chat({ content: "a" }) + chat({ content: "b" }, usage) + chat({ content: "c" }) + done,
  },
  "usage behind the padding": {
    format: openaiChat,
    body:
      chat({ content: "a" }, ',"usage":null,"obfuscation":"x"') +
      chat({ content: "b" }, `,"obfuscation":"x"${usage}`) +
      done,
  },
  // Two letters more for the finish reason, and two fewer behind it: the lengths alone do not tell the frames apart.
  "a finish reason in a frame of equal length": {
    format: openaiChat,
    body:
      ['null}],"created":1790000000', 'null}],"created":1790000001', '"stop"}],"created":17900000']
        .map(
          (rest) => `data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":${rest}}\n\n`,
        )
        .join("") + done,
  },
  // The same with the member that carries the text: what is reasoning in one is shown in the other.
  "reasoning and text in frames of equal length": {
    format: openaiChat,
    body: [
      ...[
        '"created":1790000000,"choices":[{"index":0,"delta":{"reasoning"',
        '"created":1790000001,"choices":[{"index":0,"delta":{"reasoning"',
      ],
      '"created":179000000123,"choices":[{"index":0,"delta":{"content"',
    ]
      .map((begin) => `data: {"id":"c1",${begin}:"Hello"},"finish_reason":null}]}\n\n`)
      .join(""),
  },
  responses: {
    format: openaiResponses,
    body: texts
      .map(
        (delta, i) =>
          `event: response.output_text.delta\ndata: ${JSON.stringify({ type: "response.output_text.delta", sequence_number: i + 5, item_id: "msg_1", output_index: 0, content_index: 0, delta, obfuscation: "xx" })}\n\n`,
      )
      .join(""),
  },
  anthropic: {
    format: anthropicMessages,
    body:
      texts
        .map(
          (text, i) =>
            `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":${JSON.stringify(text)}}${" ".repeat(i)}}\n\n`,
        )
        .join("") +
      `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}\n\n`,
  },
};

test("a stream reads as the one before it did, whose shapes it knows", () => {
  const shapes: DeltaShapes = new Map();
  const frames = [
    chat({ role: "assistant", content: "" }),
    chat({ content: "Hello" }),
    chat({ content: " you" }),
    stop,
  ];
  const readings = ["c1", "c2", "c3"].map((id) => {
    const reading = newReading(undefined);
    const body = [...frames, report, "data: [DONE]\n\n"].join("").replaceAll('"c1"', `"${id}"`);
    const reader = new FrameReader(openaiChat, reading, false, () => {}, shapes);
    for (const chunk of split(body, 200)) {
      reader.push(chunk);
      if (!reading.finished && reading.recognized) expect(shapes.size).toBeLessThanOrEqual(1);
    }
    return { ...reading, responseId: undefined };
  });
  expect(shapes.size).toBe(1);
  expect(readings[1]).toEqual(readings[0]);
  expect(readings[2]).toEqual(readings[0]);
  expect(readings[0]?.usage).toMatchObject({ input: 5, output: 7 });
});

test("visible text is counted alike with a known shape, up to a cut", () => {
  const shapes: DeltaShapes = new Map();
  const visible = ["c1", "c2"].map((id) => {
    const reading = newReading(undefined);
    const body = [chat({ role: "assistant", content: "" }), chat({ content: "Hello" }), chat({ content: " you" })].join(
      "",
    );
    new FrameReader(openaiChat, reading, false, () => {}, shapes).push(Buffer.from(body.replaceAll('"c1"', `"${id}"`)));
    return [reading.visible, reading.responseId];
  });
  expect(visible).toEqual([
    [9, "c1"],
    [9, "c2"],
  ]);
});

describe("a frame that is recognised by its shape reads as one that is parsed", () => {
  test.each(Object.entries(STREAMS))("%s", (_, { format, body }) => {
    for (const size of [1 << 20, 1000, 331, 50, 3, 1]) {
      const fast = read(format, body, size);
      const slow = read(parsing(format), body, size);
      // A character that is escaped as two surrogates is six bytes by its shape, and four when it is parsed.
      const reportedBytes: unknown = expect.closeTo(slow.reading.reportedBytes, -1);
      expect(fast.reading).toEqual({ ...slow.reading, reportedBytes });
      expect(fast.text).toBe(body);
    }
  });

  test("counts every text, at any split", () => {
    const { reading } = read(openaiChat, texts.map((content) => chat({ content })).join(""), 64);
    expect(reading.visible).toBe(Buffer.byteLength(texts.join("")));
  });

  test("in every stream that was recorded or made up", () => {
    for (const recording of recordings.filter((each) => each.stream)) {
      const format = Object.values(registry).find((each) => each.name === recording.format) as WireFormat;
      // Without the reports, the counts stay.
      const body = recording.response.replaceAll(/"(usage|usageMetadata|x_groq)"/g, '"hidden"');
      for (const size of [1 << 20, 200, 11]) {
        expect(read(format, body, size).reading).toEqual(read(parsing(format), body, size).reading);
      }
    }
  });
});

describe("what we asked for is taken out again", () => {
  const bare = texts.map((content) => chat({ content }, ',"obfuscation":"abc"')).join("");
  const asked = texts.map((content) => chat({ content }, ',"usage":null,"obfuscation":"abc"')).join("");

  test.each([1 << 20, 1000, 331, 50, 3, 1])("in chunks of %i bytes", (size) => {
    const { reading, text } = read(openaiChat, asked + stop + report + done, size, true);
    expect(text).toBe(bare + stop + done);
    expect(reading.usage).toMatchObject({ input: 5, output: 7 });
    expect(reading.terminal).toBe(true);
  });

  test("a stream that is cut in the middle of a frame loses nothing", () => {
    const cut = asked.slice(0, asked.length - 20);
    const { text } = read(openaiChat, cut, 100, true);
    expect(text.endsWith(cut.slice(-60, -20))).toBe(false);
    expect(bare.startsWith(text.slice(0, bare.length - 400))).toBe(true);
  });

  test("text that looks like the marker stays", () => {
    const tricky = chat({ content: 'x,"usage":null' }) + chat({ content: 'y,"usage":null' });
    expect(read(openaiChat, tricky, 77, true).text).toBe(tricky);
  });
});
