import zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import type { OpenCall } from "../../../../src/meter/call/open-call.ts";
import { keepPast } from "../../../../src/meter/transports/bodies/coded-past.ts";
import { openaiChat } from "../../../../src/meter/wire/formats/openai-chat.ts";
import { FRAMINGS } from "../../../../src/meter/wire/framings.ts";

const EVENT = Buffer.from('data: {"error":{"message":"enough"}}\n\n');
const ERROR = new Error("enough");

const CODINGS = {
  gzip: { encode: zlib.gzipSync, decode: zlib.gunzipSync },
  deflate: { encode: zlib.deflateSync, decode: zlib.inflateSync },
  br: { encode: zlib.brotliCompressSync, decode: zlib.brotliDecompressSync },
  zstd: { encode: zlib.zstdCompressSync, decode: zlib.zstdDecompressSync },
} as const;

/** As much of a call as its stream's cut needs. */
function openCall(): OpenCall {
  return {
    cuttable: true,
    stream: true,
    settled: false,
    cutBy: { event: EVENT, error: () => ERROR },
    target: { framing: FRAMINGS.sse, format: openaiChat, host: undefined },
  } as unknown as OpenCall;
}

const text = Array.from({ length: 5 }, (_, n) => `data: {"n":${Math.sin(n)}}\n\n`).join("");

describe.each(Object.entries(CODINGS))("%s", (name, { encode, decode }) => {
  test("at any byte a stream goes on, or ends as what can be read whole", () => {
    // One piece, without a flush: its middle is no place for an event.
    const stream = encode(text.repeat(20));
    for (let at = 0; at <= stream.length; at += 1) {
      const call = openCall();
      const later = { ...call, cutBy: undefined } as OpenCall;
      const past = keepPast(later, name);
      expect(past?.next(stream.subarray(0, at))).toBeUndefined();
      (later as { cutBy: unknown }).cutBy = call.cutBy;
      const cut = past?.next(stream.subarray(at));
      if (cut?.type !== "tail") continue;
      const whole = decode(Buffer.concat([stream.subarray(0, at), cut.bytes])).toString();
      expect(whole.endsWith(`\n\n${EVENT}`)).toBe(true);
      expect(text.repeat(20).startsWith(whole.slice(0, -EVENT.length))).toBe(true);
    }
  });

  test("a stream without a place for an event fails after some chunks", () => {
    const past = keepPast(openCall(), name);
    const stream = encode(text.repeat(20));
    const passed: unknown[] = [];
    for (let at = 0; at < 40; at += 1) {
      const cut = past?.next(stream.subarray(at, at + 1));
      if (cut !== undefined && at > 0) {
        expect(cut).toEqual({ type: "error", error: ERROR });
        break;
      }
      passed.push(cut);
    }
    expect(passed.length).toBeLessThanOrEqual(17);
  });
});

test("bytes that are not in their coding, an unknown coding and a long stream fail at once", () => {
  const cases = [
    ["gzip", Buffer.from("data: {}\n\n")],
    ["compress", Buffer.from("x")],
    ["gzip, br", Buffer.from("x")],
    ["gzip", Buffer.alloc(2 ** 20 + 1)],
  ] as const;
  for (const [name, bytes] of cases) {
    const call = { ...openCall(), cutBy: undefined } as OpenCall;
    const past = keepPast(call, name);
    past?.next(bytes);
    (call as { cutBy: unknown }).cutBy = openCall().cutBy;
    expect(past?.next(bytes)).toEqual({ type: "error", error: ERROR });
  }
});

test("nothing is kept of a stream that is not cut", () => {
  expect(keepPast({ ...openCall(), cuttable: false } as OpenCall, "gzip")).toBeUndefined();
  expect(keepPast({ ...openCall(), stream: false } as OpenCall, "gzip")).toBeUndefined();
});
