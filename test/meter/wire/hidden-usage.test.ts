import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { faults, onCall, type SettledCall, start, stop } from "../../../src/index.ts";
import { openaiChat } from "../../../src/meter/wire/formats/openai-chat.ts";
import { type ModelServer, type Step, startModelServer } from "../../servers/model-server.ts";

// The usage that we ask for, and the caller did not, is taken out of the stream. What is kept back meanwhile, because a
// frame is not whole yet, must reach the caller whatever happens next.

const frame = (text: string, finish: string | null = null) =>
  `data: ${JSON.stringify({
    ...{ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "gpt-4o" },
    choices: [{ index: 0, delta: { content: text }, finish_reason: finish }],
    usage: null,
  })}\n\n`;
const plain = (sent: string) => sent.replaceAll(',"usage":null', "");
const USAGE = `data: ${JSON.stringify({
  ...{ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "gpt-4o", choices: [] },
  usage: { prompt_tokens: 14, completion_tokens: 8, total_tokens: 22 },
})}\n\n`;

/** An SDK's body is read by its own reader, another's through a stream of ours. */
const READERS: readonly (readonly [reader: string, headers: Record<string, string>])[] = [
  ["an SDK's own reader", { "x-stainless-lang": "js" }],
  ["a pull-through stream", {}],
];

let server: ModelServer;
const calls: SettledCall[] = [];
let forget: () => void;

beforeEach(async () => {
  server = await startModelServer();
  calls.length = 0;
  forget = onCall((call) => calls.push(call));
});

afterEach(async () => {
  forget();
  vi.restoreAllMocks();
  await stop();
  await server.close();
});

/** What the caller gets of the stream, and the error that it ends with. */
async function read(
  headers: Record<string, string>,
  steps: readonly Step[],
): Promise<{ text: string; error: unknown }> {
  await start({ telemetry: false, config: { hosts: [{ host: server.host, like: "api.openai.com" }] }, env: {} });
  server.play({ headers: { "content-type": "text/event-stream" }, steps });
  const body = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hello" }], stream: true });
  const response = await fetch(`${server.url}/v1/chat/completions`, { method: "POST", headers, body });
  expect(JSON.parse(server.visits[0]!.body).stream_options).toEqual({ include_usage: true });
  const decoder = new TextDecoder();
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { text, error: undefined };
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    return { text, error };
  }
}

const half = (sent: string): readonly string[] => [sent.slice(0, 60), sent.slice(60)];

test.each(READERS)("a last frame without its blank line, by %s", async (_name, headers) => {
  const last = frame(" end", "stop").trimEnd();
  const { text } = await read(headers, [frame("one"), ...half(last)]);
  expect(text).toBe(plain(frame("one") + last));
});

test.each(READERS)("the usage frame last and without its blank line, by %s", async (_name, headers) => {
  const { text } = await read(headers, [frame("one"), frame(" end", "stop"), USAGE.trimEnd()]);
  expect(text).toBe(plain(frame("one") + frame(" end", "stop")));
  expect(calls[0]).toMatchObject({ ending: "completed", quality: "reported", usage: { input: 14, output: 8 } });
});

test.each(READERS)("half a frame before the socket is cut, by %s", async (_name, headers) => {
  const [begun = ""] = half(frame(" two"));
  const { text, error } = await read(headers, [frame("one"), begun, { pause: 20 }, "cut"]);
  expect(error).toBeInstanceOf(TypeError);
  expect(text).toBe(plain(frame("one")) + begun);
  expect(calls[0]).toMatchObject({ ending: "failed", quality: "estimated" });
});

test.each(READERS)("a parser that fails while half a frame is kept back, by %s", async (_name, headers) => {
  const readFrame = openaiChat.readFrame.bind(openaiChat);
  let seen = 0;
  vi.spyOn(openaiChat, "readFrame").mockImplementation((...args) => {
    seen += 1;
    if (seen === 2) throw new Error("injected");
    return readFrame(...args);
  });
  const before = faults().get("parser") ?? 0;
  const first = frame("one");
  // Not an ordinary delta, so that it is parsed. What we asked for stays hidden all the same.
  const second = frame(" two", "length");
  const [begun = "", ended = ""] = half(second);
  const { text, error } = await read(headers, [first, begun, { pause: 20 }, ended, "data: [DONE]\n\n"]);
  expect(error).toBeUndefined();
  expect(text).toBe(`${plain(first)}${plain(second)}data: [DONE]\n\n`);
  expect(faults().get("parser")).toBe(before + 1);
});
