import * as wire from "./formats.ts";
import type { Script, Visit } from "./model-server.ts";

/** What each answer reports, whichever API it is of: the input includes the cache, the output the reasoning. */
export const USED = { input: 1000, output: 100, cached: 200, reasoning: 40 };

const TEXT = "hello there";

/** Answers as the vendors do whose APIs agent programs speak; each says "hello there". */
export function answerAgents({ method, path, body }: Visit, attempt: number): Script {
  const [address = ""] = path.split("?");
  const asked = readObject(body);
  const id = String(attempt);
  if (method === "HEAD") return { steps: ["head"] };
  if (address.endsWith("/count_tokens")) return wire.whole({ input_tokens: USED.input });
  if (address.endsWith(":countTokens")) return wire.whole({ totalTokens: USED.input });
  if (method === "GET" && /\/models(?:\/|$)/.test(address)) return wire.whole({ object: "list", data: [], models: [] });
  if (method !== "POST") return notFound(path);
  if (address.endsWith("/chat/completions")) return chat(id, asked);
  if (address.endsWith("/responses")) return responses(id, asked);
  if (address.endsWith("/messages")) return messages(id, asked);
  const gemini = /\/models\/([^/:]+):(generate|streamGenerate)Content$/.exec(address);
  return gemini === null ? notFound(path) : generate(id, gemini[1] as string, gemini[2] === "streamGenerate", asked);
}

type Asked = Readonly<Record<string, unknown>>;

function readObject(text: string): Asked {
  try {
    return JSON.parse(text) as Asked;
  } catch {
    return {};
  }
}

function notFound(path: string): Script {
  return { ...wire.whole({ error: { message: `no ${path}` } }), status: 404 };
}

function chat(id: string, { model, stream, stream_options }: Asked): Script {
  const origin = { id: `chatcmpl-${id}`, model: String(model) };
  const usage = wire.chatUsage(USED);
  if (stream !== true) return wire.whole(wire.chatCompletion(origin, { content: TEXT }, usage));
  const asks = (stream_options as { include_usage?: boolean } | undefined)?.include_usage === true;
  return wire.streamed(
    wire.chatDelta(origin, { role: "assistant", content: "hello " }),
    wire.chatDelta(origin, { content: "there" }, {}, "stop"),
    asks ? wire.chatChunk(origin, [], { usage }) : "",
    wire.DONE,
  );
}

function responses(id: string, { model, stream }: Asked): Script {
  const { done, frames } = response(id, model);
  return stream === true ? wire.streamed(...wire.numbered(frames)) : wire.whole(done);
}

/** Codex first sends a request that only prepares the next. */
export function answerAgentSockets({ body }: Visit, attempt: number): readonly string[] {
  const asked = readObject(body);
  if (asked.type !== "response.create") return [];
  const { done, frames } = response(String(attempt), asked.model);
  if (asked.generate !== false) return frames.map((frame, at) => JSON.stringify({ ...frame, sequence_number: at }));
  const [created] = frames;
  return [created, { type: "response.completed", response: { ...done, output: [], usage: null } }].map((frame, at) =>
    JSON.stringify({ ...frame, sequence_number: at }),
  );
}

function response(id: string, model: unknown) {
  const origin = { id: `resp_${id}`, model: String(model) };
  const message = wire.outputMessage(`msg_${id}`, TEXT);
  const done = wire.responseObject(origin, "completed", [message], wire.responsesUsage(USED));
  const item = { output_index: 0, item: message };
  const frames: readonly { readonly type: string; readonly [key: string]: unknown }[] = [
    { type: "response.created", response: wire.responseObject(origin, "in_progress", [], null) },
    { type: "response.output_item.added", ...item, item: { ...message, status: "in_progress", content: [] } },
    ...wire.outputTextEvents(message.id, 0, ["hello ", "there"]),
    { type: "response.output_item.done", ...item },
    { type: "response.completed", response: done },
  ];
  return { done, frames };
}

function messages(id: string, { model, stream }: Asked): Script {
  const origin = { id: `msg_${id}`, model: String(model) };
  const usage = {
    input_tokens: USED.input - USED.cached,
    cache_read_input_tokens: USED.cached,
    cache_creation_input_tokens: 0,
    output_tokens: USED.output,
  };
  const text = { type: "text", text: TEXT };
  if (stream !== true) return wire.whole(wire.anthropicMessage(origin, [text], "end_turn", usage));
  return wire.streamed(
    wire.messageStart(wire.anthropicMessage(origin, [], null, { ...usage, output_tokens: 1 })),
    ...wire.contentBlock(0, { type: "text", text: "" }, [{ type: "text_delta", text: TEXT }]),
    wire.messageDelta({ output_tokens: USED.output }),
    wire.MESSAGE_STOP,
  );
}

/** A router of Gemini CLI asks for JSON first, by which it chooses the model. */
const CHOICE = JSON.stringify({
  reasoning: "short",
  model_choice: "flash",
  complexity_reasoning: "short",
  complexity_score: 10,
});

function generate(id: string, model: string, stream: boolean, { generationConfig }: Asked): Script {
  const { responseMimeType = "", responseJsonSchema } = (generationConfig ?? {}) as Record<string, unknown>;
  const text = responseJsonSchema !== undefined || String(responseMimeType).includes("json") ? CHOICE : TEXT;
  const answer = wire.geminiAnswer({ id: `g${id}`, model }, [{ text }], wire.geminiUsage(USED), "STOP");
  return stream ? wire.streamed(wire.data(answer)) : wire.whole(answer);
}
