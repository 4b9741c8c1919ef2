import fc from "fast-check";
import { expect } from "vitest";
import { newReading, type Reading, type WireFormat } from "../../src/meter/wire/formats/format.ts";
import * as registry from "../../src/meter/wire/formats/registry.ts";
import { FrameReader } from "../../src/meter/wire/frames.ts";
import { EXAMPLES } from "../meter/wire/examples.ts";
import { MADE_UP } from "../recordings/made-up.ts";
import { fuzz, property } from "./fuzz.ts";
import { expectSound } from "./readings.ts";
import { chunked, damaged, mutated } from "./values.ts";

/** Longer frames are read in another way, which has tests of its own. */
const MAX_BYTES = 16_000;
const FORMATS: Readonly<Record<string, WireFormat>> = Object.fromEntries(
  Object.values(registry).map((format) => [format.name, format]),
);

function streamsOf(name: string): readonly Uint8Array[] {
  const made = MADE_UP.filter(({ format, stream }) => format === name && stream).map(({ response }) => response);
  return [EXAMPLES[name]?.stream ?? "", ...made].map((text) => Buffer.from(text)).filter(({ length }) => length > 0);
}

interface Stream {
  readonly name: string;
  readonly chunks: readonly Uint8Array[];
}

function toStream(name: string, bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Stream> {
  return chunked(bytes).map((chunks) => ({
    name,
    chunks,
    [fc.toStringMethod]: () => `${name}: ${JSON.stringify(chunks.map((chunk) => textOf([chunk])))}`,
  }));
}

const streamed = Object.keys(FORMATS).filter((name) => streamsOf(name).length > 0);
const streamOf = (name: string): fc.Arbitrary<Stream> =>
  toStream(
    name,
    damaged(...streamsOf(name)).filter(({ length }) => length < MAX_BYTES),
  );
const anyStream = fc.oneof(...streamed.map(streamOf));

/** Streams of OpenAI chat whose frames are JSON, of which any member may be another. */
const chatStreams: fc.Arbitrary<Stream> = fc.constantFrom(...streamsOf("openai-chat")).chain((bytes) => {
  const frames = framesOf(textOf([bytes])).filter((frame) => jsonOf(frame) !== undefined);
  const all = fc.tuple(...frames.map((frame) => mutated(jsonOf(frame))));
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
  return framesOf(text)
    .filter((frame) => !isReport(jsonOf(frame)))
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

function jsonOf(frame: string): Readonly<Record<string, unknown>> | undefined {
  const lines = frame
    .trimEnd()
    .split("\n")
    .filter((line) => line.startsWith("data:"));
  try {
    const json: unknown = JSON.parse(lines.map((line) => line.slice(line[5] === " " ? 6 : 5)).join("\n"));
    return typeof json === "object" && json !== null && !Array.isArray(json)
      ? (json as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isReport(json: Readonly<Record<string, unknown>> | undefined): boolean {
  const { usage, choices } = json ?? {};
  const isObject = typeof usage === "object" && usage !== null && !Array.isArray(usage);
  return isObject && !(Array.isArray(choices) && choices.length > 0);
}

fuzz("the frames of event streams", {
  "every chunk passes as it is": property(anyStream, (stream) => {
    const { reading, passed } = read(stream, false);
    for (const [index, chunk] of stream.chunks.entries()) expect(passed[index]).toBe(chunk);
    expect(passed.at(-1)).toHaveLength(0);
    expectSound(reading);
  }),
  "what is read does not depend on where chunks end": property(anyStream, (stream) => {
    const whole = read({ ...stream, chunks: [new Uint8Array(Buffer.concat(stream.chunks))] }, false);
    const parts = [read(stream, false), read(stream, true)];
    for (const { reading } of parts) expectSound(reading);
    if (!isWhole(textOf(stream.chunks))) return;
    for (const { reading } of parts) expect(reading).toEqual(whole.reading);
  }),
  "of hidden usage the caller misses nothing else": property(chatStreams, (stream) => {
    const sent = textOf(stream.chunks);
    const copies = stream.chunks.map((chunk) => chunk.slice());
    expect(textOf(read({ ...stream, chunks: copies }, true).passed)).toBe(withoutUsage(sent));
    // The chunks may belong to others.
    expect(textOf(copies)).toBe(sent);
  }),
});
