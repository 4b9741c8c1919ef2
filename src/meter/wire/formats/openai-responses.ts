import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import { REFUSAL_STATUS } from "../../../limits/refusal.ts";
import { effortOf } from "../content/effort.ts";
import { shapeOf } from "../content/tools.ts";
import { responsesRefusal } from "../openai-error.ts";
import { openaiRates } from "../rates.ts";
import { readCost } from "../reported-cost.ts";
import type { Received, SocketMessages } from "../sockets/socket-messages.ts";
import { measureAll, measureTurns, wireLength } from "../text.ts";
import { imageUsage, readItem, readSearchTool, readTools } from "../tools/responses.ts";
import { type Reading, type RequestFacts, report, type WireFormat } from "./format.ts";

/** Events whose `delta` is output, and of which kind. */
const DELTAS: ReadonlyMap<string, "visible" | "callBytes" | "thought"> = new Map(
  Object.entries({
    "response.output_text.delta": "visible",
    "response.refusal.delta": "visible",
    "response.function_call_arguments.delta": "callBytes",
    "response.custom_tool_call_input.delta": "callBytes",
    "response.mcp_call_arguments.delta": "callBytes",
    "response.code_interpreter_call_code.delta": "visible",
    "response.audio.transcript.delta": "visible",
    "response.reasoning_text.delta": "thought",
    "response.reasoning_summary_text.delta": "thought",
  } as const),
);

/** After these the vendor sends nothing that matters. */
const TERMINAL = new Set(["response.completed", "response.incomplete", "response.failed", "response.cancelled"]);
const RUNNING: ReadonlySet<unknown> = new Set(["queued", "in_progress"]);

/** On a WebSocket each message holds a whole request, or a request within `response`. */
const socket: SocketMessages<RequestFacts> = {
  modelOf: () => undefined,
  sent(message) {
    if (message.type !== "response.create") return undefined;
    const body = object(message.response) ?? message;
    const facts = readRequest(body);
    return facts && { ...facts, stream: true, prepares: body.generate === false };
  },
  received(message): Received | undefined {
    const type = text(message.type);
    if (type === "error") return { kind: "error", of: undefined };
    if (type === undefined || !type.startsWith("response.")) return undefined;
    const response = object(message.response);
    const id = text(message.response_id) ?? text(response?.id);
    if (type === "response.created") return { kind: "start", id };
    if (TERMINAL.has(type)) {
      const reports = count(object(response?.usage)?.input_tokens) > 0;
      return { kind: "end", id, canceled: type === "response.cancelled", reports };
    }
    return { kind: "part", id };
  },
  refusal: (body) => ({ type: "error", status: REFUSAL_STATUS, error: body.error }),
};

/** OpenAI Responses. A response that runs in the background is counted once, when it is retrieved. */
export const openaiResponses: WireFormat = {
  name: "openai-responses",
  operation: "chat",
  provider: "openai",
  deltaKeys: ['"delta":"'],
  strictDeltas: false,

  endpoints: [
    { method: "POST", path: "/responses", evidence: { path: "/v1/responses", header: "authorization" } },
    { method: "GET", path: "/responses/resp_{id}" },
    { method: "WEBSOCKET", path: "/responses", framing: "message" },
  ],
  rates: openaiRates,
  settings: { limits: () => [["max_output_tokens"]], least: () => 16 },
  refusal: responsesRefusal,
  socket,

  readRequest,

  readBody(body, reading) {
    const json = object(body);
    if (!json) return;
    if (object(json.error) && json.object === undefined) reading.failed = true;
    readResponse(json, reading);
    reading.pending = RUNNING.has(json.status);
    for (const item of array(json.output)) countOutput(object(item), reading);
    if (reading.outputReported) report(reading, reading.usage as Usage);
  },

  readFrame(frame, event, reading) {
    const type = text(frame.type) ?? event;
    const kind = DELTAS.get(type);
    if (kind !== undefined) {
      reading.recognized = true;
      reading[kind] += wireLength(frame.delta);
      return true;
    }
    if (type === "error") {
      reading.failed = true;
      return false;
    }
    if (TERMINAL.has(type)) reading.terminal = true;
    if (type === "response.output_item.added") countToolCall(object(frame.item), reading);
    else if (type === "response.output_item.done") readItem(object(frame.item), Number(frame.output_index), reading);
    const response = object(frame.response);
    if (response) readResponse(response, reading);
    if (frame.extra_fields !== undefined) readCost(undefined, frame, reading);
    return false;
  },
};

function readRequest(body: Json): RequestFacts | undefined {
  if (body.input === undefined && body.prompt === undefined && body.previous_response_id === undefined) {
    return undefined;
  }
  const measured = measureAll(body.instructions, object(body.text)?.format, object(body.prompt)?.variables);
  const fixedBytes = measured.content;
  const turns = measureTurns(body.input, fixedBytes, measured);
  const conversation = text(body.conversation) ?? text(object(body.conversation)?.id);
  return {
    model: text(body.model),
    stream: body.stream === true,
    inputBytes: measured.bytes,
    attachments: measured.attachments,
    fixedBytes,
    turns,
    continues: conversation ?? text(body.previous_response_id),
    keptAs: conversation ?? (body.store === false ? undefined : "response"),
    toolBytes: body.tools === undefined ? 0 : measureAll(body.tools).bytes,
    tools: shapeOf(body.tools, body.input),
    effort: effortOf(object(body.reasoning)?.effort),
    maxOutput: amount(body.max_output_tokens),
    tier: text(body.service_tier),
    metadata: object(body.metadata),
    user: text(body.user) ?? text(body.safety_identifier),
  };
}

function readResponse(json: Json, reading: Reading): void {
  if (json.object === "response" || json.output !== undefined) reading.recognized = true;
  reading.responseId ??= text(json.id);
  reading.model = text(json.model) ?? reading.model;
  reading.tier = text(json.service_tier) ?? reading.tier;
  if (json.background === true) reading.background = true;
  const status = text(json.status);
  if (status === "failed") reading.failed = true;
  if (status === "completed" || status === "incomplete") reading.finished = true;
  if (json.tools !== undefined) readSearchTool(array(json.tools), reading);
  const raw = object(json.usage);
  readCost(raw, json, reading);
  if (!raw || raw.input_tokens === undefined || raw.input_tokens === null) return;
  report(reading, usageOf(raw));
  readTools(json, raw, reading);
  const images = json.tool_usage ? imageUsage(json) : undefined;
  if (images) reading.extra = [images];
}

function usageOf(raw: Json): Usage {
  const input = object(raw.input_tokens_details);
  const output = object(raw.output_tokens_details);
  const cacheRead = count(input?.cached_tokens);
  const total = count(raw.input_tokens);
  return canonicalUsage({
    input: cacheRead > total ? total + cacheRead : total,
    output: count(raw.output_tokens),
    cacheRead,
    cacheWrite: count(input?.cache_write_tokens),
    reasoning: count(output?.reasoning_tokens),
    cacheWrite1h: input?.cache_creation ? count(object(input.cache_creation)?.ephemeral_1h_input_tokens) : 0,
    inputAudio: input?.audio_tokens ? count(input.audio_tokens) : 0,
    cacheReadAudio: input?.cached_tokens_details ? count(object(input.cached_tokens_details)?.audio_tokens) : 0,
    outputAudio: output?.audio_tokens ? count(output.audio_tokens) : 0,
  });
}

/** Calls of functions, and of the vendor's own tools, which the model writes as well. */
function countToolCall(item: Json | undefined, reading: Reading): void {
  const type = text(item?.type);
  if (type === "reasoning") reading.reasons = true;
  if (!type?.endsWith("_call")) return;
  reading.toolCalls += 1;
  reading.callBytes += wireLength(item?.name);
}

function countOutput(item: Json | undefined, reading: Reading): void {
  if (!item) return;
  countToolCall(item, reading);
  for (const part of array(item.content)) reading.visible += wireLength(object(part)?.text);
  for (const part of array(item.summary)) reading.thought += wireLength(object(part)?.text);
  reading.callBytes += wireLength(item.arguments);
}
