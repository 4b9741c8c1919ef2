import { describe, expect, test } from "vitest";
import { createFaults } from "../../../src/core/faults.ts";
import { estimateInput } from "../../../src/meter/estimates/input.ts";
import { createKnowledge, knownModel } from "../../../src/meter/estimates/knowledge.ts";
import * as formats from "../../../src/meter/wire/formats/registry.ts";
import { createHostLookup } from "../../../src/meter/wire/hosts.ts";
import { createClassifier, factsOf } from "../../../src/meter/wire/target.ts";
import { sampleText } from "../../../src/meter/wire/text.ts";
import { loadTokenizer } from "../../../src/process/tokenizer.ts";
import { populationOf } from "../../recordings/populations.ts";
import { recorded } from "../../recordings/recording.ts";

const classifier = createClassifier(Object.values(formats), () => ({
  lookup: createHostLookup(),
  askUsage: false,
  samples: true,
  keyOf: () => undefined,
}));

const withTokenizer = createKnowledge();
const said: string[] = [];
await loadTokenizer(
  withTokenizer,
  createFaults((text) => said.push(text)),
  (text) => said.push(text),
);

/** Estimated input tokens of a request, of which nothing is known but its model. */
function estimate(tokenizer: boolean, address: string, text: string): number {
  const target = classifier.find("POST", address);
  const facts = target && factsOf(target, text);
  if (!target || !facts) throw new Error(`${address} is no call`);
  const knowledge = { ...createKnowledge(), countTokens: tokenizer ? withTokenizer.countTokens : undefined };
  return estimateInput(knowledge, knownModel(knowledge, target.format.rates, facts.model), facts)?.tokens ?? 0;
}

const CHAT = "https://api.openai.com/v1/chat/completions";
const chat = (content: unknown, model = "gpt-4o") => JSON.stringify({ model, messages: [{ role: "user", content }] });

describe("a tokenizer that is installed", () => {
  test("is loaded without a word", () => {
    expect(withTokenizer.countTokens?.("1 USD = 0.92 EUR")).toBe(8);
    expect(said).toEqual([]);
  });

  test.each([
    ["code", "for(let i=0;i<a.length;i++){b[i]=a[i]^0x5f;}\n".repeat(40)],
    ["another script", "港町の古い市場では毎朝新しい魚とパンが売られている。".repeat(40)],
    ["marks of the model's own", "<|im_start|> <|endoftext|> ".repeat(90)],
  ])("counts %s", (_name, text) => {
    const truth = (withTokenizer.countTokens?.(text) ?? 0) + 7;
    const counted = estimate(true, CHAT, chat(text));
    expect(Math.abs(counted - truth) / truth).toBeLessThan(0.02);
    expect(Math.abs(estimate(false, CHAT, chat(text)) - truth)).toBeGreaterThan(Math.abs(counted - truth));
  });

  test("does not count for models of other vendors, nor a few words", () => {
    const text = "for(let i=0;i<a.length;i++){b[i]=a[i]^0x5f;}\n".repeat(40);
    expect(estimate(true, CHAT, chat(text, "mistral-large"))).toBe(estimate(false, CHAT, chat(text, "mistral-large")));
    expect(estimate(true, CHAT, chat("{}[]!!"))).toBe(estimate(false, CHAT, chat("{}[]!!")));
  });

  test("reads no more than the beginning of a long request, and no files", () => {
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(9_000)}` } };
    const parts = [{ type: "text", text: "Look:" }, image, { type: "text", text: "x".repeat(1_000_000) }];
    const sample = sampleText({ messages: [{ role: "user", content: parts }] });
    expect(sample.startsWith("Look:\nxxx")).toBe(true);
    expect(sample.length).toBeLessThanOrEqual(64 * 1024);
  });

  test.skipIf(recorded.length === 0)("first calls of OpenAI's models are nearer with it", () => {
    const offs: [number, number][] = [];
    for (const recording of recorded) {
      const { uri, request, usage, status } = recording;
      const model = String((JSON.parse(request || "{}") as { model?: unknown }).model);
      if (status >= 400 || !usage || !/^(gpt|o\d)/.test(model) || populationOf(recording) !== "text and functions")
        continue;
      const target = classifier.find("POST", uri);
      if (target === undefined || target.format.name === "openai-embeddings") continue;
      if (target && factsOf(target, request)?.continues !== undefined) continue;
      const off = (tokenizer: boolean) => Math.abs(estimate(tokenizer, uri, request) - usage.input) / usage.input;
      offs.push([off(false), off(true)]);
    }
    const median = (index: 0 | 1) => offs.map((row) => row[index]).sort((a, b) => a - b)[offs.length >> 1] as number;
    console.log(
      `OpenAI's models, nothing learned: median error ${(100 * median(0)).toFixed(1)} %, with the tokenizer ${(100 * median(1)).toFixed(1)} %, of ${offs.length}`,
    );
    expect(median(1)).toBeLessThan(median(0));
  });
});

describe("a tokenizer that is not there", () => {
  test.each([
    ["not installed", { code: "ERR_MODULE_NOT_FOUND" }, /npm install gpt-tokenizer/],
    ["broken", new Error("no such encoding"), /estimate/],
  ])("%s: that is said, and estimates do without it", async (_name, error, expected) => {
    const told: string[] = [];
    const tell = (text: string): void => void told.push(text);
    const knowledge = createKnowledge();
    await loadTokenizer(knowledge, createFaults(tell), tell, () => Promise.reject(error));
    expect(knowledge.countTokens).toBeUndefined();
    expect(told.join()).toMatch(expected);
  });
});
