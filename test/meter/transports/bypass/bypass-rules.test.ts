import { describe, expect, test } from "vitest";
import {
  createReasoning,
  type Sent,
  UNREAD_APIS,
  type Way,
  warningOf,
} from "../../../../src/meter/transports/bypass/rules.ts";
import * as registry from "../../../../src/meter/wire/formats/registry.ts";
import { createHostLookup } from "../../../../src/meter/wire/hosts.ts";

const reasonOf = createReasoning(Object.values(registry));
const lookup = createHostLookup();

function post(path: string, headers: Readonly<Record<string, string>> = {}): Sent {
  return { method: "POST", path, socket: false, header: (name) => headers[name] };
}

/** What is said of a POST over node:http: the API that we do not read, or the way. */
function of(host: string, path: string): string | undefined {
  const reason = reasonOf(post(path), "http", lookup(host));
  return reason && ("api" in reason ? reason.api : reason.way);
}

describe("at hosts that we know", () => {
  test.each([
    ["api.openai.com", "/v1/chat/completions", "http"],
    ["api.openai.com", "/v1/responses", "http"],
    ["api.openai.com", "/v1/embeddings", "http"],
    ["api.anthropic.com", "/v1/messages", "http"],
    ["generativelanguage.googleapis.com", "/v1beta/models/m:generateContent", "http"],
    [
      "eu-aiplatform.googleapis.com",
      "/v1/projects/p/locations/l/publishers/anthropic/models/c:streamRawPredict",
      "http",
    ],
    ["eu-aiplatform.googleapis.com", "/v1/projects/p/locations/l/publishers/mistralai/models/m:rawPredict", "predict"],
    ["generativelanguage.googleapis.com", "/v1beta/models/imagen-4:predict", "predict"],
    ["generativelanguage.googleapis.com", "/v1beta/models/veo-3:predictLongRunning", "predict"],
    ["generativelanguage.googleapis.com", "/v1beta/models/e:batchEmbedContents", "embed"],
    ["generativelanguage.googleapis.com", "/v1beta/models/m:batchGenerateContent", "batch"],
    ["generativelanguage.googleapis.com", "/v1beta/interactions", "interactions"],
    ["api.openai.com", "/v1/images/generations", "images"],
    ["my.openai.azure.com", "/openai/deployments/d/images/edits", "images"],
    ["api.openai.com", "/v1/audio/transcriptions", "audio"],
    ["api.openai.com", "/v1/videos", "videos"],
    ["api.openai.com", "/v1/videos/video_1/remix", "videos"],
    ["api.openai.com", "/v1/realtime/calls", "realtime"],
    ["api.openai.com", "/v1/completions", "completions"],
    ["api.openai.com", "/v1/responses/compact", "compaction"],
    ["api.openai.com", "/v1/batches", "batch"],
    ["api.anthropic.com", "/v1/messages/batches", "batch"],
    ["api.openai.com", "/v1/fine_tuning/jobs", "tuning"],
    ["my.openai.azure.com", "/openai/threads/thread_1/runs", "threads"],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/converse", "http"],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/converse-stream", "http"],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/model/arn%3Aaws%3Abedrock/invoke", "http"],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/invoke-with-response-stream", "http"],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/count-tokens", undefined],
    [
      "bedrock-runtime.eu-west-1.amazonaws.com",
      "/model/arn:aws:bedrock:eu-west-1:1:inference-profile/eu.m/converse",
      "http",
    ],
    [
      "bedrock-runtime.eu-west-1.amazonaws.com",
      "/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream",
      "Bedrock bidirectional stream",
    ],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/guardrail/g/version/1/apply", "Bedrock guardrail"],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/guardrail-checks/invoke", "Bedrock guardrail"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/agents/A1/agentAliases/B1/sessions/s/text", "Bedrock agents"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/agents/s", "Bedrock agents"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/flows/F1/aliases/B1", "Bedrock flows"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/flows/F1/aliases/B1/executions", "Bedrock flows"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/retrieveAndGenerateStream", "Bedrock knowledge bases"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/knowledgebases/K/retrieve", "Bedrock knowledge bases"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/optimize-prompt", "Bedrock prompt optimization"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/rerank", "rerank"],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/sessions/", undefined],
    ["bedrock-agent-runtime.eu-west-1.amazonaws.com", "/flows/F1/aliases/B1/executions/e/stop", undefined],
    ["bedrock-mantle.us-east-1.api.aws", "/v1/chat/completions", "http"],
    ["bedrock-runtime.eu-west-1.amazonaws.com", "/async-invoke", "Bedrock"],
    ["api.cohere.com", "/v2/chat", "Cohere chat"],
    ["api.cohere.com", "/v2/embed", "embed"],
    ["api.cohere.com", "/v2/rerank", "rerank"],
    ["api.mistral.ai", "/v1/fim/completions", "completions"],
    ["api.mistral.ai", "/v1/ocr", "OCR"],
    ["api.mistral.ai", "/v1/conversations/conv_1", "conversations"],
    ["ai-gateway.vercel.sh", "/v4/ai/language-model", "AI Gateway"],
    ["dashscope.aliyuncs.com", "/api/v1/services/aigc/text-generation/generation", "DashScope"],
    ["my.snowflakecomputing.com", "/api/v2/cortex/inference:complete", "Cortex"],
    [
      "generativelanguage.googleapis.com",
      "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent",
      "Gemini by gRPC",
    ],
    [
      "generativelanguage.googleapis.com",
      "/google.ai.generativelanguage.v1.GenerativeService/StreamGenerateContent",
      "Gemini by gRPC",
    ],
    [
      "generativelanguage.googleapis.com",
      "/google.ai.generativelanguage.v1beta.GenerativeService/BatchEmbedContents",
      "Gemini by gRPC",
    ],
    [
      "generativelanguage.googleapis.com",
      "/google.ai.generativelanguage.v1beta.PredictionService/PredictLongRunning",
      "Gemini by gRPC",
    ],
    [
      "generativelanguage.googleapis.com",
      "/google.ai.generativelanguage.v1beta.GenerativeService/CountTokens",
      undefined,
    ],
    ["generativelanguage.googleapis.com", "/google.ai.generativelanguage.v1beta.ModelService/GetModel", undefined],
    ["api.openai.com", "/v1/conversations", undefined],
    ["api.openai.com", "/v1/moderations", undefined],
    ["api.openai.com", "/v1/files", undefined],
    ["api.openai.com", "/v1/responses/resp_1/cancel", undefined],
    ["api.openai.com", "/v1/responses/input_tokens", undefined],
    ["api.openai.com", "/v1/realtime/client_secrets", undefined],
    ["api.anthropic.com", "/v1/messages/count_tokens", undefined],
    ["generativelanguage.googleapis.com", "/v1beta/models/m:countTokens", undefined],
    ["generativelanguage.googleapis.com", "/upload/v1beta/files", undefined],
    ["my.snowflakecomputing.com", "/queries/v1/query-request", undefined],
  ])("%s%s: %s", (host, path, expected) => {
    expect(of(host, path)).toBe(expected);
  });

  test("each row of the table is asked for above", () => {
    expect(new Set(UNREAD_APIS.map(({ api }) => api)).size).toBeGreaterThan(15);
    expect(UNREAD_APIS.every(({ path }) => !path.global && !path.sticky)).toBe(true);
  });

  test("only a POST or a handshake costs", () => {
    const host = lookup("api.openai.com");
    const get: Sent = { ...post("/v1/chat/completions"), method: "GET" };
    expect(reasonOf(get, "http", host)).toBeUndefined();
    expect(reasonOf({ ...get, socket: true }, "http", host)).toEqual({ way: "websocket" });
    expect(reasonOf({ ...get, socket: true }, "http", undefined)).toBeUndefined();
    const live = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
    for (const path of ["/v1/realtime", "/openai/realtime", live]) {
      expect(reasonOf({ ...get, path, socket: true }, "http", undefined)).toEqual({ way: "websocket" });
    }
  });
});

describe("at hosts that we do not know", () => {
  test.each([
    ["/v1/chat/completions", true],
    ["/gateway/openai/chat/completions", true],
    ["/v1/models/m:generateContent", true],
    ["/v1/models/m:streamGenerateContent", true],
    ["/v1/responses", false],
    ["/v1/embeddings", false],
    ["/responses", false],
    ["/survey/responses", false],
    ["/embeddings", false],
    ["/v1/messages", false],
    ["/chat/completions/7", false],
    ["/v1/completions", false],
    ["/model/m/converse", true],
    ["/model/m/converse-stream", true],
    ["/model/m/invoke", false],
    ["/model/m/count-tokens", false],
    ["/v2/chat", false],
  ])("%s: %s", (path, counts) => {
    expect(of("gateway.example", path)).toBe(counts ? "http" : undefined);
  });

  test.each([
    ["/v1/messages", "anthropic-version"],
    ["/v1/responses", "authorization"],
    ["/v1/embeddings", "authorization"],
  ])("%s only with the header %s", (path, header) => {
    expect(reasonOf(post(path, { [header]: "a" }), "undici", undefined)).toEqual({ way: "undici" });
    expect(reasonOf(post(path, { other: "a" }), "undici", undefined)).toBeUndefined();
  });
});

describe("what is said", () => {
  const FIXES: Record<Way, string> = {
    undici: "globalThis.fetch",
    http: '"node-http" out of transportsOff',
    http2: '"http2" out of transportsOff',
    websocket: "ungoverned",
  };
  test.each(Object.entries(FIXES))("%s: how it is mended, in one line", (way, fix) => {
    const said = warningOf("h.example:81", { way: way as Way });
    expect(said).toContain("h.example:81");
    expect(said).toContain(fix);
    expect(said).not.toContain("\n");
  });

  test("an API that no format reads", () => {
    expect(warningOf("h", { api: "Bedrock" })).toMatch(/does not read the Bedrock API.*ungoverned/);
  });
});
