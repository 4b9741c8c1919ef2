import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { Anthropic } from "@anthropic-ai/sdk";
import { generateText, streamText } from "ai";
import { OpenAI } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findClients } from "../../src/demo/clients.ts";
import { type BilledTokens, costParts, noTokens } from "../../src/demo/fake-vendor/prices.ts";
import { countTokens } from "../../src/demo/fake-vendor/text.ts";
import { type FakeVendor, startFakeVendor } from "../../src/demo/fake-vendor.ts";
import { HANDBOOK } from "../../src/demo/prompts.ts";

async function collect<T>(pieces: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

describe("the prices of the fake vendor, against vectors computed by hand", () => {
  const cached = { uncached: 2_000, cacheWrite5m: 10_000, cacheWrite1h: 20_000, cacheRead: 100_000, output: 3_000 };
  const VECTORS: readonly (readonly [model: string, tokens: Partial<BilledTokens>, usd: string, tier: string])[] = [
    ["gpt-5", { uncached: 20_000, cacheRead: 80_000, output: 5_000 }, "0.08500", "default"],
    ["gpt-5.5", { uncached: 50_000, cacheRead: 100_000, output: 4_000 }, "0.42000", "default"],
    ["gpt-5.5", { uncached: 100_000, cacheRead: 200_000, output: 10_000 }, "1.65000", "default"],
    ["gpt-5.5", { uncached: 5_000, cacheRead: 5_000, output: 1_000 }, "0.14375", "priority"],
    ["claude-opus-5", cached, "0.39750", "default"],
    ["claude-sonnet-5", cached, "0.15900", "default"],
    ["claude-haiku-4-5", { uncached: 10_000, output: 1_000, webSearches: 3 }, "0.04500", "default"],
  ];
  test.each(VECTORS)("%s %o is $%s", (model, tokens, usd, tier) => {
    const parts = Object.values(costParts(model, { ...noTokens(), ...tokens }, tier));
    expect((parts.reduce((sum, part) => sum + part, 0) / 1e9).toFixed(5)).toBe(usd);
  });

  test("a model without a price is an error, not free", () => {
    expect(() => costParts("gpt-4", noTokens())).toThrow("no price");
  });
});

describe("the real SDKs against the fake vendor", () => {
  let vendor: FakeVendor;
  let openai: OpenAI;
  let anthropic: Anthropic;
  const prompt = "What is the capital of Mexico?";
  const user = { role: "user" as const, content: prompt };
  beforeAll(async () => {
    vendor = await startFakeVendor({ paceMs: 1 });
    openai = new OpenAI({ apiKey: "demo-tester", baseURL: `${vendor.openai}/v1` });
    anthropic = new Anthropic({ apiKey: "demo-tester", baseURL: vendor.anthropic });
  });
  afterAll(() => vendor.close());

  async function lastBilled() {
    await vendor.idle();
    return vendor.bill.at(-1)!;
  }

  test("chat, streamed: usage only when asked for, obfuscation in every chunk, a bill of what was reported", async () => {
    const bare = await openai.chat.completions.create({ model: "gpt-5", messages: [user], stream: true });
    const chunks = await collect(bare);
    expect(chunks.every((chunk) => !("usage" in chunk) && chunk.choices.length === 1)).toBe(true);
    expect(chunks[1]).toHaveProperty("obfuscation");

    const asked = await openai.chat.completions.create({
      model: "gpt-5",
      reasoning_effort: "low",
      messages: [user],
      stream: true,
      stream_options: { include_usage: true },
    });
    const all = await collect(asked);
    expect(all.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    const last = all.at(-1)!;
    expect(last.choices).toEqual([]);
    expect(all.at(-2)!.choices[0]!.finish_reason).toBe("stop");
    const text = all.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    expect(last.usage).toMatchObject({
      prompt_tokens: countTokens(prompt),
      completion_tokens: 64 + countTokens(text),
      completion_tokens_details: { reasoning_tokens: 64 },
    });
    const { tokens, ...line } = await lastBilled();
    expect(line).toMatchObject({ id: last.id, agent: "tester", ending: "completed", stream: true, status: 200 });
    expect(line.cost).toBe(countTokens(prompt) * 1_250 + (64 + countTokens(text)) * 10_000);
    expect(tokens.reasoning).toBe(64);
  });

  test("chat, whole: long prompts are cached, priority costs more, a limit cuts short", async () => {
    const messages = [{ role: "system" as const, content: HANDBOOK }, user];
    const body = { model: "gpt-5.5", messages, service_tier: "priority" as const, max_completion_tokens: 250 };
    await openai.chat.completions.create(body);
    const second = await openai.chat.completions.create(body);
    expect(second.service_tier).toBe("priority");
    expect(second.choices[0]!.finish_reason).toBe("length");
    const { usage } = second;
    const read = usage!.prompt_tokens_details!.cached_tokens!;
    expect(read).toBe(2_944);
    expect(usage!.completion_tokens).toBe(250);
    expect((await lastBilled()).cost).toBe((usage!.prompt_tokens - read) * 12_500 + read * 1_250 + 250 * 75_000);
  });

  test("Responses: usage in the terminal event only; incomplete is billed", async () => {
    const request = { model: "gpt-5.5", input: prompt, max_output_tokens: 220 };
    const events = await collect(await openai.responses.create({ ...request, stream: true }));
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const last = events.at(-1)!;
    expect(last.type).toBe("response.incomplete");
    const usages = events.map((event) => ("response" in event ? event.response.usage : undefined)).filter(Boolean);
    expect(usages).toHaveLength(1);
    expect(usages[0]).toMatchObject({ output_tokens: 220, output_tokens_details: { reasoning_tokens: 192 } });
    expect((await lastBilled()).cost).toBe(countTokens(prompt) * 5_000 + 220 * 30_000);

    const whole = await openai.responses.create({ model: "gpt-5", input: prompt, reasoning: { effort: "none" } });
    expect(whole.usage!.output_tokens).toBe(countTokens(whole.output_text));
    expect((await lastBilled()).id).toBe(whole.id);
  });

  test("Messages: input at the start, output cumulative, caches of both lives, searches, thinking", async () => {
    const system = (ttl: "5m" | "1h") => [
      { type: "text" as const, text: `${ttl} ${HANDBOOK}`, cache_control: { type: "ephemeral" as const, ttl } },
    ];
    const body = { model: "claude-sonnet-5", max_tokens: 400, messages: [user] };
    const first = await anthropic.messages.create({ ...body, system: system("1h") });
    const marked = countTokens(`1h ${HANDBOOK}`);
    expect(first.usage.cache_creation).toMatchObject({ ephemeral_1h_input_tokens: marked });
    const { input_tokens: fresh, output_tokens: out } = first.usage;
    expect((await lastBilled()).cost).toBe(fresh * 2_000 + marked * 4_000 + out * 10_000);
    const again = await anthropic.messages.create({ ...body, system: system("1h") });
    expect(again.usage).toMatchObject({ cache_read_input_tokens: marked, cache_creation_input_tokens: 0 });
    const short = await anthropic.messages.create({ ...body, system: system("5m") });
    expect(short.usage.cache_creation).toMatchObject({ ephemeral_5m_input_tokens: countTokens(`5m ${HANDBOOK}`) });

    const tools = [{ type: "web_search_20250305" as const, name: "web_search" as const }];
    const thinking = { type: "adaptive" as const };
    const searching = { ...body, model: "claude-haiku-4-5", tools, thinking, stream: true as const };
    const events = await collect(await anthropic.messages.create(searching));
    const outputs = events.flatMap((event) => (event.type === "message_delta" ? [event.usage.output_tokens] : []));
    expect(outputs).toHaveLength(3);
    expect(outputs.toSorted((a, b) => a - b)).toEqual(outputs);
    const { cost, tokens } = await lastBilled();
    expect(tokens).toMatchObject({ output: outputs.at(-1), webSearches: 2, reasoning: 160 });
    expect(cost).toBe(tokens.uncached * 1_000 + tokens.output * 5_000 + 20_000_000);
    const { usage } = await anthropic.messages.stream(body).finalMessage();
    expect((await lastBilled()).tokens.output).toBe(usage.output_tokens);
  });

  test("the AI SDK, streamed and whole, with both vendors", async () => {
    const gpt = createOpenAI({ apiKey: "demo-tester", baseURL: `${vendor.openai}/v1` })("gpt-5.5");
    const claude = createAnthropic({ apiKey: "demo-tester", baseURL: `${vendor.anthropic}/v1` })("claude-opus-5");
    for (const model of [gpt, claude]) {
      const whole = await generateText({ model, prompt });
      expect((await lastBilled()).tokens.output).toBe(whole.usage.outputTokens);
      const streamed = streamText({ model, prompt });
      expect((await streamed.text).length).toBeGreaterThan(100);
      const { outputTokens } = await streamed.usage;
      expect((await lastBilled()).tokens.output).toBe(outputTokens);
    }
  });

  test("it stops when the caller goes away, and bills what it generated by then", async () => {
    const request = { model: "gpt-5", reasoning_effort: "minimal" as const, messages: [user], stream: true as const };
    let seen = 0;
    for await (const chunk of await openai.chat.completions.create(request)) {
      if (chunk.choices[0]?.delta.content && ++seen === 20) break;
    }
    const broken = await lastBilled();
    expect(broken.ending).toBe("canceled");
    expect(broken.tokens.output).toBeGreaterThanOrEqual(20);
    expect(broken.tokens.output).toBeLessThan(60);
    expect(broken.cost).toBe(countTokens(prompt) * 1_250 + broken.tokens.output * 10_000);

    const abort = new AbortController();
    const message = { model: "claude-opus-5", max_tokens: 400, messages: [user], stream: true as const };
    const reading = (async () => {
      let deltas = 0;
      for await (const event of await anthropic.messages.create(message, { signal: abort.signal }))
        if (event.type === "content_block_delta" && ++deltas === 4) abort.abort();
    })();
    await reading.catch(() => undefined);
    const aborted = await lastBilled();
    expect(aborted.ending).toBe("canceled");
    expect(aborted.tokens.output).toBeGreaterThan(20);
    expect(aborted.tokens.output).toBeLessThan(90);
  });

  test("trouble: a 429 is retried, an unknown model refused, a cut connection billed", async () => {
    const before = vendor.bill.length;
    const body = { model: "gpt-5", messages: [user] };
    await openai.chat.completions.create(body, { headers: { "x-demo": "busy:once" } });
    await expect(openai.chat.completions.create({ ...body, model: "gpt-5-typo" })).rejects.toMatchObject({
      status: 404,
    });
    await expect(anthropic.messages.create({ ...body, max_tokens: 9, model: "claude-typo" })).rejects.toMatchObject({
      status: 404,
    });
    const cut = await openai.chat.completions.create({ ...body, stream: true }, { headers: { "x-demo": "cut:10" } });
    await expect(collect(cut)).rejects.toThrow();
    await vendor.idle();
    expect(vendor.bill.slice(before).map(({ status, ending, cost }) => [status, ending, cost > 0])).toEqual([
      [429, "failed", false],
      [200, "completed", true],
      [404, "failed", false],
      [404, "failed", false],
      [200, "failed", true],
    ]);
  });

  test("fetch alone reads the same text as the packages", async () => {
    const packages = await findClients(vendor);
    const alone = await findClients(vendor, ["openai", "@anthropic-ai/sdk", "ai"]);
    expect(packages.missing).toEqual([]);
    expect(alone.found).toEqual([]);
    for (const [name, model] of [
      ["openaiChat", "gpt-5"],
      ["openaiResponses", "gpt-5.5"],
      ["anthropic", "claude-sonnet-5"],
      ["ai", "claude-haiku-4-5"],
    ] as const) {
      const ask = { agent: "tester", model, prompt, effort: "none" as const };
      const expected = (await collect(packages[name].stream(ask))).join("");
      expect(expected.length).toBeGreaterThan(100);
      expect((await collect(alone[name].stream(ask))).join("")).toBe(expected);
      expect(await alone[name].whole(ask)).toBe(expected);
      expect(await packages[name].whole(ask)).toBe(expected);
    }
  });
});
