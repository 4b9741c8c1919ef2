import fc from "fast-check";
import { expect } from "vitest";
import type { Json } from "../../src/core/json.ts";
import { newReading, type Reading, type WireFormat } from "../../src/meter/wire/formats/format.ts";
import * as registry from "../../src/meter/wire/formats/registry.ts";
import { FrameReader } from "../../src/meter/wire/frames.ts";
import { EXAMPLES } from "../meter/wire/examples.ts";
import { MADE_UP } from "../recordings/made-up.ts";
import { damaged, fuzz, replaced } from "./fuzz.ts";

/** Longer frames are read in another way, which has tests of its own. */
const MAX_BYTES = 16_000;
const FORMATS: Readonly<Record<string, WireFormat>> = Object.fromEntries(
  Object.values(registry).map((format) => [format.name, format]),
);

const FIELDS = Object.keys(newReading(undefined));

function streamsOf(name: string): readonly string[] {
  const made = MADE_UP.filter(({ format, stream }) => format === name && stream).map(({ response }) => response);
  const own = EXAMPLES[name]?.stream;
  // Binary frames are fuzzed in `eventstream.test.ts`.
  return typeof own === "string" ? [own, ...made] : made;
}

interface Stream {
  readonly name: string;
  readonly chunks: readonly Uint8Array[];
}

/** Streams in chunks that end anywhere. */
function toStream(name: string, bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Stream> {
  return fc.tuple(bytes, fc.array(fc.nat(), { maxLength: 12 })).map(([whole, cuts]) => {
    const ends = [...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
    const chunks = ends.map((end, index) => new Uint8Array(whole.subarray(ends[index - 1] ?? 0, end)));
    const shown = () => `${name}: ${JSON.stringify(chunks.map((chunk) => textOf([chunk])))}`;
    return { name, chunks, [fc.toStringMethod]: shown };
  });
}

const streamed = Object.keys(FORMATS).filter((name) => streamsOf(name).length > 0);
const streamOf = (name: string): fc.Arbitrary<Stream> =>
  toStream(
    name,
    damaged(streamsOf(name)).filter(({ length }) => length < MAX_BYTES),
  );
const anyStream = fc.oneof(...streamed.map(streamOf));

/** Streams of OpenAI chat whose frames are JSON, of which any member may be another. */
const chatStreams: fc.Arbitrary<Stream> = fc.constantFrom(...streamsOf("openai-chat")).chain((text) => {
  const frames = framesOf(text)
    .map(jsonOf)
    .filter((json) => json !== undefined);
  const all = fc.tuple(...frames.map((json) => fc.oneof(fc.constant<object>(json), replaced(json))));
  const whole = all.map((list) => Buffer.from(list.map((json) => `data: ${JSON.stringify(json)}\n\n`).join("")));
  return toStream(
    "openai-chat",
    whole.filter(({ length }) => length < MAX_BYTES),
  );
});

interface Read {
  readonly reading: Reading;
  readonly passed: readonly Uint8Array[];
}

function read({ name, chunks }: Stream, hideUsage: boolean): Read {
  const reading = newReading(undefined);
  const rethrow = (error: unknown): never => {
    throw error;
  };
  const reader = new FrameReader(FORMATS[name]!, reading, hideUsage, rethrow, new Map());
  const passed = chunks.map((chunk) => reader.push(chunk));
  return { reading, passed: [...passed, reader.rest()] };
}

function textOf(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString("latin1");
}

/** What the caller gets of a stream of which we asked for the usage, by the plainest of rules. */
function withoutUsage(text: string): string {
  const frames = framesOf(text);
  const finish = frames.findIndex((frame) =>
    choicesOf(jsonOf(frame)).some((choice) => choice?.finish_reason !== null && choice?.finish_reason !== undefined),
  );
  return frames
    .filter((frame, index) => !isReport(jsonOf(frame), finish >= 0 && index > finish))
    .map((frame) => (jsonOf(frame)?.usage === null ? frame.replace(',"usage":null', "") : frame))
    .join("");
}

function framesOf(text: string): readonly string[] {
  return text.split(/(?<=\n\n|\n\r\n)/);
}

/** Whether each frame can be read by itself. */
function isWhole(text: string): boolean {
  return framesOf(text).every((frame) => jsonOf(frame) !== undefined || /^(data: \[DONE\]|:[^\n]*)?\s*$/.test(frame));
}

function jsonOf(frame: string): Json | undefined {
  const lines = frame
    .trimEnd()
    .split("\n")
    .filter((line) => line.startsWith("data:"));
  try {
    const json: unknown = JSON.parse(lines.map((line) => line.slice(line[5] === " " ? 6 : 5)).join("\n"));
    return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a frame holds a report of usage and nothing for the caller. `finished`: a finish reason came before it. */
function isReport(json: Json | undefined, finished: boolean): boolean {
  const { usage, error } = json ?? {};
  if (typeof usage !== "object" || usage === null || Array.isArray(usage) || !isNothing(error)) return false;
  return choicesOf(json).every((choice) => {
    if (typeof choice !== "object" || choice === null || Array.isArray(choice)) return false;
    const { delta, finish_reason, message, text, logprobs } = choice;
    const { role, ...rest } = (typeof delta === "object" && delta !== null ? delta : { rest: delta }) as Json;
    return [finish_reason, message, text, logprobs, rest, finished ? null : role].every(isNothing);
  });
}

function choicesOf(json: Json | undefined): readonly (Json | null)[] {
  return Array.isArray(json?.choices) ? json.choices : [];
}

function isNothing(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value === undefined || value === null || value === "";
  return Object.values(value).every(isNothing);
}

/** Nothing that is no field of a reading is added to one. */
function expectFields(reading: Reading): void {
  expect(Object.keys(reading)).toEqual(FIELDS);
}

fuzz("a stream: every chunk passes as it is", anyStream, (stream) => {
  const { reading, passed } = read(stream, false);
  for (const [index, chunk] of stream.chunks.entries()) expect(passed[index]).toBe(chunk);
  expect(passed.at(-1)).toHaveLength(0);
  expectFields(reading);
});

fuzz("a stream: what is read does not depend on where chunks end", anyStream, (stream) => {
  const whole = read({ ...stream, chunks: [new Uint8Array(Buffer.concat(stream.chunks))] }, false);
  const parts = [read(stream, false), read(stream, true)];
  if (!isWhole(textOf(stream.chunks))) return;
  for (const { reading } of parts) expect(reading).toEqual(whole.reading);
});

fuzz("a stream: of hidden usage the caller misses nothing else", chatStreams, (stream) => {
  const sent = textOf(stream.chunks);
  const copies = stream.chunks.map((chunk) => chunk.slice());
  expect(textOf(read({ ...stream, chunks: copies }, true).passed)).toBe(withoutUsage(sent));
  // The chunks may belong to others.
  expect(textOf(copies)).toBe(sent);
});
