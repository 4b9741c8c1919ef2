import { describe, expect, test } from "vitest";
import { NO_USAGE, type Usage } from "../../../src/core/usage.ts";
import { estimateInput, inputLimit } from "../../../src/meter/estimates/input.ts";
import { readKept, writeKept } from "../../../src/meter/estimates/kept.ts";
import {
  createKnowledge,
  type Knowledge,
  knownModel,
  MAX_CONVERSATIONS,
} from "../../../src/meter/estimates/knowledge.ts";
import { learn } from "../../../src/meter/estimates/learn.ts";
import { resolveUsage } from "../../../src/meter/estimates/usage.ts";
import {
  newReading,
  type Reading,
  type RequestFacts,
  type WireFormat,
} from "../../../src/meter/wire/formats/format.ts";
import * as formats from "../../../src/meter/wire/formats/registry.ts";

const { openaiChat, openaiResponses, anthropicMessages, googleGenerate } = formats;

function factsOf(format: WireFormat, body: object): RequestFacts {
  const [endpoint] = format.endpoints;
  return format.readRequest({ ...body }, { endpoint: endpoint as never, model: "m" }) as RequestFacts;
}

/** A reported call: `input` and `output` tokens, and the bytes that the output had. */
function report(
  knowledge: Knowledge,
  format: WireFormat,
  body: object,
  tokens: Partial<Usage>,
  reading: Partial<Reading> = {},
): void {
  learn(
    knowledge,
    format.rates,
    factsOf(format, body),
    { ...newReading(undefined), ...reading },
    { ...NO_USAGE, ...tokens },
    0,
  );
}

function estimate(
  knowledge: Knowledge,
  format: WireFormat,
  body: object,
): { tokens: number; basis: string; limit: number } {
  const facts = factsOf(format, body);
  const model = knownModel(knowledge, format.rates, facts.model);
  const found = estimateInput(knowledge, model, facts);
  if (found === undefined) throw new Error("nothing was estimated");
  return { tokens: Math.round(found.tokens), basis: found.basis, limit: inputLimit(found, model, facts) };
}

const LONG = "A line of a file that says nothing much. ".repeat(100);
const ANSWER = "Here is what I found in it. ".repeat(10);

/** One turn, and the next that continues it with a short question. */
const CONVERSATIONS: Readonly<Record<string, readonly [WireFormat, object, object]>> = {
  "openai-chat": [
    openaiChat,
    { model: "m", messages: [{ role: "user", content: LONG }] },
    {
      model: "m",
      messages: [
        { role: "user", content: [{ type: "text", text: LONG }] },
        { role: "assistant", content: ANSWER },
        { role: "user", content: "And then?" },
      ],
    },
  ],
  "openai-responses": [
    openaiResponses,
    { model: "m", input: [{ role: "user", content: LONG }] },
    {
      model: "m",
      input: [
        { role: "user", content: LONG },
        { role: "assistant", content: [{ type: "output_text", text: ANSWER }] },
        { role: "user", content: "And then?" },
      ],
    },
  ],
  "the id of a response": [
    openaiResponses,
    { model: "m", input: LONG },
    { model: "m", input: "And then?", previous_response_id: "resp_1" },
  ],
  "a conversation at the vendor": [
    openaiResponses,
    { model: "m", input: LONG, conversation: { id: "conv_1" } },
    { model: "m", input: "And then?", conversation: "conv_1" },
  ],
  "anthropic-messages": [
    anthropicMessages,
    { model: "m", max_tokens: 9, messages: [{ role: "user", content: LONG }] },
    {
      model: "m",
      max_tokens: 9,
      messages: [
        { role: "user", content: [{ type: "text", text: LONG, cache_control: { type: "ephemeral" } }] },
        { role: "assistant", content: [{ type: "text", text: ANSWER }] },
        { role: "user", content: "And then?" },
      ],
    },
  ],
  "google-generate": [
    googleGenerate,
    { contents: [{ role: "user", parts: [{ text: LONG }] }] },
    {
      contents: [
        { role: "user", parts: [{ text: LONG }] },
        { role: "model", parts: [{ text: ANSWER }] },
        { role: "user", parts: [{ text: "And then?" }] },
      ],
    },
  ],
};

describe("a conversation that goes on", () => {
  test.each(Object.entries(CONVERSATIONS))("%s", (_name, [format, first, next]) => {
    const knowledge = createKnowledge();
    // Far from what our rules give, as of a text in another script.
    report(
      knowledge,
      format,
      first,
      { input: 5_000, output: 90 },
      { responseId: "resp_1", reportedBytes: ANSWER.length },
    );
    const { tokens, basis } = estimate(knowledge, format, next);
    expect(basis).toBe("continued");
    expect(tokens).toBeGreaterThan(5_090);
    expect(tokens).toBeLessThan(5_120);
  });

  test("branches that continue one response do not take it, or one another's figures", () => {
    const knowledge = createKnowledge();
    const body = { model: "m", input: LONG };
    report(knowledge, openaiResponses, body, { input: 5_000, output: 90 }, { responseId: "resp_1" });
    const branch = (input: string) => ({ model: "m", input, previous_response_id: "resp_1" });
    const found = { input: 60_000, output: 90 };
    report(knowledge, openaiResponses, branch(LONG), found, { responseId: "resp_2" });
    const { tokens, basis } = estimate(knowledge, openaiResponses, branch("And then?"));
    expect(basis).toBe("continued");
    expect(tokens).toBeGreaterThan(5_090);
    expect(tokens).toBeLessThan(5_120);
    const next = { ...branch("And then?"), previous_response_id: "resp_2" };
    expect(estimate(knowledge, openaiResponses, next).tokens).toBeGreaterThan(60_090);
  });

  test("reasoning that is sent back counts until the user speaks again", () => {
    const knowledge = createKnowledge();
    const first = { model: "gpt-5", input: [{ role: "user", content: "Which files are there?" }] };
    report(knowledge, openaiResponses, first, { input: 20, output: 1_030, reasoning: 1_000 });
    const reasoned = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "c2VjcmV0".repeat(500) };
    const called = { type: "function_call", call_id: "c", name: "list", arguments: "{}" };
    const result = { type: "function_call_output", call_id: "c", output: "a.ts" };
    const loop = { ...first, input: [...first.input, reasoned, called, result] };
    expect(estimate(knowledge, openaiResponses, loop).tokens).toBeGreaterThan(1_050);
    const asked = { ...loop, input: [...loop.input, { role: "user", content: "Thanks." }] };
    expect(estimate(knowledge, openaiResponses, asked).tokens).toBeLessThan(150);
  });

  test("another model, another system prompt and other messages do not continue it", () => {
    const knowledge = createKnowledge();
    const body = { model: "a", messages: [{ role: "user", content: LONG }] };
    report(knowledge, openaiChat, body, { input: 5_000, output: 10 });
    expect(estimate(knowledge, openaiChat, body).basis).toBe("continued");
    expect(estimate(knowledge, openaiChat, { ...body, model: "b" }).basis).toBe("first");
    const other = [{ role: "system", content: "Be brief." }, ...body.messages];
    expect(estimate(knowledge, openaiChat, { ...body, messages: other }).basis).toBe("first");
    expect(estimate(knowledge, openaiChat, { ...body, messages: [{ role: "user", content: "Hi" }] }).basis).toBe(
      "alike",
    );
  });
});

describe("a report that cannot be right teaches nothing", () => {
  const ask = (content: string) => ({ model: "m", messages: [{ role: "user", content }] });
  const searching = { ...ask("Hi"), tools: [{ type: "web_search" }] };
  test.each<[string, object, Partial<Usage>]>([
    ["input far beyond the request", ask("Hi"), { input: 1_000_000_000, output: 5 }],
    ["input beyond what a search can find", searching, { input: 1_000_000_000, output: 5 }],
    ["input far below the text", ask(LONG), { input: 1, output: 5 }],
    ["output beyond any model's", ask("Hi"), { input: 10, output: 1_000_000_000, reasoning: 900_000_000 }],
  ])("%s", (_name, body, usage) => {
    const knowledge = createKnowledge();
    const bodies = [ask("Hi"), ask(LONG), searching];
    const before = bodies.map((asked) => estimate(knowledge, openaiChat, asked));
    report(knowledge, openaiChat, body, usage);
    expect(bodies.map((asked) => estimate(knowledge, openaiChat, asked))).toEqual(before);
    expect(knownModel(knowledge, openaiChat.rates, "m").hiddenReasoning.size).toBe(0);
    expect(knowledge.conversations.size).toBe(0);
  });

  test.each<[string, object, Partial<Usage>]>([
    ["a system prompt of the host's", ask("Hi"), { input: 60_000, output: 5 }],
    ["what a search found", searching, { input: 300_000, output: 5 }],
    ["what is kept in a cache", ask("Hi"), { input: 900_000, cacheRead: 899_000, output: 5 }],
  ])("%s does", (_name, body, usage) => {
    const knowledge = createKnowledge();
    report(knowledge, openaiChat, body, usage);
    expect(estimate(knowledge, openaiChat, body)).toMatchObject({ basis: "continued" });
  });
});

describe("what is kept", () => {
  test("one entry a conversation, and a bounded number of them", () => {
    const knowledge = createKnowledge();
    const messages = [{ role: "user", content: "Begin." }];
    for (let turn = 0; turn < 50; turn++) {
      report(knowledge, openaiChat, { model: "m", messages }, { input: 10 + turn, output: 5 });
      messages.push({ role: "assistant", content: "y".repeat(turn) }, { role: "user", content: "On." });
    }
    expect(knowledge.conversations.size).toBe(1);
    for (let length = 1; length <= MAX_CONVERSATIONS + 100; length++) {
      report(
        knowledge,
        openaiChat,
        { model: "m", messages: [{ role: "user", content: "x".repeat(length) }] },
        { input: 9 },
      );
    }
    expect(knowledge.conversations.size).toBeLessThanOrEqual(MAX_CONVERSATIONS);
  });

  test("no text", () => {
    const knowledge = createKnowledge();
    const body = { model: "m", messages: [{ role: "user", content: "the secret word is xylophone" }] };
    report(knowledge, openaiChat, body, { input: 12, output: 5 });
    expect(JSON.stringify([...knowledge.conversations, ...knowledge.models, writeKept(knowledge)])).not.toContain(
      "xylo",
    );
  });
});

describe("a request like an earlier one", () => {
  const tools = [
    { type: "function", function: { name: "look", description: "Looks.", parameters: { type: "object" } } },
  ];
  const ask = (content: string) => ({
    model: "m",
    tools,
    messages: [
      { role: "system", content: LONG },
      { role: "user", content },
    ],
  });

  test("costs as much beside its own text", () => {
    const knowledge = createKnowledge();
    report(knowledge, openaiChat, ask("Where is it?"), { input: 7_000, output: 5 });
    const { tokens, basis } = estimate(knowledge, openaiChat, ask("Where is the other one?"));
    expect(basis).toBe("alike");
    expect(Math.abs(tokens - 7_002)).toBeLessThan(5);
  });

  test("also in the next process", () => {
    const knowledge = createKnowledge();
    report(knowledge, openaiChat, ask("Where is it?"), { input: 7_000, output: 40 }, { reportedBytes: 80 });
    const restarted = createKnowledge(readKept(writeKept(knowledge)));
    expect(estimate(restarted, openaiChat, ask("Where is the other one?")).tokens).toBeGreaterThan(6_990);
    expect(knownModel(restarted, openaiChat.rates, "m")).toMatchObject({ outputBytes: 80, outputTokens: 40 });
  });

  test.each(["", "{", "[]", '{"version":2,"models":{}}', '{"version":1,"models":{"m":{"margins":{"first":-1}}}}'])(
    "a file that is broken teaches nothing: %s",
    (written) => expect(readKept(written).size).toBe(0),
  );
});

describe("output", () => {
  const body = { model: "m", stream: true, messages: [{ role: "user", content: "Hi" }] };
  const outputOf = (knowledge: Knowledge, reading: Partial<Reading>, asked: object = body): Usage => {
    const cut = { ...newReading(undefined), recognized: true, ...reading };
    return resolveUsage(knowledge, openaiChat.rates, factsOf(openaiChat, asked), cut).usage as Usage;
  };

  test("bytes per token are those of the model", () => {
    const knowledge = createKnowledge();
    expect(outputOf(knowledge, { visible: 900 }).output).toBe(200);
    report(knowledge, openaiChat, body, { input: 9, output: 4_000 }, { reportedBytes: 8_000 });
    expect(outputOf(knowledge, { visible: 900 }).output).toBeGreaterThan(420);
  });

  test("a report of hidden tokens teaches no bytes per token", () => {
    const knowledge = createKnowledge();
    report(knowledge, openaiChat, body, { input: 9, output: 900 }, { reportedBytes: 60 });
    expect(outputOf(knowledge, { visible: 900 }).output).toBe(200);
  });

  test.each<[string, Partial<Reading>, number]>([
    ["frames of a token each", { visible: 600, deltas: 110 }, 110],
    ["frames of a sentence each", { visible: 900, deltas: 12 }, 200],
    ["frames of a letter each", { visible: 900, deltas: 900 }, 200],
    ["a call of a tool that has only begun", { toolCalls: 1 }, 9],
    ["a call of a tool, and text before it", { visible: 450, callBytes: 45, toolCalls: 1 }, 119],
  ])("%s", (_name, reading, output) => {
    expect(outputOf(createKnowledge(), reading).output).toBe(output);
  });

  test("reasoning that is under way", () => {
    const knowledge = createKnowledge();
    expect(outputOf(knowledge, { reasons: true }).reasoning).toBe(64);
    report(knowledge, openaiChat, body, { input: 9, output: 700, reasoning: 600 });
    expect(outputOf(knowledge, {}).reasoning).toBe(300);
    expect(outputOf(knowledge, { visible: 45 })).toMatchObject({ reasoning: 600, output: 610 });
  });

  test.each<[string, object, number]>([
    ["its own", {}, 600],
    ["none", { reasoning_effort: "none" }, 0],
    ["minimal, OpenRouter's member", { reasoning: { effort: "MINIMAL" } }, 0],
    ["low, which was reported", { reasoning_effort: "low" }, 90],
    ["high, which was not", { reasoning_effort: "high" }, 600],
    ["a word that no vendor has", { reasoning_effort: "a".repeat(10_000) }, 600],
  ])("reasoning is that of the effort asked for: %s, also in the next process", (_name, asked, reasoning) => {
    const knowledge = createKnowledge();
    report(knowledge, openaiChat, body, { input: 9, output: 700, reasoning: 600 });
    report(knowledge, openaiChat, { ...body, reasoning_effort: "low" }, { input: 9, output: 190, reasoning: 90 });
    for (const known of [knowledge, createKnowledge(readKept(writeKept(knowledge)))]) {
      expect(outputOf(known, { visible: 45 }, { ...body, ...asked }).reasoning).toBe(reasoning);
    }
  });
});

describe("input that the vendor's cache could have held", () => {
  const first = { model: "m", messages: [{ role: "user", content: LONG }] };
  const second = {
    model: "m",
    messages: [...first.messages, { role: "assistant", content: ANSWER }, { role: "user", content: "And then?" }],
  };
  const uncachedOf = (body: object, tokens: Partial<Usage>, seconds: number, before: Partial<Usage> = {}) => {
    const knowledge = createKnowledge();
    const report = (one: object, usage: Partial<Usage>, at: number) =>
      learn(
        ...([knowledge, openaiChat.rates, factsOf(openaiChat, one), newReading(undefined)] as const),
        ...([{ ...NO_USAGE, ...usage }, at * 1_000] as const),
      );
    expect(report(first, { input: 1_500, output: 70, ...before }, 0)).toBeUndefined();
    return report(body, { input: 1_600, output: 9, ...tokens }, seconds);
  };

  test.each<[string, object, Partial<Usage>, number, number | undefined]>([
    ["none of it was cached", second, {}, 60, 1_500],
    ["all of it was", second, { cacheRead: 1_408 }, 60, undefined],
    ["it was written there", second, { cacheWrite: 1_500 }, 60, undefined],
    ["too late for a cache", second, {}, 271, undefined],
    ["no answer in between: a request of the same lengths", first, { input: 1_500 }, 60, undefined],
    ["fewer tokens than before: no more than there are", second, { input: 1_100 }, 60, 1_100],
  ])("%s", (_name, body, tokens, seconds, expected) => {
    expect(uncachedOf(body, tokens, seconds)).toBe(expected);
  });

  test("less than a cache holds at least is none", () => {
    expect(uncachedOf(second, {}, 60, { input: 1_023 })).toBeUndefined();
    expect(uncachedOf(second, {}, 60, { input: 1_024 })).toBe(1_024);
  });
});

describe("what is held", () => {
  const body = (content: string) => ({ model: "m", messages: [{ role: "user", content }] });

  test("does not grow with what a short message lacks", () => {
    const knowledge = createKnowledge();
    report(knowledge, openaiChat, body("Hi"), { input: 120 });
    expect(knownModel(knowledge, openaiChat.rates, "m").margins.first).toBeLessThanOrEqual(1.5);
  });

  test("grows with a miss at once, and shrinks slowly", () => {
    const knowledge = createKnowledge();
    const before = estimate(knowledge, openaiChat, body(LONG)).limit;
    report(knowledge, openaiChat, body(LONG), { input: 4_000 });
    const { margins } = knownModel(knowledge, openaiChat.rates, "m");
    expect(margins.first).toBeGreaterThan(4);
    const missed = margins.first;
    report(knowledge, openaiChat, { ...body("Another question."), tools: [] }, { input: 12 });
    expect(margins.first).toBeGreaterThan(missed * 0.98);
    expect(margins.first).toBeLessThanOrEqual(missed);
    const fresh = createKnowledge(readKept(writeKept(knowledge)));
    fresh.conversations.clear();
    knownModel(fresh, openaiChat.rates, "m").overheads.clear();
    expect(Math.ceil(estimate(fresh, openaiChat, body(LONG)).limit)).toBeGreaterThanOrEqual(4_000);
    expect(before).toBeLessThan(2_000);
  });
});

test("Claude's calls of tools cost more by their arguments than by their bytes", () => {
  const outputOf = (reading: Partial<Reading>): number | undefined => {
    const facts = factsOf(anthropicMessages, { max_tokens: 9, messages: [{ role: "user", content: "Hi" }] });
    const cut = { ...newReading(undefined), recognized: true, ...reading };
    return resolveUsage(createKnowledge(), anthropicMessages.rates, facts, cut).usage?.output;
  };
  // As recorded: 36 tokens without arguments, 53 with one, 74 with three or in two calls.
  expect(outputOf({ callBytes: 10, toolCalls: 1 })).toBeCloseTo(38, -1);
  expect(outputOf({ callBytes: 32, toolCalls: 1 })).toBeCloseTo(53, -1);
  expect(outputOf({ callBytes: 68, toolCalls: 1 })).toBeCloseTo(74, -1);
  expect(outputOf({ callBytes: 56, toolCalls: 2 })).toBeCloseTo(74, -1);
  // A file that is written is text.
  expect(outputOf({ callBytes: 31_000, toolCalls: 1 })).toBeLessThan(10_100);
});
