import { expect, test } from "vitest";
import { toolStreamFraming } from "../../../../src/meter/wire/charges/tool-stream-reader.ts";
import {
  closeToolStream,
  expectAnswer,
  giveUpAnswer,
  newToolStream,
  type ToolStream,
  type ToolStreams,
} from "../../../../src/meter/wire/charges/tool-streams.ts";
import { newReading } from "../../../../src/meter/wire/formats/format.ts";

const OPENED = "http://mcp.io/sse?key=1";
const ENDPOINT = "event: endpoint\ndata: /messages?sessionId=7\n\n";
const answer = (id: unknown, more: object = { result: { content: [] } }): string =>
  `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", id, ...more })}\n\n`;

interface Stage {
  readonly streams: ToolStreams;
  readonly stream: ToolStream;
  /** What came of each id. */
  readonly came: Record<string, string[]>;
  push(text: string, size?: number): void;
  wait(id: unknown): void;
}

function stage(): Stage {
  const streams: ToolStreams = new Map();
  const stream = newToolStream(OPENED);
  const reader = toolStreamFraming(streams, stream).open(
    {} as never,
    newReading(undefined),
    false,
    () => {
      throw new Error("no fault");
    },
    new Map() as never,
  );
  const came: Record<string, string[]> = {};
  const note = (id: unknown, what: string): void => {
    came[String(id)] = [...(came[String(id)] ?? []), what];
  };
  return {
    streams,
    stream,
    came,
    push(text, size = text.length) {
      const bytes = Buffer.from(text);
      for (let from = 0; from < bytes.length; from += size) {
        const chunk = bytes.subarray(from, from + size);
        expect(reader.push(chunk)).toBe(chunk);
      }
    },
    wait: (id) =>
      expectAnswer(stream, id, { answered: () => note(id, "answered"), givenUp: () => note(id, "given up") }),
  };
}

test.each([1, 2, 7, 1000])("the answer to a call is found in pieces of %d bytes", (size) => {
  const { push, wait, came, streams } = stage();
  push(ENDPOINT, size);
  expect([...streams.keys()]).toEqual(["http://mcp.io/messages?sessionId=7"]);
  wait(1);
  wait("größer");
  push(`: ping\n\n${answer(1)}${answer("größer", { error: { code: 1 } })}${answer(1)}`, size);
  expect(came).toEqual({ 1: ["answered"], größer: ["answered"] });
});

test("lines may end as they do on Windows, and data may have several", () => {
  const { push, wait, came } = stage();
  wait(1);
  push('event: message\r\ndata: {"id":1,\r\ndata: "result":{}}\r\n\r\n');
  expect(came).toEqual({ 1: ["answered"] });
});

test.each([
  ["a request of the server's with the same id", answer(1, { method: "sampling/createMessage" })],
  ["another id", answer(2)],
  ["the id as a text", answer("1")],
  ["another event", answer(1).replace("message", "other")],
  ["what is no JSON", "data: {\n\n"],
  ["what is no object", "data: [1,null,[]]\n\ndata: null\n\n"],
])("%s is no answer", (_name, text) => {
  const { push, wait, came, stream } = stage();
  wait(1);
  push(text);
  expect(came).toEqual({});
  expect(stream.expected.size).toBe(1);
});

test("an event beyond the limit is not read, and the next one is", () => {
  const { push, wait, came } = stage();
  wait(1);
  push(answer(1, { result: "x".repeat(17 * 2 ** 20) }), 2 ** 16);
  expect(came).toEqual({});
  push(answer(1));
  expect(came).toEqual({ 1: ["answered"] });
});

test("an endpoint at another origin, or that is no address, is not taken", () => {
  const { push, streams } = stage();
  push("event: endpoint\ndata: http://evil.io/messages\n\nevent: endpoint\ndata: http://[\n\n");
  expect(streams.size).toBe(0);
});

test("a call is given up once: by its caller, by another of the same id, by too many, or when the stream ends", () => {
  const { push, wait, came, stream, streams } = stage();
  push(ENDPOINT);
  wait("canceled");
  giveUpAnswer(stream, "canceled");
  giveUpAnswer(stream, "canceled");
  wait("twice");
  wait("twice");
  expect(came).toEqual({ canceled: ["given up"], twice: ["given up"] });
  for (let id = 0; id < 2000; id += 1) wait(id);
  expect(stream.expected.size).toBe(1000);
  closeToolStream(streams, stream);
  expect([stream.expected.size, streams.size]).toEqual([0, 0]);
  expect(Object.values(came).every((all) => all.every((what) => what === "given up"))).toBe(true);
  expect(Object.values(came).flat()).toHaveLength(2 + 1 + 2000);
});
