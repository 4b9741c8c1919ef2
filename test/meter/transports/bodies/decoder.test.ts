import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { createDecoder } from "../../../../src/meter/transports/bodies/decoder.ts";

const TEXT = 'data: {"choices":[{"delta":{"content":"ebb and flow"}}]}\n\n'.repeat(2_000);

/** Decodes `coded` in pieces of `size`; `end`: how it ends. */
async function decode(encoding: string, coded: Uint8Array, size: number, end: "end" | "cut" = "end") {
  const pieces: Uint8Array[] = [];
  const done = Promise.withResolvers<boolean>();
  const sink = { chunk: (bytes: Uint8Array) => void pieces.push(bytes), end: done.resolve };
  const decoder = createDecoder(encoding, sink);
  if (!decoder) throw new Error(`no decoder of ${encoding}`);
  for (let at = 0; at < coded.length; at += size) decoder.add(coded.subarray(at, at + size));
  decoder[end]();
  return { broken: await done.promise, text: Buffer.concat(pieces).toString() };
}

const CODINGS: Readonly<Record<string, (text: string) => Uint8Array>> = {
  gzip: gzipSync,
  "X-GZIP": gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
  "identity, gzip": gzipSync,
  "deflate, br": (text) => brotliCompressSync(deflateSync(text)),
};

describe.each(Object.entries(CODINGS))("%s", (encoding, encode) => {
  test.each([1_000_000, 7])("a whole body in pieces of %i bytes", async (size) => {
    expect(await decode(encoding, encode(TEXT), size)).toEqual({ broken: false, text: TEXT });
  });

  test("a body that is no such coding", async () => {
    const { broken, text } = await decode(encoding, Buffer.from("{}".repeat(500)), 100);
    expect({ broken, text }).toEqual({ broken: true, text: "" });
  });
});

test.each(Object.entries(CODINGS))(
  "%s: what is left of a body that has ended is read at once",
  async (encoding, encode) => {
    const coded = encode(TEXT);
    for (const waits of [false, true]) {
      const pieces: Uint8Array[] = [];
      const ends: boolean[] = [];
      const sink = {
        chunk: (bytes: Uint8Array) => void pieces.push(bytes),
        end: (broken: boolean) => void ends.push(broken),
      };
      const decoder = createDecoder(encoding, sink);
      if (!decoder) throw new Error(`no decoder of ${encoding}`);
      decoder.add(coded.subarray(0, 60));
      // What can be given out of it by now.
      if (waits) await new Promise((resolve) => setTimeout(resolve, 20));
      decoder.add(coded.subarray(60));
      decoder.catchUp();
      expect(ends).toEqual([]);
      decoder.end();
      decoder.catchUp();
      expect([Buffer.concat(pieces).toString() === TEXT, ends]).toEqual([true, [false]]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect([Buffer.concat(pieces).length, ends]).toEqual([Buffer.from(TEXT).length, [false]]);
    }
  },
);

test("what is left of a body that is no such coding is left to its decoder", async () => {
  const done = Promise.withResolvers<boolean>();
  const decoder = createDecoder("gzip", { chunk() {}, end: done.resolve });
  decoder?.add(Buffer.from("no gzip"));
  decoder?.end();
  decoder?.catchUp();
  expect(await done.promise).toBe(true);
});

test.each(["gzip", "br"])("what came of a body that broke off is read: %s", async (encoding) => {
  const coded = (CODINGS[encoding] as (text: string) => Uint8Array)(TEXT);
  const { text } = await decode(encoding, coded.subarray(0, coded.length - 12), 50, "cut");
  expect(TEXT.startsWith(text) && text.length > 0).toBe(true);
});

test.each(["", "identity", " , identity"])("%j is no coding", (encoding) => {
  expect(createDecoder(encoding, { chunk() {}, end() {} })).toBeUndefined();
});

test.each(["compress", "gzip, snappy"])("%s is not known", (encoding) => {
  expect(createDecoder(encoding, { chunk() {}, end() {} })).toBeNull();
});
