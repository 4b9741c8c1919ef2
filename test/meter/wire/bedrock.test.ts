import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:http2";
import type { Readable } from "node:stream";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { modelIdOf } from "../../../src/meter/wire/bedrock/model-id.ts";
import { FRAMINGS } from "../../../src/meter/wire/framings.ts";
import { createHostLookup } from "../../../src/meter/wire/hosts.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";
import { converseAnswer, converseEvents, EVENTSTREAM, eventFrame } from "../../servers/bedrock-frames.ts";
import { type BedrockServer, json, startBedrockServer } from "../../servers/bedrock-server.ts";
import { anthropicMessage, chatUsage, responseObject, responsesUsage } from "../../servers/formats.ts";
import type { Script } from "../../servers/model-server.ts";
import { pieces } from "../transports/fetch/body/answers.ts";

const CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const bare = globalThis.fetch;
let server: BedrockServer;
let runtime: Runtime | undefined;

beforeAll(async () => {
  server = await startBedrockServer();
});
afterEach(async () => {
  await runtime?.stop();
  runtime = undefined;
  globalThis.fetch = bare;
});
afterAll(() => server.close());

/** The calls that settle from now on, at the stand-in, which counts as Bedrock. */
async function start(): Promise<SettledCall[]> {
  const settled: SettledCall[] = [];
  runtime = createRuntime(() => {});
  runtime.listeners.add((call) => settled.push(call));
  const hosts = [{ host: server.host, provider: "aws.bedrock" }];
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}" }, config: { hosts } });
  return settled;
}

/** The record of one call to the stand-in, which counts as Bedrock. */
async function metered(
  model: string,
  operation: string,
  request: object,
  script?: Script,
  spelt = (address: string): string => address,
): Promise<SettledCall> {
  const settled = await start();
  server.play(script);
  const address = `${server.url}/model/${encodeURIComponent(model)}/${operation}`;
  const answer = await fetch(spelt(address), { method: "POST", body: JSON.stringify(request) });
  await answer.arrayBuffer();
  await runtime?.flush();
  expect(settled).toHaveLength(1);
  return settled[0] as SettledCall;
}

const converse = { messages: [{ role: "user", content: [{ text: "Hi" }] }] };
const USAGE = { inputTokens: 1_000, outputTokens: 7, totalTokens: 1_007 };

describe("the model of a path", () => {
  test.each([
    [CLAUDE, CLAUDE],
    [`arn:aws:bedrock:us-east-1:123456789012:inference-profile/${CLAUDE}`, CLAUDE],
    ["arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"],
    ["arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"],
    [
      "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123",
      "application-inference-profile/abc123",
    ],
    ["arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/p1", "provisioned-model/p1"],
    ["arn:aws:bedrock:eu-west-1:123456789012:imported-model/i1", "imported-model/i1"],
    ["arn:", "arn:"],
    [undefined, undefined],
  ])("%s: %s", (named, expected) => {
    expect(modelIdOf(named)).toBe(expected);
  });
});

test.each([
  "bedrock-runtime.us-east-1.amazonaws.com",
  "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
  "bedrock-runtime.cn-north-1.amazonaws.com.cn",
  "bedrock-runtime.eu-west-1.api.aws",
  "bedrock-agent-runtime.us-east-1.amazonaws.com",
  "bedrock-mantle.us-east-1.api.aws",
  "vpce-0a1b-2c3d.bedrock-runtime.us-east-1.vpce.amazonaws.com",
  "vpce-0a1b-2c3d.bedrock-mantle.us-east-1.vpce.amazonaws.com",
  "bedrock-runtime-fips.us-east-1.api.aws",
  "bedrock-agent-runtime-fips.us-west-2.api.aws",
  "bedrock-runtime.cn-north-1.api.amazonwebservices.com.cn",
  "bedrock-runtime.eusc-de-east-1.amazonaws.eu",
  "bedrock-runtime.eusc-de-east-1.api.amazonwebservices.eu",
  "bedrock-runtime.us-iso-east-1.c2s.ic.gov",
  "bedrock-runtime.us-isob-east-1.api.aws.scloud",
])("%s is Bedrock's", (host) => {
  expect(createHostLookup()(host)?.provider).toBe("aws.bedrock");
});

test.each([
  "bedrock-agent.us-east-1.amazonaws.com",
  "bedrock.us-east-1.amazonaws.com",
  "my-bedrock-runtime.example.com",
])("%s is not: no model is run there", (host) => {
  expect(createHostLookup()(host)).toBeUndefined();
});

/** The vendors' own wire formats, which Bedrock's newer endpoints speak. */
const OTHER_FORMATS: readonly [path: string, format: string, request: object, answer: object, usage: object][] = [
  [
    "/v1/chat/completions",
    "openai-chat",
    { model: "openai.gpt-oss-120b", messages: [] },
    { id: "c", model: "openai.gpt-oss-120b", choices: [], usage: chatUsage({ input: 1_000, output: 7 }) },
    { input: 1_000, output: 7 },
  ],
  [
    "/openai/v1/chat/completions",
    "openai-chat",
    { model: "openai.gpt-oss-120b-1:0", messages: [] },
    { id: "c", model: "openai.gpt-oss-120b-1:0", choices: [], usage: chatUsage({ input: 1_000, output: 7 }) },
    { input: 1_000, output: 7 },
  ],
  [
    "/v1/responses",
    "openai-responses",
    { model: "openai.gpt-oss-120b", input: "Hi" },
    responseObject(
      { id: "r", model: "openai.gpt-oss-120b" },
      "completed",
      [],
      responsesUsage({ input: 1_000, output: 7 }),
    ),
    { input: 1_000, output: 7 },
  ],
  [
    "/anthropic/v1/messages",
    "anthropic-messages",
    { model: "anthropic.claude-sonnet-4-5-20250929-v1:0", max_tokens: 9, messages: [] },
    anthropicMessage({ id: "m", model: "claude-sonnet-4-5-20250929" }, [], "end_turn", {
      input_tokens: 1_000,
      output_tokens: 7,
    }),
    { input: 1_000, output: 7 },
  ],
];

test.each(OTHER_FORMATS)(
  "%s at Bedrock is read, billed by AWS, and priced",
  async (path, format, request, body, usage) => {
    const call = await metered("m", "x", request, json(body), (address) => new URL(path, address).href);
    expect(call).toMatchObject({ format, provider: "aws.bedrock", quality: "reported", usage, priced: "true" });
  },
);

describe("a coded event stream", () => {
  const events = Buffer.concat(converseEvents(["Hello"], USAGE).map((step) => Buffer.from(step as Uint8Array)));
  const script = {
    headers: { ...EVENTSTREAM, "content-encoding": "gzip" },
    steps: pieces(gzipSync(events), 40),
  };
  const expected = { ending: "completed", quality: "reported", usage: { input: 1_000, output: 7 } };

  test("by fetch", async () => {
    expect(await metered(CLAUDE, "converse-stream", converse, script)).toMatchObject(expected);
  });

  test.each(["node:http", "node:http2"])("by %s, whose reader decodes it", async (transport) => {
    const settled = await start();
    server.play(script);
    const path = `/model/${encodeURIComponent(CLAUDE)}/converse-stream`;
    const answer = transport === "node:http" ? await overHttp(path) : await overHttp2(path);
    await runtime?.flush();
    expect(gunzipSync(answer).equals(events)).toBe(true);
    expect(settled).toMatchObject([expected]);
  });

  async function overHttp(path: string): Promise<Buffer> {
    const request = httpRequest(`${server.url}${path}`, { method: "POST", agent: false });
    request.end(JSON.stringify(converse));
    const [answer] = (await once(request, "response")) as [Readable];
    return Buffer.concat(await answer.toArray());
  }

  async function overHttp2(path: string): Promise<Buffer> {
    const session = connect(server.url);
    try {
      const stream = session.request({ ":method": "POST", ":path": path });
      stream.end(JSON.stringify(converse));
      return Buffer.concat(await stream.toArray());
    } finally {
      session.close();
    }
  }
});

describe("Converse", () => {
  test.each([
    ["a region", CLAUDE, 1_000 * 3.3 + 7 * 16.5],
    ["the whole world", CLAUDE.replace("us.", "global."), 1_000 * 3 + 7 * 15],
  ])("is priced for %s", async (_where, model, micros) => {
    const call = await metered(model, "converse", converse, json(converseAnswer("Hello", USAGE)));
    expect(call).toMatchObject({ model, requestModel: model, priced: "true", provider: "aws.bedrock" });
    expect(call.costUsd).toBeCloseTo(micros / 1e6, 9);
  });

  test("has no price for a tier or latency that AWS publishes no factor for", async () => {
    for (const more of [{ serviceTier: { type: "flex" } }, { performanceConfig: { latency: "optimized" } }]) {
      const call = await metered(CLAUDE, "converse", converse, json(converseAnswer("Hello", USAGE, more)));
      expect(call).toMatchObject({ priced: "false", quality: "reported" });
      await runtime?.stop();
    }
  });

  test.each(["us", "eu", "apac", "jp", "au", "us-gov", "global"])("is priced for a profile of %s", async (where) => {
    const model = CLAUDE.replace("us.", `${where}.`);
    const call = await metered(model, "converse", converse, json(converseAnswer("Hello", USAGE)));
    expect(call).toMatchObject({ model, priced: "true" });
  });

  test("is read where the slash of an ARN is not escaped", async () => {
    const arn = `arn:aws:bedrock:us-east-1:123456789012:inference-profile/${CLAUDE}`;
    const call = await metered(arn, "converse", converse, json(converseAnswer("Hello", USAGE)), (address) =>
      address.replaceAll("%2F", "/").replaceAll("%3A", ":"),
    );
    expect(call).toMatchObject({ model: CLAUDE, priced: "true", usage: { input: 1_000, output: 7 } });
  });

  test("names a guardrail whose charges the answer does not show", async () => {
    const guarded = { ...converse, guardrailConfig: { guardrailIdentifier: "g", guardrailVersion: "1" } };
    const call = await metered(CLAUDE, "converse", guarded, json(converseAnswer("Hello", USAGE)));
    expect(call).toMatchObject({ priced: "partial", unpricedParts: ["guardrail"] });
  });

  test("names the parts of a guardrail that the answer shows", async () => {
    const usage = { topicPolicyUnits: 1, contentPolicyUnits: 2, wordPolicyUnits: 1 };
    const trace = { guardrail: { inputAssessment: { g: { invocationMetrics: { usage } } } } };
    const guarded = { ...converse, guardrailConfig: { guardrailIdentifier: "g", guardrailVersion: "1" } };
    const call = await metered(CLAUDE, "converse", guarded, json(converseAnswer("Hello", USAGE, { trace })));
    expect([...(call.unpricedParts ?? [])].sort()).toEqual(["guardrail_content", "guardrail_topic"]);
  });
});

describe("InvokeModel", () => {
  const counted = { "x-amzn-bedrock-input-token-count": "11", "x-amzn-bedrock-output-token-count": "7" };
  const VENDORS: Readonly<Record<string, readonly [model: string, request: object, answer: object, head?: object]>> = {
    Nova: [
      "amazon.nova-pro-v1:0",
      { ...converse, schemaVersion: "messages-v1" },
      {
        output: { message: { content: [{ text: "Hello" }] } },
        stopReason: "end_turn",
        usage: { ...USAGE, inputTokens: 11 },
      },
    ],
    Llama: [
      "meta.llama3-3-70b-instruct-v1:0",
      { prompt: "Hi", max_gen_len: 10 },
      { generation: "Hello", prompt_token_count: 11, generation_token_count: 7, stop_reason: "stop" },
    ],
    Titan: [
      "amazon.titan-text-express-v1",
      { inputText: "Hi" },
      { inputTextTokenCount: 11, results: [{ tokenCount: 7, outputText: "Hello", completionReason: "FINISH" }] },
    ],
    Mistral: [
      "mistral.mistral-large-2402-v1:0",
      { prompt: "Hi", max_tokens: 10 },
      { outputs: [{ text: "Hello", stop_reason: "stop" }] },
      counted,
    ],
    DeepSeek: [
      "deepseek.r1-v1:0",
      { prompt: "Hi", max_tokens: 10 },
      { choices: [{ text: "Hello", stop_reason: "stop" }] },
      counted,
    ],
    "Cohere's Command R": [
      "cohere.command-r-v1:0",
      { message: "Hi", chat_history: [], max_tokens: 10 },
      { text: "Hello", generation_id: "g", finish_reason: "COMPLETE" },
      counted,
    ],
    "AI21's Jamba": [
      "ai21.jamba-1-5-mini-v1:0",
      { messages: [{ role: "user", content: "Hi" }], max_tokens: 10 },
      {
        choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
      },
    ],
    "Mistral's Pixtral": [
      "mistral.pixtral-large-2502-v1:0",
      { messages: [{ role: "user", content: "Hi" }], max_tokens: 10 },
      { choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, stop_reason: "stop" }] },
      counted,
    ],
    Qwen: [
      "qwen.qwen3-32b-v1:0",
      { messages: [{ role: "user", content: "Hi" }], max_tokens: 10 },
      {
        choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
      },
    ],
    "OpenAI's": [
      "openai.gpt-oss-120b-1:0",
      { messages: [{ role: "user", content: "Hi" }] },
      {
        choices: [{ message: { content: "Hello" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
      },
    ],
    Anthropic: [
      CLAUDE,
      { anthropic_version: "bedrock-2023-05-31", max_tokens: 10, messages: [{ role: "user", content: "Hi" }] },
      {
        ...{
          type: "message",
          id: "m",
          model: "claude-sonnet-4-5-20250929",
          content: [{ type: "text", text: "Hello" }],
        },
        ...{ stop_reason: "end_turn", usage: { input_tokens: 11, output_tokens: 7 } },
      },
      counted,
    ],
  };

  test.each(Object.entries(VENDORS))("reads a body of %s", async (_vendor, [model, request, answer, head]) => {
    const call = await metered(model, "invoke", request, json(answer, head as Record<string, string>));
    expect(call).toMatchObject({ model, ending: "completed", quality: "reported", priced: "true" });
    expect(call.usage).toMatchObject({ input: 11, output: 7 });
  });

  test("reads the counts of embeddings in the headers", async () => {
    const head = { "x-amzn-bedrock-input-token-count": "11" };
    const answer = json({ embeddings: [[0.5]], response_type: "embeddings_floats" }, head);
    const call = await metered(
      "cohere.embed-english-v3",
      "invoke",
      { texts: ["Hi"], input_type: "search_query" },
      answer,
    );
    expect(call).toMatchObject({ quality: "reported", usage: { input: 11, output: 0 } });
  });

  test.each([
    ["amazon.titan-embed-text-v1", 0.1],
    ["amazon.titan-embed-text-v2:0", 0.02],
  ])("prices %s as itself", async (model, rate) => {
    const call = await metered(
      model,
      "invoke",
      { inputText: "Hi" },
      json({ embedding: [1], inputTextTokenCount: 1_000 }),
    );
    expect(call).toMatchObject({ priced: "true", usage: { input: 1_000, output: 0 } });
    expect(call.costUsd).toBeCloseTo((1_000 * rate) / 1e6, 12);
  });

  test("prices a profile of the account by the model that answers, inexactly", async () => {
    const profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    const [, request, answer] = VENDORS.Anthropic as (typeof VENDORS)[string];
    const call = await metered(profile, "invoke", request, json(answer));
    expect(call).toMatchObject({ model: "application-inference-profile/abc123", priced: "inexact" });
  });
});

describe("Bedrock's own counts end a stream of InvokeModel", () => {
  const metrics = {
    ...{ inputTokenCount: 11, outputTokenCount: 7, invocationLatency: 9, firstByteLatency: 3 },
    ...{ cacheReadInputTokenCount: 5, cacheWriteInputTokenCount: 2 },
  };
  const LAST = { "amazon-bedrock-invocationMetrics": metrics };
  const STREAMS: Readonly<Record<string, readonly [model: string, request: object, ...frames: object[]]>> = {
    "Cohere's": [
      "cohere.command-r-v1:0",
      { message: "Hi" },
      { event_type: "text-generation", text: "Hello" },
      { event_type: "stream-end", finish_reason: "COMPLETE", ...LAST },
    ],
    "AI21's": [
      "ai21.jamba-1-5-mini-v1:0",
      { messages: [{ role: "user", content: "Hi" }] },
      { choices: [{ index: 0, delta: { content: "Hello" }, finish_reason: null }] },
      { choices: [{ index: 0, delta: { content: "" }, finish_reason: "stop" }], ...LAST },
    ],
    "Mistral's": [
      "mistral.mistral-large-2402-v1:0",
      { prompt: "Hi" },
      { outputs: [{ text: "Hello", stop_reason: null }] },
      { outputs: [{ text: "", stop_reason: "stop" }], ...LAST },
    ],
    "DeepSeek's": [
      "deepseek.r1-v1:0",
      { prompt: "Hi" },
      { choices: [{ text: "Hello", stop_reason: null }] },
      { choices: [{ text: "", stop_reason: "stop" }], ...LAST },
    ],
    "OpenAI's": [
      "openai.gpt-oss-120b-1:0",
      { messages: [{ role: "user", content: "Hi" }] },
      { choices: [{ index: 0, delta: { content: "Hello" } }] },
      { choices: [{ index: 0, delta: {}, finish_reason: "stop" }], ...LAST },
    ],
    "Titan's": [
      "amazon.titan-text-express-v1",
      { inputText: "Hi" },
      { outputText: "Hello", index: 0 },
      { outputText: "", index: 0, completionReason: "FINISH", ...LAST },
    ],
  };

  test.each(Object.entries(STREAMS))("%s", async (_vendor, [model, request, ...frames]) => {
    const steps = frames.map((frame) =>
      eventFrame("chunk", { bytes: Buffer.from(JSON.stringify(frame)).toString("base64") }),
    );
    const call = await metered(model, "invoke-with-response-stream", request, { headers: EVENTSTREAM, steps });
    expect(call).toMatchObject({ stream: true, ending: "completed", quality: "reported" });
    expect(call.usage).toMatchObject({ input: 18, output: 7, cacheRead: 5, cacheWrite: 2 });
  });
});

test.each(["modelStreamErrorException", "throttlingException", "internalServerException"])(
  "a %s in the middle of a stream fails the call, with an estimate",
  async (name) => {
    const exception = Buffer.from(FRAMINGS.eventstream.write({ name, data: { message: "broken" } }));
    const steps = [...converseEvents(["Hello there, my friend"], USAGE).slice(0, 2), exception];
    const call = await metered(CLAUDE, "converse-stream", converse, { headers: EVENTSTREAM, steps });
    expect(call).toMatchObject({ stream: true, ending: "failed", quality: "estimated" });
    expect(call.usage?.output).toBeGreaterThan(3);
  },
);

test("a stream that breaks off is estimated", async () => {
  const steps = [...converseEvents(["Hello there, my friend"], USAGE).slice(0, 2)];
  const call = await metered(CLAUDE, "converse-stream", converse, { headers: EVENTSTREAM, steps });
  expect(call).toMatchObject({ stream: true, quality: "estimated", priced: "true" });
  expect(call.usage?.output).toBeGreaterThan(3);
});

test("counting tokens is no call", async () => {
  runtime = createRuntime(() => {});
  const settled: SettledCall[] = [];
  runtime.listeners.add((call) => settled.push(call));
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}" }, config: {} });
  server.play();
  await (await fetch(`${server.url}/model/${CLAUDE}/count-tokens`, { method: "POST", body: "{}" })).text();
  await runtime.flush();
  expect(settled).toEqual([]);
});
