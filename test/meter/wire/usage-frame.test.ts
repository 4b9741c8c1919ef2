import { describe, expect, test } from "vitest";
import { newReading } from "../../../src/meter/wire/formats/format.ts";
import { openaiChat } from "../../../src/meter/wire/formats/openai-chat.ts";
import { FrameReader } from "../../../src/meter/wire/frames.ts";
import { findMember } from "../../../src/meter/wire/hidden-usage.ts";
import { split } from "../../recordings/recording.ts";

const USAGE = {
  prompt_tokens: 14,
  completion_tokens: 8,
  total_tokens: 22,
  prompt_tokens_details: { cached_tokens: 2 },
};
const ENVELOPE = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "gpt-5" };

/** A frame that only those get who ask. */
type Extra = { readonly choices?: unknown; readonly more?: object };

const EXTRAS: Readonly<Record<string, Extra>> = {
  "no choices": { choices: [] },
  "choices that are null": { choices: null },
  "no member for choices": {},
  "an empty delta": { choices: [{ index: 0, delta: {} }] },
  "an empty delta that is not finished": { choices: [{ index: 0, delta: {}, finish_reason: null }] },
  "an empty delta of every choice": { choices: [0, 1].map((index) => ({ index, delta: {}, finish_reason: null })) },
  "a delta of nothing": {
    choices: [{ index: 0, delta: { content: "", tool_calls: null, refusal: null }, logprobs: null }],
  },
  "a delta of empty parts": {
    choices: [{ index: 0, delta: { content: [], provider_specific_fields: { refusal: null } } }],
  },
  "a role again": { choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] },
  "no delta": { choices: [{ index: 0 }] },
  "more beside it": {
    choices: [{ index: 0, delta: {} }],
    more: { service_tier: "default", system_fingerprint: "fp_1" },
  },
};

/** How vendors write JSON and lines. */
const SPELLINGS: Readonly<Record<string, (json: object) => string>> = {
  compact: (json) => `data: ${JSON.stringify(json)}\n\n`,
  "with spaces": (json) => `data: ${JSON.stringify(json, null, 1).replaceAll(/\n */g, " ")}\n\n`,
  "with CRLF": (json) => `data: ${JSON.stringify(json)}\r\n\r\n`,
  "without a space": (json) => `data:${JSON.stringify(json)}\n\n`,
  "with a name and an id": (json) => `event: message\r\nid: 1\r\ndata: ${JSON.stringify(json)}\r\n\r\n`,
  "in lines": (json) => `data: ${JSON.stringify(json, null, 1).replaceAll("\n", "\ndata: ")}\n\n`,
};

function read(body: string, size: number): string {
  const reading = newReading(undefined);
  const onFault = (error: unknown): never => {
    throw error;
  };
  const reader = new FrameReader(openaiChat, reading, true, onFault, new Map());
  const passed = split(body, size).map((chunk) => reader.push(chunk));
  const text = Buffer.concat([...passed, reader.rest()]).toString();
  expect(reading).toMatchObject({ usage: { input: 14, output: 8, cacheRead: 2 }, terminal: true });
  return text;
}

const delta = (content: string, more: object = {}) => ({
  ...ENVELOPE,
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
  ...more,
});
const stop = (more: object = {}) => ({
  ...ENVELOPE,
  choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
  ...more,
});

describe.each(Object.entries(SPELLINGS))("%s", (_spelling, write) => {
  const texts = ["Hello", " wörld 🙂", ' "usage": {} , "', "\\", "end"];
  const bare = [...texts.map((text) => write(delta(text))), write(stop())].join("");
  const done = "data: [DONE]\n\n";

  test.each(Object.entries(EXTRAS))("the extra frame with %s never reaches the caller", (_name, { choices, more }) => {
    const extra = write({ ...ENVELOPE, ...(choices !== undefined && { choices }), ...more, usage: USAGE });
    for (const nulls of [{}, { usage: null }]) {
      const asked = [...texts.map((text) => write(delta(text, nulls))), write(stop(nulls)), extra].join("");
      for (const size of [1, 7, 97, 1 << 20]) expect(read(asked + done, size)).toBe(bare + done);
    }
  });

  test("no usage is taken out wherever it stands, and usage in a frame of another kind stays", () => {
    const { choices } = stop();
    for (const last of [stop({ usage: USAGE }), { ...ENVELOPE, usage: USAGE, choices }, { usage: USAGE, ...stop() }]) {
      const deltas = texts.flatMap((text) => [
        write(delta(text, { usage: null })),
        write({ usage: null, ...delta(text) }),
        write({ ...ENVELOPE, usage: null, choices: delta(text).choices }),
      ]);
      const expected = texts.flatMap((text) => [write(delta(text)), write(delta(text)), write(delta(text))]);
      const ending = write(last) + done;
      for (const size of [1, 97, 1 << 20]) {
        expect(read(deltas.join("") + ending, size).replaceAll(/[ \n\r]/g, "")).toBe(
          (expected.join("") + ending).replaceAll(/[ \n\r]/g, ""),
        );
      }
    }
  });
});

test.each([
  ["the first role", { choices: [{ index: 0, delta: { role: "assistant", content: "" } }] }],
  ["the last finish reason of two choices", { choices: [{ index: 1, delta: {}, finish_reason: "stop" }] }],
  ["an error", { choices: [], error: { message: "overloaded" } }],
  ["a tool call", { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: "{" } }] } }] }],
])("a frame with usage that holds %s reaches the caller", (_name, frame) => {
  const body = `data: ${JSON.stringify({ ...ENVELOPE, ...frame, usage: USAGE })}\n\ndata: [DONE]\n\n`;
  for (const size of [1, 1 << 20]) expect(read(body, size)).toBe(body);
});

test.each([
  ['data: {"a":1,"usage":{"b":[1,{"usage":2}]}}', ',"usage":{"b":[1,{"usage":2}]}'],
  ['data: {"usage":null,"a":1}', '"usage":null,'],
  ['data: {"usage":null}', '"usage":null'],
  ['data: {"a":{"usage":1},"b":"\\",\\"usage\\":1","usage":"x"}', ',"usage":"x"'],
  ['data: {"a":"usage","usage" : 1 ,"c":[]}', ',"usage" : 1'],
  ['data: {"a":{"usage":1},"b":["usage"]}', undefined],
  ['data: {"a":"usage"}', undefined],
  ['data: {"a":1,"usage":{"b":', undefined],
  ["data: no JSON", undefined],
])("a member in %s", (frame, expected) => {
  const found = findMember(frame, "usage");
  expect(found && frame.slice(found.from, found.to)).toBe(expected);
});
