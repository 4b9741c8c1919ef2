import { Readable } from "node:stream";
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { DONE, data } from "../../servers/formats.ts";

const URL_OF_CHAT = "https://api.openai.com/v1/chat/completions";
const HEADERS = { authorization: "Bearer k" };
const QUESTION = ',"stream_options":{"include_usage":true}';
const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

/** With what is easily broken: other spaces, other letters, a number that is no double, and space at its end. */
const HEAD = `{ "model":"gpt-5",\n "messages":[{"role":"user","content":"Grüße 🙂 } \\"stream_options\\""}], "seed":12345678901234567890,"stream":true `;
const TEXT = `${HEAD}}\n`;
const ASKING = `${HEAD}${QUESTION}}\n`;

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
/** In pieces that fall into characters and behind the last brace. */
async function* pieces(text: string, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = bytesOf(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}
const streamOf = (text: string, size?: number): ReadableStream =>
  (ReadableStream as unknown as { from(source: unknown): ReadableStream }).from(pieces(text, size));
const withinBuffer = (text: string): DataView => {
  const bytes = bytesOf(text);
  const buffer = new ArrayBuffer(bytes.length + 20);
  new Uint8Array(buffer).set(bytes, 10);
  return new DataView(buffer, 10, bytes.length);
};

interface Kind {
  readonly make: (text: string) => unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly decode?: (sent: Uint8Array) => Uint8Array;
}

const KINDS: Readonly<Record<string, Kind>> = {
  string: { make: (text) => text },
  Buffer: { make: (text) => Buffer.from(text) },
  Uint8Array: { make: bytesOf },
  ArrayBuffer: { make: (text) => bytesOf(text).buffer },
  "a view into a longer buffer": { make: withinBuffer },
  Blob: { make: (text) => new Blob([text]) },
  "Blob with a type": { make: (text) => new Blob([text], { type: "application/json" }) },
  ReadableStream: { make: (text) => streamOf(text) },
  "ReadableStream of bytes": { make: (text) => streamOf(text, 1) },
  "ReadableStream in one piece": { make: (text) => streamOf(text, 10_000) },
  "async iterable": { make: (text) => pieces(text) },
  "Node stream": { make: (text) => Readable.from(pieces(text)) },
  gzip: { make: (text) => gzipSync(text), headers: { "Content-Encoding": "gzip" }, decode: gunzipSync },
  deflate: { make: (text) => deflateSync(text), headers: { "content-encoding": "deflate" }, decode: inflateSync },
  brotli: {
    make: (text) => brotliCompressSync(text),
    headers: { "content-encoding": "br" },
    decode: brotliDecompressSync,
  },
  zstd: {
    make: (text) => zstdCompressSync(text),
    headers: { "content-encoding": "zstd" },
    decode: zstdDecompressSync,
  },
};

let runtime: Runtime;
let calls: SettledCall[];

beforeEach(async () => {
  runtime = createRuntime(() => {});
  calls = [];
  runtime.listeners.add((call) => calls.push(call));
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}" } });
});
afterEach(() => runtime.stop());

/** Frames as a vendor sends them, with the usage only to those who ask. */
function answer(asked: boolean): string {
  const more = asked ? { usage: null } : {};
  return [
    data({ id: "c1", model: "gpt-5", choices: [{ index: 0, delta: { content: "Hi" }, finish_reason: null }], ...more }),
    data({ id: "c1", model: "gpt-5", choices: [{ index: 0, delta: {}, finish_reason: "stop" }], ...more }),
    asked ? data({ id: "c1", model: "gpt-5", choices: [], usage: USAGE }) : "",
    DONE,
  ].join("");
}

interface Seen {
  readonly body: string;
  readonly type: string | null;
  readonly signal: AbortSignal;
}

/** Sends a request, and returns what the vendor saw of it and what the caller read. */
async function send(input: unknown, init: object, kind: Kind, bare = false): Promise<Seen & { readonly got: string }> {
  let seen: Seen | undefined;
  const inner = async (given: RequestInfo, more?: RequestInit): Promise<Response> => {
    const request = new Request(given, { ...more, duplex: "half" } as RequestInit);
    const sent = new Uint8Array(await request.arrayBuffer());
    const body = Buffer.from(kind.decode?.(sent) ?? sent).toString();
    seen = { body, type: request.headers.get("content-type"), signal: request.signal };
    return new Response(answer(body.includes("include_usage")), { headers: { "content-type": "text/event-stream" } });
  };
  const fetch = bare ? inner : runtime.wrapFetch(inner as typeof globalThis.fetch);
  const got = await (await fetch(input as string, init)).text();
  await runtime.flush();
  return { ...(seen as Seen), got };
}

describe.each(Object.entries(KINDS))("a body that is a %s", (_name, kind) => {
  const init = (text: string) => ({
    method: "POST",
    headers: { ...HEADERS, ...kind.headers },
    body: kind.make(text),
    duplex: "half",
  });

  test("carries the question, every other byte as it was, and the caller sees nothing of it", async () => {
    const bare = await send(URL_OF_CHAT, init(TEXT), kind, true);
    const metered = await send(URL_OF_CHAT, init(TEXT), kind);
    expect(metered).toMatchObject({ body: ASKING, got: bare.got, type: bare.type });
    expect(bare.body).toBe(TEXT);
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject({ quality: "reported", requestModel: "gpt-5", usage: { input: 11, output: 7 } });
  });

  test("of a request object does so too", async () => {
    const controller = new AbortController();
    const request = () => new Request(URL_OF_CHAT, { ...init(TEXT), signal: controller.signal } as RequestInit);
    const isNode = kind.make("") instanceof Readable;
    // Only some implementations take them.
    if (isNode) return;
    if (kind.decode !== undefined) return;
    const bare = await send(request(), {}, kind, true);
    const own = request();
    const metered = await send(own, {}, kind);
    expect(metered).toMatchObject({ body: ASKING, got: bare.got, type: bare.type });
    expect(own.bodyUsed).toBe(true);
    expect(calls[0]).toMatchObject({ quality: "reported", usage: { input: 11, output: 7 } });
    controller.abort();
    expect(metered.signal.aborted).toBe(true);
  });

  test("of a call that asks by itself, streams nothing, or is none, stays as it is", async () => {
    const others = [
      `${HEAD}${QUESTION}}`,
      JSON.stringify({ model: "gpt-5", messages: [] }),
      "no JSON }",
      '{"model":"gpt-5","stream":true}',
    ];
    for (const text of others) expect((await send(URL_OF_CHAT, init(text), kind)).body).toBe(text);
  });

  test("whose length the caller says stays as it is", async () => {
    const length = { "content-length": String(bytesOf(TEXT).length) };
    const options = { ...init(TEXT), headers: { ...HEADERS, ...kind.headers, ...length } };
    expect((await send(URL_OF_CHAT, options, kind)).body).toBe(TEXT);
  });

  test("with stream options of its own keeps them", async () => {
    const text = `${HEAD},"stream_options": {"include_obfuscation":false}}`;
    const { body, got } = await send(URL_OF_CHAT, init(text), kind);
    const asked = body.includes("include_usage");
    expect(JSON.parse(body).stream_options).toEqual({
      include_obfuscation: false,
      ...(asked && { include_usage: true }),
    });
    expect(got).toBe(answer(false));
    // They have been sent by the time that the end of the body is known.
    expect(asked).toBe(!/Stream|iterable|stream/.test(_name));
  });
});

test.each(["gzip", "deflate", "br", "zstd"])(
  "what is not in the coding %s, or in one unknown, is sent as it is",
  async (coding) => {
    for (const [name, body] of [
      [coding, Buffer.from("not compressed")],
      ["zstd-of-tomorrow", Buffer.from("\0\x01")],
    ] as const) {
      const headers = { ...HEADERS, "content-encoding": name };
      const sent = await send(URL_OF_CHAT, { method: "POST", headers, body }, { make: () => body });
      expect(sent.body).toBe(body.toString());
    }
    expect([...runtime.faults.counts()]).toEqual([]);
  },
);
