import { afterEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { METRICS } from "../../../src/core/names.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { collectMetrics, startUserTracing } from "../../known-failures/tracing.ts";

// What is billed beside plain tokens, as answers show it: each is priced, or the call is `partial` and names it.

let runtime: Runtime | undefined;
afterEach(() => runtime?.stop());

async function settled(
  uri: string,
  request: object,
  body: object | string,
  config?: ConfigFile,
  headers: Readonly<Record<string, string>> = {},
): Promise<SettledCall> {
  runtime = createRuntime(() => {});
  if (config !== undefined) await runtime.start({ telemetry: false, env: {}, config });
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  const isStream = typeof body === "string";
  const fetch = runtime.wrapFetch(async () =>
    isStream
      ? new Response(body, { headers: { "content-type": "text/event-stream" } })
      : Response.json(body, { headers }),
  );
  await (await fetch(uri, { method: "POST", body: JSON.stringify(request) })).text();
  await runtime.flush();
  expect(calls).toHaveLength(1);
  return calls[0] as SettledCall;
}

const messages = [{ role: "user", content: "Hi" }];

/** `costUsd`, `priced`, and the parts that it names. */
type Expected = readonly [usd: number, priced: SettledCall["priced"], parts?: string[]];

function check(call: SettledCall, [usd, priced, parts]: Expected): void {
  expect(call.costUsd).toBeCloseTo(usd, 9);
  expect([call.priced, call.unpricedParts]).toEqual([priced, parts]);
}

function events(...frames: readonly object[]): string {
  return frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join("");
}

describe("Google", () => {
  const usageMetadata = { promptTokenCount: 1_000, candidatesTokenCount: 500, totalTokenCount: 1_500 };
  const address = (model: string, host = "generativelanguage.googleapis.com/v1beta") =>
    `https://${host}/models/${model}:generateContent`;
  const answer = (model: string, groundingMetadata: object, usage: object = usageMetadata) => ({
    modelVersion: model,
    candidates: [{ content: { parts: [{ text: "Hi" }] }, finishReason: "STOP", groundingMetadata }],
    usageMetadata: usage,
  });
  const contents = [{ parts: [{ text: "Hi" }] }];
  const gemini = (model: string, grounding: object) => settled(address(model), { contents }, answer(model, grounding));
  const flash = 0.00155;
  const flash3 = (1_000 * 1.5 + 500 * 9) / 1e6;

  test.each<[string, string, object, Expected]>([
    ["litellm#15858", "gemini-2.5-flash", { webSearchQueries: ["q"] }, [0.03655, "partial", ["web_search_allowance"]]],
    [
      "a prompt with three queries, before Gemini 3",
      "gemini-2.5-flash",
      { webSearchQueries: ["q", "r", "s"] },
      [0.03655, "partial", ["web_search_allowance"]],
    ],
    [
      "Gemini 3 pays for each different query",
      "gemini-3.5-flash",
      { webSearchQueries: ["q", "r", "q"] },
      [flash3 + 0.028, "partial", ["web_search_allowance"]],
    ],
    [
      "empty queries are not billed",
      "gemini-3.5-flash",
      { webSearchQueries: ["", "q", " "] },
      [flash3 + 0.014, "partial", ["web_search_allowance"]],
    ],
    [
      "the web as a source, without a query",
      "gemini-2.5-flash",
      { groundingChunks: [{ web: { uri: "https://a.example" } }] },
      [0.03655, "partial", ["web_search_allowance"]],
    ],
    [
      "maps",
      "gemini-2.5-flash",
      { groundingChunks: [{ maps: { placeId: "p" } }, { maps: { placeId: "q" } }] },
      [flash + 0.025, "partial", ["maps_grounding_allowance"]],
    ],
    [
      "maps with Gemini 3, whose price is not confirmed",
      "gemini-3.5-flash",
      { groundingChunks: [{ maps: { placeId: "p" } }] },
      [flash3, "partial", ["maps_grounding"]],
    ],
    [
      "maps and search",
      "gemini-2.5-flash",
      { webSearchQueries: ["q"], groundingChunks: [{ maps: {} }] },
      [0.03655 + 0.025, "partial", ["web_search_allowance", "maps_grounding_allowance"]],
    ],
    ["file search", "gemini-2.5-flash", { groundingChunks: [{ retrievedContext: {} }] }, [flash, "true"]],
    ["metadata without a source", "gemini-2.5-flash", { searchEntryPoint: {} }, [flash, "true"]],
    ["a model without a known fee", "gemini-2.5-flash", {}, [flash, "true"]],
  ])("%s", async (_name, model, grounding, expected) => {
    check(await gemini(model, grounding), expected);
  });

  test("a stream's queries are gathered from all chunks, each once", async () => {
    const model = "gemini-3.5-flash";
    const chunk = (...webSearchQueries: string[]) => answer(model, { webSearchQueries });
    const body = events(chunk("q"), chunk("q", "r"), chunk("r"));
    const uri = address(model).replace(":generateContent", ":streamGenerateContent?alt=sse");
    const call = await settled(uri, { contents }, body);
    check(call, [flash3 + 0.028, "partial", ["web_search_allowance"]]);
    expect(call.usage?.webSearches).toBe(2);
  });

  const vertex = (place: string) => `${place}aiplatform.googleapis.com/v1/projects/p/locations`;
  test.each<[string, string, object[], object, Expected]>([
    [
      "a data store of Vertex AI",
      `${vertex("")}/global/publishers/google`,
      [],
      { groundingChunks: [{ retrievedContext: {} }] },
      [flash, "partial", ["data_grounding"]],
    ],
    [
      "web search for enterprises",
      `${vertex("")}/global/publishers/google`,
      [{ enterpriseWebSearch: {} }],
      { webSearchQueries: ["q", "r"] },
      [flash + 0.045, "true"],
    ],
    [
      "a region, of which Gemini 2 has no surcharge",
      `${vertex("us-east5-")}/us-east5/publishers/google`,
      [],
      {},
      [flash, "true"],
    ],
  ])("%s", async (_name, place, tools, grounding, expected) => {
    const model = "gemini-2.5-flash";
    check(await settled(address(model, place), { contents, tools }, answer(model, grounding)), expected);
  });

  test.each<[string, string, object, Expected]>([
    [
      "audio in, at its own rate",
      "gemini-2.5-flash",
      { promptTokensDetails: [{ modality: "AUDIO", tokenCount: 600 }] },
      [(400 * 0.3 + 600 * 1 + 500 * 2.5) / 1e6, "true"],
    ],
    [
      "audio that a tool brought in",
      "gemini-2.5-flash",
      { toolUsePromptTokenCount: 600, toolUsePromptTokensDetails: [{ modality: "AUDIO", tokenCount: 600 }] },
      [(1_000 * 0.3 + 600 * 1 + 500 * 2.5) / 1e6, "true"],
    ],
    [
      "audio in, where one price is for all modalities",
      "gemini-2.5-pro",
      { promptTokensDetails: [{ modality: "AUDIO", tokenCount: 600 }] },
      [(1_000 * 1.25 + 500 * 10) / 1e6, "true"],
    ],
    [
      "audio in, without a rate",
      "gemini-3.5-flash",
      { promptTokensDetails: [{ modality: "AUDIO", tokenCount: 600 }] },
      [(400 * 1.5 + 500 * 9) / 1e6, "partial", ["input_audio"]],
    ],
    [
      "speech out of a model that puts out nothing else",
      "gemini-2.5-flash-tts",
      { candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: 500 }] },
      [(1_000 * 0.5 + 500 * 10) / 1e6, "true"],
    ],
    [
      "images out, at their rate",
      "gemini-2.5-flash-image",
      { candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 400 }] },
      [(1_000 * 0.3 + 100 * 2.5 + 400 * 30) / 1e6, "true"],
    ],
    [
      "images out, without a rate",
      "gemini-2.5-flash",
      { candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 400 }] },
      [(1_000 * 0.3 + 100 * 2.5) / 1e6, "partial", ["output_image"]],
    ],
  ])("%s", async (_name, model, details, expected) => {
    const body = answer(model, {}, { ...usageMetadata, ...details });
    check(await settled(address(model), { contents }, body), expected);
  });
});

describe("OpenAI Responses", () => {
  const usage = { input_tokens: 1_000, output_tokens: 500, total_tokens: 1_500 };
  const uri = "https://api.openai.com/v1/responses";
  const response = (model: string, output: readonly object[], more: object = {}) => ({
    ...{ id: "resp_1", object: "response", status: "completed", model, output, usage, ...more },
  });
  const respond = (model: string, output: readonly object[], more: object = {}) =>
    settled(uri, { model, input: "Hi" }, response(model, output, more));
  const search = (action: string, id?: string) => ({ type: "web_search_call", id, action: { type: action } });
  const gpt = (1_000 * 1.25 + 500 * 10) / 1e6;
  const gpt41 = (1_000 * 2 + 500 * 8) / 1e6;

  test.each<[string, string, readonly object[], object, Expected]>([
    [
      "bifrost PR 7306: only the action search is charged",
      "gpt-5-mini",
      [search("search", "a"), search("open_page", "b"), search("open_page", "c")],
      {},
      [0.00125 + 0.01, "true"],
    ],
    ["find_in_page is free", "gpt-5-mini", [search("find_in_page", "a")], {}, [0.00125, "true"]],
    [
      "a search of an older answer, without action",
      "gpt-5-mini",
      [{ type: "web_search_call", id: "a" }],
      {},
      [0.01125, "true"],
    ],
    [
      "the vendor's own count wins",
      "gpt-5-mini",
      [search("search", "a"), search("search", "b")],
      { tool_usage: { web_search: { num_requests: 1 } } },
      [0.01125, "true"],
    ],
    [
      "its count of zero too",
      "gpt-5-mini",
      [search("search", "a")],
      { tool_usage: { web_search: { num_requests: 0 } } },
      [0.00125, "true"],
    ],
    [
      "the preview tool of a model that does not reason",
      "gpt-4.1",
      [search("search", "a")],
      { tools: [{ type: "web_search_preview" }] },
      [gpt41 + 0.025, "true"],
    ],
    [
      "the preview tool of one that does",
      "gpt-5",
      [search("search", "a")],
      { tools: [{ type: "web_search_preview_2025_03_11" }] },
      [gpt + 0.01, "true"],
    ],
    [
      "openai_cost_calculator#5: two file searches",
      "gpt-5-mini",
      [
        { type: "file_search_call", id: "a" },
        { type: "file_search_call", id: "b" },
      ],
      {},
      [0.00125 + 0.005, "true"],
    ],
    [
      "one container for two runs of code",
      "gpt-5",
      [
        { type: "code_interpreter_call", id: "a", container_id: "cntr_1" },
        { type: "code_interpreter_call", id: "b", container_id: "cntr_1" },
      ],
      { tools: [{ type: "code_interpreter", container: { type: "auto" } }] },
      [gpt + 0.03, "partial", ["code_container_reuse"]],
    ],
    [
      "a larger container",
      "gpt-5",
      [{ type: "code_interpreter_call", id: "a", container_id: "cntr_1" }],
      { tools: [{ type: "code_interpreter", container: { type: "auto", memory_limit: "4g" } }] },
      [gpt + 0.12, "partial", ["code_container_reuse"]],
    ],
    [
      "a container of the caller's own",
      "gpt-5",
      [{ type: "code_interpreter_call", id: "a", container_id: "cntr_1" }],
      { tools: [{ type: "code_interpreter", container: "cntr_1" }] },
      [gpt, "partial", ["code_container_own"]],
    ],
    [
      "a shell in a container",
      "gpt-5",
      [{ type: "shell_call", id: "a", environment: { type: "container_reference", container_id: "cntr_2" } }],
      {},
      [gpt + 0.03, "partial", ["code_container_reuse"]],
    ],
    [
      "a shell of the caller's machine",
      "gpt-5",
      [{ type: "shell_call", id: "a", environment: { type: "local" } }],
      {},
      [gpt, "true"],
    ],
    [
      "functions and MCP",
      "gpt-5",
      [
        { type: "function_call", id: "a" },
        { type: "mcp_call", id: "b" },
      ],
      {},
      [gpt, "true"],
    ],
    ["a tool that is not known", "gpt-5", [{ type: "teleport_call", id: "a" }], {}, [gpt, "partial", ["teleport"]]],
    [
      "a count of a tool that is not known",
      "gpt-5",
      [],
      { tool_usage: { teleport: { num_requests: 2 } } },
      [gpt, "partial", ["teleport"]],
    ],
    [
      "images of the tool",
      "gpt-5",
      [],
      {
        tools: [{ type: "image_generation", model: "gpt-image-1.5" }],
        tool_usage: {
          image_gen: {
            input_tokens: 300,
            input_tokens_details: { text_tokens: 100, image_tokens: 200 },
            output_tokens: 400,
          },
        },
      },
      [gpt + (100 * 5 + 200 * 8 + 400 * 32) / 1e6, "true"],
    ],
    [
      "images of a model that is not named",
      "gpt-5",
      [],
      { tool_usage: { image_gen: { input_tokens: 100, output_tokens: 400 } } },
      [gpt, "partial", ["image_generation"]],
    ],
    [
      "images whose tokens are not counted",
      "gpt-5",
      [{ type: "image_generation_call", id: "a" }],
      { tools: [{ type: "image_generation" }] },
      [gpt, "partial", ["image_generation"]],
    ],
    [
      "an image that the vendor counts as none",
      "gpt-5",
      [{ type: "image_generation_call", id: "a", status: "failed" }],
      { tool_usage: { image_gen: { input_tokens: 0, output_tokens: 0, total_tokens: 0 } } },
      [gpt, "true"],
    ],
    [
      "cache writes for twelve hours",
      "gpt-5",
      [],
      {
        usage: {
          ...usage,
          input_tokens_details: { cache_write_tokens: 10, cache_write_tokens_details: { ttl_12h_tokens: 10 } },
        },
      },
      [gpt, "partial", ["cache_write_12h"]],
    ],
  ])("%s", async (_name, model, output, more, expected) => {
    check(await respond(model, output, more), expected);
  });

  test("a stream's items are counted once, though they come alone and within the response", async () => {
    const items = [search("search", "a"), { type: "file_search_call", id: "b" }, search("search")];
    const body = events(
      ...items.map((item, index) => ({ type: "response.output_item.done", output_index: index, item })),
      { type: "response.completed", response: response("gpt-5", items) },
    );
    const call = await settled(uri, { model: "gpt-5", input: "Hi", stream: true }, body);
    check(call, [gpt + 0.02 + 0.0025, "true"]);
  });

  test("a stream that broke off has the tools that it had shown", async () => {
    const body = events(
      { type: "response.output_item.done", output_index: 0, item: { type: "file_search_call", id: "b" } },
      { type: "response.output_text.delta", delta: "Hello" },
    );
    const call = await settled(uri, { model: "gpt-5", input: "Hi", stream: true }, body);
    expect(call).toMatchObject({ quality: "estimated", usage: { units: { file_search: 1 } } });
    expect(call.costUsd).toBeGreaterThan(0.0025);
  });

  test("one that broke off has the kind of its searches, and names images", async () => {
    const created = { id: "resp_1", object: "response", status: "in_progress", usage: null };
    const body = events(
      {
        type: "response.created",
        response: {
          ...created,
          model: "gpt-4.1",
          tools: [{ type: "web_search_preview" }, { type: "image_generation" }],
        },
      },
      { type: "response.output_item.done", output_index: 0, item: search("search", "a") },
      { type: "response.output_item.done", output_index: 1, item: { type: "image_generation_call", id: "b" } },
      { type: "response.output_text.delta", delta: "Hello" },
    );
    const call = await settled(uri, { model: "gpt-4.1", input: "Hi", stream: true }, body);
    expect(call).toMatchObject({ priced: "partial", unpricedParts: ["image_generation"], usage: { webSearches: 1 } });
    expect(call.costUsd).toBeGreaterThan(0.025);
  });

  test.each<[string, string, Expected]>([
    ["a model of before the surcharge", "gpt-5", [gpt, "true"]],
    ["a later one", "gpt-5.5", [((1_000 * 5 + 500 * 30) / 1e6) * 1.1, "true"]],
  ])("processing in a region: %s", async (_name, model, expected) => {
    const regional = uri.replace("api.", "eu.api.");
    check(await settled(regional, { model, input: "Hi" }, response(model, [])), expected);
  });

  test("on Azure the tools have no price that is confirmed", async () => {
    const call = await settled(
      "https://a.openai.azure.com/openai/v1/responses",
      { model: "gpt-5", input: "Hi" },
      response("gpt-5", [{ type: "file_search_call", id: "b" }]),
    );
    expect(call).toMatchObject({ priced: "partial", unpricedParts: ["file_search"] });
  });
});

describe("xAI", () => {
  const base = (3 * 1_000 + 15 * 500) / 1e6;
  test.each<[string, object, readonly object[], Expected]>([
    [
      "its own counts win over the items",
      {
        server_side_tool_usage_details: {
          web_search_calls: 2,
          x_search_calls: 1,
          code_interpreter_calls: 1,
          mcp_calls: 3,
        },
      },
      [{ type: "web_search_call", id: "a" }],
      [base + 0.02, "true"],
    ],
    [
      "older names",
      { server_side_tool_usage: { SERVER_SIDE_TOOL_WEB_SEARCH: 1, SERVER_SIDE_TOOL_ATTACHMENT_SEARCH: 1 } },
      [],
      [base + 0.015, "true"],
    ],
    [
      "a tool that is not known",
      { server_side_tool_usage_details: { x_posts_fetched: 4 } },
      [],
      [base, "partial", ["x_posts_fetched"]],
    ],
    ["counts of zero", { server_side_tool_usage_details: { web_search_calls: 0 } }, [], [base, "true"]],
  ])("Responses: %s", async (_name, tools, output, expected) => {
    const usage = { input_tokens: 1_000, output_tokens: 500, ...tools };
    const body = { id: "1", object: "response", status: "completed", model: "grok-4-0709", output, usage };
    check(await settled("https://api.x.ai/v1/responses", { model: "grok-4", input: "Hi" }, body), expected);
  });
});

describe("chat completions", () => {
  const chat = (
    host: string,
    model: string,
    usage: object,
    { message = {}, ...request }: { message?: object; [key: string]: unknown } = {},
  ) =>
    settled(
      `https://${host}/chat/completions`,
      { model, messages, ...request },
      {
        ...{ id: "1", model, usage },
        choices: [{ index: 0, message: { content: "Hello", ...message }, finish_reason: "stop" }],
      },
    );
  const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 };
  const sonar = (1_000 + 500) / 1e6;
  const sonarPro = (1_000 * 3 + 500 * 15) / 1e6;

  test.each<[string, string, object, Record<string, unknown>, Expected]>([
    [
      "open-webui-cost-tracker#6: deep research",
      "sonar-deep-research",
      {
        ...{ prompt_tokens: 108, completion_tokens: 3_256, total_tokens: 3_364 },
        ...{ citation_tokens: 7_299, num_search_queries: 74, reasoning_tokens: 73_248 },
      },
      {},
      [0.630606, "true"],
    ],
    [
      "little reasoning is apart too",
      "sonar-deep-research",
      {
        ...{ prompt_tokens: 100, completion_tokens: 1_000, total_tokens: 1_100 },
        ...{ citation_tokens: 0, num_search_queries: 1, reasoning_tokens: 500 },
      },
      {},
      [(100 * 2 + 1_000 * 8 + 500 * 3) / 1e6 + 0.005, "true"],
    ],
    ["the fee of a request", "sonar", usage, {}, [sonar + 0.005, "true"]],
    ["a low context", "sonar", { ...usage, search_context_size: "low" }, {}, [sonar + 0.005, "true"]],
    ["a medium one", "sonar", { ...usage, search_context_size: "medium" }, {}, [sonar + 0.008, "true"]],
    ["a high one", "sonar", { ...usage, search_context_size: "high" }, {}, [sonar + 0.012, "true"]],
    ["of Sonar Pro", "sonar-pro", { ...usage, search_context_size: "high" }, {}, [sonarPro + 0.014, "true"]],
    [
      "a context that only the request names",
      "sonar-pro",
      usage,
      { web_search_options: { search_context_size: "medium" } },
      [sonarPro + 0.01, "true"],
    ],
    ["Pro Search", "sonar-pro", usage, { web_search_options: { search_type: "pro" } }, [sonarPro + 0.014, "true"]],
    [
      "a kind of search that the vendor chooses",
      "sonar-pro",
      usage,
      { web_search_options: { search_type: "auto" } },
      [sonarPro + 0.006, "partial", ["auto_search"]],
    ],
    [
      "searches and citations that the fee covers",
      "sonar",
      { ...usage, num_search_queries: 2, citation_tokens: 50 },
      {},
      [sonar + 0.005, "true"],
    ],
  ])("Perplexity: %s", async (_name, model, reported, request, expected) => {
    check(await chat("api.perplexity.ai", model, reported, request), expected);
  });

  test.each<[string, string, string, object, Record<string, unknown>, Expected]>([
    ["a search model of OpenAI", "api.openai.com/v1", "gpt-4o-search-preview", usage, {}, [0.0075 + 0.025, "true"]],
    ["its mini", "api.openai.com/v1", "gpt-4o-mini-search-preview", usage, {}, [0.00045 + 0.025, "true"]],
    [
      "the later one, in a large context, which is no surcharge",
      "api.openai.com/v1",
      "gpt-5-search-api",
      usage,
      { web_search_options: { search_context_size: "high" } },
      [0.00625 + 0.01, "true"],
    ],
    [
      "opik PR 7137: audio without a rate",
      "api.openai.com/v1",
      "gpt-4o-audio-preview",
      {
        ...{ prompt_tokens: 300, completion_tokens: 150, total_tokens: 450 },
        prompt_tokens_details: { text_tokens: 100, audio_tokens: 200 },
        completion_tokens_details: { text_tokens: 50, audio_tokens: 100 },
      },
      {},
      [(100 * 2.5 + 50 * 10) / 1e6, "partial", ["input_audio", "output_audio"]],
    ],
    [
      "audio with a rate",
      "api.openai.com/v1",
      "gpt-audio",
      {
        ...{ prompt_tokens: 300, completion_tokens: 150, total_tokens: 450 },
        prompt_tokens_details: { text_tokens: 100, audio_tokens: 200 },
        completion_tokens_details: { text_tokens: 50, audio_tokens: 100 },
      },
      {},
      [(100 * 2.5 + 200 * 32 + 50 * 10 + 100 * 64) / 1e6, "true"],
    ],
    [
      "audio out of a cache, as its share is reported",
      "api.openai.com/v1",
      "gpt-realtime",
      {
        ...usage,
        prompt_tokens_details: {
          ...{ audio_tokens: 800, cached_tokens: 500 },
          cached_tokens_details: { text_tokens: 100, audio_tokens: 400 },
        },
      },
      {},
      [(100 * 4 + 100 * 0.4 + 400 * 32 + 400 * 0.4 + 500 * 16) / 1e6, "true"],
    ],
    [
      "what Groq ran",
      "api.groq.com/openai/v1",
      "openai/gpt-oss-120b",
      usage,
      {
        message: {
          executed_tools: [
            { type: "browser_search", index: 0 },
            { type: "python", index: 1 },
          ],
        },
      },
      [(1_000 * 0.15 + 500 * 0.6) / 1e6, "partial", ["browser_search", "python"]],
    ],
    [
      "connectors of Mistral",
      "api.mistral.ai/v1",
      "mistral-large-2512",
      { ...usage, connector_tokens: 300, connectors: { web_search: 1, code_interpreter: 0 } },
      {},
      [(1_000 * 0.5 + 500 * 1.5) / 1e6, "partial", ["connector_tokens", "web_search"]],
    ],
    [
      "tools of Perplexity without a cost",
      "api.perplexity.ai",
      "sonar",
      { ...usage, tool_calls_details: { fetch_url: { invocation: 2 } } },
      {},
      [sonar + 0.005, "partial", ["fetch_url"]],
    ],
    [
      "seconds of audio of Mistral",
      "api.mistral.ai/v1",
      "mistral-large-2512",
      { ...usage, prompt_audio_seconds: 30 },
      {},
      [(1_000 * 0.5 + 500 * 1.5) / 1e6, "partial", ["audio_seconds"]],
    ],
    [
      "live search of xAI",
      "api.x.ai/v1",
      "grok-4-0709",
      { ...usage, num_sources_used: 4 },
      {},
      [(1_000 * 3 + 500 * 15) / 1e6 + 0.1, "true"],
    ],
    [
      "searches that a gateway counts without a cost",
      "openrouter.ai/api/v1",
      "openai/gpt-4o",
      { ...usage, server_tool_use: { web_search_requests: 2 } },
      {},
      [(1_000 * 2.5 + 500 * 10) / 1e6, "partial", ["web_search"]],
    ],
    [
      "searches that a gateway counts among the tokens",
      "api.openai.com/v1",
      "gpt-5",
      { ...usage, prompt_tokens_details: { web_search_requests: 2 } },
      {},
      [0.00625 + 0.02, "true"],
    ],
    [
      "images out of a chat",
      "api.openai.com/v1",
      "gpt-5",
      { ...usage, completion_tokens_details: { image_tokens: 400 } },
      {},
      [(1_000 * 1.25 + 100 * 10) / 1e6, "partial", ["output_image"]],
    ],
    [
      "Claude's writes for an hour, through OpenRouter",
      "openrouter.ai/api/v1",
      "anthropic/claude-sonnet-4.6",
      {
        ...{ prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
        prompt_tokens_details: { cache_write_tokens: 1_000, cached_tokens: 0 },
        cache_creation: { ephemeral_1h_input_tokens: 600, ephemeral_5m_input_tokens: 400 },
      },
      {},
      [(600 * 6 + 400 * 3.75 + 100 * 15) / 1e6, "true"],
    ],
  ])("%s", async (_name, host, model, reported, request, expected) => {
    check(await chat(host, model, reported, request), expected);
  });
});

test("the usage of a stream of Moonshot is in its last choice", async () => {
  const model = "kimi-k2-0905-preview";
  const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 };
  const choice = (more: object) => ({ id: "1", model, choices: [{ index: 0, ...more }] });
  const body = events(choice({ delta: { content: "Hi" } }), choice({ delta: {}, finish_reason: "stop", usage }));
  const uri = "https://api.moonshot.ai/v1/chat/completions";
  const call = await settled(uri, { model, messages, stream: true }, body);
  expect(call).toMatchObject({ quality: "reported", usage: { input: 1_000, output: 500 } });
});

describe("Groq's systems", () => {
  const model = "groq/compound";
  const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 };
  const part = (name: string, prompt_tokens: number, completion_tokens: number) => ({
    model: name,
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
  });
  const gptOss = part("openai/gpt-oss-120b", 600, 300);
  const llama = part("llama-3.3-70b-versatile", 400, 200);
  const breakdown = { models: [gptOss, llama] };
  const usd = (600 * 0.15 + 300 * 0.6 + 400 * 0.59 + 200 * 0.79) / 1e6;
  const message = { content: "Hi", executed_tools: [{ index: 0, type: "search", arguments: "{}" }] };
  const chunk = (more: object) => ({
    id: "1",
    model,
    choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
    ...more,
  });

  test.each<[string, object | string]>([
    ["whole", { id: "1", model, choices: [{ index: 0, message }], usage, usage_breakdown: breakdown }],
    [
      "stream",
      events({ ...chunk({}), choices: [{ index: 0, delta: message }] }, chunk({ usage, usage_breakdown: breakdown })),
    ],
    [
      "in its own member",
      events(
        { ...chunk({}), choices: [{ index: 0, delta: message }] },
        chunk({ x_groq: { usage, usage_breakdown: breakdown } }),
      ),
    ],
  ])("are priced by the models that worked: %s", async (_name, body) => {
    const uri = "https://api.groq.com/openai/v1/chat/completions";
    const call = await settled(uri, { model, messages, stream: typeof body === "string" }, body);
    check(call, [usd, "partial", ["search"]]);
    expect(call).toMatchObject({ model, usage: { input: 1_000, output: 500 } });
  });

  test("have no price where the models do not add up to the call", async () => {
    const body = { id: "1", model, choices: [{ index: 0, message }], usage, usage_breakdown: { models: [gptOss] } };
    const call = await settled("https://api.groq.com/openai/v1/chat/completions", { model, messages }, body);
    expect(call).toMatchObject({ priced: "false" });
  });
});

describe("Claude", () => {
  const claude = (address: string, model: string, usage: object, content: object[] = [], request: object = {}) =>
    settled(
      `https://${address}`,
      { model, max_tokens: 9, messages, ...request },
      {
        ...{ id: "m", type: "message", role: "assistant", model, stop_reason: "end_turn" },
        ...{ content: [{ type: "text", text: "Hi" }, ...content], usage },
      },
    );
  const vertex = (place: string, location: string, model: string) =>
    `${place}aiplatform.googleapis.com/v1/projects/p/locations/${location}/publishers/anthropic/models/${model}:rawPredict`;
  const hour = {
    ...{ input_tokens: 0, output_tokens: 1, cache_creation_input_tokens: 100_000 },
    cache_creation: { ephemeral_1h_input_tokens: 100_000, ephemeral_5m_input_tokens: 0 },
  };
  const sonnet = "claude-sonnet-4-6";

  test.each<[string, string, string, number]>([
    ["litellm#27781: Vertex AI, global", vertex("", "global", sonnet), sonnet, 0.600015],
    ["Vertex AI in a region", vertex("us-east5-", "us-east5", sonnet), sonnet, 0.6600165],
    [
      "Vertex AI in a multi-region",
      vertex("", "eu", sonnet).replace("aiplatform.", "aiplatform.eu.rep."),
      sonnet,
      0.6600165,
    ],
    ["Anthropic", "api.anthropic.com/v1/messages", sonnet, 0.600015],
    ["Foundry", "a.services.ai.azure.com/anthropic/v1/messages", sonnet, 0.600015],
    [
      "Bedrock, global",
      "bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages",
      `global.anthropic.${sonnet}`,
      0.600015,
    ],
    [
      "Bedrock in a region",
      "bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages",
      `us.anthropic.${sonnet}`,
      0.6600165,
    ],
    ["OpenRouter", "openrouter.ai/api/v1/messages", "anthropic/claude-sonnet-4.6", 0.600015],
  ])("writes for an hour cost twice the input: %s", async (_name, address, model, usd) => {
    check(await claude(address, model, hour), [usd, "true"]);
  });

  test("only Anthropic itself charges by the geography of its answer", async () => {
    const us = { ...hour, inference_geo: "us" };
    check(await claude(vertex("", "global", sonnet), sonnet, us), [0.600015, "true"]);
    runtime?.stop();
    check(await claude("api.anthropic.com/v1/messages", sonnet, us), [0.6600165, "true"]);
  });

  const plain = { input_tokens: 1_000, output_tokens: 500 };
  const base = (1_000 * 3 + 500 * 15) / 1e6;
  const ran = (name: string) => ({ type: "server_tool_use", id: `s_${name}`, name, input: {} });

  test.each<[string, object, object[], object, Expected]>([
    ["searches", { server_tool_use: { web_search_requests: 2 } }, [], {}, [base + 0.02, "true"]],
    [
      "fetches are free",
      { server_tool_use: { web_search_requests: 0, web_fetch_requests: 3 } },
      [],
      {},
      [base, "true"],
    ],
    [
      "code",
      {},
      [ran("bash_code_execution"), ran("text_editor_code_execution")],
      {},
      [base, "partial", ["code_execution"]],
    ],
    [
      "code, counted",
      { server_tool_use: { code_execution_requests: 2 } },
      [],
      {},
      [base, "partial", ["code_execution"]],
    ],
    [
      "code is free beside the later web tools",
      { server_tool_use: { web_search_requests: 1 } },
      [ran("code_execution")],
      { tools: [{ type: "web_search_20260209", name: "web_search" }] },
      [base + 0.01, "true"],
    ],
    [
      "and not beside the earlier one",
      { server_tool_use: { web_search_requests: 1 } },
      [ran("code_execution")],
      { tools: [{ type: "web_search_20250305", name: "web_search" }] },
      [base + 0.01, "partial", ["code_execution"]],
    ],
    [
      "a tool that is not known",
      { server_tool_use: { teleport_requests: 1 } },
      [],
      {},
      [base, "partial", ["teleport"]],
    ],
  ])("%s", async (_name, more, content, request, expected) => {
    check(await claude("api.anthropic.com/v1/messages", sonnet, { ...plain, ...more }, content, request), expected);
  });

  const start = { type: "message_start", message: { id: "m", type: "message", model: "claude-sonnet-4-5" } };
  const block = (content_block: object) => ({ type: "content_block_start", index: 0, content_block });
  const found = (content: unknown) => block({ type: "web_search_tool_result", tool_use_id: "s", content });
  const search = block({ type: "server_tool_use", id: "s", name: "web_search", input: {} });
  const failed = found({ type: "web_search_tool_result_error", error_code: "unavailable" });
  const end = (web_search_requests: number) => ({
    type: "message_delta",
    delta: { stop_reason: "end_turn" },
    usage: { output_tokens: 9, server_tool_use: { web_search_requests } },
  });
  test.each<[string, object[], number, string[] | undefined]>([
    ["that broke off after two searches", [search, found([]), search, found([])], 2, undefined],
    ["that broke off after a search that failed", [search, failed], 0, undefined],
    ["whose report counts fewer searches", [search, found([]), search, found([]), end(1)], 1, undefined],
    ["whose report counts none", [search, found([]), end(0)], 0, undefined],
    ["with a tool that is not known", [block({ type: "server_tool_use", id: "t", name: "teleport" })], 0, ["teleport"]],
    ["with tools that are free", [block({ type: "server_tool_use", id: "t", name: "web_fetch" })], 0, undefined],
  ])("a stream %s", async (_name, frames, webSearches, unpriced) => {
    const usage = { input_tokens: 1_000, output_tokens: 1 };
    const body = events({ ...start, message: { ...start.message, usage } }, ...frames);
    const request = { model: "claude-sonnet-4-5", max_tokens: 9, messages, stream: true };
    const call = await settled("https://api.anthropic.com/v1/messages", request, body);
    expect(call).toMatchObject({ priced: unpriced ? "partial" : "true", usage: { webSearches } });
    expect(call.unpricedParts).toEqual(unpriced);
    const { output = 0 } = call.usage ?? {};
    expect(call.costUsd).toBeCloseTo((1_000 * 3 + output * 15) / 1e6 + webSearches * 0.01, 9);
  });

  test("the tools of a call of several turns are charged once", async () => {
    const turn = { type: "message", model: sonnet, input_tokens: 500, output_tokens: 250 };
    const usage = { ...plain, server_tool_use: { web_search_requests: 1, code_execution_requests: 1 } };
    const call = await claude("api.anthropic.com/v1/messages", sonnet, { ...usage, iterations: [turn, turn] });
    check(call, [base + 0.01, "partial", ["code_execution"]]);
  });
});

describe("a server of the user's own is nobody's cloud", () => {
  const usage = { prompt_tokens: 100_000, completion_tokens: 0, total_tokens: 100_000 };
  const body = {
    id: "1",
    model: "gpt-5",
    usage,
    choices: [{ index: 0, message: { content: "" }, finish_reason: "stop" }],
  };
  const ask = (host: string, config: ConfigFile = {}) =>
    settled(`http://${host}/v1/chat/completions`, { model: "gpt-5", messages }, body, config);

  test.each([
    ...["127.0.0.1:11434", "localhost:1234", "[::1]:8080", "10.1.2.3:8000", "172.16.0.9", "192.168.1.5:8000"],
    ...["100.100.1.1", "169.254.1.1", "[fd00::1]:8000", "ollama:11434", "gpu.local", "host.docker.internal:11434"],
    ...["ollama.default.svc.cluster.local:11434", "0.0.0.0:8000", "[::ffff:10.0.0.1]:8000"],
    ...["localhost.:11434", "host.containers.internal:11434", "gpu.corp.internal", "ollama.default.svc:11434"],
    ...["box.localdomain:8000", "nas.home", "[::ffff:100.64.1.1]:8000"],
  ])("%s: the cost is not known", async (host) => {
    const call = await ask(host);
    expect(call).toMatchObject({ priced: "false", quality: "reported" });
    expect(call).not.toHaveProperty("costUsd");
  });

  test.each(["172.32.0.1", "11.0.0.1", "llm.example.com", "100.128.0.1", "[2001:db8::1]:80", "[::ffff:6480:1]:80"])(
    "%s is not one",
    async (host) => {
      expect(await ask(host)).toMatchObject({ priced: "true", costUsd: 0.125 });
    },
  );

  test("a gateway that shows itself by its answers is not one", async () => {
    const headers = { "x-litellm-call-id": "1", "x-litellm-model-name": "openai/gpt-5" };
    const call = await settled(
      "http://localhost:4000/v1/chat/completions",
      { model: "ours", messages },
      body,
      {},
      headers,
    );
    expect(call).toMatchObject({ costUsd: 0.125, provider: "openai", model: "gpt-5" });
  });

  test("nor does its provider's fee for a search apply", async () => {
    const config = { prices: [{ model: "gpt-5", inputPerMTok: 2, outputPerMTok: 2 }] };
    const output = [{ type: "web_search_call", id: "a" }];
    const answer = { id: "1", object: "response", status: "completed", model: "gpt-5", output };
    const usage = { input_tokens: 1_000, output_tokens: 100 };
    const call = await settled("http://vllm:8000/v1/responses", { input: "Hi" }, { ...answer, usage }, config);
    check(call, [0.0022, "partial", ["web_search"]]);
  });

  test.each<[string, ConfigFile, object]>([
    ["free, if the user says so", { localServers: "free" }, { priced: "true", costUsd: 0, costSource: "local" }],
    [
      "a row of the user's own applies",
      { localServers: "free", prices: [{ model: "gpt-5", inputPerMTok: 2, outputPerMTok: 2 }] },
      { priced: "true", costUsd: 0.2 },
    ],
    [
      "a row of hosts makes it a vendor's",
      { hosts: [{ host: "127.0.0.1:11434", like: "api.openai.com" }] },
      { priced: "true", costUsd: 0.125, provider: "openai" },
    ],
  ])("%s", async (_name, config, expected) => {
    expect(await ask("127.0.0.1:11434", config)).toMatchObject(expected);
  });
});

test("a call with a part that has no price says so in metrics and spans", async () => {
  const metrics = collectMetrics();
  const { ended } = startUserTracing();
  const usage = { prompt_tokens: 10, completion_tokens: 5, server_tool_use: { web_search_requests: 1 } };
  const answer = {
    id: "1",
    model: "openai/gpt-4o",
    usage,
    choices: [{ index: 0, message: {}, finish_reason: "stop" }],
  };
  await settled("https://openrouter.ai/api/v1/chat/completions", { model: "openai/gpt-4o", messages }, answer);
  const [calls] = (await metrics.read()).filter(({ metric }) => metric === METRICS.calls.name);
  expect(calls?.attributes.priced).toBe("partial");
  expect(ended.map(({ attributes }) => attributes["spendfuse.unpriced_parts"])).toEqual([["web_search"]]);
});
