import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import { shapeOf } from "../content/tools.ts";
import { googleRates } from "../rates.ts";
import type { Received, SocketMessages, SocketState } from "../sockets/socket-messages.ts";
import { measureAll, wireLength } from "../text.ts";
import { type Reading, type RequestFacts, report, type WireFormat } from "./format.ts";
import { googleGenerate } from "./google-generate.ts";

const MICROPHONE = /^\s*\{\s*"(?:realtimeInput|realtime_input)"\s*:/;

/** Characters of base64 in a second of 16-bit samples: the user's at 16 kHz, the model's at 24 kHz. */
const HEARD_SECOND = (16_000 * 2 * 4) / 3;
const SPOKEN_SECOND = (24_000 * 2 * 4) / 3;
/** The vendor counts 32 tokens for a second of the user's speech and 25 for one of its own. */
const HEARD_PER_SECOND = 32;
const SPOKEN_PER_SECOND = 25;

const socket: SocketMessages<RequestFacts> = {
  modelOf: () => undefined,
  isQuiet(head, length, state) {
    if (!MICROPHONE.test(head)) return false;
    state.addedAudio += (length / HEARD_SECOND) * HEARD_PER_SECOND;
    return true;
  },
  sent(message, state) {
    const setup = object(message.setup);
    if (setup !== undefined) readSetup(setup, state);
    const content = object(message.clientContent) ?? object(message.client_content);
    if (content !== undefined) {
      state.addedBytes += measureAll(content.turns).bytes;
      return (content.turnComplete ?? content.turn_complete) === true ? factsOf(state) : undefined;
    }
    const answer = object(message.toolResponse) ?? object(message.tool_response);
    if (answer === undefined) return undefined;
    state.addedBytes += JSON.stringify(answer).length;
    // An answer that comes while the model goes on belongs to the same turn.
    return state.running ? undefined : factsOf(state);
  },
  received(message, state): Received | undefined {
    const content = object(message.serverContent) ?? object(message.server_content);
    const called = message.toolCall ?? message.tool_call;
    const usage = message.usageMetadata ?? message.usage_metadata;
    const ends = content?.turnComplete === true || content?.turn_complete === true;
    const output = content?.modelTurn ?? content?.model_turn ?? content?.outputTranscription ?? called;
    if (output === undefined && !state.running && !ends) return usage === undefined ? undefined : { kind: "late" };
    if (output === undefined && usage === undefined && !ends && content?.interrupted !== true) return undefined;
    if (content?.interrupted === true) state.interrupted = true;
    // A tool's answer begins the next generation, which has a report of its own.
    const over = ends || (called !== undefined && usage !== undefined);
    const first = !state.running;
    state.running = !over;
    if (over) {
      const canceled = state.interrupted;
      state.interrupted = false;
      return { kind: "end", id: undefined, canceled, reports: usage !== undefined };
    }
    return { kind: first && output !== undefined ? "start" : "part", id: undefined };
  },
  refusal: (body) => ({ error: body.error, serverContent: { turnComplete: true } }),
  refusalCloses: true,
  reportsLate: true,
};

/**
 * Google's Live API, of the Gemini API and of Vertex AI. A report is of one turn, with the whole conversation as its
 * input; of several in a turn the last one counts. It may follow the end of its turn. Unconfirmed for turns with tool
 * calls.
 */
export const geminiLive: WireFormat = {
  name: "gemini-live",
  operation: "generate_content",
  provider: "gcp.gemini",
  deltaKeys: [],
  strictDeltas: true,
  endpoints: [
    { method: "WEBSOCKET", path: "/{service}.BidiGenerateContent", framing: "message", evidence: {} },
    { method: "WEBSOCKET", path: "/{service}.BidiGenerateContentConstrained", framing: "message", evidence: {} },
    { method: "WEBSOCKET", path: "/{service}.LlmBidiService/BidiGenerateContent", framing: "message", evidence: {} },
  ],
  rates: googleRates,
  refusal: googleGenerate.refusal,
  socket,

  readRequest: () => undefined,
  readBody: () => undefined,

  readFrame(frame, _event, reading) {
    reading.recognized = true;
    if (object(frame.error)) reading.failed = true;
    const content = object(frame.serverContent) ?? object(frame.server_content);
    if (content !== undefined) readContent(content, reading);
    for (const item of array(object(frame.toolCall)?.functionCalls)) countTool(object(item), reading);
    const raw = object(frame.usageMetadata) ?? object(frame.usage_metadata);
    if (raw === undefined) return false;
    reading.tier = text(raw.serviceTier) ?? text(raw.trafficType) ?? reading.tier;
    report(reading, usageOf(raw));
    return false;
  },
};

function readSetup(setup: Json, state: SocketState): void {
  const name = text(setup.model);
  if (name !== undefined) state.model = name.slice(name.lastIndexOf("/") + 1);
  state.addedBytes += measureAll(setup.systemInstruction ?? setup.system_instruction).bytes;
  state.maxOutput = amount(object(setup.generationConfig)?.maxOutputTokens);
  if (setup.tools !== undefined) state.tools = shapeOf(setup.tools);
}

function factsOf(state: SocketState): RequestFacts {
  return {
    model: state.model,
    stream: true,
    inputBytes: undefined,
    attachments: undefined,
    maxOutput: state.maxOutput,
    tools: state.tools,
  };
}

function readContent(content: Json, reading: Reading): void {
  if (content.turnComplete === true || content.turn_complete === true) reading.finished = true;
  if (content.generationComplete === true) reading.finished = true;
  for (const item of array((object(content.modelTurn) ?? object(content.model_turn))?.parts)) {
    const part = object(item);
    const kind = part?.thought === true ? "thought" : "visible";
    if (kind === "thought") reading.reasons = true;
    reading[kind] += wireLength(part?.text);
    const data = object(part?.inlineData) ?? object(part?.inline_data);
    if (typeof data?.data === "string") reading.audio += (data.data.length / SPOKEN_SECOND) * SPOKEN_PER_SECOND;
  }
}

function countTool(call: Json | undefined, reading: Reading): void {
  reading.toolCalls += 1;
  reading.callBytes += wireLength(call?.name) + JSON.stringify(call?.args ?? {}).length;
}

function usageOf(raw: Json): Usage {
  const thoughts = count(raw.thoughtsTokenCount);
  const prompt = array(raw.promptTokensDetails);
  const response = array(raw.responseTokensDetails ?? raw.candidatesTokensDetails);
  return canonicalUsage({
    input: count(raw.promptTokenCount) + count(raw.toolUsePromptTokenCount),
    output: (count(raw.responseTokenCount) || count(raw.candidatesTokenCount)) + thoughts,
    cacheRead: count(raw.cachedContentTokenCount),
    reasoning: thoughts,
    inputAudio: modality(prompt, "AUDIO"),
    inputImage: modality(prompt, "IMAGE") + modality(prompt, "VIDEO"),
    cacheReadAudio: modality(array(raw.cacheTokensDetails), "AUDIO"),
    outputAudio: modality(response, "AUDIO"),
    outputImage: modality(response, "IMAGE"),
  });
}

function modality(details: readonly unknown[], name: string): number {
  let sum = 0;
  for (const item of details) {
    const detail = object(item);
    if (detail?.modality === name) sum += count(detail.tokenCount);
  }
  return sum;
}
