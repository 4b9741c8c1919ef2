import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

/** A host of the user's own that speaks as OpenAI does. */
export const GATEWAY = "llm.example.com";

const CONTENT = "You are a geographer. Answer in one sentence, and name your source: what is the capital of Mexico?";
const MESSAGES: { role: "user"; content: string }[] = [{ role: "user", content: CONTENT }];

export type Stream = AsyncIterable<unknown>;

/** Makes one call and returns what streams back; the clients use the fetch that is global when they are made. */
export type Caller = () => Promise<Stream>;

export function openaiCaller(baseURL: string, includeUsage: boolean): Caller {
  const client = new OpenAI({ apiKey: "sk-bench", baseURL, maxRetries: 0 });
  const usage = includeUsage ? { stream_options: { include_usage: true } } : {};
  return () => client.chat.completions.create({ model: "gpt-4o-mini", messages: MESSAGES, stream: true, ...usage });
}

export function anthropicCaller(): Caller {
  const client = new Anthropic({ apiKey: "sk-bench", maxRetries: 0 });
  return () =>
    client.messages.create({ model: "claude-sonnet-4-6", max_tokens: 1_024, messages: MESSAGES, stream: true });
}

/** A caller who knows only fetch. */
export function fetchCaller(): Caller {
  const body = JSON.stringify({
    model: "gpt-4o-mini",
    messages: MESSAGES,
    stream: true,
    stream_options: { include_usage: true },
  });
  const headers = { "content-type": "application/json", authorization: "Bearer sk-bench" };
  const send = fetch;
  return async () => {
    const response = await send("https://api.openai.com/v1/chat/completions", { method: "POST", headers, body });
    return response.body as ReadableStream;
  };
}

/** A caller of Bedrock who knows only fetch, and does not decode the frames. */
export function bedrockCaller(): Caller {
  const body = JSON.stringify({ messages: [{ role: "user", content: [{ text: CONTENT }] }] });
  const headers = { "content-type": "application/json" };
  const send = fetch;
  const address = "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-pro-v1%3A0/converse-stream";
  return async () => (await send(address, { method: "POST", headers, body })).body as ReadableStream;
}

/** A call that is answered whole. */
export function openaiWhole(): () => Promise<unknown> {
  const client = new OpenAI({ apiKey: "sk-bench", maxRetries: 0 });
  return () => client.chat.completions.create({ model: "gpt-4o-mini", messages: MESSAGES });
}

export const CALLERS: Readonly<Record<string, () => Caller>> = {
  openai: () => openaiCaller("https://api.openai.com/v1", true),
  "openai-hidden": () => openaiCaller(`https://${GATEWAY}/v1`, false),
  anthropic: anthropicCaller,
  fetch: fetchCaller,
  bedrock: bedrockCaller,
};
