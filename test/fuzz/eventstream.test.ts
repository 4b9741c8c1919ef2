import fc from "fast-check";
import { expect } from "vitest";
import { newReading, type Reading, type WireFormat } from "../../src/meter/wire/formats/format.ts";
import { bedrockConverse, bedrockInvoke } from "../../src/meter/wire/formats/registry.ts";
import { EventStreamReader } from "../../src/meter/wire/streams/eventstream-reader.ts";
import { anthropicChunks, converseEvents, eventFrame, exceptionFrame, frameOf } from "../servers/bedrock-frames.ts";
import { damaged, fuzz } from "./fuzz.ts";

const USAGE = { inputTokens: 11, outputTokens: 7, totalTokens: 18 };
const PIECES = ["Hello", ' "you"\n', "é\u2028", "there"];

interface Stream {
  readonly format: WireFormat;
  readonly chunks: readonly Uint8Array[];
}

/** The bytes in chunks that end anywhere. */
function inChunks(format: WireFormat, bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Stream> {
  return fc.tuple(bytes, fc.array(fc.nat(), { maxLength: 12 })).map(([whole, cuts]) => {
    const ends = [...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
    const chunks = ends.map((end, index) => new Uint8Array(whole.subarray(ends[index - 1] ?? 0, end)));
    return { format, chunks };
  });
}

const converse = Buffer.concat(converseEvents(PIECES, USAGE));
const invoke = Buffer.concat(anthropicChunks("claude-sonnet-5", PIECES, { input_tokens: 11 }, 7));
const failing = Buffer.concat([
  ...converseEvents(PIECES, USAGE).slice(0, 3),
  exceptionFrame("throttlingException", ""),
]);
/** Longer than is held in one piece. */
const oversized = Buffer.concat([
  eventFrame("contentBlockDelta", { delta: { text: "a".repeat(100_000) }, contentBlockIndex: 0 }),
  eventFrame("metadata", { trace: { guardrail: "b".repeat(100_000) }, usage: USAGE }),
]);
const headers = fc.dictionary(fc.string({ maxLength: 20, unit: "binary-ascii" }), fc.string({ maxLength: 20 }));
const anyFrames = fc
  .array(fc.tuple(headers, fc.oneof(fc.string(), fc.json())), { maxLength: 5 })
  .map((list) => Buffer.concat(list.map(([head, payload]) => frameOf(head, payload))));

const broken = fc.oneof(
  inChunks(bedrockConverse, damaged([converse, failing, oversized])),
  inChunks(bedrockInvoke, damaged([invoke])),
  inChunks(bedrockConverse, anyFrames),
  inChunks(bedrockInvoke, fc.uint8Array({ maxLength: 200 })),
);
const sound = fc.oneof(
  inChunks(bedrockConverse, fc.constantFrom(converse, failing, oversized)),
  inChunks(bedrockInvoke, fc.constant(invoke)),
);

function read({ format, chunks }: Stream): { readonly reading: Reading; readonly passed: readonly Uint8Array[] } {
  const reading = newReading(undefined);
  const rethrow = (error: unknown): never => {
    throw error;
  };
  const reader = new EventStreamReader(format, reading, rethrow);
  const passed = chunks.map((chunk) => reader.push(chunk));
  return { reading, passed: [...passed, reader.rest()] };
}

const FIELDS = Object.keys(newReading(undefined));

fuzz("an eventstream: every chunk passes as it is", broken, (stream) => {
  const { reading, passed } = read(stream);
  for (const [index, chunk] of stream.chunks.entries()) expect(passed[index]).toBe(chunk);
  expect(passed.at(-1)).toHaveLength(0);
  expect(Object.keys(reading)).toEqual(FIELDS);
});

fuzz("an eventstream: what is read does not depend on where chunks end", sound, (stream) => {
  const whole = read({ ...stream, chunks: [new Uint8Array(Buffer.concat(stream.chunks))] });
  expect(read(stream).reading).toEqual(whole.reading);
  expect(whole.reading.usage !== undefined || whole.reading.failed).toBe(true);
});

fuzz("an eventstream: the end of an event is found where a frame ends", sound, ({ format, chunks }) => {
  const reader = new EventStreamReader(format, newReading(undefined), () => {});
  const ends = endsOf(Buffer.concat(chunks));
  let at = 0;
  for (const chunk of chunks) {
    const passed = reader.push(chunk);
    const first = ends.find((end) => end > at && end <= at + chunk.length);
    expect(reader.restOfEvent(passed)?.length).toBe(first === undefined ? undefined : first - at);
    at += chunk.length;
    expect(reader.endsEvent()).toBe(ends.includes(at));
  }
});

/** Where the stream begins, and each of its frames ends. */
function endsOf(bytes: Buffer): readonly number[] {
  const ends = [0];
  for (let at = 0; at < bytes.length; ends.push(at)) at += bytes.readUInt32BE(at);
  return ends;
}
