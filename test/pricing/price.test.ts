import * as library from "@pydantic/genai-prices";
import { describe, expect, it, vi } from "vitest";
import { canonicalUsage, type Usage } from "../../src/core/usage.ts";
import { createLibrarySource, createPrices, type PriceLibrary } from "../../src/pricing/library.ts";
import { isSnapshot, modelKey, modelSpellings, sameModel } from "../../src/pricing/model-id.ts";
import { FEES, OVERLAY, TERMS } from "../../src/pricing/overlay.ts";
import { createPriceBook, type Price, type PriceQuery, type QuoteSource } from "../../src/pricing/price.ts";
import { createRowSource, createTermsBook } from "../../src/pricing/rows.ts";
import { createRandom } from "../random.ts";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const book = createPrices({ library });
/** A price book of one source. */
const alone = (source: QuoteSource) => createPriceBook({ sources: [source] });

function query(provider: string, model: string, parts: Partial<Usage>, more: Partial<PriceQuery> = {}): PriceQuery {
  return { provider, model, at: NOW, usage: canonicalUsage(parts), ...more };
}

/** `un` uncached, `r` read, `w5`/`w1` written, `o` output with its reasoning, `ws` web searches. */
interface Short {
  readonly un?: number;
  readonly r?: number;
  readonly w5?: number;
  readonly w1?: number;
  readonly o?: number;
  readonly think?: number;
  readonly ws?: number;
}

function usage({ un = 0, r = 0, w5 = 0, w1 = 0, o = 0, think = 0, ws = 0 }: Short): Partial<Usage> {
  return {
    input: un + r + w5 + w1,
    cacheRead: r,
    cacheWrite: w5 + w1,
    cacheWrite1h: w1,
    output: o,
    reasoning: think,
    webSearches: ws,
  };
}

const usd = (price: Price | undefined) => (price === undefined ? undefined : price.nanoUsd / 1e9);

describe("the test vectors of the reference, section 3.5", () => {
  const claude = { un: 2_000, w5: 10_000, w1: 20_000, r: 100_000, o: 3_000 };
  it.each<[string, string, Short, number, Partial<PriceQuery>?]>([
    ["openai", "gpt-5", { un: 20_000, r: 80_000, o: 5_000 }, 0.085],
    ["openai", "gpt-5.5", { un: 50_000, r: 100_000, o: 4_000 }, 0.42],
    ["openai", "gpt-5.5", { un: 100_000, r: 200_000, o: 10_000 }, 1.65],
    ["openai", "gpt-5.5", { un: 5_000, r: 5_000, o: 1_000 }, 0.14375, { tier: "priority" }],
    ["openai", "gpt-5.5", { un: 5_000, r: 5_000, o: 1_000 }, 0.14375, { tier: "fast" }],
    ["openai", "gpt-5", { un: 100_000, o: 10_000 }, 0.1125, { tier: "batch" }],
    ["openai", "o3", { un: 20_000, o: 8_000, think: 6_000 }, 0.104],
    ["openai", "o4-mini", { un: 20_000, r: 30_000, o: 3_000 }, 0.04345],
    ["anthropic", "claude-opus-5", claude, 0.3975],
    ["anthropic", "claude-sonnet-5", claude, 0.159],
    ["anthropic", "claude-opus-4-6", { un: 300_000, o: 5_000 }, 1.625],
    ["anthropic", "claude-opus-5", { un: 100_000, o: 10_000 }, 0.375, { tier: "batch" }],
    ["anthropic", "claude-opus-5", { un: 100_000, o: 10_000 }, 0.825, { geo: "us" }],
    ["anthropic", "claude-opus-5", { un: 10_000, o: 2_000 }, 0.2, { speed: "fast" }],
    ["anthropic", "claude-haiku-4-5", { un: 10_000, o: 1_000, ws: 3 }, 0.045],
    ["anthropic", "claude-opus-5-5", { un: 10_000, r: 90_000, o: 2_000 }, 0.098],
    ["anthropic", "claude-sonnet-5-5", { un: 10_000, r: 90_000, o: 2_000 }, 0.049],
    ["anthropic", "claude-haiku-5-5", { un: 50_000, r: 100_000, o: 2_000 }, 0.035],
    ["gcp.gemini", "gemini-2.5-pro", { un: 150_000, r: 100_000, o: 8_000, think: 3_000 }, 0.52],
    ["openai", "gpt-6.1-sol", { un: 20_000, r: 80_000, o: 5_000 }, 0.098],
    ["openai", "text-embedding-3-small", { un: 1_000_000 }, 0.02],
  ])("%s %s %o costs %f", (provider, model, short, expected, more) => {
    expect(book(query(provider, model, usage(short), more))).toEqual({
      nanoUsd: Math.round(expected * 1e9),
      exact: true,
    });
  });
});

describe("tiers, speeds and geographies", () => {
  const parts = usage({ un: 100_000, o: 10_000 });
  it.each<[string, string, Partial<PriceQuery>, number | undefined]>([
    ["anthropic", "claude-opus-5", { tier: "standard", speed: "standard", geo: "global" }, 0.75],
    ["anthropic", "claude-haiku-4-5", { geo: "not_available" }, 0.15],
    ["anthropic", "claude-haiku-4-5-20251001", { geo: "us" }, 0.15], // before 4.6: no price by geography
    ["anthropic", "claude-opus-5", { tier: "batch", geo: "us" }, 0.4125], // 0.75 × 0.5 × 1.1
    ["anthropic", "claude-opus-5", { speed: "fast", geo: "us" }, 1.65], // (1 + 0.5) × 1.1
    ["anthropic", "claude-haiku-5-5", { tier: "batch" }, 0.0075], // (0.01 + 0.005) × 0.5
    ["anthropic", "claude-haiku-5-5", { speed: "fast" }, undefined],
    ["anthropic", "claude-fable-5-2", { speed: "fast" }, undefined],
    ["anthropic", "claude-opus-5", { geo: "moon" }, undefined],
    ["anthropic", "claude-opus-5", { speed: "warp" }, undefined],
    ["openai", "gpt-5", { tier: "flex" }, 0.1125],
    ["openai", "gpt-5", { tier: "default" }, 0.225],
    ["openai", "gpt-5", { tier: "AUTO" }, 0.225],
    ["openai", "gpt-5", { tier: "Priority" }, 0.45],
    ["openai", "gpt-5-mini-2025-08-07", { tier: "priority" }, 0.081], // (0.025 + 0.02) × 1.8
    ["openai", "gpt-4.1", { tier: "priority" }, 0.49], // (0.2 + 0.08) × 1.75
    ["openai", "gpt-4o", { tier: "priority" }, undefined], // no sourced factor
    ["openai", "gpt-5", { tier: "ultrafast" }, undefined],
    ["openai", "gpt-6-astra", { tier: "ultrafast" }, undefined],
    ["openai", "gpt-6.2-sol", { tier: "ultrafast" }, 0.9],
    ["openai", "gpt-6.2-sol", { tier: "ultrafast", at: Date.parse("2027-03-01") }, 1.8],
    ["openai", "gpt-5", { tier: "something-new" }, undefined],
    ["groq", "openai/gpt-oss-120b", { tier: "on_demand" }, 0.021],
    ["groq", "openai/gpt-oss-120b", { tier: "flex" }, 0.021],
    ["gcp.gemini", "gemini-3.5-flash", { tier: "standard" }, 0.24],
    ["gcp.vertex_ai", "gemini-3.5-flash", { tier: "ON_DEMAND" }, 0.24],
    ["gcp.vertex_ai", "gemini-3.5-flash", { tier: "ON_DEMAND_FLEX" }, undefined],
    ["gcp.vertex_ai", "gemini-3.5-flash", { tier: "ON_DEMAND_PRIORITY" }, undefined],
    ["gcp.vertex_ai", "gemini-3.5-flash", { tier: "ON_DEMAND_OFFPEAK" }, undefined],
    ["gcp.gemini", "gemini-3.5-flash", { tier: "priority" }, undefined],
    ["aws.bedrock", "us.anthropic.claude-opus-5", { tier: "flex" }, undefined],
    ["gcp.vertex_ai", "claude-sonnet-4-6", { geo: "regional" }, 0.495], // (0.3 + 0.15) × 1.1
    ["gcp.vertex_ai", "claude-opus-4-1", { geo: "regional" }, 2.25], // of before the surcharge
    ["gcp.vertex_ai", "gemini-2.5-flash", { geo: "regional" }, 0.055],
    ["gcp.vertex_ai", "gemini-3.5-flash", { geo: "regional" }, 0.264],
    ["openai", "gpt-5.4", { geo: "regional", tier: "flex" }, 0.22], // (0.25 + 0.15) × 1.1 × 0.5
    ["openai", "gpt-5-mini", { geo: "regional" }, 0.045],
    ["openai", "gpt-6-sol", { geo: "regional" }, 0.33],
    ["azure.ai.openai", "gpt-5", { geo: "us" }, 0.225], // only Anthropic prices by that field
  ])("%s %s %o costs %s", (provider, model, more, expected) => {
    expect(usd(book(query(provider, model, parts, more)))).toBe(expected);
  });

  it("does not price fast mode of OpenAI at long-context rates where it is not offered", () => {
    const long = usage({ un: 300_000, o: 1_000 });
    expect(book(query("openai", "gpt-5.5", long, { tier: "priority" }))).toBeUndefined();
    // 5.6 offers it since its new price: (0.3 × 8 + 0.001 × 30) × 2
    expect(usd(book(query("openai", "gpt-5.6-sol", long, { tier: "priority" })))).toBe(4.86);
  });

  it("says that a half price of unsure reach is not exact", () => {
    expect(book(query("gcp.gemini", "gemini-3.5-flash", parts, { tier: "flex" }))).toEqual({
      nanoUsd: 120_000_000,
      exact: false,
    });
  });

  it("leaves web searches out of every factor", () => {
    const searched = usage({ un: 100_000, o: 10_000, ws: 2 });
    expect(usd(book(query("anthropic", "claude-opus-5", searched, { tier: "batch", geo: "us" })))).toBe(0.4325);
  });

  it.each([
    ["anthropic", "claude-opus-5", "priority"],
    ["openai", "gpt-5", "scale"],
    ["gcp.vertex_ai", "gemini-3.5-flash", "PROVISIONED_THROUGHPUT"],
    ["aws.bedrock", "us.anthropic.claude-opus-5", "reserved"],
    ["groq", "openai/gpt-oss-120b", "performance"],
  ])("%s %s %s is paid by a commitment: a zero that says so", (provider, model, tier) => {
    expect(book(query(provider, model, parts, { tier }))).toEqual({ nanoUsd: 0, exact: true, commitment: true });
  });

  it("still charges the searches of a committed call", () => {
    const price = book(query("anthropic", "claude-opus-5", usage({ un: 5, ws: 1 }), { tier: "priority" }));
    expect(price).toEqual({ nanoUsd: 10_000_000, exact: true, commitment: true });
  });
});

describe("long-context boundaries", () => {
  it.each<[string, string, number, number]>([
    // The library's tier of gpt-5.5 begins at 272,000, one token before the vendor's "more than 272K".
    ["openai", "gpt-5.5", 271_999, 5],
    ["openai", "gpt-5.5", 272_000, 10],
    ["openai", "gpt-5.5", 272_001, 10],
    ["openai", "gpt-6-sol", 271_999, 2],
    ["openai", "gpt-6-sol", 272_000, 2],
    ["openai", "gpt-6-sol", 272_001, 4],
    ["openai", "gpt-6.1-sol", 272_000, 2],
    ["openai", "gpt-6.1-sol", 272_001, 4],
    ["gcp.gemini", "gemini-2.5-pro", 199_999, 1.25],
    ["gcp.gemini", "gemini-2.5-pro", 200_000, 1.25],
    ["gcp.gemini", "gemini-2.5-pro", 200_001, 2.5],
    ["anthropic", "claude-haiku-5-5", 100_000, 0.1],
    ["anthropic", "claude-haiku-5-5", 100_001, 0.5],
    ["anthropic", "claude-opus-4-6", 200_001, 5], // no surcharge since 2026-03-13
  ])("%s %s with %i input tokens pays %f per million", (provider, model, input, perMillion) => {
    expect(book(query(provider, model, { input }))?.nanoUsd).toBe(Math.round(input * perMillion * 1_000));
  });

  it("counts cached input towards the boundary and charges every kind at the upper rates", () => {
    const price = book(query("openai", "gpt-6.1-sol", usage({ un: 1, r: 272_000, o: 1_000 })));
    expect(usd(price)).toBeCloseTo(0.000004 + 0.0544 + 0.015, 9);
  });

  it("belongs to one call: two short calls never pay what one long call pays", () => {
    const short = book(query("openai", "gpt-6-sol", { input: 150_000 }))!.nanoUsd;
    expect(book(query("openai", "gpt-6-sol", { input: 300_000 }))!.nanoUsd).toBe(short * 2 * 2);
  });
});

describe("dated prices", () => {
  const million = usage({ un: 1_000_000 });
  it.each<[string, string, string, Partial<Usage>, number | undefined]>([
    ["openai", "o3", "2025-06-09T23:59:59.999Z", million, 10],
    ["openai", "o3", "2025-06-10T00:00:00.000Z", million, 2],
    ["openai", "gpt-5.6-sol", "2026-08-20T23:59:59.999Z", { input: 1_000 }, 0.005],
    ["openai", "gpt-5.6-sol", "2026-08-21T00:00:00.000Z", { input: 1_000 }, 0.004],
    ["gcp.gemini", "gemini-3.8-flash", "2026-12-31T23:59:59.999Z", million, 0.75],
    ["gcp.gemini", "gemini-3.8-flash", "2027-01-01T00:00:00.000Z", million, 1.5],
    ["anthropic", "claude-opus-4-6", "2026-03-12T00:00:00.000Z", million, 10],
    ["anthropic", "claude-opus-4-6", "2026-03-13T00:00:00.000Z", million, 5],
    ["anthropic", "claude-sonnet-5-5", "2026-10-06T23:59:59.999Z", usage({ r: 1_000_000 }), 0.2],
    ["anthropic", "claude-sonnet-5-5", "2026-10-07T00:00:00.000Z", usage({ r: 1_000_000 }), 0.1],
    ["anthropic", "claude-haiku-5-5", "2026-10-06T23:59:59.999Z", million, undefined],
    ["deepseek", "deepseek-v4-flash", "2026-11-23T00:59:59.999Z", million, 0.22],
    ["deepseek", "deepseek-v4-flash", "2026-11-23T01:00:00.000Z", million, 0.44],
    ["deepseek", "deepseek-v4-flash", "2026-11-23T04:00:00.000Z", million, 0.22],
    ["deepseek", "deepseek-v4-flash", "2026-11-24T02:00:00.000Z", million, 0.44],
    ["deepseek", "deepseek-v4-flash", "2026-08-16T02:00:00.000Z", million, 0.44],
  ])("%s %s at %s", (provider, model, at, parts, expected) => {
    expect(usd(book(query(provider, model, parts, { at: Date.parse(at) })))).toBe(expected);
  });

  it("finds the way back after each change of the hour, in any order of calls", () => {
    const source = alone(createLibrarySource(library, createTermsBook([], [])));
    for (const hour of [0, 1, 5, 7, 3, 23, 6, 4, 9, 10, 25, 12, 2, 30, 100, 74]) {
      const at = Date.parse("2026-11-23T00:00:00Z") + hour * 3_600_000;
      const options = { providerId: "deepseek", timestamp: new Date(at) };
      const truth = library.calcPrice({ input_tokens: 1_000 }, "deepseek-v4-pro", options);
      expect(usd(source(query("deepseek", "deepseek-v4-pro", { input: 1_000 }, { at })))).toBe(truth?.total_price);
    }
  });
});

describe("what the library does by itself, and we do not", () => {
  const million = usage({ un: 1_000_000 });

  it.each<[string, string, string, boolean]>([
    ["openai", "gpt-5.5-2026-04-23", "gpt-5.5", true],
    ["openai", "gpt-5.1-mini", "gpt-5.1-codex-mini", false],
    ["anthropic", "claude-opus-4-20250514", "claude-opus-4-0", true],
    ["anthropic", "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest", true],
    ["anthropic", "claude-sonnet-5-9", "claude-sonnet-5", false],
    ["gcp.gemini", "gemini-2.5-pro-preview-06-05", "gemini-2.5-pro", true],
    ["gcp.gemini", "gemini-3.5-flash-lite-turbo", "gemini-3.5-flash-lite", false],
    ["azure.ai.openai", "gpt-5-5", "gpt-5.5", true],
    ["x_ai", "grok-4", "grok-4-0709", true],
  ])("%s %s is priced as %s, exact: %s", (provider, asked, found, exact) => {
    const providerId = { openai: "openai", anthropic: "anthropic", "gcp.gemini": "google", x_ai: "x-ai" }[provider];
    const truth = library.calcPrice({ input_tokens: 1_000_000 }, asked, { providerId: providerId ?? "azure" });
    expect(truth?.model.id).toBe(found);
    expect(book(query(provider, asked, million))).toEqual({ nanoUsd: truth!.total_price * 1e9, exact });
  });

  it.each<[string, string, number, Partial<PriceQuery>?]>([
    ["anthropic", "anthropic/claude-opus-5", 5],
    ["anthropic", "claude-opus-5[1m]", 5],
    ["openai", "openai/gpt-5", 1.25],
    ["gcp.gemini", "models/gemini-3.5-flash", 1.5],
    ["gcp.vertex_ai", "publishers/google/models/gemini-3.5-flash", 1.5],
    ["gcp.vertex_ai", "claude-opus-5@20260724", 5],
    ["openrouter", "anthropic/claude-opus-5", 5],
    ["groq", "openai/gpt-oss-120b", 0.15],
    ["aws.bedrock", "global.anthropic.claude-opus-5", 5],
    ["aws.bedrock", "us.anthropic.claude-opus-5", 5.5],
    ["aws.bedrock", "anthropic.claude-opus-4-5-20251101-v1:0", 5.5],
    ["aws.bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-opus-5", 5.5],
    ["nobody", "some-name", 2.5, { priceId: "openai", model: "gpt-4o" }],
  ])("%s knows %s", (provider, model, perMillion, more) => {
    expect(book(query(provider, model, million, more))).toEqual({ nanoUsd: perMillion * 1e9, exact: true });
  });

  it("takes no price of a Bedrock region for another", () => {
    const price = book(query("aws.bedrock", "global.anthropic.claude-opus-4-1-20250805-v1:0", million));
    expect(price?.exact ?? false).toBe(false);
  });

  it("tries a guessed provider first, then any vendor by the model's name", () => {
    const guess = { guessedProvider: true };
    expect(book(query("openai", "gpt-5", million, guess))).toEqual({ nanoUsd: 1.25e9, exact: true });
    expect(book(query("openai", "claude-opus-5", million, guess))).toEqual({ nanoUsd: 5e9, exact: true });
    expect(book(query("openai", "anthropic/claude-opus-5", million, guess))).toEqual({ nanoUsd: 5e9, exact: true });
    expect(book(query("openai", "groq/llama-3.3-70b-versatile", million, guess))).toEqual({
      nanoUsd: 0.59e9,
      exact: true,
    });
    expect(book(query("openai", "claude-sonnet-5-5", usage({ r: 1_000_000 }), guess))?.nanoUsd).toBe(0.1e9);
    expect(book(query("openai", "claude-opus-5", million))).toBeUndefined();
    expect(book(query("vercel", "anthropic/claude-opus-5", million))?.nanoUsd).toBe(5e9);
    expect(book(query("nvidia", "gpt-5", million))).toBeUndefined();
  });

  it("does not know an unknown model, and does not call it free", () => {
    expect(book(query("openai", "gpt-99", million))).toBeUndefined();
    expect(book(query("openai", "", million))).toBeUndefined();
    expect(book(query("", "", {}))).toBeUndefined();
  });

  it("does not take an empty price list for free, except of a model that is called free", () => {
    expect(library.calcPrice({ input_tokens: 1 }, "gemma-4-31b-it", { providerId: "google" })?.total_price).toBe(0);
    expect(book(query("gcp.gemini", "gemma-4-31b-it", million))).toBeUndefined();
    expect(book(query("openrouter", "openai/gpt-oss-20b:free", million))).toEqual({ nanoUsd: 0, exact: true });
  });

  it("does not price output of a model that has a price of input only", () => {
    expect(book(query("openai", "text-embedding-3-small", { input: 10, output: 10 }))).toBeUndefined();
    expect(book(query("openai", "whisper-1", million))).toBeUndefined();
  });

  it("charges web searches for which the library has silence, or says that a part is unknown", () => {
    const searched = usage({ un: 1_000, ws: 3 });
    const silent = library.calcPrice({ web_searches: 3 }, "o3-mini", { providerId: "openai" });
    expect(silent?.total_price).toBe(0);
    expect(book(query("openai", "o3-mini", searched))).toEqual({ nanoUsd: 1_100_000 + 30_000_000, exact: true });
    expect(book(query("gcp.gemini", "gemini-3.5-flash", searched))).toEqual({
      nanoUsd: 1_500_000 + 3 * 14_000_000,
      exact: true,
      unpriced: ["web_search_allowance"],
    });
    expect(book(query("groq", "openai/gpt-oss-120b", searched))).toEqual({
      nanoUsd: 150_000,
      exact: true,
      unpriced: ["web_search"],
    });
  });

  it.each<Partial<Usage>>([
    { input: Number.NaN },
    { output: Number.NaN },
    { input: -1 },
    { webSearches: -1 },
    { cacheRead: Number.NaN },
    { input: Number.POSITIVE_INFINITY },
  ])("does not price %o", (wrong) => {
    const broken = { ...canonicalUsage({ input: 10, output: 10 }), ...wrong };
    expect(book({ provider: "openai", model: "gpt-5", at: NOW, usage: broken })).toBeUndefined();
  });

  it("charges output that is images at its own rate, up to the whole output", () => {
    const cost = (parts: Partial<Usage>): number =>
      book(query("openai", "gpt-image-1.5", parts))?.nanoUsd ?? Number.NaN;
    const texts = cost({ output: 40 });
    const images = cost({ output: 60, outputImage: 60 });
    expect(images).toBeGreaterThan(cost({ output: 60 }));
    expect(cost({ output: 100, outputImage: 60 })).toBe(texts + images);
    const plain = query("openai", "gpt-image-1.5", { output: 60, outputImage: 60 });
    expect(book({ ...plain, usage: { ...plain.usage, outputImage: 90 } })?.nanoUsd).toBe(images);
  });

  it("cuts parts that exceed their whole instead of throwing", () => {
    expect(() => library.calcPrice({ input_tokens: 10, cache_read_tokens: 20 }, "gpt-5")).toThrow("Invalid usage");
    const broken = { ...canonicalUsage({ input: 10 }), cacheRead: 20, cacheWrite: 5, cacheWrite1h: 9, reasoning: 7 };
    const whole = book(query("openai", "gpt-5", { input: 10, cacheRead: 10 }));
    expect(book({ provider: "openai", model: "gpt-5", at: NOW, usage: broken })).toEqual(whole);
  });

  it.each<Partial<Usage>>([
    { inputAudio: -5, outputAudio: -5, outputImage: -5 },
    { inputAudio: Number.NaN, outputAudio: Number.NaN, outputImage: Number.NaN },
  ])("takes %o for no audio and no images", (wrong) => {
    for (const model of ["gpt-audio", "gpt-image-1.5"]) {
      const plain = query("openai", model, { input: 10, output: 10 });
      expect(book({ ...plain, usage: { ...plain.usage, ...wrong } })).toEqual(book(plain));
    }
    const all = query("openai", "gpt-audio", { input: 10, inputAudio: 10, output: 10, outputAudio: 10 });
    const more = { ...all.usage, inputAudio: 99, outputAudio: 99 };
    expect(book({ ...all, usage: more })).toEqual({ nanoUsd: 10 * 32_000 + 10 * 64_000, exact: true });
  });

  it("prefers the very model under another spelling or vendor to a similar one", () => {
    const calcPrice: PriceLibrary["calcPrice"] = (given, id, options) =>
      options?.providerId === "openai"
        ? library.calcPrice(given, "gpt-4o", options)
        : library.calcPrice(given, id, options ?? {});
    const source = createPrices({ library: { calcPrice } });
    const guess = { guessedProvider: true };
    expect(source(query("openai", "claude-opus-5", million, guess))).toEqual({ nanoUsd: 5e9, exact: true });
    expect(source(query("openai", "no-such", million, guess))).toEqual({ nanoUsd: 2.5e9, exact: false });
  });

  it("survives a library that throws, and a time that is none", () => {
    const calcPrice: PriceLibrary["calcPrice"] = () => {
      throw new Error("new data format");
    };
    const broken = createPrices({ library: { calcPrice } });
    expect(broken(query("openai", "gpt-5", million))).toBeUndefined();
    expect(usd(broken(query("openai", "gpt-6.1-sol", { input: 1_000 })))).toBe(0.002);
    expect(book(query("openai", "o3", million, { at: Number.NaN }))).toBeUndefined();
  });

  it("knows the overlay before the library is loaded", () => {
    const early = createPrices({});
    expect(early(query("openai", "gpt-5", million))).toBeUndefined();
    expect(early(query("anthropic", "claude-haiku-5-5", { input: 1_000 }))?.nanoUsd).toBe(100_000);
  });

  it("queries the library once per model, and logs nothing", () => {
    const warn = vi.spyOn(console, "warn");
    const calcPrice = vi.fn(library.calcPrice);
    const source = createPrices({ library: { calcPrice } });
    for (let i = 0; i < 50; i++) source(query("openai", "gpt-5", { input: i }, { at: NOW + i * 86_400_000 }));
    expect(calcPrice).toHaveBeenCalledTimes(1);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  it("forgets models rather than growing with their number", () => {
    const calcPrice = vi.fn(library.calcPrice);
    const source = createPrices({ library: { calcPrice } });
    source(query("openai", "gpt-5", {}));
    for (let i = 0; i < 2_000; i++) source(query("openai", `made-up-${i}`, {}));
    calcPrice.mockClear();
    source(query("openai", "gpt-5", {}));
    expect(calcPrice).toHaveBeenCalledTimes(1);
  });

  it("charges audio at its rate, and leaves it out where it has none", () => {
    const heard = { input: 1_000, inputAudio: 600 };
    expect(book(query("openai", "gpt-audio", heard))).toEqual({ nanoUsd: 400 * 2_500 + 600 * 32_000, exact: true });
    expect(book(query("openai", "gpt-5", heard))).toEqual({
      nanoUsd: 400 * 1_250,
      exact: true,
      unpriced: ["input_audio"],
    });
    // 900 audio and 300 cached of 1,000: at least 200 of the audio was cached. 0.4 text and audio alike when cached.
    const overlapping = { input: 1_000, inputAudio: 900, cacheRead: 300 };
    expect(book(query("openai", "gpt-realtime", overlapping))?.nanoUsd).toBe(700 * 32_000 + 300 * 400);
  });
});

describe("the user's own prices and discounts", () => {
  const parts = usage({ un: 1_000, r: 2_000, w5: 3_000, w1: 4_000, o: 5_000, ws: 1 });
  const own = { model: "gpt-5", inputPerMTok: 1, outputPerMTok: 10 };
  const priced = (prices: Parameters<typeof createPrices>[0]["prices"], asked: Partial<PriceQuery> = {}) =>
    createPrices({ library, prices: prices! })(query("openai", "gpt-5", parts, asked));

  it.each<[string, Parameters<typeof createPrices>[0]["prices"], number]>([
    ["absent rates fall back to wider kinds", [own], 0.01 + 0.05 + 0.01],
    ["cache writes", [{ ...own, cacheReadPerMTok: 0, cacheWritePerMTok: 2 }], 0.001 + 0.014 + 0.05 + 0.01],
    ["1h writes", [{ ...own, cacheWritePerMTok: 2, cacheWrite1hPerMTok: 3 }], 0.003 + 0.006 + 0.012 + 0.05 + 0.01],
    ["web searches", [{ ...own, perThousandWebSearches: 0 }], 0.06],
    ["a real zero", [{ model: "gpt-5", inputPerMTok: 0, outputPerMTok: 0, perThousandWebSearches: 0 }], 0],
    ["the later from wins", [{ ...own, from: "2026-11-01", inputPerMTok: 0 }, own], 0.05 + 0.01],
    ["past rows are past", [own, { ...own, until: "2026-11-23", inputPerMTok: 0, from: "2026-11-01" }], 0.07],
    ["another vendor's row is not ours", [{ ...own, provider: "anthropic" }], 0.01 + 0.00025 + 0.05 + 0.01],
    ["this vendor's row is", [{ ...own, provider: "openai" }], 0.07],
  ])("%s", (_, prices, expected) => {
    expect(usd(priced(prices))).toBeCloseTo(expected, 12);
  });

  it("covers dated snapshots with an undated row, and only itself with a dated one", () => {
    const dated = { model: "my-model-2026-01-01", inputPerMTok: 7, outputPerMTok: 7 };
    const plain = { model: "My-Model", inputPerMTok: 3, outputPerMTok: 3 };
    const source = createPrices({ prices: [dated, plain] });
    const per = (model: string) => usd(source(query("openai", model, { input: 1_000_000 })));
    expect([per("my-model"), per("my-model-2026-01-01"), per("my-model-2026-02-02")]).toEqual([3, 7, 3]);
    const only = createPrices({ prices: [dated] });
    expect(only(query("openai", "my-model-2026-02-02", { input: 1 }))).toBeUndefined();
    expect(only(query("openai", "my-model", { input: 1 }))).toBeUndefined();
  });

  it("applies the vendor's factors to own rates, unless the row is of that tier", () => {
    const flat = { ...own, perThousandWebSearches: 0 };
    expect(usd(priced([flat], { tier: "batch" }))).toBeCloseTo(0.03, 12);
    expect(usd(priced([flat, { ...flat, tier: "batch", inputPerMTok: 2 }], { tier: "batch" }))).toBeCloseTo(0.07, 12);
    expect(usd(priced([{ ...flat, tier: "ultrafast" }], { tier: "ultrafast" }))).toBeCloseTo(0.06, 12);
    // A tier without a known price is unknown, whatever the model's own price is.
    expect(priced([flat], { tier: "ultrafast" })).toBeUndefined();
  });

  it("multiplies by the first discount that fits, wherever the price comes from", () => {
    const discounts = [
      { provider: "openai", model: "gpt-5", factor: 0.5 },
      { provider: "openai", factor: 0.9 },
      { model: "claude-haiku-5-5", factor: 0 },
    ];
    const source = createPrices({ library, prices: [{ ...own, model: "own" }], discounts });
    const per = (provider: string, model: string) => usd(source(query(provider, model, { input: 100_000 })));
    expect(per("openai", "gpt-5-2025-08-07")).toBe(0.0625);
    expect(per("openai", "own")).toBe(0.09);
    expect(per("openai", "gpt-6.1-sol")).toBe(0.18);
    expect(per("anthropic", "claude-haiku-5-5")).toBe(0);
    expect(per("anthropic", "claude-opus-5")).toBe(0.5);
    expect(per("openai", "unknown")).toBeUndefined();
  });

  it("makes nothing of a discount or price that is no number", () => {
    const nan = createPrices({ library, discounts: [{ factor: Number.NaN }] });
    expect(nan(query("openai", "gpt-5", { input: 1 }))).toBeUndefined();
    const negative = createPrices({ library, prices: [{ ...own, inputPerMTok: -1 }] });
    expect(usd(negative(query("openai", "gpt-5", { input: 1_000 })))).toBe(0.00125);
  });
});

describe("the overlay", () => {
  it.each([...OVERLAY, ...TERMS, ...FEES])("row %# has a source, a time and known names", (row) => {
    expect(row.source.length).toBeGreaterThan(10);
    for (const date of [(row as { from?: string }).from, (row as { until?: string }).until]) {
      if (date !== undefined) expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    }
    for (const provider of row.providers ?? []) {
      expect([
        "openai",
        "anthropic",
        "azure.ai.inference",
        "aws.bedrock",
        "groq",
        "gcp.gemini",
        "gcp.vertex_ai",
        "gcp.gen_ai",
        "moonshot_ai",
        "perplexity",
        "together",
        "x_ai",
      ]).toContain(provider);
    }
  });

  it("names models in its terms by their key, so that they can be found", () => {
    for (const model of TERMS.flatMap((row) => row.models ?? [])) expect(modelKey(model)).toBe(model);
    for (const value of TERMS.flatMap((row) => row.values)) expect(value).toBe(value.toLowerCase());
  });

  it("holds nothing the library has meanwhile: drop or re-date the row then", () => {
    // claude-sonnet-5-5 is matched by the library as claude-sonnet-5, so compare names.
    for (const row of OVERLAY.filter((r) => r.speed === undefined && r.tier === undefined)) {
      const providerId = row.providers?.[0] === "openai" ? "openai" : "anthropic";
      const found = library.calcPrice({ input_tokens: 1 }, row.model, { providerId });
      expect(found !== null && sameModel(found.model.id, row.model)).toBe(false);
    }
  });
});

describe("rates that a vendor's rule fills", () => {
  const million = 1_000_000;
  it.each<[string, string, Partial<Usage>, number, boolean]>([
    ["gcp.vertex_ai", "claude-sonnet-4-6", { input: million, cacheWrite: million, cacheWrite1h: million }, 6, true],
    [
      "openrouter",
      "anthropic/claude-sonnet-4.6",
      { input: million, cacheWrite: million, cacheWrite1h: million },
      6,
      true,
    ],
    ["anthropic", "claude-sonnet-4-6", { input: million, cacheWrite: million }, 3.75, true],
    ["openai", "gpt-4o", { input: million, cacheWrite: million }, 2.5, true],
    ["openai", "gpt-5-pro", { input: million, cacheRead: million }, 15, true],
    // No rule: the input rate stands in, and the price says so.
    ["mistral_ai", "mistral-large-2411", { input: million, cacheRead: million }, 2, false],
    ["groq", "llama-3.3-70b-versatile", { input: million, cacheWrite: million }, 0.59, false],
  ])("%s %s %o costs %d, exact: %s", (provider, model, parts, expected, exact) => {
    expect(book(query(provider, model, parts))).toEqual({ nanoUsd: expected * 1e9, exact });
  });

  it("fills a user's own row of Claude, and the long band of a row", () => {
    const hour = { input: million, cacheWrite: million, cacheWrite1h: million };
    const own = createPrices({ prices: [{ model: "claude-sonnet-4-6", inputPerMTok: 1, outputPerMTok: 5 }] });
    expect(usd(own(query("anthropic", "claude-sonnet-4-6", hour)))).toBe(2);
    expect(usd(own(query("anthropic", "claude-sonnet-4-6", { ...hour, cacheWrite1h: 0 })))).toBe(1.25);
    const rates = { input: 1, output: 1 };
    const row = { model: "claude-next", rates, long: { over: 10, rates: { input: 3, output: 3 } }, source: "a test" };
    const long = alone(createRowSource([row], createTermsBook([], [])));
    expect(usd(long(query("anthropic", "claude-next", hour)))).toBe(6);
  });
});

describe("model ids", () => {
  it.each([
    ["gpt-5.5-2026-04-23", "gpt-5-5"],
    ["claude-haiku-4-5-20251001", "claude-haiku-4-5"],
    ["us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"],
    ["global.anthropic.claude-opus-5", "claude-opus-5"],
    ["claude-opus-4-5@20251101", "claude-opus-4-5"],
    ["anthropic/claude-opus-5[1m]", "claude-opus-5"],
    ["deepseek-v3", "deepseek-v3"],
    ["llama3:8b", "llama3:8b"],
    ["openai/gpt-oss-20b:free", "gpt-oss-20b:free"],
    ["ft:gpt-4o-2024-08-06:org::id", "ft:gpt-4o"],
    ["gemini-2.5-flash-preview-09-2025", "gemini-2-5-flash"],
    ["o3", "o3"],
    ["", ""],
  ])("%s is %s", (id, key) => {
    expect(modelKey(id)).toBe(key);
  });

  it.each([
    ["us.anthropic.claude-opus-5", "regional.anthropic.claude-opus-5", true],
    ["us.anthropic.claude-opus-5", "global.anthropic.claude-opus-5", false],
    ["mistral-large-2411", "mistral-large", true],
    ["gpt-5.1-mini", "gpt-5.1-codex-mini", false],
  ])("%s and %s are one model: %s", (a, b, same) => {
    expect(sameModel(a, b)).toBe(same);
  });

  it.each([
    ["gpt-5.5-2026-04-23", true],
    ["claude-haiku-4-5-20251001", true],
    ["claude-opus-4-5@20251101", true],
    ["us.anthropic.claude-haiku-4-5-20251001-v1:0", true],
    ["kimi-k2-0905-preview", true],
    ["gemini-2.5-pro-preview-06-05", true],
    ["gpt-5.5", false],
    ["openai/gpt-5-latest", false],
    ["llama-3.3-70b", false],
  ])("%s is a snapshot: %s", (id, snapshot) => {
    expect(isSnapshot(id)).toBe(snapshot);
  });

  it("spells from faithful to plain", () => {
    expect(modelSpellings("anthropic/claude-opus-5[1m]")).toEqual([
      "anthropic/claude-opus-5[1m]",
      "claude-opus-5[1m]",
      "claude-opus-5",
    ]);
  });
});

/** Whole numbers below a limit. */
function generator(seed: number): (below: number) => number {
  const random = createRandom(seed);
  return (below) => Math.floor(random() * below);
}

function randomUsage(below: (limit: number) => number): Usage {
  const size = [50, 5_000, 150_000, 400_000][below(4)]!;
  return canonicalUsage(
    usage({
      un: below(size),
      r: below(3) ? below(size) : 0,
      w5: below(3) ? below(size) : 0,
      w1: below(3) ? below(size) : 0,
      o: below(size),
      think: below(size),
      ws: below(3),
    }),
  );
}

/** Without what the library charges as another kind and the vendor's rule does not: Claude's cache writes. */
function withoutRules(asked: Usage, model: string): Usage {
  return model.includes("claude") ? canonicalUsage({ ...asked, cacheWrite: 0, cacheWrite1h: 0 }) : asked;
}

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);

describe("properties", () => {
  const ids = [
    ...["anthropic", "aws", "azure", "cerebras", "cohere", "deepseek", "fireworks", "google", "groq", "minimax"],
    ...["mistral", "moonshotai", "novita", "openai", "openrouter", "perplexity", "together", "x-ai", "zai"],
  ];

  it("charges every model of the library as the library does, at any time, size and kind", () => {
    const source = alone(createLibrarySource(library, createTermsBook([], [])));
    const below = generator(1);
    let compared = 0;
    for (const priceId of ids) {
      for (const model of library.findProvider({ providerId: priceId })!.models) {
        for (let round = 0; round < 3 * SCALE; round++) {
          const at = Date.parse("2025-01-01") + below(820) * 86_400_000 + below(86_400_000);
          const asked = withoutRules(randomUsage(below), model.id);
          const truth = library.calcPrice(
            {
              input_tokens: asked.input,
              output_tokens: asked.output,
              cache_read_tokens: asked.cacheRead,
              cache_write_tokens: asked.cacheWrite,
              cache_write_1h_tokens: asked.cacheWrite1h,
              output_reasoning_tokens: asked.reasoning,
              web_searches: asked.webSearches,
            },
            model.id,
            { providerId: priceId, timestamp: new Date(at) },
          );
          const price = source({ provider: "any", priceId, model: model.id, at, usage: asked });
          if (price === undefined || truth === null) continue;
          compared++;
          const off = Math.abs(price.nanoUsd - truth.total_price * 1e9);
          if (off > 0.51)
            expect.fail(`${priceId} ${model.id} ${JSON.stringify(asked)}: ${price.nanoUsd} off by ${off}`);
        }
      }
    }
    expect(compared).toBeGreaterThan(2_500);
  });

  it("charges audio as the library does", () => {
    const source = alone(createLibrarySource(library, createTermsBook([], [])));
    const below = generator(2);
    for (const model of [
      "gpt-audio",
      "gpt-realtime",
      "gpt-realtime-mini",
      "gpt-4o-transcribe",
      "gpt-4o-realtime-preview",
    ]) {
      for (let round = 0; round < 50; round++) {
        const text = below(5_000);
        const cachedText = below(text + 1);
        const audio = below(5_000);
        const cachedAudio = below(audio + 1);
        const spoken = below(3_000);
        const asked = canonicalUsage({
          input: text + audio,
          inputAudio: audio,
          cacheRead: cachedText + cachedAudio,
          cacheReadAudio: cachedAudio,
          output: spoken + below(3_000),
          outputAudio: spoken,
        });
        const truth = library.calcPrice(
          {
            input_tokens: asked.input,
            input_audio_tokens: audio,
            cache_read_tokens: asked.cacheRead,
            cache_audio_read_tokens: cachedAudio,
            output_tokens: asked.output,
            output_audio_tokens: spoken,
          },
          model,
          { providerId: "openai", timestamp: new Date(NOW) },
        );
        const price = source({ provider: "openai", model, at: NOW, usage: asked });
        // Models without a rate of cached audio: the library charges it as audio or as text, we as cached text.
        if (truth?.model_price.cache_audio_read_mtok === undefined && cachedAudio > 0) continue;
        expect(Math.abs(price!.nanoUsd - truth!.total_price * 1e9), `${model} ${JSON.stringify(asked)}`).toBeLessThan(
          0.51,
        );
      }
    }
  });

  const priced = ["gpt-5.5", "gpt-6-sol", "gpt-6.1-sol", "o3-mini"].map((model) => ["openai", model] as const);
  const subjects = [
    ...priced,
    ...["claude-opus-5", "claude-sonnet-5-5", "claude-haiku-5-5"].map((model) => ["anthropic", model] as const),
    ["gcp.gemini", "gemini-2.5-pro"] as const,
  ];

  it.each(subjects)("%s %s: the kinds add up to the whole, and no token is charged twice", (provider, model) => {
    const below = generator(3);
    const only = (part: Partial<Usage>) => book(query(provider, model, part))!.nanoUsd;
    for (let round = 0; round < 200 * SCALE; round++) {
      // Below every boundary, where prices are linear and single kinds can be priced alone.
      const [un, r, w5, w1] = [below(20_000), below(20_000), below(20_000), below(20_000)];
      const [o, think] = [below(20_000), below(20_000)];
      const whole = only(usage({ un, r, w5, w1, o: o + think, think }));
      const parts = [{ un }, { r }, { w5 }, { w1 }, { o }, { o: think, think }].map((part) => only(usage(part)));
      expect(Math.abs(whole - parts.reduce((a, b) => a + b, 0))).toBeLessThanOrEqual(3);
      expect(only(usage({ r: un }))).toBeLessThanOrEqual(only(usage({ un })));
    }
  });

  it.each(subjects)("%s %s: one token more of any kind never costs less", (provider, model) => {
    const below = generator(4);
    for (let round = 0; round < 300 * SCALE; round++) {
      const [un, r, w5, w1, o] = [below(150_000), below(150_000), below(50_000), below(50_000), below(50_000)];
      const base = { un, r, w5, w1, o, think: below(o + 1), ws: below(3) };
      const cost = (short: Short) => book(query(provider, model, usage(short)))!.nanoUsd;
      const start = cost(base);
      for (const kind of ["un", "r", "w5", "w1", "o", "ws"] as const) {
        expect(cost({ ...base, [kind]: base[kind] + 1 }), `${kind} ${JSON.stringify(base)}`).toBeGreaterThanOrEqual(
          start,
        );
      }
    }
  });

  it("never answers with a number that is no amount", () => {
    const below = generator(5);
    const wild = () => [0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 0.5, 1e12][below(8)]!;
    for (let round = 0; round < 2_000; round++) {
      const broken: Usage = {
        input: wild(),
        output: wild(),
        cacheRead: wild(),
        cacheWrite: wild(),
        cacheWrite1h: wild(),
        reasoning: wild(),
        webSearches: wild(),
      };
      const price = book({ provider: "openai", model: "gpt-5.5", at: NOW, usage: broken });
      if (price !== undefined) expect(Number.isSafeInteger(price.nanoUsd) && price.nanoUsd >= 0).toBe(true);
    }
  });
});

describe("rows", () => {
  it("prefers the row of the call's own tier, then the literal id, then the later date, then the later line", () => {
    const terms = createTermsBook([], []);
    const row = (input: number, more: object = {}) => ({
      model: "m",
      rates: { input, output: 0 },
      source: "test",
      ...more,
    });
    const per = (rows: Parameters<typeof createRowSource>[0], more: Partial<PriceQuery> = {}) =>
      alone(createRowSource(rows, terms))(query("v", "m", { input: 1_000 }, more))?.nanoUsd;
    expect(per([row(1), row(2)])).toBe(2_000_000);
    expect(per([row(1, { from: "2026-02-01" }), row(2, { from: "2026-01-01" }), row(3)])).toBe(1_000_000);
    expect(per([row(1, { from: "2027-02-01" }), row(2)])).toBe(2_000_000);
    expect(per([row(1, { tier: "x" }), row(2, { from: "2026-01-01" })], { tier: "x" })).toBe(1_000_000);
    expect(per([row(1, { tier: "x" }), row(2)])).toBe(2_000_000);
    expect(per([row(1, { from: "not a date" })])).toBeUndefined();
  });
});
