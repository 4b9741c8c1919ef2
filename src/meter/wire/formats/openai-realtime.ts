import { amount, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, NO_USAGE, type Usage } from "../../../core/usage.ts";
import { shapeOf } from "../content/tools.ts";
import { openaiRefusal } from "../openai-error.ts";
import { openaiRates } from "../rates.ts";
import type { Received, SocketMessages, SocketState } from "../sockets/socket-messages.ts";
import { measureAll, wireLength } from "../text.ts";
import { type Reading, type RequestFacts, report, type WireFormat } from "./format.ts";

/** Events whose `delta` is output, and of which kind, under their names in the beta and since. */
const DELTAS: ReadonlyMap<unknown, "visible" | "callBytes"> = new Map(
  Object.entries({
    "response.text.delta": "visible",
    "response.output_text.delta": "visible",
    "response.audio_transcript.delta": "visible",
    "response.output_audio_transcript.delta": "visible",
    "response.function_call_arguments.delta": "callBytes",
    "response.mcp_call_arguments.delta": "callBytes",
  } as const),
);

const SPEECH = /^\s*\{[^{}[\]]*"type"\s*:\s*"response\.(?:output_)?audio\.delta"/;
const RESPONSE_ID = /"response_id"\s*:\s*"([^"]+)"/;
const MICROPHONE = /^\s*\{[^{}[\]]*"type"\s*:\s*"input_audio_buffer\.append"/;

/** Characters of base64 in a second of 16-bit samples at 24 kHz, the usual format, and of telephones' 8 bits at 8 kHz. */
const SECOND = (24_000 * 2 * 4) / 3;
const TELEPHONE_SECOND = (8_000 * 4) / 3;
const TELEPHONE = /^(?:g711_[au]law|audio\/pcm[au])$/;
/** The vendor counts a token for 50 ms of its own speech, and one for 100 ms of the user's. */
const SPOKEN_PER_SECOND = 20;
const HEARD_PER_SECOND = 10;

const socket: SocketMessages<RequestFacts> = {
  modelOf(address) {
    const query = URL.parse(address)?.searchParams;
    return query?.get("model") ?? query?.get("deployment") ?? undefined;
  },
  isQuiet(head, length, state) {
    if (!MICROPHONE.test(head)) return false;
    state.addedAudio += (length / (state.heardSecond ?? SECOND)) * HEARD_PER_SECOND;
    return true;
  },
  sent(message, state) {
    const { type } = message;
    if (type === "session.update" || type === "transcription_session.update")
      readSession(object(message.session), state);
    else if (type === "conversation.item.create") state.addedBytes += measureAll(message.item).bytes;
    return type === "response.create" ? factsOf(message, state) : undefined;
  },
  audio(head, length, state) {
    if (!SPEECH.test(head)) return undefined;
    return { id: RESPONSE_ID.exec(head)?.[1], tokens: (length / (state.spokenSecond ?? SECOND)) * SPOKEN_PER_SECOND };
  },
  received(message, state): Received | undefined {
    const type = text(message.type);
    const response = object(message.response);
    const id = text(message.response_id) ?? text(response?.id);
    switch (type) {
      case "session.created":
      case "session.updated":
      case "transcription_session.created":
      case "transcription_session.updated":
        readSession(object(message.session), state);
        return undefined;
      case "response.created":
        return { kind: "start", id };
      case "response.done":
        return { kind: "end", id, canceled: response?.status === "cancelled", reports: true };
      case "error":
        return { kind: "error", of: text(object(message.error)?.event_id) };
      case "conversation.item.input_audio_transcription.completed":
        return { kind: "side", model: state.transcriber ?? "transcription" };
      default:
        return id !== undefined && type?.startsWith("response.") ? { kind: "part", id } : undefined;
    }
  },
  refusal: (body) => ({ type: "error", event_id: "event_spendfuse", error: body.error }),
  stop: (id) => (id === undefined ? { type: "response.cancel" } : { type: "response.cancel", response_id: id }),
};

const NOTHING_SAID: RequestFacts = { model: undefined, stream: true, inputBytes: undefined, attachments: undefined };

/** OpenAI Realtime, in the names of its beta and since. Every response reports the whole conversation as its input. */
export const openaiRealtime: WireFormat = {
  name: "openai-realtime",
  operation: "chat",
  provider: "openai",
  deltaKeys: [],
  strictDeltas: true,
  endpoints: [{ method: "WEBSOCKET", path: "/realtime", framing: "message", evidence: {} }],
  rates: openaiRates,
  refusal: openaiRefusal,
  socket,

  readRequest: () => undefined,
  readBody: () => undefined,

  readFrame(frame, event, reading) {
    const type = text(frame.type) ?? event;
    const kind = DELTAS.get(type);
    if (kind !== undefined) {
      reading.recognized = true;
      reading[kind] += wireLength(frame.delta);
      return false;
    }
    if (type === "response.output_item.added") countItem(object(frame.item), reading);
    if (type === "conversation.item.input_audio_transcription.completed") readTranscription(frame, reading);
    const response = object(frame.response);
    if (response !== undefined) readResponse(response, type === "response.done", reading);
    return false;
  },
};

/** What a session says of its models; the beta has transcription at its top, later versions in `audio.input`. */
function readSession(session: Json | undefined, state: SocketState): void {
  if (session === undefined) return;
  state.model = text(session.model) ?? state.model;
  const transcription = object(session.input_audio_transcription) ?? object(inputOf(session)?.transcription);
  state.transcriber = text(transcription?.model) ?? state.transcriber;
  state.heardSecond = secondOf(inputOf(session)?.format ?? session.input_audio_format) ?? state.heardSecond;
  const output = object(object(session.audio)?.output);
  state.spokenSecond = secondOf(output?.format ?? session.output_audio_format) ?? state.spokenSecond;
  const limit = session.max_output_tokens ?? session.max_response_output_tokens;
  if (limit !== undefined) state.maxOutput = amount(limit);
  if (session.tools !== undefined) state.tools = shapeOf(session.tools);
  if (state.knownTokens === 0) {
    state.addedBytes = Math.max(state.addedBytes, measureAll(session.instructions, session.tools).bytes);
  }
}

function inputOf(session: Json): Json | undefined {
  return object(object(session.audio)?.input);
}

/** Characters of base64 in a second of a format of audio: a name in the beta, an object with a `type` since. */
function secondOf(format: unknown): number | undefined {
  const name = text(object(format)?.type) ?? text(format);
  return name === undefined ? undefined : TELEPHONE.test(name) ? TELEPHONE_SECOND : SECOND;
}

function factsOf(message: Json, state: SocketState): RequestFacts {
  const response = object(message.response) ?? {};
  return {
    ...NOTHING_SAID,
    model: state.model,
    maxOutput: amount(response.max_output_tokens ?? response.max_response_output_tokens) ?? state.maxOutput,
    tools: response.tools === undefined ? state.tools : shapeOf(response.tools),
    metadata: object(response.metadata),
  };
}

function countItem(item: Json | undefined, reading: Reading): void {
  if (item?.type !== "function_call") return;
  reading.toolCalls += 1;
  reading.callBytes += wireLength(item.name);
}

function readResponse(response: Json, done: boolean, reading: Reading): void {
  reading.recognized = true;
  reading.responseId ??= text(response.id);
  const usage = object(response.usage);
  if (usage?.input_tokens !== undefined) report(reading, usageOf(usage));
  if (!done) return;
  const { status } = response;
  if (status === "failed") reading.failed = true;
  // The transport settles a response that was stopped.
  else if (status !== "cancelled") reading.finished = reading.terminal = true;
}

function usageOf(raw: Json): Usage {
  const input = object(raw.input_token_details);
  const output = object(raw.output_token_details);
  const cached = object(input?.cached_tokens_details);
  return canonicalUsage({
    input: count(raw.input_tokens),
    output: count(raw.output_tokens),
    cacheRead: count(input?.cached_tokens),
    inputAudio: count(input?.audio_tokens),
    inputImage: count(input?.image_tokens),
    cacheReadAudio: count(cached?.audio_tokens),
    outputAudio: count(output?.audio_tokens),
    reasoning: count(output?.reasoning_tokens),
  });
}

/** A transcription is charged by tokens or by time, as its model is. */
function readTranscription(frame: Json, reading: Reading): void {
  const raw = object(frame.usage);
  reading.recognized = true;
  reading.responseId = text(frame.item_id);
  reading.finished = reading.terminal = true;
  if (raw === undefined) return;
  const seconds = amount(raw.seconds);
  reading.usage =
    raw.type === "duration"
      ? { ...NO_USAGE, ...(seconds !== undefined && { units: { transcription_seconds: Math.ceil(seconds) } }) }
      : canonicalUsage({
          input: count(raw.input_tokens),
          output: count(raw.output_tokens),
          inputAudio: count(object(raw.input_token_details)?.audio_tokens),
        });
  reading.inputReported = reading.outputReported = true;
}
