import { type Json, object } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import { countBlocks, readConverseEvent, readConverseRequest, reportConverse } from "../bedrock/converse.ts";
import { addGuardrail, readGuardrail } from "../bedrock/guardrails.ts";
import { modelIdOf } from "../bedrock/model-id.ts";
import { readPlain, readPlainRequest } from "../bedrock/plain-models.ts";
import { bedrockRefusal, isError } from "../bedrock/refusal.ts";
import { bedrockRates } from "../rates.ts";
import { anthropicMessages } from "./anthropic-messages.ts";
import { type Reading, type RequestFacts, report, type WireFormat } from "./format.ts";
import { openaiChat } from "./openai-chat.ts";

/**
 * Amazon Bedrock's InvokeModel and InvokeModelWithResponseStream: the body is that of the model's vendor, and is told by
 * its form. Bedrock's own counts, in headers and in the last frame, are for bodies without any.
 */
export const bedrockInvoke: WireFormat = {
  name: "bedrock-invoke",
  operation: "chat",
  provider: "aws.bedrock",
  deltaKeys: ['"text":"', '"partial_json":"', '"thinking":"', '"content":"', '"generation":"', '"outputText":"'],
  strictDeltas: true,
  requestNamesModel: true,

  endpoints: [
    { method: "POST", path: "/model/{arn}/invoke", stream: false },
    {
      method: "POST",
      path: "/model/{arn}/invoke-with-response-stream",
      stream: true,
      framing: "eventstream",
      evidence: {},
    },
  ],
  rates: bedrockRates,
  refusal: bedrockRefusal,

  readRequest(body, route) {
    const stream = route.endpoint.stream === true;
    const model = modelIdOf(route.model);
    const facts = readVendorRequest(body, model, route, stream);
    return facts && { ...facts, model, stream, lacksUsage: false };
  },

  readHead(headers, reading) {
    const input = headers.get("x-amzn-bedrock-input-token-count");
    reading.tier = headers.get("x-amzn-bedrock-service-tier") ?? reading.tier;
    reading.speed = headers.get("x-amzn-bedrock-performanceconfig-latency") ?? reading.speed;
    if (input === undefined || input === null) return;
    // By Anthropic's names, so that what its body reports comes on top.
    reading.raw = {
      input_tokens: Number(input),
      output_tokens: Number(headers.get("x-amzn-bedrock-output-token-count") ?? 0),
      cache_read_input_tokens: Number(headers.get("x-amzn-bedrock-cache-read-input-token-count") ?? 0),
      cache_creation_input_tokens: Number(headers.get("x-amzn-bedrock-cache-write-input-token-count") ?? 0),
    };
    reading.recognized = true;
    report(reading, usageOf(reading.raw));
  },

  readBody(body, reading) {
    const json = object(body);
    if (json === undefined) return;
    if (isError(json)) {
      reading.failed = true;
      return;
    }
    const { raw: counted, usage: before } = reading;
    reading.recognized = true;
    if (json.type === "message") anthropicMessages.readBody(json, reading);
    else if (json.output !== undefined) readAmazon(json, reading);
    else if (isChat(json)) openaiChat.readBody(json, reading);
    else readPlain(json, reading);
    reading.finished = true;
    // The head's report covers the text of a body without counts too.
    if (counted !== undefined && reading.usage === before) report(reading, usageOf(counted));
    readGuard(json, reading);
  },

  readFrame(frame, _event, reading) {
    const ordinary = readVendorFrame(frame, reading);
    const metrics = object(frame["amazon-bedrock-invocationMetrics"]);
    readGuard(frame, reading);
    if (metrics === undefined) return ordinary;
    reading.recognized = true;
    reading.finished = true;
    reading.terminal = true;
    if (!reading.inputReported || !reading.outputReported) report(reading, metricsOf(metrics));
    return false;
  },
};

function readVendorRequest(
  body: Json,
  model: string | undefined,
  route: Parameters<WireFormat["readRequest"]>[1],
  stream: boolean,
): RequestFacts | undefined {
  if (Array.isArray(body.messages)) {
    if (body.anthropic_version !== undefined) return anthropicMessages.readRequest(body, route);
    const isAmazons = body.inferenceConfig !== undefined || body.schemaVersion !== undefined;
    return isAmazons ? readConverseRequest(body, model, stream) : openaiChat.readRequest(body, route);
  }
  return readPlainRequest(body, model, stream);
}

/** Amazon's own models answer as Converse does. */
function readAmazon(json: Json, reading: Reading): void {
  countBlocks(object(object(json.output)?.message)?.content, reading);
  reportConverse(object(json.usage), reading);
}

const AMAZON_EVENTS = ["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop"] as const;

function readVendorFrame(frame: Json, reading: Reading): boolean {
  if (typeof frame.type === "string") return anthropicMessages.readFrame(frame, "", reading);
  if (isChat(frame)) {
    const { terminal } = reading;
    const ordinary = openaiChat.readFrame(frame, "", reading);
    // Bedrock's own counts may follow.
    reading.terminal = terminal;
    return ordinary;
  }
  for (const name of AMAZON_EVENTS) {
    const event = object(frame[name]);
    if (event !== undefined) return readConverseEvent(name, event, reading);
  }
  const metadata = object(frame.metadata);
  if (metadata === undefined) return readPlain(frame, reading);
  reading.recognized = true;
  reportConverse(object(metadata.usage), reading);
  return false;
}

/** Models that answer as OpenAI's do; DeepSeek's choices have their text without a message. */
function isChat(json: Json): boolean {
  if (!Array.isArray(json.choices)) return false;
  const first = object(json.choices[0]);
  return first === undefined || first.message !== undefined || first.delta !== undefined;
}

/** What a guardrail did; its counts are there only where the request asked for a trace. */
function readGuard(json: Json, reading: Reading): void {
  if (json["amazon-bedrock-guardrailAction"] === undefined) return;
  const trace = object(object(json["amazon-bedrock-trace"])?.guardrail);
  if (trace !== undefined) readGuardrail(trace, reading);
  addGuardrail(reading);
}

function usageOf(raw: Json): Usage {
  const cacheRead = count(raw.cache_read_input_tokens);
  const cacheWrite = count(raw.cache_creation_input_tokens);
  const input = count(raw.input_tokens) + cacheRead + cacheWrite;
  return canonicalUsage({ input, output: count(raw.output_tokens), cacheRead, cacheWrite });
}

function metricsOf(metrics: Json): Usage {
  return usageOf({
    input_tokens: metrics.inputTokenCount,
    output_tokens: metrics.outputTokenCount,
    cache_read_input_tokens: metrics.cacheReadInputTokenCount,
    cache_creation_input_tokens: metrics.cacheWriteInputTokenCount,
  });
}
