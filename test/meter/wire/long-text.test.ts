import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newReading } from "../../../src/meter/wire/formats/format.ts";
import { openaiChat } from "../../../src/meter/wire/formats/openai-chat.ts";
import { openaiResponses } from "../../../src/meter/wire/formats/openai-responses.ts";
import { FrameReader } from "../../../src/meter/wire/frames.ts";
import { LONG_BODY, LongText, parseBody } from "../../../src/meter/wire/long-text.ts";
import { chatDelta, DONE } from "../../servers/formats.ts";

const MIB = 1024 * 1024;
const MAX_STRING = 16 * 1024;

/** Any JSON, some of whose strings are long; those that are too long are `""` when it was read. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "binary" }),
    fc
      .tuple(fc.constantFrom("a", '"', "\\", "é", '\\"', "\n"), fc.integer({ min: MAX_STRING, max: 2 * MAX_STRING }))
      .map(([unit, length]) => unit.repeat(length)),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(null, true),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 5 }),
  ),
})).value;

function shortened(value: unknown): unknown {
  if (typeof value === "string") return Buffer.byteLength(JSON.stringify(value)) - 2 > MAX_STRING ? "" : value;
  if (Array.isArray(value)) return value.map(shortened);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [shortened(key), shortened(held)]));
}

describe("a long text", () => {
  test("is all there but for its long strings, wherever it is cut", () => {
    fc.assert(
      fc.property(json, fc.array(fc.nat(200_000), { maxLength: 40 }), (value, cuts) => {
        const bytes = Buffer.from(JSON.stringify(value));
        const long = new LongText();
        let from = 0;
        for (const at of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
          long.add(bytes.subarray(from, at));
          from = at;
        }
        expect(long.parse()).toEqual(JSON.parse(JSON.stringify(shortened(value))));
      }),
      { numRuns: 200 },
    );
  });

  test.each([1, 7, 1_000, 65_536])("in chunks of %d bytes is read in bounded memory", (size) => {
    const long = new LongText();
    const chunk = new Uint8Array(size).fill(97);
    long.add(Buffer.from('{"image":"'));
    for (let sent = 0; sent < Math.min(16 * MIB, size * 100_000); sent += size) long.add(chunk);
    long.add(Buffer.from('","usage":{"a":1}}'));
    expect(long.text()).toBe('{"image":"","usage":{"a":1}}');
  });

  test("with more numbers than are kept still shows the members at both ends", () => {
    const numbers = Array.from({ length: 400_000 }, (_, i) => i / 7);
    const body = JSON.stringify({
      id: "a",
      data: numbers,
      model: "m",
      usage: { prompt_tokens: 3, nested: { b: [1] } },
    });
    expect(body.length).toBeGreaterThan(4 * MIB);
    for (const form of [body, Buffer.from(body)]) {
      expect(parseBody(form)).toEqual({ id: "a", model: "m", usage: { prompt_tokens: 3, nested: { b: [1] } } });
    }
  });

  test("that is no object at its ends is nothing", () => {
    const numbers = JSON.stringify(Array.from({ length: 400_000 }, (_, i) => i / 7));
    expect(parseBody(numbers)).toBeUndefined();
    expect(parseBody(`{"a":${numbers}`)).toBeUndefined();
  });

  test("of a few bytes is parsed whole", () => {
    const text = JSON.stringify({ long: "x".repeat(MAX_STRING + 1) });
    expect(text.length).toBeLessThan(LONG_BODY);
    expect(parseBody(text)).toEqual(JSON.parse(text));
    expect(parseBody({ parsed: true })).toEqual({ parsed: true });
  });
});

const ORIGIN = { id: "chatcmpl-1", model: "gpt-5-mini" };

function read(stream: Buffer, cuts: readonly number[], hides: boolean): { passed: string; reading: object } {
  const reading = newReading(undefined);
  const format = stream.includes('"type"') ? openaiResponses : openaiChat;
  const reader = new FrameReader(format, reading, hides, (error) => expect.unreachable(String(error)), new Map());
  const passed: Uint8Array[] = [];
  let from = 0;
  for (const at of [...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length]) {
    const chunk = stream.subarray(from, at);
    passed.push(Buffer.from(reader.push(new Uint8Array(chunk))));
    from = at;
  }
  passed.push(reader.rest());
  return { passed: Buffer.concat(passed).toString(), reading };
}

describe("a stream with long events", () => {
  const image = "A".repeat(300_000);
  const usage = { input_tokens: 78, output_tokens: 190, total_tokens: 268 };
  const completed = { id: "resp_1", model: "m", output: [{ type: "image_generation_call", result: image }], usage };
  const images = ["\n", "\r\n"].map((line) =>
    Buffer.from(
      [
        `event: a${line}data: ${JSON.stringify({ type: "response.image_generation_call.partial_image", b64: image })}`,
        `data: ${JSON.stringify({ type: "response.completed", response: completed })}`,
        "",
      ].join(line + line),
    ),
  );
  const chat = Buffer.from(
    [
      chatDelta(ORIGIN, { content: "a" }, { usage: null }),
      chatDelta(ORIGIN, { content: "b".repeat(40_000) }),
      chatDelta(ORIGIN, { content: "c" }, { usage: null }),
      `data: ${JSON.stringify({ ...ORIGIN, choices: [], usage: { prompt_tokens: 5, completion_tokens: 6 } })}\n\n`,
      DONE,
    ].join(""),
  );

  test("passes on untouched, and its usage is read, wherever it is cut", () => {
    fc.assert(
      fc.property(fc.constantFrom(...images), fc.array(fc.nat(700_000), { maxLength: 30 }), (stream, cuts) => {
        const { passed, reading } = read(stream, cuts, false);
        expect(passed === stream.toString()).toBe(true);
        expect(reading).toMatchObject({ usage: { input: 78, output: 190 }, responseId: "resp_1", terminal: true });
      }),
      { numRuns: 60 },
    );
  });

  test("loses what we asked for, and nothing else", () => {
    const whole = read(chat, [], true);
    expect(whole.passed).not.toContain('"usage"');
    expect(whole.passed).toContain("b".repeat(40_000));
    fc.assert(
      fc.property(fc.array(fc.nat(60_000), { maxLength: 30 }), (cuts) => {
        const { passed, reading } = read(chat, cuts, true);
        expect(passed).toBe(whole.passed);
        expect(reading).toMatchObject({ usage: { input: 5, output: 6 }, terminal: true });
      }),
      { numRuns: 100 },
    );
  });
});
