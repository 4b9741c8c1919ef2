import { createKnowledge } from "../../src/meter/estimates/knowledge.ts";
import { learn } from "../../src/meter/estimates/learn.ts";
import { newReading, type RequestFacts } from "../../src/meter/wire/formats/format.ts";
import { openaiChat } from "../../src/meter/wire/formats/openai-chat.ts";
import { heapBytes } from "../heap.ts";

/**
 * What learning costs. `learning.ts time` prints nanoseconds a call that it takes beside reading the request, the median
 * of many rounds, each of turns of its own conversation; `learning.ts memory` the bytes of an open conversation.
 */
const [what] = process.argv.slice(2);
const ROUTE = { endpoint: openaiChat.endpoints[0] as never, model: undefined };
const ROUNDS = 400;
const TURNS = 20;
const CONVERSATIONS = 9_000;

function messagesOf(conversation: number, turns: number): object[] {
  const messages: object[] = [{ role: "system", content: "You are a careful assistant. ".repeat(20) }];
  for (let turn = 0; turn < turns; turn++) {
    messages.push({ role: "user", content: "x".repeat(100 + ((conversation * 7 + turn * 13) % 9_973)) });
    messages.push({ role: "assistant", content: "y".repeat(50 + turn) });
  }
  return [...messages, { role: "user", content: "Go on." }];
}

function factsOf(conversation: number, turns: number): RequestFacts {
  return openaiChat.readRequest({ model: "gpt-4o", messages: messagesOf(conversation, turns) }, ROUTE) as RequestFacts;
}

const reading = { ...newReading(undefined), reportedBytes: 60 };
const usage = { input: 900, output: 14, cacheRead: 0, cacheWrite: 0, cacheWrite1h: 0, reasoning: 0, webSearches: 0 };

function time(): number {
  const knowledge = createKnowledge();
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const turns = Array.from({ length: TURNS }, (_, turn) => factsOf(round, turn));
    const begun = process.hrtime.bigint();
    for (const facts of turns) learn(knowledge, openaiChat.rates, facts, reading, usage, round);
    rounds.push(Number(process.hrtime.bigint() - begun) / TURNS);
  }
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1] as number;
}

async function memory(): Promise<number> {
  const knowledge = createKnowledge();
  // What is made once.
  learn(knowledge, openaiChat.rates, factsOf(0, 1), reading, usage, 1);
  const before = await heapBytes();
  for (let conversation = 1; conversation <= CONVERSATIONS; conversation++) {
    learn(knowledge, openaiChat.rates, factsOf(conversation, 1 + (conversation % 3)), reading, usage, 1);
  }
  const after = await heapBytes();
  return (after - before) / knowledge.conversations.size;
}

const value = what === "memory" ? await memory() : time();
process.stdout.write(JSON.stringify(value), () => process.exit());
